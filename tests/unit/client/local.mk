# unit tests of src/client
check_PROGRAMS += tests/unit/client/call_test tests/unit/client/recipe_test \
	tests/unit/client/reentry_test tests/unit/client/watch_test

TEST_CLIENT_RIG = tests/unit/client/fake.c tests/unit/client/fake.h
TEST_CLIENT_LIBS = $(LIB_CLIENT) $(LIB_GRPC) $(LIB_TLS) $(LIB_HTTP) $(LIB_LOOP) $(LIB_PB) \
	$(LIB_BASE) $(UNIT_LIBS)

tests_unit_client_call_test_SOURCES = tests/unit/client/call_test.c $(TEST_CLIENT_RIG)
tests_unit_client_call_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_client_call_test_LDADD = $(TEST_CLIENT_LIBS)
tests_unit_client_recipe_test_SOURCES = tests/unit/client/recipe_test.c $(TEST_CLIENT_RIG)
tests_unit_client_recipe_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_client_recipe_test_LDADD = $(TEST_CLIENT_LIBS)
tests_unit_client_reentry_test_SOURCES = tests/unit/client/reentry_test.c $(TEST_CLIENT_RIG)
tests_unit_client_reentry_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_client_reentry_test_LDADD = $(TEST_CLIENT_LIBS)
tests_unit_client_watch_test_SOURCES = tests/unit/client/watch_test.c $(TEST_CLIENT_RIG)
tests_unit_client_watch_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_client_watch_test_LDADD = $(TEST_CLIENT_LIBS)
