# unit tests of src/grpc
check_PROGRAMS += tests/unit/grpc/client_test tests/unit/grpc/deadline_test \
	tests/unit/grpc/server_test tests/unit/grpc/wire_test
tests_unit_grpc_client_test_SOURCES = tests/unit/grpc/client_test.c \
	tests/unit/http/rig.c tests/unit/http/rig.h
tests_unit_grpc_client_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_grpc_client_test_LDADD = $(LIB_GRPC) $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_grpc_deadline_test_SOURCES = tests/unit/grpc/deadline_test.c
tests_unit_grpc_deadline_test_LDADD = $(LIB_GRPC) $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_grpc_server_test_SOURCES = tests/unit/grpc/server_test.c \
	tests/unit/http/rig.c tests/unit/http/rig.h
tests_unit_grpc_server_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_grpc_server_test_LDADD = $(LIB_GRPC) $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_grpc_wire_test_SOURCES = tests/unit/grpc/wire_test.c
tests_unit_grpc_wire_test_LDADD = $(LIB_GRPC) $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
