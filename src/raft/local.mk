noinst_LIBRARIES += src/raft/libraft.a
src_raft_libraft_a_SOURCES = \
	src/iface/raft.h \
	src/raft/conf_codec.c src/raft/conf_codec.h \
	src/raft/election.c \
	src/raft/follower.c \
	src/raft/leader.c \
	src/raft/log.c src/raft/log.h \
	src/raft/progress.c src/raft/progress.h \
	src/raft/quorum.c src/raft/quorum.h \
	src/raft/raft.c src/raft/raft.h src/raft/raft_priv.h \
	src/raft/reads.c src/raft/reads.h \
	src/raft/ready.c \
	src/raft/status.c \
	src/raft/tracker.c src/raft/tracker.h
