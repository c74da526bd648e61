check_PROGRAMS += \
	tests/unit/etcdctl/printer_test \
	tests/unit/etcdctl/txn_test
tests_unit_etcdctl_printer_test_SOURCES = tests/unit/etcdctl/printer_test.c \
	src/etcdctl/printer.c src/etcdctl/printer_fields.c src/etcdctl/printer_json.c \
	src/etcdctl/printer_protobuf.c src/etcdctl/printer_simple.c src/etcdctl/printer_table.c
tests_unit_etcdctl_printer_test_LDADD = $(LIB_CLI) $(LIB_PB) $(LIB_BASE) $(UNIT_LIBS) -lm
tests_unit_etcdctl_txn_test_SOURCES = tests/unit/etcdctl/txn_test.c \
	src/etcdctl/compare.c src/etcdctl/diff.c src/etcdctl/words.c
tests_unit_etcdctl_txn_test_LDADD = $(LIB_CLI) $(LIB_PB) $(LIB_BASE) $(UNIT_LIBS) -lm
