# The client library as a program, for tests/client/library.py.
noinst_PROGRAMS += tests/client/tool
tests_client_tool_SOURCES = tests/client/tool.c
tests_client_tool_LDADD = $(LIB_CLIENT) $(LIB_GRPC) $(LIB_TLS) $(LIB_HTTP) $(LIB_LOOP) $(LIB_PB) \
	$(LIB_BASE)
