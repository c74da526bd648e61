noinst_LIBRARIES += src/tls/libtls.a
src_tls_libtls_a_SOURCES = \
	src/tls/context.c src/tls/context.h \
	src/tls/io.c src/tls/io.h
