noinst_LIBRARIES += src/ctlv2/libctlv2.a
src_ctlv2_libctlv2_a_SOURCES = \
	src/ctlv2/args.c src/ctlv2/args.h \
	src/ctlv2/auth.c src/ctlv2/auth.h \
	src/ctlv2/backup.c \
	src/ctlv2/cluster.c src/ctlv2/cluster.h \
	src/ctlv2/command.h \
	src/ctlv2/commands.c \
	src/ctlv2/ctlv2.c src/ctlv2/ctlv2.h \
	src/ctlv2/health.c \
	src/ctlv2/help.c src/ctlv2/help.h \
	src/ctlv2/keys.c src/ctlv2/keys.h \
	src/ctlv2/members.c src/ctlv2/members.h \
	src/ctlv2/node.c src/ctlv2/node.h \
	src/ctlv2/proxy.c src/ctlv2/proxy.h \
	src/ctlv2/read_json.c src/ctlv2/read_json.h \
	src/ctlv2/rest.c src/ctlv2/rest.h \
	src/ctlv2/roles.c \
	src/ctlv2/session.c src/ctlv2/session.h \
	src/ctlv2/transport.c src/ctlv2/transport.h \
	src/ctlv2/trouble.c src/ctlv2/trouble.h \
	src/ctlv2/uri.c src/ctlv2/uri.h \
	src/ctlv2/users.c \
	src/ctlv2/watch.c
