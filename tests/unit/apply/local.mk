# unit tests of src/apply
APPLY_TEST_LIBS = $(LIB_APPLY) $(LIB_MVCC) $(LIB_LEASE) $(LIB_MEMBERSHIP) $(LIB_PB) $(LIB_BASE) \
	$(JANSSON_LIBS) $(UNIT_LIBS)
APPLY_TEST_RIG = tests/unit/apply/requests.h tests/unit/apply/rig.h \
	tests/lib/mem_backend.c tests/lib/mem_backend.h

check_PROGRAMS += \
	tests/unit/apply/apply_test \
	tests/unit/apply/entry_test \
	tests/unit/apply/txn_test \
	tests/unit/apply/model_test
tests_unit_apply_apply_test_SOURCES = tests/unit/apply/apply_test.c $(APPLY_TEST_RIG)
tests_unit_apply_apply_test_LDADD = $(APPLY_TEST_LIBS)
tests_unit_apply_entry_test_SOURCES = tests/unit/apply/entry_test.c $(APPLY_TEST_RIG)
tests_unit_apply_entry_test_LDADD = $(APPLY_TEST_LIBS)
tests_unit_apply_txn_test_SOURCES = tests/unit/apply/txn_test.c $(APPLY_TEST_RIG)
tests_unit_apply_txn_test_LDADD = $(APPLY_TEST_LIBS)
tests_unit_apply_model_test_SOURCES = tests/unit/apply/model_test.c $(APPLY_TEST_RIG)
tests_unit_apply_model_test_LDADD = $(APPLY_TEST_LIBS)
