# unit tests of src/benchmark; tests/ctl/benchmark.py has the rest
check_PROGRAMS += tests/unit/benchmark/report_test
tests_unit_benchmark_report_test_SOURCES = tests/unit/benchmark/report_test.c
tests_unit_benchmark_report_test_LDADD = $(LIB_BENCHMARK) $(LIB_CLI) $(LIB_CLIENT) $(LIB_GRPC) \
	$(LIB_HTTP) $(LIB_TLS) $(LIB_LOOP) $(LIB_PB) $(LIB_BASE) $(OPENSSL_LIBS) -lresolv -lm \
	$(UNIT_LIBS)
