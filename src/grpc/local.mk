noinst_LIBRARIES += src/grpc/libgrpc.a
src_grpc_libgrpc_a_SOURCES = \
	src/grpc/client.c src/grpc/client.h \
	src/grpc/deadline.c src/grpc/deadline.h \
	src/grpc/server.c src/grpc/server.h \
	src/grpc/wire.c src/grpc/wire.h
