/* config/envfile.h -- files of NAME=VALUE lines, read as systemd reads an EnvironmentFile.
 *
 * Comments begin a line with '#' or ';'. A value may be bare, in single quotes or in double
 * quotes; a backslash joins lines. A line without '=' (such as a "[member]" header) is nothing.
 * One deliberate difference: a comment behind a quoted value is not part of the value.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_ENVFILE_H
#define CONFIG_ENVFILE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/why.h"

/* What the parser met that the writer of the file may not have meant. */
enum envfile_oddity {
    ENVFILE_COMMENT_DROPPED,   /* a comment behind a quoted value: dropped */
    ENVFILE_COMMENT_IN_VALUE,  /* " #" in a bare value: part of it */
    ENVFILE_COMMENT_CONTINUED, /* a comment that ends in a backslash: it ends there all the same */
    ENVFILE_CR_CONTINUED,      /* a backslash before CR LF: it does not join the lines */
    ENVFILE_BAD_NAME,          /* the name cannot be a variable's: left out */
    ENVFILE_OPEN_QUOTE,        /* the file ends inside of quotes */
    ENVFILE_NO_VARIABLE,       /* a line without NAME= that is no "[header]": nothing */
};

/* Return a sentence for whoever wrote the file. */
const char *envfile_oddity_text(enum envfile_oddity what);

struct envfile_handler {
    void *arg;
    /* Take a variable of line `line`; both texts are lent, NUL-terminated. Fail to stop. */
    enum err (*on_variable)(void *arg, const char *name, const char *value, int line);
    void (*on_oddity)(void *arg, enum envfile_oddity what, int line);
};

/* Fail on bytes that are no text, with the line in `why`, or as the handler does. */
MUST_USE enum err envfile_parse(struct slice text, const struct envfile_handler *h,
                                struct why *why);

#endif
