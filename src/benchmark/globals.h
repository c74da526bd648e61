/* benchmark/globals.h -- the flags that every sub-command takes, and the sub-commands.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCHMARK_GLOBALS_H
#define BENCHMARK_GLOBALS_H

#include "cli/command.h"

struct globals {
    struct cli_strings endpoints;
    unsigned conns, clients;
    bool precise, sample, report_perfdash, target_leader;
    const char *cert, *key, *cacert, *user;
    bool insecure_skip_tls_verify;
    int64_t dial_timeout, auto_sync_interval; /* nanoseconds */
};

extern struct globals globals;

extern struct cli_command cmd_put, cmd_range, cmd_txn_put, cmd_txn_mixed, cmd_watch, cmd_watch_get,
    cmd_watch_latency, cmd_lease_keepalive, cmd_stm, cmd_mvcc;

/* ---- what several sub-commands do ---- */

/* Random bytes, owned. */
uint8_t *random_bytes(size_t n);

enum { KEY_SIZE_MAX = 1 << 20, VALUE_SIZE_MAX = 1 << 30 };

/* Fill a key of `n` bytes with number `i` as Go's binary.PutVarint writes it, and zeros. */
void key_fill(uint8_t *key, size_t n, uint64_t i);

/* Flags that are wrong: say so on stderr and return CLI_ERROR; else CLI_OK. */
int check_at_least(const char *flag, int64_t value, int64_t least);
/* --key-size must hold numbers below --key-space-size. */
int check_keys(int key_size, int key_space_size);
int check_value_size(const char *flag, int size);
/* Print the usage of `cmd` to stderr after a sentence; return CLI_ERROR. */
int fail_with_usage(struct cli_command *cmd, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Read --consistency, say on stdout which it is. */
int read_consistency(struct cli_command *cmd, const char *text, bool *ret_serializable);

#endif
