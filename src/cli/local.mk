noinst_LIBRARIES += src/cli/libcli.a
src_cli_libcli_a_SOURCES = \
	src/cli/command.c src/cli/command.h \
	src/cli/completion.c src/cli/completion.h \
	src/cli/env.c src/cli/env.h \
	src/cli/flags.c src/cli/flags.h \
	src/cli/json.c src/cli/json.h \
	src/cli/manual.c src/cli/manual.h \
	src/cli/number.c \
	src/cli/parse.c \
	src/cli/printable.h \
	src/cli/quote.c src/cli/quote.h \
	src/cli/table.c src/cli/table.h \
	src/cli/terminal.c src/cli/terminal.h \
	src/cli/usage.c src/cli/usage.h
