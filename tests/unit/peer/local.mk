# unit tests of src/peer
check_PROGRAMS += tests/unit/peer/codec_test
tests_unit_peer_codec_test_SOURCES = tests/unit/peer/codec_test.c
tests_unit_peer_codec_test_LDADD = $(LIB_PEER) $(LIB_BASE) $(UNIT_LIBS)
