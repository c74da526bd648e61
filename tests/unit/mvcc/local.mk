# unit tests of src/mvcc
check_PROGRAMS += \
	tests/unit/mvcc/store_test \
	tests/unit/mvcc/model_test \
	tests/unit/mvcc/range_test \
	tests/unit/mvcc/index_test \
	tests/unit/mvcc/watch_group_test
tests_unit_mvcc_store_test_SOURCES = tests/unit/mvcc/store_test.c \
	tests/lib/mem_backend.c tests/lib/mem_backend.h
tests_unit_mvcc_store_test_LDADD = $(LIB_MVCC) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_mvcc_model_test_SOURCES = tests/unit/mvcc/model_test.c \
	tests/lib/mem_backend.c tests/lib/mem_backend.h
tests_unit_mvcc_model_test_LDADD = $(LIB_MVCC) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_mvcc_range_test_SOURCES = tests/unit/mvcc/range_test.c \
	tests/lib/mem_backend.c tests/lib/mem_backend.h
tests_unit_mvcc_range_test_LDADD = $(LIB_MVCC) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_mvcc_index_test_SOURCES = tests/unit/mvcc/index_test.c
tests_unit_mvcc_index_test_LDADD = $(LIB_MVCC) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_mvcc_watch_group_test_SOURCES = tests/unit/mvcc/watch_group_test.c
tests_unit_mvcc_watch_group_test_LDADD = $(LIB_MVCC) $(LIB_BASE) $(UNIT_LIBS)
