check_PROGRAMS += tests/unit/raft/single_test
tests_unit_raft_single_test_SOURCES = tests/unit/raft/single_test.c \
	tests/unit/raft/memlog.c tests/unit/raft/memlog.h
tests_unit_raft_single_test_LDADD = $(LIB_RAFT) $(LIB_BASE) $(UNIT_LIBS)
