noinst_LIBRARIES += src/loop/libloop.a
src_loop_libloop_a_SOURCES =
