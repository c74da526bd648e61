noinst_LIBRARIES += src/grpc/libgrpc.a
src_grpc_libgrpc_a_SOURCES =
