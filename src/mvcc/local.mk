noinst_LIBRARIES += src/mvcc/libmvcc.a
src_mvcc_libmvcc_a_SOURCES =
