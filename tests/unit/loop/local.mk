# unit tests of src/loop
check_PROGRAMS += tests/unit/loop/loop_test tests/unit/loop/mailbox_test
tests_unit_loop_loop_test_SOURCES = tests/unit/loop/loop_test.c
tests_unit_loop_loop_test_LDADD = $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_loop_mailbox_test_SOURCES = tests/unit/loop/mailbox_test.c
tests_unit_loop_mailbox_test_LDADD = $(LIB_LOOP) $(LIB_BASE) $(UNIT_LIBS)
