# unit tests of src/server
SERVER_TEST_LIBS = $(LIB_SERVER) $(LIB_APPLY) $(LIB_MVCC) $(LIB_LEASE) $(LIB_MEMBERSHIP) \
	$(LIB_RAFT) $(LIB_PEER) $(LIB_HTTP) $(LIB_LOOP) $(LIB_STORAGE) $(LIB_CONFIG) $(LIB_METRICS) $(LIB_PB) $(LIB_BASE) \
	$(JANSSON_LIBS) $(OPENSSL_LIBS) $(UNIT_LIBS)
SERVER_TEST_RIG = tests/unit/server/rig.c tests/unit/server/rig.h tests/unit/apply/requests.h

check_PROGRAMS += \
	tests/unit/server/bootstrap_test \
	tests/unit/server/entry_cache_test \
	tests/unit/server/compactor_test \
	tests/unit/server/follower_test \
	tests/unit/server/parts_test \
	tests/unit/server/server_test \
	tests/unit/server/summary_test \
	tests/unit/server/watch_test
tests_unit_server_bootstrap_test_SOURCES = tests/unit/server/bootstrap_test.c \
	tests/lib/mem_backend.c tests/lib/mem_backend.h
tests_unit_server_bootstrap_test_LDADD = $(SERVER_TEST_LIBS)
tests_unit_server_entry_cache_test_SOURCES = tests/unit/server/entry_cache_test.c
tests_unit_server_entry_cache_test_LDADD = $(SERVER_TEST_LIBS)
tests_unit_server_compactor_test_SOURCES = tests/unit/server/compactor_test.c
tests_unit_server_compactor_test_LDADD = $(SERVER_TEST_LIBS)
tests_unit_server_follower_test_SOURCES = tests/unit/server/follower_test.c \
	tests/unit/server/rig.h tests/lib/fault_vfs.c tests/lib/fault_vfs.h
tests_unit_server_follower_test_LDADD = $(SERVER_TEST_LIBS)
tests_unit_server_parts_test_SOURCES = tests/unit/server/parts_test.c
tests_unit_server_parts_test_LDADD = $(SERVER_TEST_LIBS)
tests_unit_server_server_test_SOURCES = tests/unit/server/server_test.c $(SERVER_TEST_RIG)
tests_unit_server_server_test_LDADD = $(SERVER_TEST_LIBS)
tests_unit_server_summary_test_SOURCES = tests/unit/server/summary_test.c $(SERVER_TEST_RIG)
tests_unit_server_summary_test_LDADD = $(SERVER_TEST_LIBS)
tests_unit_server_watch_test_SOURCES = tests/unit/server/watch_test.c $(SERVER_TEST_RIG)
tests_unit_server_watch_test_LDADD = $(SERVER_TEST_LIBS)
