noinst_LIBRARIES += src/pb/libpb.a

PROTOS = \
	src/pb/authpb.proto \
	src/pb/etcdserverpb.proto \
	src/pb/health.proto \
	src/pb/leasepb.proto \
	src/pb/membershippb.proto \
	src/pb/mvccpb.proto \
	src/pb/raft_internal.proto \
	src/pb/raftpb.proto \
	src/pb/v2request.proto \
	src/pb/v3electionpb.proto \
	src/pb/v3lockpb.proto
GENERATED_C = $(PROTOS:.proto=.pb-c.c)
GENERATED_H = $(PROTOS:.proto=.pb-c.h)

EXTRA_DIST += $(PROTOS)
BUILT_SOURCES += $(GENERATED_H)
CLEANFILES += $(GENERATED_C) $(GENERATED_H)

# Generated code is compiled without our warnings: it is not ours to mend.
nodist_src_pb_libpb_a_SOURCES = $(GENERATED_C)
src_pb_libpb_a_SOURCES = src/pb/pb_arena.c src/pb/pb_arena.h
src_pb_libpb_a_CFLAGS = -std=gnu17 -pthread $(SAN_CFLAGS) $(PROTOBUF_C_CFLAGS)

SUFFIXES = .proto .pb-c.c .pb-c.h
.proto.pb-c.c:
	$(AM_V_GEN)$(MKDIR_P) src/pb && $(PROTOC_C) -I$(srcdir)/src/pb --c_out=src/pb $<
$(GENERATED_H): %.pb-c.h: %.pb-c.c
	@:
