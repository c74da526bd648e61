noinst_LIBRARIES += src/upstream/libupstream.a
src_upstream_libupstream_a_SOURCES = \
	src/upstream/backup.c src/upstream/backup.h \
	src/upstream/dir.c src/upstream/dir.h \
	src/upstream/files.c src/upstream/files.h \
	src/upstream/raftpb.c src/upstream/raftpb.h \
	src/upstream/snap.c src/upstream/snap.h \
	src/upstream/v2.c src/upstream/v2.h \
	src/upstream/wal.c src/upstream/wal.h src/upstream/wal_format.h \
	src/upstream/wal_writer.c src/upstream/wal_writer.h
