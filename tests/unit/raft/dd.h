/* tests/unit/raft/dd.h -- scenario files: a command, its input, and the output that it must give.
 *
 *     command arg key=value key=(a, b)
 *     input
 *     ----
 *     expected output, ended by an empty line
 *
 * Lines that begin with '#' are comments. This is the form of etcd-io/raft's own scenarios; lines
 * of log text in the expected output (INFO, DEBUG...) are not compared, for our core does not log.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_RAFT_DD_H
#define TESTS_RAFT_DD_H

#include "memlog.h"

enum { DD_ARGS_MAX = 32, DD_VALUES_MAX = 32 };

struct dd_arg {
    char *key;
    char *values[DD_VALUES_MAX];
    size_t n;
};

struct dd_case {
    const char *path;
    int line;
    char *cmd;
    struct dd_arg args[DD_ARGS_MAX];
    size_t n_args;
    char *input; /* trimmed */
    char *expected;
};

/* Runs one command; appends what it says to `out`. */
typedef void dd_handler(void *env, const struct dd_case *c, struct buf *out);

/* Run a file; return the number of commands whose output differs, and print each. */
int dd_run_file(const char *path, dd_handler *handler, void *env);
/* Run each file of a folder, in its own environment; -1 if there is no such folder. */
int dd_run_folder(const char *path);

/* Return the argument, or NULL. */
const struct dd_arg *dd_arg(const struct dd_case *c, const char *key);
/* Return the number of an argument `key=n`, or `otherwise` if it is not there. */
uint64_t dd_number(const struct dd_case *c, const char *key, uint64_t otherwise);
bool dd_bool(const struct dd_case *c, const char *key);
/* Read changes such as "v1 l2 r3 u4" into `ret_cc`, owned. */
void dd_parse_changes(const char *s, struct raft_conf_change *ret_cc);

/* ---- text.c: how things are written ---------------------------------------------------------- */

void dd_add_entries(struct buf *b, const struct raft_entries *l);
void dd_add_message(struct buf *b, const struct raft_message *m);
void dd_add_ready(struct buf *b, const struct raft_ready *rd, bool must_sync);
void dd_add_progress(struct buf *b, const struct raft_progress_info *p);
void dd_add_ids(struct buf *b, const struct raft_ids *s);
const char *dd_role_name(enum raft_role role);
/* Return -1 if there is no such type. */
int dd_message_type(const char *name);

/* ---- the environments ------------------------------------------------------------------------ */

struct dd_env *dd_env_new(void);
void dd_env_free(struct dd_env *env);
dd_handler dd_env_handle;

dd_handler dd_quorum_handle; /* no environment */

struct dd_conf *dd_conf_new(void);
void dd_conf_free(struct dd_conf *conf);
dd_handler dd_conf_handle;

#endif
