bin_PROGRAMS += etcdctl
etcdctl_SOURCES = \
	src/etcdctl/alarm.c \
	src/etcdctl/auth.c \
	src/etcdctl/check.c src/etcdctl/check.h \
	src/etcdctl/check_datascale.c \
	src/etcdctl/check_perf.c \
	src/etcdctl/child.c src/etcdctl/child.h \
	src/etcdctl/commands.c src/etcdctl/commands.h \
	src/etcdctl/compaction.c \
	src/etcdctl/compare.c \
	src/etcdctl/completion.c \
	src/etcdctl/defrag.c \
	src/etcdctl/del.c \
	src/etcdctl/diff.c src/etcdctl/diff.h \
	src/etcdctl/discovery.c src/etcdctl/discovery.h \
	src/etcdctl/downgrade.c \
	src/etcdctl/elect.c \
	src/etcdctl/endpoint.c \
	src/etcdctl/endpoints.c src/etcdctl/endpoints.h \
	src/etcdctl/gather.c src/etcdctl/gather.h \
	src/etcdctl/get.c \
	src/etcdctl/globals.c src/etcdctl/globals.h \
	src/etcdctl/history.c src/etcdctl/history.h \
	src/etcdctl/history_read.c \
	src/etcdctl/interrupt.c src/etcdctl/interrupt.h \
	src/etcdctl/keys.c src/etcdctl/keys.h \
	src/etcdctl/lease.c \
	src/etcdctl/load.c src/etcdctl/load.h \
	src/etcdctl/lock.c \
	src/etcdctl/ls.c \
	src/etcdctl/main.c \
	src/etcdctl/make_mirror.c \
	src/etcdctl/member.c \
	src/etcdctl/mirror_txn.c src/etcdctl/mirror_txn.h \
	src/etcdctl/move_leader.c \
	src/etcdctl/ops.c src/etcdctl/ops.h \
	src/etcdctl/options.c \
	src/etcdctl/os_error.h \
	src/etcdctl/printer.c src/etcdctl/printer.h src/etcdctl/printer_priv.h \
	src/etcdctl/printer_fields.c \
	src/etcdctl/printer_json.c \
	src/etcdctl/printer_protobuf.c \
	src/etcdctl/printer_simple.c \
	src/etcdctl/printer_table.c \
	src/etcdctl/put.c \
	src/etcdctl/resident.c src/etcdctl/resident.h \
	src/etcdctl/role.c \
	src/etcdctl/search.c \
	src/etcdctl/session.c src/etcdctl/session.h \
	src/etcdctl/settings_file.c src/etcdctl/settings_file.h \
	src/etcdctl/snapshot.c \
	src/etcdctl/snapshot_forward.c src/etcdctl/snapshot_forward.h \
	src/etcdctl/txn.c \
	src/etcdctl/user.c \
	src/etcdctl/version.c \
	src/etcdctl/watch.c \
	src/etcdctl/watch_exec.c src/etcdctl/watch_exec.h \
	src/etcdctl/words.c src/etcdctl/words.h
etcdctl_CPPFLAGS = $(AM_CPPFLAGS) -DV2_PROGRAM='"$(pkglibexecdir)/etcdctl-v2"'
etcdctl_LDADD = $(LIB_CTLV2) $(LIB_DISCOVER) $(LIB_CLI) $(LIB_CLIENT) $(LIB_GRPC) $(LIB_HTTP) \
	$(LIB_TLS) $(LIB_LOOP) $(LIB_CONFIG) $(LIB_PB) $(LIB_BASE) $(OPENSSL_LIBS) $(JANSSON_LIBS) -lresolv

# Not in bin: etcdctl becomes it.
pkglibexec_PROGRAMS = etcdctl-v2
etcdctl_v2_SOURCES = src/ctlv2/main.c
etcdctl_v2_LDADD = $(LIB_CTLV2) $(LIB_DISCOVER) $(LIB_UPSTREAM) $(LIB_MEMBERSHIP) $(LIB_STORAGE) \
	$(LIB_CLI) $(LIB_CLIENT) $(LIB_GRPC) $(LIB_HTTP) $(LIB_TLS) $(LIB_LOOP) $(LIB_CONFIG) \
	$(LIB_PB) $(LIB_BASE) $(OPENSSL_LIBS) $(JANSSON_LIBS) -lresolv
