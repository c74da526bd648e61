noinst_LIBRARIES += src/mvcc/libmvcc.a
src_mvcc_libmvcc_a_SOURCES = \
	src/mvcc/hash.c src/mvcc/hash.h \
	src/mvcc/history.c src/mvcc/history.h \
	src/mvcc/index.c src/mvcc/index.h \
	src/mvcc/range.c src/mvcc/range.h \
	src/mvcc/store.c src/mvcc/store.h \
	src/mvcc/watch_group.c src/mvcc/watch_group.h
