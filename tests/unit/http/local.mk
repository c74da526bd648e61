# unit tests of src/http
check_PROGRAMS += tests/unit/http/client_test tests/unit/http/h1_test tests/unit/http/h2_client_test tests/unit/http/h2_test \
	tests/unit/http/listener_test tests/unit/http/upgrade_test tests/unit/http/websocket_test

TEST_HTTP_RIG = \
	tests/unit/http/app.c tests/unit/http/app.h \
	tests/unit/http/rig.c tests/unit/http/rig.h
tests_unit_http_client_test_SOURCES = tests/unit/http/client_test.c $(TEST_HTTP_RIG)
tests_unit_http_client_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_http_client_test_LDADD = $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_http_h1_test_SOURCES = tests/unit/http/h1_test.c $(TEST_HTTP_RIG)
tests_unit_http_h1_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_http_h1_test_LDADD = $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_http_h2_client_test_SOURCES = tests/unit/http/h2_client_test.c \
	tests/unit/http/h2_far.c tests/unit/http/h2_far.h $(TEST_HTTP_RIG)
tests_unit_http_h2_client_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_http_h2_client_test_LDADD = $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_http_h2_test_SOURCES = tests/unit/http/h2_test.c $(TEST_HTTP_RIG)
tests_unit_http_h2_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_http_h2_test_LDADD = $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_http_listener_test_SOURCES = tests/unit/http/listener_test.c $(TEST_HTTP_RIG)
tests_unit_http_listener_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_http_listener_test_LDADD = $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_http_upgrade_test_SOURCES = \
	tests/unit/http/upgrade_test.c tests/unit/http/frames.h $(TEST_HTTP_RIG)
tests_unit_http_upgrade_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_http_upgrade_test_LDADD = $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_http_websocket_test_SOURCES = tests/unit/http/websocket_test.c tests/unit/http/frames.h
tests_unit_http_websocket_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_http_websocket_test_LDADD = $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
