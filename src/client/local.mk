noinst_LIBRARIES += src/client/libclient.a
src_client_libclient_a_SOURCES = \
	src/client/address.c \
	src/client/attempt.c \
	src/client/call.c \
	src/client/client.c src/client/client_priv.h src/client/etcdclient.h \
	src/client/election.c \
	src/client/endpoint.c \
	src/client/error.c \
	src/client/keepalive.c \
	src/client/methods.c \
	src/client/mutex.c \
	src/client/observer.c \
	src/client/recipe.c src/client/recipe.h \
	src/client/session.c \
	src/client/stream.c \
	src/client/token.c \
	src/client/watch.c

# The same as a shared library for other programs: the rooms that it needs, compiled once more, with
# etcd_* and the messages as its only symbols.
noinst_LIBRARIES += src/client/libetcdclient_pic.a src/client/libetcdclient_pb.a
src_client_libetcdclient_pic_a_SOURCES = \
	src/base/err.c src/base/hashmap.c src/base/json_text.c src/base/mem.c src/base/why.c \
	src/grpc/client.c src/grpc/deadline.c src/grpc/wire.c \
	src/http/dial.c src/http/h2_client.c src/http/h2_client_session.c src/http/io.c \
	src/loop/clock.c src/loop/loop.c src/loop/resolve.c \
	src/pb/pb_arena.c \
	$(src_tls_libtls_a_SOURCES) \
	$(src_client_libclient_a_SOURCES)
src_client_libetcdclient_pic_a_CFLAGS = $(AM_CFLAGS) -fPIC
nodist_src_client_libetcdclient_pb_a_SOURCES = \
	src/pb/authpb.pb-c.c src/pb/etcdserverpb.pb-c.c src/pb/mvccpb.pb-c.c \
	src/pb/v3electionpb.pb-c.c src/pb/v3lockpb.pb-c.c
src_client_libetcdclient_pb_a_CFLAGS = $(src_pb_libpb_a_CFLAGS) -fPIC

ETCDCLIENT_SO = src/client/libetcdclient.so.0
ETCDCLIENT_MAP = src/client/libetcdclient.map
ETCDCLIENT_PARTS = src/client/libetcdclient_pic.a src/client/libetcdclient_pb.a
ETCDCLIENT_NEEDS = $(PROTOBUF_C_LIBS) $(NGHTTP2_LIBS) $(EVENT_LIBS) $(OPENSSL_LIBS)
$(ETCDCLIENT_SO): $(ETCDCLIENT_PARTS) $(ETCDCLIENT_MAP)
	$(AM_V_CCLD)$(CC) $(AM_CFLAGS) $(CFLAGS) $(AM_LDFLAGS) $(LDFLAGS) -shared -o $@ \
		-Wl,-soname,libetcdclient.so.0 -Wl,--version-script=$(srcdir)/$(ETCDCLIENT_MAP) \
		-Wl,--whole-archive $(ETCDCLIENT_PARTS) -Wl,--no-whole-archive $(ETCDCLIENT_NEEDS) $(LIBS)
src/client/libetcdclient.so: $(ETCDCLIENT_SO)
	$(AM_V_GEN)ln -sf libetcdclient.so.0 $@

# What is installed as <etcdclient/...> stands in one folder: the includes lose theirs.
ETCDCLIENT_INCLUDES = include/etcdclient/etcdclient.h \
	include/etcdclient/authpb.pb-c.h include/etcdclient/etcdserverpb.pb-c.h \
	include/etcdclient/mvccpb.pb-c.h include/etcdclient/v3electionpb.pb-c.h \
	include/etcdclient/v3lockpb.pb-c.h
include/etcdclient/etcdclient.h: src/client/etcdclient.h
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed 's,#include "pb/,#include ",' $(srcdir)/src/client/etcdclient.h >$@
include/etcdclient/%.pb-c.h: src/pb/%.pb-c.h
	$(AM_V_GEN)$(MKDIR_P) $(@D) && cp $< $@

etcdclientincludedir = $(includedir)/etcdclient
nodist_etcdclientinclude_HEADERS = $(ETCDCLIENT_INCLUDES)
pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = src/client/etcdclient.pc
EXTRA_DIST += $(ETCDCLIENT_MAP)
CLEANFILES += $(ETCDCLIENT_SO) src/client/libetcdclient.so $(ETCDCLIENT_INCLUDES)
all-local: $(ETCDCLIENT_SO)
install-exec-local: $(ETCDCLIENT_SO)
	$(MKDIR_P) $(DESTDIR)$(libdir)
	$(INSTALL) -m 755 $(ETCDCLIENT_SO) $(DESTDIR)$(libdir)/libetcdclient.so.0
	ln -sf libetcdclient.so.0 $(DESTDIR)$(libdir)/libetcdclient.so
uninstall-local:
	rm -f $(DESTDIR)$(libdir)/libetcdclient.so.0 $(DESTDIR)$(libdir)/libetcdclient.so

noinst_PROGRAMS += docs/examples/hello
docs_examples_hello_SOURCES = docs/examples/hello.c
docs_examples_hello_CPPFLAGS = -Iinclude $(PROTOBUF_C_CFLAGS)
docs_examples_hello_LDADD = src/client/libetcdclient.so $(PROTOBUF_C_LIBS)
docs/examples/hello-hello.$(OBJEXT): $(ETCDCLIENT_INCLUDES)
