# unit tests of src/discover
check_PROGRAMS += tests/unit/discover/srv_test
tests_unit_discover_srv_test_SOURCES = tests/unit/discover/srv_test.c
tests_unit_discover_srv_test_LDADD = $(LIB_DISCOVER) $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
