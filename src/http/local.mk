noinst_LIBRARIES += src/http/libhttp.a
src_http_libhttp_a_SOURCES = \
	src/http/client.c src/http/client.h src/http/client_priv.h \
	src/http/client_conn.c \
	src/http/conn.c \
	src/http/dial.c src/http/dial.h \
	src/http/h1.c \
	src/http/h1_parser.c src/http/h1_parser.h \
	src/http/h2.c \
	src/http/h2_client.c src/http/h2_client.h src/http/h2_client_priv.h \
	src/http/h2_client_session.c \
	src/http/io.c src/http/io.h \
	src/http/listener.c src/http/listener.h \
	src/http/priv.h \
	src/http/server.c src/http/server.h \
	src/http/stream.c src/http/stream.h \
	src/http/tunnel.c src/http/tunnel.h \
	src/http/upgrade.c \
	src/http/websocket.c src/http/websocket.h
