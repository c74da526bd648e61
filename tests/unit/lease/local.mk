# unit tests of src/lease
check_PROGRAMS += tests/unit/lease/lessor_test
tests_unit_lease_lessor_test_SOURCES = tests/unit/lease/lessor_test.c
tests_unit_lease_lessor_test_LDADD = $(LIB_LEASE) $(LIB_BASE) $(UNIT_LIBS)
