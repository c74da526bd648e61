/* etcdctl/check.c -- etcdctl check, and what its commands share.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/check.h"

#include <stdio.h>

#include "cli/quote.h"
#include "etcdctl/commands.h"
#include "etcdctl/ops.h"

enum {
    MAINTENANCE_TIMEOUT_MS = 30 * 1000,
};

/* -1: there is none of that name, and the error was printed. */
static int size_of(const char *load)
{
    static const char *const names[][2] = {
        {"s", "small"}, {"m", "medium"}, {"l", "large"}, {"xl", "xLarge"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(load, names[i][0]) == 0 || strcmp(load, names[i][1]) == 0)
            return (int)i;
    cli_fail(CLI_BAD_FEATURE, "unknown load option %s", load);
    return -1;
}

int check_run(struct cli_command *cmd, const char *load,
              int (*check)(struct etcd_client *c, const struct session_config *config, int size))
{
    int size = size_of(load);
    if (size < 0)
        return CLI_BAD_FEATURE;
    struct session_config config;
    int code = session_config_init(&config, cmd);
    if (code != CLI_OK)
        return code;
    struct etcd_client *c = session_dial(&config, NULL, &code);
    if (c)
        code = check(c, &config, size);
    etcd_client_free(c);
    session_config_fini(&config);
    return code;
}

int check_is_empty(struct etcd_client *c, const char *prefix, const char *quote, int64_t timeout_ms)
{
    struct arena *a = arena_new();
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    range_of_prefix(a, slice_str(prefix), &request.key, &request.range_end);
    request.limit = 1;
    struct etcd_error e;
    Etcdserverpb__RangeResponse *r = etcd_call(c, &etcd_rpc_range, &request, timeout_ms, &e);
    int code = CLI_OK;
    if (!r) {
        code = session_fail(CLI_ERROR, &e);
    } else if (r->n_kvs > 0) {
        AUTO(buf) struct buf quoted = BUF_INIT;
        quote_add(&quoted, slice_str(prefix));
        code = cli_fail(CLI_INVALID_INPUT, "prefix %s has keys. Delete with %setcdctl del "
                                            "--prefix %s%s first",
                        buf_cstr(&quoted), quote, prefix, quote);
    }
    etcd_response_free(r);
    arena_free(a);
    return code;
}

int64_t check_clean_up(struct etcd_client *c, const char *prefix, int64_t timeout_ms,
                       struct etcd_error *ret_error)
{
    struct arena *a = arena_new();
    Etcdserverpb__DeleteRangeRequest request = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    range_of_prefix(a, slice_str(prefix), &request.key, &request.range_end);
    Etcdserverpb__DeleteRangeResponse *r =
        etcd_call(c, &etcd_rpc_delete_range, &request, timeout_ms, ret_error);
    int64_t revision = r && r->header ? r->header->revision : 0;
    if (r && !revision)
        *ret_error = (struct etcd_error){.text = "the server does not tell its revision"};
    etcd_response_free(r);
    arena_free(a);
    return revision;
}

int check_compact(struct etcd_client *c, int64_t revision)
{
    printf("Compacting with revision %lld\n", (long long)revision);
    Etcdserverpb__CompactionRequest request = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    request.revision = revision;
    request.physical = true;
    struct etcd_error e;
    void *r = etcd_call(c, &etcd_rpc_compact, &request, MAINTENANCE_TIMEOUT_MS, &e);
    if (!r)
        return session_fail(CLI_ERROR, &e);
    etcd_response_free(r);
    printf("Compacted with revision %lld\n", (long long)revision);
    return CLI_OK;
}

int check_defrag(const struct session_config *config)
{
    int code = CLI_OK;
    for (size_t i = 0; i < config->n_endpoints && code == CLI_OK; i++) {
        AUTO(buf) struct buf quoted = BUF_INIT;
        quote_add(&quoted, slice_str(config->endpoints[i]));
        printf("Defragmenting %s\n", buf_cstr(&quoted));
        struct etcd_client *c = session_dial(config, config->endpoints[i], &code);
        if (!c)
            return code;
        Etcdserverpb__DefragmentRequest request = ETCDSERVERPB__DEFRAGMENT_REQUEST__INIT;
        struct etcd_error e;
        void *r = etcd_call(c, &etcd_rpc_defragment, &request, MAINTENANCE_TIMEOUT_MS, &e);
        if (r)
            printf("Defragmented %s\n", buf_cstr(&quoted));
        else
            code = session_fail(CLI_ERROR, &e);
        etcd_response_free(r);
        etcd_client_free(c);
    }
    return code;
}

bool check_print_errors(const struct load_stats *s)
{
    if (s->n_errors)
        puts("FAIL: too many errors");
    for (size_t i = 0; i < s->n_errors; i++)
        printf("FAIL: ERROR(%s) -> %u\n", s->errors[i].text, s->errors[i].n);
    return s->n_errors == 0;
}

static struct cli_command *const commands[] = {&cmd_check_perf, &cmd_check_datascale, NULL};

struct cli_command cmd_check = {
    .use = "check <subcommand>",
    .summary = "commands for checking properties of the etcd cluster. Use `etcdctl check --help` to "
               "see subcommands",
    .details = "commands for checking properties of the etcd cluster",
    .group = GROUP_UTILITY,
    .commands = commands,
};
