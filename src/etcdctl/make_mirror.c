/* etcdctl/make_mirror.c -- etcdctl make-mirror: copy keys into another cluster, and every change
 * after that.
 *
 * A revision of the source becomes one transaction of the destination, or several where that is
 * more than --max-txn-ops or a message holds. The mirror can be stopped at any time and taken up
 * again with --rev.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/terminal.h"
#include "etcdctl/commands.h"
#include "etcdctl/mirror_txn.h"
#include "etcdctl/ops.h"
#include "etcdctl/session.h"

enum {
    PAGE = 1000,               /* keys that are read at once */
    TOTAL_EVERY_MS = 30 * 1000, /* between two lines with the total */
};

static struct {
    const char *prefix, *dest_prefix, *cert, *key, *cacert, *user, *password;
    bool no_dest_prefix, insecure_transport;
    int64_t rev;
    unsigned max_txn_ops;
} opt;

struct mirror {
    struct session source;
    struct etcd_client *dest;
    struct mirror_txn txn;
    int64_t rev; /* the base is of this revision; changes come after it */
    int64_t total;
    int64_t now_at; /* the revision that was copied last */
    int code;       /* of the end; CLI_OK while it goes on */
    struct etcd_timer *timer;
    struct progress progress;
};

/* ---- what is copied ------------------------------------------------------------------------------- */

static void flush(struct mirror *m)
{
    struct etcd_error e;
    if (m->code == CLI_OK && !mirror_txn_send(&m->txn, m->dest, &e))
        m->code = session_fail(CLI_ERROR, &e);
    progress_show(&m->progress, "%lld keys, revision %lld", (long long)m->total,
                  (long long)m->now_at);
}

/* Add a put, or a deletion without a value. */
static void copy(struct mirror *m, const Mvccpb__KeyValue *kv, bool is_delete)
{
    if (mirror_txn_is_full(&m->txn, kv))
        flush(m);
    mirror_txn_add(&m->txn, kv, is_delete);
    m->total++;
}

static void on_total(void *arg)
{
    struct mirror *m = arg;
    progress_end(&m->progress);
    printf("%lld\n", (long long)m->total);
    fflush(stdout);
    etcd_timer_set(m->timer, TOTAL_EVERY_MS);
}

/* ---- the base -------------------------------------------------------------------------------------- */

/* Read a page of the base beginning at `request`, and copy it. Return whether there are more; `key`
 * is where they begin. */
static bool copy_page(struct mirror *m, const Etcdserverpb__RangeRequest *request, struct buf *key)
{
    struct etcd_error e;
    Etcdserverpb__RangeResponse *r = etcd_call(m->source.client, &etcd_rpc_range, request, -1, &e);
    if (!r) {
        m->code = session_fail(CLI_ERROR, &e);
        return false;
    }
    for (size_t i = 0; i < r->n_kvs && m->code == CLI_OK; i++)
        copy(m, r->kvs[i], false);
    flush(m);
    bool more = r->more && r->n_kvs > 0 && m->code == CLI_OK;
    if (more) {
        ProtobufCBinaryData last = r->kvs[r->n_kvs - 1]->key;
        buf_clear(key);
        buf_add(key, last.data, last.len);
        buf_add_byte(key, 0);
    }
    etcd_response_free(r);
    return more;
}

/* The revision of the base is the source's present one. */
static void find_revision(struct mirror *m)
{
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    request.key = pb_bytes(slice_str(*opt.prefix ? opt.prefix : "foo")); /* any key will do */
    struct etcd_error e;
    Etcdserverpb__RangeResponse *r =
        etcd_call(m->source.client, &etcd_rpc_range, &request, -1, &e);
    if (!r)
        m->code = session_fail(CLI_ERROR, &e);
    else if (!r->header)
        m->code = cli_fail(CLI_ERROR, "the source does not tell its revision");
    else
        m->rev = m->now_at = r->header->revision;
    etcd_response_free(r);
}

static void copy_base(struct mirror *m)
{
    find_revision(m);
    struct arena *a = arena_new();
    AUTO(buf) struct buf key = BUF_INIT;
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    range_of_prefix(a, slice_str(opt.prefix), &request.key, &request.range_end);
    request.limit = PAGE;
    request.revision = m->rev;
    while (m->code == CLI_OK && copy_page(m, &request, &key)) {
        request.key = pb_bytes(buf_slice(&key));
        etcd_client_poll(m->source.client, 0); /* for the timer */
    }
    arena_free(a);
}

/* ---- changes ---------------------------------------------------------------------------------------- */

static void on_changes(void *arg, const Etcdserverpb__WatchResponse *r,
                       const struct etcd_error *error)
{
    struct mirror *m = arg;
    if (m->code != CLI_OK)
        return;
    if (!r) {
        m->code = session_fail(CLI_ERROR, error);
        return;
    }
    if (r->compact_revision) {
        m->code = cli_fail(CLI_ERROR,
                           "etcdserver: mvcc: required revision has been compacted");
        return;
    }
    for (size_t i = 0; i < r->n_events && m->code == CLI_OK; i++) {
        const Mvccpb__Event *ev = r->events[i];
        if (!ev->kv)
            continue;
        if (ev->kv->mod_revision > m->now_at)
            flush(m);
        m->now_at = ev->kv->mod_revision;
        copy(m, ev->kv, ev->type == MVCCPB__EVENT__EVENT_TYPE__DELETE);
    }
    flush(m);
    if (r->canceled && m->code == CLI_OK)
        m->code = cli_fail(CLI_ERROR, "%s", r->cancel_reason);
}

static void copy_changes(struct mirror *m)
{
    struct arena *a = arena_new();
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    range_of_prefix(a, slice_str(opt.prefix), &create.key, &create.range_end);
    create.start_revision = m->rev + 1;
    struct etcd_watcher *watcher = etcd_watcher_new(m->source.client);
    etcd_watch_start(watcher, &create, on_changes, m);
    while (m->code == CLI_OK)
        etcd_client_poll(m->source.client, -1);
    etcd_watcher_free(watcher);
    arena_free(a);
}

/* ---- the destination -------------------------------------------------------------------------------- */

/* Read --dest-user and --dest-password into `c`; `ret_user` and `ret_password` are owned. */
static int dest_user(struct etcd_client_config *c, char **ret_user, char **ret_password)
{
    if (!*opt.user)
        return CLI_OK;
    const char *colon = *opt.password ? NULL : strchr(opt.user, ':');
    *ret_user = colon ? xstrndup(opt.user, (size_t)(colon - opt.user)) : xstrdup(opt.user);
    *ret_password = *opt.password ? xstrdup(opt.password)
                    : colon       ? xstrdup(colon + 1)
                                  : terminal_ask_secret("Destination Password: ");
    if (!*ret_password)
        return cli_fail(CLI_ERROR, "failed during password entry: EOF");
    c->user = *ret_user;
    c->password = *ret_password;
    return CLI_OK;
}

/* The destination shares timeouts and limits with the source. */
static int dest_open(struct mirror *m, const struct session_config *source, const char *endpoint)
{
    struct session_config c = {.client = source->client};
    c.client.cert_file = *opt.cert ? opt.cert : NULL;
    c.client.key_file = *opt.key ? opt.key : NULL;
    c.client.ca_file = *opt.cacert ? opt.cacert : NULL;
    c.client.tls = !opt.insecure_transport;
    c.client.insecure_skip_verify = false;
    c.client.server_name = c.client.user = c.client.password = c.client.token = NULL;
    char *user = NULL, *password = NULL;
    int code = dest_user(&c.client, &user, &password);
    if (code == CLI_OK)
        m->dest = session_dial(&c, endpoint, &code);
    free(user);
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    return code;
}

/* ---- the command ------------------------------------------------------------------------------------ */

static int both_open(struct mirror *m, struct cli_command *cmd, const char *endpoint)
{
    struct session_config config;
    int code = session_config_init(&config, cmd);
    if (code != CLI_OK)
        return code;
    code = dest_open(m, &config, endpoint);
    if (code == CLI_OK)
        m->source.client = session_dial(&config, NULL, &code);
    session_config_fini(&config);
    if (code == CLI_OK && opt.no_dest_prefix && *opt.dest_prefix)
        code = cli_fail(CLI_BAD_ARGS, "`--dest-prefix` and `--no-dest-prefix` cannot be set at the "
                                      "same time, choose one");
    return code;
}

static void mirror_run(struct mirror *m)
{
    const char *to = opt.no_dest_prefix ? "" : *opt.dest_prefix ? opt.dest_prefix : opt.prefix;
    mirror_txn_init(&m->txn, opt.max_txn_ops, opt.prefix, to);
    progress_init(&m->progress);
    m->timer = etcd_timer_new(m->source.client, on_total, m);
    etcd_timer_set(m->timer, TOTAL_EVERY_MS);
    m->rev = opt.rev > 1 ? opt.rev - 1 : 0;
    if (m->rev == 0)
        copy_base(m);
    if (m->code == CLI_OK)
        copy_changes(m);
    progress_end(&m->progress);
    etcd_timer_free(m->timer);
    mirror_txn_fini(&m->txn);
}

static int run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "make-mirror takes one destination argument");
    struct mirror m = {0};
    m.code = both_open(&m, cmd, argv[0]);
    if (m.code == CLI_OK)
        mirror_run(&m);
    etcd_client_free(m.dest);
    session_close(&m.source);
    return m.code;
}

static struct cli_flag flags[] = {
    {"prefix", .type = CLI_STRING, .value = &opt.prefix, .usage = "Key-value prefix to mirror"},
    {"rev", .type = CLI_INT64, .value = &opt.rev,
     .usage = "Specify the kv revision to start to mirror"},
    {"max-txn-ops", .type = CLI_UINT, .value = &opt.max_txn_ops, .def = "128",
     .usage = "Maximum number of operations permitted in a transaction during syncing updates."},
    {"dest-prefix", .type = CLI_STRING, .value = &opt.dest_prefix,
     .usage = "destination prefix to mirror a prefix to a different prefix in the destination "
              "cluster"},
    {"no-dest-prefix", .type = CLI_BOOL, .value = &opt.no_dest_prefix,
     .usage = "mirror key-values to the root of the destination cluster"},
    {"dest-cert", .type = CLI_STRING, .value = &opt.cert,
     .usage = "Identify secure client using this TLS certificate file for the destination cluster"},
    {"dest-key", .type = CLI_STRING, .value = &opt.key,
     .usage = "Identify secure client using this TLS key file"},
    {"dest-cacert", .type = CLI_STRING, .value = &opt.cacert,
     .usage = "Verify certificates of TLS enabled secure servers using this CA bundle"},
    {"dest-insecure-transport", .type = CLI_BOOL, .value = &opt.insecure_transport, .def = "true",
     .usage = "Disable transport security for client connections"},
    {"dest-user", .type = CLI_STRING, .value = &opt.user,
     .usage = "Destination username[:password] for authentication (prompt if password is not "
              "supplied)"},
    {"dest-password", .type = CLI_STRING, .value = &opt.password,
     .usage = "Destination password for authentication (if this option is used, --user option "
              "shouldn't include password)"},
    {0},
};

struct cli_command cmd_make_mirror = {
    .use = "make-mirror [options] <destination>",
    .summary = "Makes a mirror at the destination etcd cluster",
    .group = GROUP_UTILITY,
    .flags = flags,
    .run = run,
};
