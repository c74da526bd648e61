# Unit tests of src/raft. RAFT_TESTDATA names a folder with upstream's scenarios; without it
# datadriven_test is skipped.
raft_test_memlog = tests/unit/raft/memlog.c tests/unit/raft/memlog.h
raft_test_dd = $(raft_test_memlog) tests/unit/raft/dd.h tests/unit/raft/dd_env.c tests/unit/raft/dd_file.c \
	tests/unit/raft/dd_tables.c tests/unit/raft/dd_text.c
raft_test_net = $(raft_test_dd) tests/unit/raft/net.c tests/unit/raft/net.h
raft_test_libs = $(LIB_RAFT) $(LIB_BASE) $(UNIT_LIBS)

check_PROGRAMS += tests/unit/raft/single_test
tests_unit_raft_single_test_SOURCES = tests/unit/raft/single_test.c $(raft_test_memlog)
tests_unit_raft_single_test_LDADD = $(raft_test_libs)

check_PROGRAMS += tests/unit/raft/parts_test
tests_unit_raft_parts_test_SOURCES = tests/unit/raft/parts_test.c $(raft_test_memlog)
tests_unit_raft_parts_test_LDADD = $(raft_test_libs)

check_PROGRAMS += tests/unit/raft/election_test
tests_unit_raft_election_test_SOURCES = tests/unit/raft/election_test.c $(raft_test_net)
tests_unit_raft_election_test_LDADD = $(raft_test_libs)

check_PROGRAMS += tests/unit/raft/replication_test
tests_unit_raft_replication_test_SOURCES = tests/unit/raft/replication_test.c $(raft_test_net)
tests_unit_raft_replication_test_LDADD = $(raft_test_libs)

check_PROGRAMS += tests/unit/raft/conf_test
tests_unit_raft_conf_test_SOURCES = tests/unit/raft/conf_test.c $(raft_test_net)
tests_unit_raft_conf_test_LDADD = $(raft_test_libs)

check_PROGRAMS += tests/unit/raft/read_test
tests_unit_raft_read_test_SOURCES = tests/unit/raft/read_test.c $(raft_test_net)
tests_unit_raft_read_test_LDADD = $(raft_test_libs)

check_PROGRAMS += tests/unit/raft/hostile_test
tests_unit_raft_hostile_test_SOURCES = tests/unit/raft/hostile_test.c $(raft_test_net)
tests_unit_raft_hostile_test_LDADD = $(raft_test_libs)

check_PROGRAMS += tests/unit/raft/fuzz_test
tests_unit_raft_fuzz_test_SOURCES = tests/unit/raft/fuzz_test.c $(raft_test_net)
tests_unit_raft_fuzz_test_LDADD = $(raft_test_libs)

check_PROGRAMS += tests/unit/raft/scenario_test
tests_unit_raft_scenario_test_SOURCES = tests/unit/raft/scenario_test.c $(raft_test_dd)
tests_unit_raft_scenario_test_LDADD = $(raft_test_libs)

check_PROGRAMS += tests/unit/raft/datadriven_test
tests_unit_raft_datadriven_test_SOURCES = tests/unit/raft/datadriven_test.c $(raft_test_dd)
tests_unit_raft_datadriven_test_LDADD = $(raft_test_libs)
