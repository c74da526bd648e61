# unit tests of src/peer
check_PROGRAMS += tests/unit/peer/codec_test tests/unit/peer/inbound_test \
	tests/unit/peer/parts_test tests/unit/peer/peers_test
tests_unit_peer_codec_test_SOURCES = tests/unit/peer/codec_test.c
tests_unit_peer_codec_test_LDADD = $(LIB_PEER) $(LIB_BASE) $(UNIT_LIBS)
TEST_PEER_RIG = tests/unit/peer/rig.c tests/unit/peer/rig.h
tests_unit_peer_inbound_test_SOURCES = tests/unit/peer/inbound_test.c $(TEST_PEER_RIG)
tests_unit_peer_inbound_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_peer_inbound_test_LDADD = $(LIB_PEER) $(LIB_HTTP) $(LIB_LOOP) $(LIB_METRICS) $(LIB_BASE) \
	$(UNIT_LIBS)
tests_unit_peer_peers_test_SOURCES = tests/unit/peer/peers_test.c $(TEST_PEER_RIG)
tests_unit_peer_peers_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_peer_peers_test_LDADD = $(LIB_PEER) $(LIB_HTTP) $(LIB_LOOP) $(LIB_METRICS) $(LIB_BASE) \
	$(UNIT_LIBS)
tests_unit_peer_parts_test_SOURCES = tests/unit/peer/parts_test.c
tests_unit_peer_parts_test_LDADD = $(LIB_PEER) $(LIB_HTTP) $(LIB_LOOP) $(LIB_METRICS) $(LIB_BASE) \
	$(UNIT_LIBS)
