# unit tests of tests/sim
check_PROGRAMS += tests/unit/sim/linear_test
tests_unit_sim_linear_test_SOURCES = \
	tests/unit/sim/linear_test.c tests/sim/linear.c tests/sim/linear.h
tests_unit_sim_linear_test_LDADD = $(LIB_BASE) $(UNIT_LIBS)
