# unit tests of src/sysd
check_PROGRAMS += \
	tests/unit/sysd/journal_test \
	tests/unit/sysd/notify_test \
	tests/unit/sysd/watchdog_test
tests_unit_sysd_journal_test_SOURCES = tests/unit/sysd/journal_test.c
tests_unit_sysd_journal_test_LDADD = $(LIB_SYSD) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_sysd_notify_test_SOURCES = tests/unit/sysd/notify_test.c
tests_unit_sysd_notify_test_LDADD = $(LIB_SYSD) $(LIB_BASE) $(UNIT_LIBS)
tests_unit_sysd_watchdog_test_SOURCES = tests/unit/sysd/watchdog_test.c
tests_unit_sysd_watchdog_test_LDADD = $(LIB_SYSD) $(LIB_BASE) $(UNIT_LIBS)
