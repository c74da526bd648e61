# unit tests of src/etcdutl; tests/ctl/utl_*.py have the rest
check_PROGRAMS += tests/unit/etcdutl/restore_fault_test
tests_unit_etcdutl_restore_fault_test_SOURCES = \
	tests/unit/etcdutl/restore_fault_test.c tests/unit/storage/scratch.h \
	tests/lib/fault_vfs.c tests/lib/fault_vfs.h
tests_unit_etcdutl_restore_fault_test_LDADD = $(LIB_ETCDUTL) $(LIB_UPSTREAM) $(LIB_APPLY) \
	$(LIB_MVCC) $(LIB_LEASE) $(LIB_MEMBERSHIP) $(LIB_RAFT) $(LIB_STORAGE) $(LIB_CONFIG) $(LIB_PB) \
	$(LIB_BASE) $(SQLITE_LIBS) $(OPENSSL_LIBS) $(UNIT_LIBS)
