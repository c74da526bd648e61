# unit tests of src/metrics
check_PROGRAMS += tests/unit/metrics/metrics_test
tests_unit_metrics_metrics_test_SOURCES = tests/unit/metrics/metrics_test.c
tests_unit_metrics_metrics_test_LDADD = $(LIB_METRICS) $(LIB_BASE) $(UNIT_LIBS)
