bin_PROGRAMS += etcdctl
etcdctl_SOURCES = \
	src/etcdctl/commands.c src/etcdctl/commands.h \
	src/etcdctl/completion.c \
	src/etcdctl/globals.c src/etcdctl/globals.h \
	src/etcdctl/main.c \
	src/etcdctl/options.c \
	src/etcdctl/printer.h \
	src/etcdctl/session.h \
	src/etcdctl/version.c
etcdctl_LDADD = $(LIB_CLI) $(LIB_PB) $(LIB_BASE)
