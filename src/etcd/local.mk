bin_PROGRAMS += etcd
etcd_SOURCES = \
	src/etcd/default_host.c src/etcd/default_host.h \
	src/etcd/explain.c src/etcd/explain.h \
	src/etcd/main.c \
	src/etcd/reload.c src/etcd/reload.h \
	src/etcd/sockets.c src/etcd/sockets.h \
	src/etcd/supervise.c src/etcd/supervise.h
etcd_LDADD = $(LIB_API) $(LIB_SERVER) $(LIB_APPLY) $(LIB_MVCC) $(LIB_LEASE) $(LIB_MEMBERSHIP) \
	$(LIB_RAFT) $(LIB_GRPC) $(LIB_PEER) $(LIB_HTTP) $(LIB_LOOP) $(LIB_STORAGE) $(LIB_CONFIG) $(LIB_SYSD) \
	$(LIB_METRICS) $(LIB_PB) $(LIB_BASE) $(JANSSON_LIBS) $(OPENSSL_LIBS)
