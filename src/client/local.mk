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
