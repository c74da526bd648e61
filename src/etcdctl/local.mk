bin_PROGRAMS += etcdctl
etcdctl_SOURCES = \
	src/etcdctl/alarm.c \
	src/etcdctl/commands.c src/etcdctl/commands.h \
	src/etcdctl/compaction.c \
	src/etcdctl/compare.c \
	src/etcdctl/completion.c \
	src/etcdctl/del.c \
	src/etcdctl/discovery.c src/etcdctl/discovery.h \
	src/etcdctl/gather.c src/etcdctl/gather.h \
	src/etcdctl/get.c \
	src/etcdctl/globals.c src/etcdctl/globals.h \
	src/etcdctl/lease.c \
	src/etcdctl/main.c \
	src/etcdctl/ops.c src/etcdctl/ops.h \
	src/etcdctl/options.c \
	src/etcdctl/printer.c src/etcdctl/printer.h src/etcdctl/printer_priv.h \
	src/etcdctl/printer_fields.c \
	src/etcdctl/printer_json.c \
	src/etcdctl/printer_protobuf.c \
	src/etcdctl/printer_simple.c \
	src/etcdctl/printer_table.c \
	src/etcdctl/put.c \
	src/etcdctl/session.c src/etcdctl/session.h \
	src/etcdctl/txn.c \
	src/etcdctl/version.c \
	src/etcdctl/watch.c \
	src/etcdctl/watch_exec.c src/etcdctl/watch_exec.h \
	src/etcdctl/words.c src/etcdctl/words.h
etcdctl_LDADD = $(LIB_CLI) $(LIB_CLIENT) $(LIB_GRPC) $(LIB_HTTP) $(LIB_TLS) $(LIB_LOOP) $(LIB_CONFIG) \
	$(LIB_PB) $(LIB_BASE) $(OPENSSL_LIBS) -lresolv
