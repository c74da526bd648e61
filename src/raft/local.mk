noinst_LIBRARIES += src/raft/libraft.a
src_raft_libraft_a_SOURCES =
