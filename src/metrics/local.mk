noinst_LIBRARIES += src/metrics/libmetrics.a
src_metrics_libmetrics_a_SOURCES =
