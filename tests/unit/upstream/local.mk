# unit tests of src/upstream
UPSTREAM_TEST_LIBS = $(LIB_UPSTREAM) $(LIB_MEMBERSHIP) $(LIB_STORAGE) $(LIB_BASE) $(SQLITE_LIBS) $(UNIT_LIBS)

check_PROGRAMS += tests/unit/upstream/wal_test tests/unit/upstream/snap_test
tests_unit_upstream_wal_test_SOURCES = tests/unit/upstream/wal_test.c tests/unit/storage/scratch.h
tests_unit_upstream_wal_test_LDADD = $(UPSTREAM_TEST_LIBS)
tests_unit_upstream_snap_test_SOURCES = tests/unit/upstream/snap_test.c tests/unit/storage/scratch.h
tests_unit_upstream_snap_test_LDADD = $(UPSTREAM_TEST_LIBS)
