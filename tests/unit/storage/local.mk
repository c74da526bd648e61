# unit tests of src/storage
STORAGE_TEST_LIBS = $(LIB_STORAGE) $(LIB_BASE) $(SQLITE_LIBS) $(UNIT_LIBS)

check_PROGRAMS += tests/unit/storage/data_dir_test
tests_unit_storage_data_dir_test_SOURCES = \
	tests/unit/storage/data_dir_test.c tests/unit/storage/scratch.h
tests_unit_storage_data_dir_test_LDADD = $(STORAGE_TEST_LIBS)

check_PROGRAMS += tests/unit/storage/kvdb_test
tests_unit_storage_kvdb_test_SOURCES = \
	tests/unit/storage/kvdb_test.c tests/unit/storage/scratch.h
tests_unit_storage_kvdb_test_LDADD = $(STORAGE_TEST_LIBS)

check_PROGRAMS += tests/unit/storage/logdb_test
tests_unit_storage_logdb_test_SOURCES = \
	tests/unit/storage/logdb_test.c tests/unit/storage/scratch.h
tests_unit_storage_logdb_test_LDADD = $(STORAGE_TEST_LIBS)

check_PROGRAMS += tests/unit/storage/snapshot_etcdctl_test
tests_unit_storage_snapshot_etcdctl_test_SOURCES = \
	tests/unit/storage/snapshot_etcdctl_test.c tests/unit/storage/scratch.h
tests_unit_storage_snapshot_etcdctl_test_LDADD = $(STORAGE_TEST_LIBS)

check_PROGRAMS += tests/unit/storage/snapshot_file_test
tests_unit_storage_snapshot_file_test_SOURCES = \
	tests/unit/storage/snapshot_file_test.c tests/unit/storage/scratch.h
tests_unit_storage_snapshot_file_test_LDADD = $(STORAGE_TEST_LIBS)

check_PROGRAMS += tests/unit/storage/storage_fault_test
tests_unit_storage_storage_fault_test_SOURCES = \
	tests/unit/storage/storage_fault_test.c tests/unit/storage/scratch.h \
	tests/lib/fault_vfs.c tests/lib/fault_vfs.h
tests_unit_storage_storage_fault_test_LDADD = $(STORAGE_TEST_LIBS)

check_PROGRAMS += tests/unit/storage/row_cache_test
tests_unit_storage_row_cache_test_SOURCES = tests/unit/storage/row_cache_test.c
tests_unit_storage_row_cache_test_LDADD = $(LIB_STORAGE) $(LIB_BASE) $(UNIT_LIBS)

check_PROGRAMS += tests/unit/storage/snapshot_reader_test
tests_unit_storage_snapshot_reader_test_SOURCES = \
	tests/unit/storage/snapshot_reader_test.c tests/unit/storage/scratch.h
tests_unit_storage_snapshot_reader_test_LDADD = $(STORAGE_TEST_LIBS)

check_PROGRAMS += tests/unit/storage/snapshot_restore_test
tests_unit_storage_snapshot_restore_test_SOURCES = \
	tests/unit/storage/snapshot_restore_test.c tests/unit/storage/scratch.h \
	tests/lib/fault_vfs.c tests/lib/fault_vfs.h
tests_unit_storage_snapshot_restore_test_LDADD = $(STORAGE_TEST_LIBS)
