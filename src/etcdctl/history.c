/* etcdctl/history.c -- etcdctl history KEY, undelete KEY.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/history.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/quote.h"
#include "etcdctl/commands.h"
#include "etcdctl/diff.h"
#include "etcdctl/ops.h"

static bool with_diff;

static struct cli_flag flags[] = {
    {"diff", .type = CLI_BOOL, .value = &with_diff,
     .usage = "show what changed in the value, line by line, instead of the value"},
    {0},
};

/* ---- history ------------------------------------------------------------------------------------- */

static struct slice value_of(const Mvccpb__Event *e)
{
    bool has = e && e->kv && e->type == MVCCPB__EVENT__EVENT_TYPE__PUT;
    return has ? slice_make(e->kv->value.data, e->kv->value.len) : slice_make(NULL, 0);
}

static void print_revision(struct printer *p, const Mvccpb__Event *e, const Mvccpb__Event *before)
{
    const Mvccpb__KeyValue *kv = e->kv;
    AUTO(buf) struct buf b = BUF_INIT;
    if (e->type == MVCCPB__EVENT__EVENT_TYPE__DELETE)
        buf_addf(&b, "revision %" PRId64 ": deleted\n", kv->mod_revision);
    else if (kv->lease)
        buf_addf(&b, "revision %" PRId64 ", version %" PRId64 ", lease %016" PRIx64 "\n",
                 kv->mod_revision, kv->version, kv->lease);
    else
        buf_addf(&b, "revision %" PRId64 ", version %" PRId64 "\n", kv->mod_revision, kv->version);
    if (with_diff) {
        diff_add(&b, value_of(before), value_of(e));
    } else if (e->type == MVCCPB__EVENT__EVENT_TYPE__PUT) {
        if (p->hex)
            quote_add_hex(&b, value_of(e));
        else
            buf_add_slice(&b, value_of(e));
        buf_add_byte(&b, '\n');
    }
    fwrite(b.p, 1, b.n, p->out);
}

static int print_history(struct printer *p, struct history *h)
{
    if (!printer_is_simple(p)) {
        Etcdserverpb__WatchResponse all = ETCDSERVERPB__WATCH_RESPONSE__INIT;
        all.header = &h->header;
        all.compact_revision = h->compacted;
        all.events = h->events;
        all.n_events = h->n;
        return print_watch(p, &all);
    }
    if (h->compacted)
        fprintf(p->out, "compacted at revision %" PRId64 ", older ones are gone\n", h->compacted);
    for (size_t i = 0; i < h->n; i++)
        print_revision(p, h->events[i], i ? h->events[i - 1] : NULL);
    return CLI_OK;
}

static int history_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "history command needs one argument as key");
    AUTO(session) struct session s;
    AUTO(history) struct history h = {0};
    int code = session_open(&s, cmd);
    if (code == CLI_OK && with_diff && !printer_is_simple(&s.printer))
        code = cli_fail(CLI_BAD_ARGS, "--diff is only for `--write-out=simple`");
    if (code == CLI_OK)
        code = history_read(&s, slice_str(argv[0]), &h);
    return code == CLI_OK ? print_history(&s.printer, &h) : code;
}

/* ---- undelete ------------------------------------------------------------------------------------- */

/* The last value before the deletion, NULL if none is kept. */
static const Mvccpb__KeyValue *last_value(const struct history *h)
{
    for (size_t i = h->n; i > 0; i--) {
        if (h->events[i - 1]->type == MVCCPB__EVENT__EVENT_TYPE__PUT)
            return h->events[i - 1]->kv;
    }
    return NULL;
}

/* Put it if the key is not there, in one step. */
static int put_back(struct session *s, const Mvccpb__KeyValue *kv, bool *ret_done)
{
    Etcdserverpb__Compare absent = ETCDSERVERPB__COMPARE__INIT;
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT;
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
    absent.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE;
    absent.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
    absent.key = put.key = kv->key;
    put.value = kv->value;
    op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    op.request_put = &put;
    txn.compare = (Etcdserverpb__Compare *[]){&absent};
    txn.success = (Etcdserverpb__RequestOp *[]){&op};
    txn.n_compare = txn.n_success = 1;
    Etcdserverpb__TxnResponse *r;
    int code = session_call(s, &etcd_rpc_txn, &txn, (void **)&r);
    *ret_done = code == CLI_OK && r->succeeded;
    if (*ret_done && r->n_responses == 1 &&
        r->responses[0]->response_case == ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT)
        code = print_put(&s->printer, r->responses[0]->response_put);
    etcd_response_free(r);
    return code;
}

static int undelete_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "undelete command needs one argument as key");
    AUTO(session) struct session s;
    AUTO(history) struct history h = {0};
    int code = session_open(&s, cmd);
    if (code == CLI_OK)
        code = history_read(&s, slice_str(argv[0]), &h);
    if (code != CLI_OK)
        return code;
    const Mvccpb__KeyValue *kv = last_value(&h);
    if (!kv)
        return cli_fail(CLI_ERROR, "no revision of the key is kept");
    bool done = h.events[h.n - 1]->type == MVCCPB__EVENT__EVENT_TYPE__DELETE;
    if (done)
        code = put_back(&s, kv, &done);
    if (code == CLI_OK && !done)
        code = cli_fail(CLI_ERROR, "the key is not deleted");
    return code;
}

struct cli_command cmd_history = {
    .use = "history [options] <key>",
    .summary = "Shows each revision of the key that is still kept",
    .group = GROUP_KV,
    .addition = true,
    .flags = flags,
    .run = history_run,
};

struct cli_command cmd_undelete = {
    .use = "undelete <key>",
    .summary = "Puts a deleted key back with its last value",
    .details = "Puts a deleted key back with the last value that it had, if that was not compacted away. "
               "A lease is not put back.\n",
    .group = GROUP_KV,
    .addition = true,
    .run = undelete_run,
};
