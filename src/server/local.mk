noinst_LIBRARIES += src/server/libserver.a
src_server_libserver_a_SOURCES = \
	src/server/apply_batch.c \
	src/server/boot.c \
	src/server/bootstrap.c src/server/bootstrap.h \
	src/server/calls.c \
	src/server/client.c src/server/client.h \
	src/server/compactor.c src/server/compactor.h \
	src/server/corruption.c \
	src/server/drive.c src/server/drive.h \
	src/server/entry_cache.c src/server/entry_cache.h \
	src/server/feed.c src/server/feed.h \
	src/server/forward.c \
	src/server/handover.c \
	src/server/hub.h \
	src/server/join.c src/server/join.h \
	src/server/keeper.c \
	src/server/load.c \
	src/server/log_thread.c \
	src/server/member.c \
	src/server/network.c \
	src/server/peer_calls.c \
	src/server/peer_port.c \
	src/server/reconfig.c \
	src/server/metrics.c src/server/metrics_priv.h \
	src/server/server.c src/server/server.h src/server/server_priv.h \
	src/server/snapshot_receive.c \
	src/server/snapshot_send.c \
	src/server/summary.c \
	src/server/upkeep.c \
	src/server/versions.c \
	src/server/watch.c src/server/watch.h
