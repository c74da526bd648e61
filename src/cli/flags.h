/* cli/flags.h -- one flag's value: reading it, and showing it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_FLAGS_H
#define CLI_FLAGS_H

#include "cli/command.h"

/* Store what `text` says. False: nothing is stored, and the sentence is in `problem`. */
bool flag_store(struct cli_flag *f, const char *text, struct buf *problem);
/* Store the default; the flag is no longer changed. */
void flag_reset(struct cli_flag *f);
/* The value that stands for "--x" alone; NULL: it needs one. */
const char *flag_bare(const struct cli_flag *f);
/* Append the value as it would be typed; a list in brackets. */
void flag_add_value(struct buf *b, const struct cli_flag *f);
/* The word for its type: "int", "strings", "" for a bool. */
const char *flag_type_word(const struct cli_flag *f);
/* The default as help shows it, or NULL if it is the type's zero. */
const char *flag_default(const struct cli_flag *f);

#endif
