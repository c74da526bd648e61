# unit tests of src/api
check_PROGRAMS += \
	tests/unit/api/check_test \
	tests/unit/api/api_test \
	tests/unit/api/json_test \
	tests/unit/api/pages_test \
	tests/unit/api/service_test \
	tests/unit/api/text_test \
	tests/unit/api/websocket_test

TEST_API_RIG = \
	tests/unit/api/fake_server.c tests/unit/api/fake_server.h \
	tests/unit/api/rig.c tests/unit/api/rig.h
TEST_API_LIBS = $(LIB_API) $(LIB_GRPC) $(LIB_HTTP) $(LIB_LOOP) $(LIB_METRICS) $(LIB_CONFIG) \
	$(LIB_PB) $(LIB_BASE) $(OPENSSL_LIBS) $(UNIT_LIBS)

tests_unit_api_check_test_SOURCES = tests/unit/api/check_test.c
tests_unit_api_check_test_LDADD = $(TEST_API_LIBS)
tests_unit_api_api_test_SOURCES = tests/unit/api/api_test.c \
	tests/unit/api/fake_server.c tests/unit/api/fake_server.h
tests_unit_api_api_test_LDADD = $(TEST_API_LIBS)
tests_unit_api_json_test_SOURCES = tests/unit/api/json_test.c
tests_unit_api_json_test_LDADD = $(TEST_API_LIBS)
tests_unit_api_pages_test_SOURCES = tests/unit/api/pages_test.c $(TEST_API_RIG)
tests_unit_api_pages_test_LDADD = $(TEST_API_LIBS)
tests_unit_api_service_test_SOURCES = tests/unit/api/service_test.c $(TEST_API_RIG)
tests_unit_api_service_test_LDADD = $(TEST_API_LIBS)
tests_unit_api_text_test_SOURCES = tests/unit/api/text_test.c $(TEST_API_RIG)
tests_unit_api_text_test_LDADD = $(TEST_API_LIBS)
tests_unit_api_websocket_test_SOURCES = tests/unit/api/websocket_test.c $(TEST_API_RIG)
tests_unit_api_websocket_test_LDADD = $(TEST_API_LIBS)
