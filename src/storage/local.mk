noinst_LIBRARIES += src/storage/libstorage.a
src_storage_libstorage_a_SOURCES = \
	src/storage/bbolt.h \
	src/storage/data_dir.c src/storage/data_dir.h \
	src/storage/kvdb.c src/storage/kvdb.h \
	src/storage/kvdb_priv.h src/storage/kvdb_reader.c \
	src/storage/logdb.c src/storage/logdb.h \
	src/storage/row_cache.c src/storage/row_cache.h \
	src/storage/snapshot_file.c src/storage/snapshot_file.h \
	src/storage/snapshot_reader.c src/storage/snapshot_reader.h \
	src/storage/snapshot_restore.c \
	src/storage/sql.c src/storage/sql_priv.h \
	src/storage/wal_check.c src/storage/wal_check.h
