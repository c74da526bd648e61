bin_PROGRAMS += etcdctl
etcdctl_SOURCES = \
	src/etcdctl/commands.c src/etcdctl/commands.h \
	src/etcdctl/completion.c \
	src/etcdctl/globals.c src/etcdctl/globals.h \
	src/etcdctl/main.c \
	src/etcdctl/options.c \
	src/etcdctl/printer.c src/etcdctl/printer.h src/etcdctl/printer_priv.h \
	src/etcdctl/printer_fields.c \
	src/etcdctl/printer_json.c \
	src/etcdctl/printer_protobuf.c \
	src/etcdctl/printer_simple.c \
	src/etcdctl/printer_table.c \
	src/etcdctl/session.h \
	src/etcdctl/version.c
etcdctl_LDADD = $(LIB_CLI) $(LIB_PB) $(LIB_BASE)
