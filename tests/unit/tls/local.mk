# unit tests of src/tls
check_PROGRAMS += tests/unit/tls/tls_test

tests_unit_tls_tls_test_SOURCES = tests/unit/tls/tls_test.c \
	tests/unit/tls/certs.c tests/unit/tls/certs.h \
	tests/unit/tls/peer.c tests/unit/tls/peer.h $(TEST_HTTP_RIG)
tests_unit_tls_tls_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_tls_tls_test_LDADD = $(LIB_TLS) $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
