/* cli/env.h -- flags from the environment.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_ENV_H
#define CLI_ENV_H

#include "cli/command.h"

/* Set the persistent flags of the root that were not given by arguments from PREFIX_FLAG_NAME, where
 * that is not empty. A value that is none and a PREFIX_... that is no flag (nor one of `known`, ended
 * by NULL) are named on stderr, and that is all. */
void env_apply(struct cli_program *p, const char *prefix, const char *const *known);
/* Append PREFIX_FLAG_NAME. */
void env_add_name(struct buf *b, const char *prefix, const char *flag);

#endif
