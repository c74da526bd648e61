/* etcdctl/get.c -- etcdctl get KEY [END].
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <strings.h>

#include "etcdctl/commands.h"
#include "etcdctl/gather.h"
#include "etcdctl/ops.h"
#include "etcdctl/session.h"

static struct {
    const char *consistency, *order, *sort_by;
    int64_t limit, rev, min_create_rev, max_create_rev, min_mod_rev, max_mod_rev;
    bool prefix, from_key, keys_only, count_only, print_value_only, stream, utf8;
} opt;

static const char *const consistencies[] = {"l", "s", NULL};
static const char *const orders[] = {"ASCEND", "DESCEND", NULL};
static const char *const targets[] = {"CREATE", "KEY", "MODIFY", "VALUE", "VERSION", NULL};

static struct cli_flag flags[] = {
    {"consistency", .type = CLI_STRING, .value = &opt.consistency, .def = "l",
     .values = consistencies, .usage = "Linearizable(l) or Serializable(s)"},
    {"order", .type = CLI_STRING, .value = &opt.order, .values = orders,
     .usage = "Order of results; ASCEND or DESCEND (ASCEND by default)"},
    {"sort-by", .type = CLI_STRING, .value = &opt.sort_by, .values = targets,
     .usage = "Sort target; CREATE, KEY, MODIFY, VALUE, or VERSION"},
    {"limit", .type = CLI_INT64, .value = &opt.limit, .usage = "Maximum number of results"},
    {"prefix", .type = CLI_BOOL, .value = &opt.prefix, .usage = "Get keys with matching prefix"},
    {"from-key", .type = CLI_BOOL, .value = &opt.from_key,
     .usage = "Get keys that are greater than or equal to the given key using byte compare"},
    {"rev", .type = CLI_INT64, .value = &opt.rev, .usage = "Specify the kv revision"},
    {"keys-only", .type = CLI_BOOL, .value = &opt.keys_only, .usage = "Get only the keys"},
    {"count-only", .type = CLI_BOOL, .value = &opt.count_only, .usage = "Get only the count"},
    {"print-value-only", .type = CLI_BOOL, .value = &opt.print_value_only,
     .usage = "Only write values when using the \"simple\" output format"},
    {"min-create-rev", .type = CLI_INT64, .value = &opt.min_create_rev,
     .usage = "Minimum create revision"},
    {"max-create-rev", .type = CLI_INT64, .value = &opt.max_create_rev,
     .usage = "Maximum create revision"},
    {"min-mod-rev", .type = CLI_INT64, .value = &opt.min_mod_rev,
     .usage = "Minimum modification revision"},
    {"max-mod-rev", .type = CLI_INT64, .value = &opt.max_mod_rev,
     .usage = "Maximum modification revision"},
    {"stream", .type = CLI_BOOL, .value = &opt.stream, .usage = "Use the RangeStream RPC"},
    {"utf8", .type = CLI_BOOL, .value = &opt.utf8,
     .usage = "Write keys and values as text instead of base64 when using the \"json\" output "
              "format"},
    {0},
};

/* ---- the request ----------------------------------------------------------------------------- */

static int set_order(Etcdserverpb__RangeRequest *r)
{
    if (strcasecmp(opt.order, "ASCEND") == 0)
        r->sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__ASCEND;
    else if (strcasecmp(opt.order, "DESCEND") == 0)
        r->sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND;
    else if (*opt.order)
        return cli_fail(CLI_BAD_FEATURE, "bad sort order %s", opt.order);
    return CLI_OK;
}

static int set_target(Etcdserverpb__RangeRequest *r)
{
    static const struct {
        const char *name;
        Etcdserverpb__RangeRequest__SortTarget target;
    } known[] = {{"", ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__KEY},
                 {"KEY", ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__KEY},
                 {"CREATE", ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__CREATE},
                 {"MODIFY", ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__MOD},
                 {"VALUE", ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VALUE},
                 {"VERSION", ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__VERSION}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcasecmp(opt.sort_by, known[i].name) != 0)
            continue;
        r->sort_target = known[i].target;
        /* Keys come in this order anyway; asked for, it costs the server a sort. */
        if (r->sort_target == ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__KEY &&
            r->sort_order == ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__ASCEND)
            r->sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__NONE;
        return CLI_OK;
    }
    return cli_fail(CLI_BAD_FEATURE, "bad sort target %s", opt.sort_by);
}

static int set_revisions(Etcdserverpb__RangeRequest *r)
{
    if (opt.max_create_rev > 0 && opt.min_create_rev > opt.max_create_rev)
        return cli_fail(CLI_BAD_FEATURE,
                        "getMinCreateRev(=%" PRId64 ") > getMaxCreateRev(=%" PRId64 ")",
                        opt.min_create_rev, opt.max_create_rev);
    if (opt.max_mod_rev > 0 && opt.min_mod_rev > opt.max_mod_rev)
        return cli_fail(CLI_BAD_FEATURE, "getMinModRev(=%" PRId64 ") > getMaxModRev(=%" PRId64 ")",
                        opt.min_mod_rev, opt.max_mod_rev);
    r->revision = opt.rev > 0 ? opt.rev : 0;
    r->min_create_revision = opt.min_create_rev > 0 ? opt.min_create_rev : 0;
    r->max_create_revision = opt.max_create_rev > 0 ? opt.max_create_rev : 0;
    r->min_mod_revision = opt.min_mod_rev > 0 ? opt.min_mod_rev : 0;
    r->max_mod_revision = opt.max_mod_rev > 0 ? opt.max_mod_rev : 0;
    return CLI_OK;
}

static int set_range(const struct slice *args, int n, struct arena *a,
                     Etcdserverpb__RangeRequest *r)
{
    if (n > 1 && (opt.prefix || opt.from_key))
        return cli_fail(CLI_BAD_ARGS, "too many arguments, only accept one argument when "
                                      "`--prefix` or `--from-key` is set");
    r->key = pb_bytes(args[0]);
    if (n > 1)
        r->range_end = pb_bytes(args[1]);
    if (opt.prefix)
        range_of_prefix(a, args[0], &r->key, &r->range_end);
    if (opt.from_key)
        range_from(args[0], &r->key, &r->range_end);
    return CLI_OK;
}

int get_op(const struct slice *args, int n, struct arena *a, Etcdserverpb__RangeRequest *r)
{
    *r = (Etcdserverpb__RangeRequest)ETCDSERVERPB__RANGE_REQUEST__INIT;
    if (n == 0)
        return cli_fail(CLI_BAD_ARGS, "get command needs one argument as key and an optional "
                                      "argument as range_end");
    if (opt.prefix && opt.from_key)
        return cli_fail(CLI_BAD_ARGS, "`--prefix` and `--from-key` cannot be set at the same time, "
                                      "choose one");
    if (opt.keys_only && opt.count_only)
        return cli_fail(CLI_BAD_ARGS, "`--keys-only` and `--count-only` cannot be set at the same "
                                      "time, choose one");
    r->limit = opt.limit;
    r->keys_only = opt.keys_only;
    r->count_only = opt.count_only;
    int code = read_consistency(opt.consistency, &r->serializable);
    if (code == CLI_OK)
        code = set_range(args, n, a, r);
    if (code == CLI_OK)
        code = set_order(r);
    if (code == CLI_OK)
        code = set_target(r);
    if (code == CLI_OK)
        code = set_revisions(r);
    return code;
}

/* ---- the command ------------------------------------------------------------------------------ */

static int show(struct session *s, const Etcdserverpb__RangeResponse *r)
{
    struct printer *p = &s->printer;
    if (opt.count_only && !printer_is_fields(p))
        return cli_fail(CLI_BAD_ARGS, "--count-only is only for `--write-out=fields`");
    if (opt.print_value_only && !printer_is_simple(p))
        return cli_fail(CLI_BAD_ARGS, "print-value-only is only for `--write-out=simple`");
    if (opt.utf8 && !printer_is_json(p))
        return cli_fail(CLI_BAD_ARGS, "--utf8 is only for `--write-out=json`");
    p->value_only = opt.print_value_only;
    p->utf8 = opt.utf8;
    return print_get(p, r);
}

static int ask_and_show(struct session *s, const Etcdserverpb__RangeRequest *request)
{
    if (opt.stream) {
        AUTO(gather) struct gather g;
        int code = gather_range(s, request, &g);
        return code == CLI_OK ? show(s, &g.all) : code;
    }
    int code = session_call(s, &etcd_rpc_range, request, &s->answer);
    return code == CLI_OK ? show(s, s->answer) : code;
}

static int run(struct cli_command *cmd, int argc, char **argv)
{
    struct arena *a = arena_new();
    Etcdserverpb__RangeRequest request;
    AUTO(session) struct session s = {0};
    int code = get_op(args_as_slices(a, argv, argc), argc, a, &request);
    if (code == CLI_OK)
        code = session_open(&s, cmd);
    if (code == CLI_OK)
        code = ask_and_show(&s, &request);
    arena_free(a);
    return code;
}

struct cli_command cmd_get = {
    .use = "get [options] <key> [range_end]",
    .summary = "Gets the key or a range of keys",
    .group = GROUP_KV,
    .flags = flags,
    .run = run,
};
