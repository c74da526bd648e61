# Fuzz targets (libFuzzer); seeds stand in tests/fuzz/corpus/NAME. Built with --enable-fuzzing only.
FUZZ_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
FUZZ_LINK = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

noinst_PROGRAMS += tests/fuzz/conf_fuzz
tests_fuzz_conf_fuzz_SOURCES = tests/fuzz/conf_fuzz.c
tests_fuzz_conf_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_conf_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_conf_fuzz_LDADD = $(LIB_CONFIG) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/yaml_fuzz
tests_fuzz_yaml_fuzz_SOURCES = tests/fuzz/yaml_fuzz.c
tests_fuzz_yaml_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_yaml_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_yaml_fuzz_LDADD = $(LIB_CONFIG) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/url_fuzz
tests_fuzz_url_fuzz_SOURCES = tests/fuzz/url_fuzz.c
tests_fuzz_url_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_url_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_url_fuzz_LDADD = $(LIB_CONFIG) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/http1_fuzz
tests_fuzz_http1_fuzz_SOURCES = tests/fuzz/http1_fuzz.c tests/fuzz/http_fuzz.h
tests_fuzz_http1_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_http1_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_http1_fuzz_LDADD = $(LIB_GRPC) $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/http2_fuzz
tests_fuzz_http2_fuzz_SOURCES = tests/fuzz/http2_fuzz.c tests/fuzz/http_fuzz.h
tests_fuzz_http2_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_http2_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_http2_fuzz_LDADD = $(LIB_GRPC) $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/json_fuzz
tests_fuzz_json_fuzz_SOURCES = tests/fuzz/json_fuzz.c
tests_fuzz_json_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_json_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_json_fuzz_LDADD = $(LIB_API) $(LIB_PB) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/protobuf_fuzz
tests_fuzz_protobuf_fuzz_SOURCES = tests/fuzz/protobuf_fuzz.c
tests_fuzz_protobuf_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_protobuf_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_protobuf_fuzz_LDADD = $(LIB_API) $(LIB_PB) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/websocket_fuzz
tests_fuzz_websocket_fuzz_SOURCES = tests/fuzz/websocket_fuzz.c
tests_fuzz_websocket_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_websocket_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_websocket_fuzz_LDADD = $(LIB_HTTP) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/raft_message_fuzz
tests_fuzz_raft_message_fuzz_SOURCES = tests/fuzz/raft_message_fuzz.c
tests_fuzz_raft_message_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_raft_message_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_raft_message_fuzz_LDADD = $(LIB_PEER) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/peer_stream_fuzz
tests_fuzz_peer_stream_fuzz_SOURCES = tests/fuzz/peer_stream_fuzz.c
tests_fuzz_peer_stream_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_peer_stream_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_peer_stream_fuzz_LDADD = $(LIB_PEER) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/h1_client_fuzz
tests_fuzz_h1_client_fuzz_SOURCES = tests/fuzz/h1_client_fuzz.c tests/fuzz/far.h
tests_fuzz_h1_client_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_h1_client_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_h1_client_fuzz_LDADD = $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/h2_client_fuzz
tests_fuzz_h2_client_fuzz_SOURCES = tests/fuzz/h2_client_fuzz.c tests/fuzz/far.h
tests_fuzz_h2_client_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_h2_client_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_h2_client_fuzz_LDADD = $(LIB_HTTP) $(LIB_LOOP) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/v2_json_fuzz
tests_fuzz_v2_json_fuzz_SOURCES = tests/fuzz/v2_json_fuzz.c
tests_fuzz_v2_json_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_v2_json_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_v2_json_fuzz_LDADD = $(LIB_MEMBERSHIP) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/entry_fuzz
tests_fuzz_entry_fuzz_SOURCES = tests/fuzz/entry_fuzz.c tests/lib/mem_backend.c tests/lib/mem_backend.h
tests_fuzz_entry_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_entry_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_entry_fuzz_LDADD = $(LIB_APPLY) $(LIB_MVCC) $(LIB_LEASE) $(LIB_MEMBERSHIP) $(LIB_PB) \
	$(LIB_BASE) $(JANSSON_LIBS)

noinst_PROGRAMS += tests/fuzz/snapshot_fuzz
tests_fuzz_snapshot_fuzz_SOURCES = tests/fuzz/snapshot_fuzz.c
tests_fuzz_snapshot_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_snapshot_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_snapshot_fuzz_LDADD = $(LIB_STORAGE) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/wal_fuzz
tests_fuzz_wal_fuzz_SOURCES = tests/fuzz/wal_fuzz.c
tests_fuzz_wal_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_wal_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_wal_fuzz_LDADD = $(LIB_UPSTREAM) $(LIB_MEMBERSHIP) $(LIB_STORAGE) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/snap_fuzz
tests_fuzz_snap_fuzz_SOURCES = tests/fuzz/snap_fuzz.c
tests_fuzz_snap_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_snap_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_snap_fuzz_LDADD = $(LIB_UPSTREAM) $(LIB_MEMBERSHIP) $(LIB_STORAGE) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/txn_line_fuzz
tests_fuzz_txn_line_fuzz_SOURCES = tests/fuzz/txn_line_fuzz.c src/etcdctl/compare.c src/etcdctl/words.c
tests_fuzz_txn_line_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_txn_line_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_txn_line_fuzz_LDADD = $(LIB_CLI) $(LIB_PB) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/srv_fuzz
tests_fuzz_srv_fuzz_SOURCES = tests/fuzz/srv_fuzz.c
tests_fuzz_srv_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_srv_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_srv_fuzz_LDADD = $(LIB_DISCOVER) $(LIB_LOOP) $(LIB_BASE)

noinst_PROGRAMS += tests/fuzz/v2_answer_fuzz
tests_fuzz_v2_answer_fuzz_SOURCES = tests/fuzz/v2_answer_fuzz.c
tests_fuzz_v2_answer_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_v2_answer_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_v2_answer_fuzz_LDADD = $(LIB_CTLV2) $(LIB_DISCOVER) $(LIB_UPSTREAM) $(LIB_MEMBERSHIP) \
	$(LIB_STORAGE) $(LIB_CLI) $(LIB_TLS) $(LIB_HTTP) $(LIB_LOOP) $(LIB_CONFIG) $(LIB_PB) $(LIB_BASE) \
	$(JANSSON_LIBS) $(OPENSSL_LIBS)

noinst_PROGRAMS += tests/fuzz/grpc_client_fuzz
tests_fuzz_grpc_client_fuzz_SOURCES = tests/fuzz/grpc_client_fuzz.c src/grpc/client.c src/grpc/wire.c
tests_fuzz_grpc_client_fuzz_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_grpc_client_fuzz_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_grpc_client_fuzz_LDADD = $(LIB_BASE)
