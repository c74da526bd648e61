noinst_LIBRARIES += src/peer/libpeer.a
src_peer_libpeer_a_SOURCES = \
	src/peer/address.c src/peer/address.h \
	src/peer/codec.c src/peer/codec.h \
	src/peer/fetch.c src/peer/fetch.h \
	src/peer/inbound.c \
	src/peer/peer.c \
	src/peer/peer_priv.h \
	src/peer/peers.c src/peer/peers.h \
	src/peer/pipeline.c \
	src/peer/probe.c \
	src/peer/reception.c \
	src/peer/request.c \
	src/peer/snapshot_sender.c \
	src/peer/stream.c \
	src/peer/stream_codec.c
