check_PROGRAMS += \
	tests/unit/cli/command_test \
	tests/unit/cli/env_test \
	tests/unit/cli/json_test \
	tests/unit/cli/quote_test \
	tests/unit/cli/terminal_test
tests_unit_cli_command_test_SOURCES = tests/unit/cli/command_test.c tests/unit/cli/program.h
tests_unit_cli_command_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_cli_command_test_LDADD = $(LIB_CLI) $(LIB_BASE) $(UNIT_LIBS) -lm
tests_unit_cli_env_test_SOURCES = tests/unit/cli/env_test.c tests/unit/cli/program.h
tests_unit_cli_env_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_unit_cli_env_test_LDADD = $(LIB_CLI) $(LIB_BASE) $(UNIT_LIBS) -lm
tests_unit_cli_json_test_SOURCES = tests/unit/cli/json_test.c
tests_unit_cli_json_test_LDADD = $(LIB_CLI) $(LIB_BASE) $(UNIT_LIBS) -lm
tests_unit_cli_quote_test_SOURCES = tests/unit/cli/quote_test.c
tests_unit_cli_quote_test_LDADD = $(LIB_CLI) $(LIB_BASE) $(UNIT_LIBS) -lm
tests_unit_cli_terminal_test_SOURCES = tests/unit/cli/terminal_test.c
tests_unit_cli_terminal_test_LDADD = $(LIB_CLI) $(LIB_BASE) $(UNIT_LIBS) -lm
