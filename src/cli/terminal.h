/* cli/terminal.h -- what is only for people who sit at a terminal, and what is read from them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

#include "base/mem.h"

enum {
    TERMINAL_LINE_MAX = 1 << 20,      /* bytes of one line that is read */
    TERMINAL_INPUT_MAX = 1 << 30,     /* bytes that are read of standard input as one value */
};

/* Print `prompt` and read a line of standard input, without echo if that is a terminal. Return it
 * owned, without blanks around it, or NULL at the end of the input. */
char *terminal_ask_secret(const char *prompt);

/* Append the next line of `in` with its newline. False at its end (nothing appended), or if the line is
 * too long. */
bool terminal_read_line(FILE *in, struct buf *line);

/* Append all of `fd`. False if it cannot be read or is too much. */
bool terminal_read_all(int fd, struct buf *b);

/* A line that is rewritten in place on stderr if that is a terminal, and is nothing else. At most ten
 * times a second it is really written. */
struct progress {
    bool shown;
    bool terminal;
    int64_t next_ms;
};
void progress_init(struct progress *p);
void progress_show(struct progress *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
void progress_end(struct progress *p); /* clears the line */

#endif
