# The work is in a library, which the unit tests link too.
noinst_LIBRARIES += src/etcdutl/libetcdutl.a
src_etcdutl_libetcdutl_a_SOURCES = \
	src/etcdutl/check.c src/etcdutl/check.h \
	src/etcdutl/db_file.c src/etcdutl/db_file.h \
	src/etcdutl/export.c src/etcdutl/export.h \
	src/etcdutl/founders.c src/etcdutl/founders.h \
	src/etcdutl/import.c src/etcdutl/import.h \
	src/etcdutl/marks.c src/etcdutl/marks.h \
	src/etcdutl/member_dir.c src/etcdutl/member_dir.h \
	src/etcdutl/migrate.c src/etcdutl/migrate.h \
	src/etcdutl/recover.c src/etcdutl/recover.h \
	src/etcdutl/replay.c src/etcdutl/replay.h \
	src/etcdutl/restore.c src/etcdutl/restore.h \
	src/etcdutl/status.c src/etcdutl/status.h \
	src/etcdutl/target.c src/etcdutl/target.h

bin_PROGRAMS += etcdutl
etcdutl_SOURCES = \
	src/etcdutl/check_cmd.c src/etcdutl/data_cmd.c src/etcdutl/import_cmd.c \
	src/etcdutl/recover_cmd.c \
	src/etcdutl/main.c src/etcdutl/utl.h \
	src/etcdutl/print.c src/etcdutl/print.h \
	src/etcdutl/snapshot_cmd.c
etcdutl_LDADD = $(LIB_ETCDUTL) $(LIB_UPSTREAM) $(LIB_APPLY) $(LIB_MVCC) $(LIB_LEASE) \
	$(LIB_MEMBERSHIP) $(LIB_RAFT) $(LIB_STORAGE) $(LIB_CONFIG) $(LIB_CLI) $(LIB_PB) $(LIB_BASE) \
	$(JANSSON_LIBS) $(OPENSSL_LIBS)
