# unit tests of src/ctlv2
check_PROGRAMS += tests/unit/ctlv2/args_test tests/unit/ctlv2/proxy_test tests/unit/ctlv2/uri_test
tests_unit_ctlv2_args_test_SOURCES = tests/unit/ctlv2/args_test.c
tests_unit_ctlv2_args_test_LDADD = $(LIB_CTLV2) $(LIB_CLI) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_ctlv2_proxy_test_SOURCES = tests/unit/ctlv2/proxy_test.c
tests_unit_ctlv2_proxy_test_LDADD = $(LIB_CTLV2) $(LIB_CLI) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_ctlv2_uri_test_SOURCES = tests/unit/ctlv2/uri_test.c
tests_unit_ctlv2_uri_test_LDADD = $(LIB_CTLV2) $(LIB_CLI) $(LIB_BASE) $(UNIT_LIBS)
