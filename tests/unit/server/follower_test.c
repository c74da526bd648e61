/* Tests of a follower whose leader is the test: what it forwards, and how a snapshot replaces what
 * it has, whatever happens on the way.
 *
 * The member is real, of a cluster of three, and driven by hand (server/drive.h); the network is a
 * list of what it sent. Its disk loses what is not synced when the power goes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <ftw.h>
#include <unistd.h>

#include "server/server_priv.h"
#include "storage/snapshot_file.h"
#include "tests/lib/fault_vfs.h"
#include "tests/unit/server/rig.h"

enum {
    FOUNDED = 3, /* entries that a new log begins with */
    CALLS = 40,
    VALUE = 512 * 1024,
    SLICE_MAX = 2 * 1024 * 1024,     /* what one message may hold */
    UNDER_WAY_MAX = 8 * 1024 * 1024, /* what a transport queues */
};

struct follower {
    char dir[128];
    struct config *cfg;
    struct server *server;
    struct transport transport;
    struct transport_receiver receiver;
    struct raft_messages sent;
    member_id self, others[2];
    size_t n_others;
    bool failed;
    struct arena *arena;
};

static struct follower *follower_of(struct transport *t)
{
    return CONTAINER_OF(t, struct follower, transport);
}

/* ---- the network ---------------------------------------------------------------------------- */

static void on_peer_set(struct transport *t, member_id id, const char *const *urls, size_t n)
{
    struct follower *p = follower_of(t);
    for (size_t i = 0; i < p->n_others; i++)
        if (p->others[i] == id)
            return;
    p->others[p->n_others++] = id;
}

static void on_peer_remove(struct transport *t, member_id id)
{
}

static bool on_peer_get(struct transport *t, member_id id, struct transport_peer *ret)
{
    return false;
}

static void on_send(struct transport *t, struct raft_message *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        raft_messages_add(&follower_of(t)->sent, m[i]);
        m[i] = (struct raft_message){.type = RAFT_MSG_HUP};
    }
}

static void on_send_snapshot(struct transport *t, struct raft_message *m, int fd, uint64_t size)
{
    fail_msg("a follower sends no snapshot");
}

/* Nobody ever answers. */
static void on_request(struct transport *t, struct transport_request *r)
{
}

static void on_answer(struct transport *t, struct transport_inbound *in, unsigned status,
                      const char *content_type, struct slice body)
{
    fail_msg("nobody has asked");
}

static const struct transport_ops transport_ops = {
    .peer_set = on_peer_set,
    .peer_remove = on_peer_remove,
    .peer_get = on_peer_get,
    .send = on_send,
    .send_snapshot = on_send_snapshot,
    .request = on_request,
    .request_cancel = on_request,
    .answer = on_answer,
};

static struct transport *make_transport(void *arg, const struct transport_receiver *r, member_id id,
                                        uint64_t cluster_id)
{
    struct follower *p = arg;
    p->transport.ops = &transport_ops;
    p->receiver = *r;
    p->self = id;
    p->n_others = 0;
    return &p->transport;
}

static enum err fetch(void *arg, const char *url, const char *path, struct server_fetched *ret)
{
    return ERR_CLOSED;
}

/* ---- its life -------------------------------------------------------------------------------- */

static void on_ready(void *arg)
{
}

static void on_fatal(void *arg, int status, const char *text)
{
    ((struct follower *)arg)->failed = true;
}

static struct config *make_config(const struct follower *p)
{
    char dir[160];
    snprintf(dir, sizeof dir, "--data-dir=%s/data", p->dir);
    char *argv[] = {(char[]){"etcd"},
                    (char[]){"--name=a"},
                    (char[]){"--initial-advertise-peer-urls=http://127.0.0.1:1"},
                    (char[]){"--initial-cluster=a=http://127.0.0.1:1,b=http://127.0.0.1:2,"
                             "c=http://127.0.0.1:3"},
                    (char[]){"--heartbeat-interval=5000"}, /* the test is the clock */
                    (char[]){"--election-timeout=50000"},
                    dir};
    struct config_input in = {
        .argc = ARRAY_LEN(argv), .argv = argv, .env_file_default = ""};
    struct config *cfg = NULL;
    struct config_outcome out = {0};
    if (config_load(&in, &cfg, &out) != CONFIG_RUN)
        fail_msg("%s", out.error);
    config_outcome_fini(&out);
    return cfg;
}

static void start(struct follower *p)
{
    struct why why = {""};
    struct server_events events = {.ready = on_ready, .fatal = on_fatal, .arg = p};
    struct server_world world = {
        .vfs = FAULT_VFS, .transport = make_transport, .fetch = fetch, .arg = p};
    p->failed = false;
    if (server_open(p->cfg, &events, &world, &p->server, &why) != ERR_OK)
        fail_msg("%s", why.text);
    server_round(p->server);
}

static void end(struct follower *p)
{
    server_shut(p->server);
    server_free(p->server);
    raft_messages_fini(&p->sent);
}

/* As if the process and the machine had died just now. */
static void power_cut(struct follower *p)
{
    fault_vfs_power_off();
    end(p);
    fault_vfs_power_on(FAULT_LOSE_ALL, 1);
}

static int setup(void **state)
{
    struct follower *p = xcalloc(1, sizeof *p);
    const char *tmp = getenv("TMPDIR");
    snprintf(p->dir, sizeof p->dir, "%s/etcd-follower-XXXXXX", tmp ? tmp : "/tmp");
    log_set_level(LOG_FATAL_);
    fault_vfs_reset();
    p->arena = arena_new();
    *state = p;
    if (mkdtemp(p->dir) == NULL)
        return -1;
    p->cfg = make_config(p);
    start(p);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static int teardown(void **state)
{
    struct follower *p = *state;
    config_free(p->cfg);
    arena_free(p->arena);
    int rc = nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(p);
    return rc;
}

/* ---- its leader ------------------------------------------------------------------------------ */

/* Forget what it sent, hand it `m`, and let it act on it. */
static void tell(struct follower *p, struct raft_message *m)
{
    m->to = p->self;
    raft_messages_fini(&p->sent);
    assert_true(p->receiver.message(p->receiver.arg, m));
    raft_message_fini(m);
    server_round(p->server);
    while (server_log_round(p->server))
        server_round(p->server);
}

/* Append entries of the leader of `term` behind (index, before). */
static void append(struct follower *p, raft_term term, raft_index index, raft_term before,
                   const struct raft_entry *entries, size_t n, raft_index commit)
{
    struct raft_message m = {.type = RAFT_MSG_APP,
                             .from = p->others[term % 2],
                             .term = term,
                             .index = index,
                             .log_term = before,
                             .commit = commit};
    for (size_t i = 0; i < n; i++) {
        struct raft_entry e = entries[i];
        e.index = index + 1 + i;
        e.term = term;
        raft_entries_add(&m.entries, &e, 1);
    }
    tell(p, &m);
}

static void append_empty(struct follower *p, raft_term term, raft_index index, raft_term before,
                         size_t n, raft_index commit)
{
    struct raft_entry none[32] = {{0}};
    assert_true(n <= ARRAY_LEN(none));
    append(p, term, index, before, none, n, commit);
}

/* Return the answer to an append. */
static const struct raft_message *answer_of(const struct follower *p)
{
    for (size_t i = 0; i < p->sent.n; i++)
        if (p->sent.v[i].type == RAFT_MSG_APP_RESP)
            return &p->sent.v[i];
    fail_msg("no answer");
    return NULL;
}

static void assert_accepted(const struct follower *p, raft_index index)
{
    assert_false(p->failed);
    assert_false(answer_of(p)->reject);
    assert_int_equal(answer_of(p)->index, index);
}

/* ---- proposals ------------------------------------------------------------------------------- */

struct calls {
    struct follower *p;
    struct loop *loop;
    struct server_client *client;
    struct server_call v[CALLS];
    size_t answered;
    enum err err;
    struct raft_entries forwarded; /* all that came to the leader, in order */
    size_t under_way;              /* bytes of it that are not committed */
};

static struct calls *calls_now; /* a call has no room for whose it is */

static void call_done(struct server_call *call)
{
    calls_now->answered++;
    if (call->err != ERR_OK)
        calls_now->err = call->err;
    blob_unref(call->response);
}

/* Take what the follower forwards. */
static void take_forwarded(struct calls *c)
{
    struct raft_messages *sent = &c->p->sent;
    for (size_t i = 0; i < sent->n; i++) {
        const struct raft_message *m = &sent->v[i];
        size_t bytes = 0;
        if (m->type != RAFT_MSG_PROP)
            continue;
        for (size_t k = 0; k < m->entries.n; k++)
            bytes += raft_entry_payload(&m->entries.v[k]);
        assert_true(m->entries.n > 0 && bytes <= SLICE_MAX);
        c->under_way += bytes;
        raft_entries_add(&c->forwarded, m->entries.v, m->entries.n);
    }
    raft_messages_fini(sent);
    assert_true(c->under_way <= UNDER_WAY_MAX);
}

static void calls_begin(struct calls *c, struct follower *p)
{
    static char value[VALUE + 1];
    struct why why;
    memset(value, 'v', VALUE);
    *c = (struct calls){.p = p, .loop = loop_new()};
    calls_now = c;
    assert_int_equal(server_client_new(p->server, c->loop, &c->client, &why), ERR_OK);
    for (size_t i = 0; i < CALLS; i++) {
        c->v[i] = (struct server_call){
            .op = OP_PUT, .request = &req_put(p->arena, "key", value)->base, .done = call_done};
        server_call(c->client, &c->v[i]);
    }
    raft_messages_fini(&p->sent);
    server_round(p->server);
}

static void calls_end(struct calls *c)
{
    server_shut(c->p->server);
    loop_round(c->loop, 0);
    server_client_free(c->client);
    loop_free(c->loop);
    server_free(c->p->server);
    raft_messages_fini(&c->p->sent);
    raft_entries_fini(&c->forwarded);
}

/* Lead: commit all that is forwarded, until there is no more. */
static void lead(struct calls *c, raft_term term, raft_index at, raft_term before)
{
    for (size_t done = 0; done < c->forwarded.n;) {
        size_t n = c->forwarded.n - done;
        append(c->p, term, at, before, c->forwarded.v + done, n, at + n);
        c->under_way = 0;
        done += n;
        at += n;
        before = term;
        take_forwarded(c);
        loop_round(c->loop, 0);
    }
}

/* The member proposes things of its own as well. */
static size_t count_puts(const struct raft_entries *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += raft_entry_payload(&l->v[i]) > VALUE;
    return n;
}

/* Far more than one message may hold waits for a leader, and arrives in pieces, a few at a time. */
static void forwards_in_slices(void **state)
{
    struct follower *p = *state;
    struct calls c;
    calls_begin(&c, p);
    take_forwarded(&c);
    assert_int_equal(c.forwarded.n, 0);
    append_empty(p, 2, FOUNDED, 1, 1, FOUNDED + 1);
    take_forwarded(&c);
    assert_true(count_puts(&c.forwarded) > 0 && count_puts(&c.forwarded) < CALLS);
    lead(&c, 2, FOUNDED + 1, 2);
    assert_int_equal(count_puts(&c.forwarded), CALLS);
    assert_int_equal(c.answered, CALLS);
    assert_int_equal(c.err, ERR_OK);
    calls_end(&c);
}

/* What a leader took with it when it fell does not count for the next one. */
static void a_new_leader_gets_the_rest(void **state)
{
    struct follower *p = *state;
    struct calls c;
    calls_begin(&c, p);
    append_empty(p, 2, FOUNDED, 1, 1, FOUNDED + 1);
    take_forwarded(&c);
    size_t lost = count_puts(&c.forwarded);
    c.under_way = 0;
    raft_entries_cut(&c.forwarded, 0);
    append_empty(p, 3, FOUNDED + 1, 2, 1, FOUNDED + 2);
    take_forwarded(&c);
    lead(&c, 3, FOUNDED + 2, 3);
    assert_int_equal(count_puts(&c.forwarded), CALLS - lost);
    assert_int_equal(c.answered, CALLS - lost);
    assert_int_equal(c.err, ERR_OK);
    calls_end(&c);
}

/* ---- answers --------------------------------------------------------------------------------- */

static size_t count_sent(const struct follower *p, enum raft_message_type type)
{
    size_t n = 0;
    for (size_t i = 0; i < p->sent.n; i++)
        n += p->sent.v[i].type == type;
    return n;
}

static void heartbeat(struct follower *p, raft_term term, raft_index commit)
{
    tell(p, &(struct raft_message){.type = RAFT_MSG_HEARTBEAT,
                                   .from = p->others[term % 2],
                                   .term = term,
                                   .commit = commit});
}

/* What the leader has heard already it hears again, but not at once: before the next thing that we
 * say, unless that says more. */
static void a_commit_is_not_answered_twice(void **state)
{
    struct follower *p = *state;
    append_empty(p, 2, FOUNDED, 1, 1, FOUNDED);
    assert_accepted(p, FOUNDED + 1);
    append_empty(p, 2, FOUNDED + 1, 2, 0, FOUNDED + 1);
    assert_int_equal(p->server->applied_index, FOUNDED + 1);
    assert_int_equal(count_sent(p, RAFT_MSG_APP_RESP), 0);
    append_empty(p, 2, FOUNDED + 1, 2, 1, FOUNDED + 1);
    assert_int_equal(count_sent(p, RAFT_MSG_APP_RESP), 1);
    assert_accepted(p, FOUNDED + 2);

    append_empty(p, 2, FOUNDED + 2, 2, 0, FOUNDED + 2);
    assert_int_equal(count_sent(p, RAFT_MSG_APP_RESP), 0);
    heartbeat(p, 2, FOUNDED + 2);
    assert_int_equal(p->sent.v[0].type, RAFT_MSG_APP_RESP);
    assert_accepted(p, FOUNDED + 2);
    assert_int_equal(count_sent(p, RAFT_MSG_HEARTBEAT_RESP), 1);
    end(p);
}

/* A leader that asks where we are, or a new one, is answered at once. */
static void who_asks_is_answered(void **state)
{
    struct follower *p = *state;
    append_empty(p, 2, FOUNDED, 1, 1, FOUNDED + 1);
    assert_accepted(p, FOUNDED + 1);
    append_empty(p, 2, FOUNDED + 1, 2, 0, FOUNDED + 1);
    assert_accepted(p, FOUNDED + 1);
    append_empty(p, 2, FOUNDED + 1, 2, 1, FOUNDED + 1);
    assert_accepted(p, FOUNDED + 2);
    append_empty(p, 3, FOUNDED + 2, 2, 0, FOUNDED + 2);
    assert_accepted(p, FOUNDED + 2);
    end(p);
}

/* ---- snapshots ------------------------------------------------------------------------------- */

enum { SNAP_INDEX = 10, SNAP_TERM = 3 };

/* A key database with one key, as of SNAP_INDEX, as upstream's file; `members` is what it says of
 * them, NULL what is true. Return the file. */
static int make_file(const struct follower *p, const char *members, uint64_t *ret_size)
{
    AUTO(kvdb) struct kvdb *db = NULL;
    AUTO(kvdb_reader) struct kvdb_reader *r = NULL;
    char path[160];
    int fd;
    snprintf(path, sizeof path, "%s/source.db", p->dir);
    assert_int_equal(kvdb_open(path, &(struct kvdb_options){.create = true}, &db, NULL), ERR_OK);
    struct kv_writer *w = kvdb_writer(db);
    kvdb_begin(db);
    w->ops->put(w, &(struct kv_row){.pos = (int64_t)2 << 20,
                                    .main = 2,
                                    .create = 2,
                                    .version = 1,
                                    .key = slice_str("k"),
                                    .value = slice_str("v")});
    store_applied(w, SNAP_INDEX, SNAP_TERM);
    if (members == NULL)
        cluster_save(p->server->cluster, w);
    else
        w->ops->bucket_put(w, BUCKET_MEMBERS, slice_str("1"), slice_str(members));
    assert_int_equal(kvdb_commit(db, NULL), ERR_OK);
    assert_int_equal(kvdb_reader_open(db, &r, NULL), ERR_OK);
    assert_int_equal(kvdb_reader_begin(r, NULL), ERR_OK);
    assert_int_equal(snapshot_spool_open(p->dir, &fd, NULL), ERR_OK);
    assert_int_equal(snapshot_file_write(r, fd, NULL, ret_size, NULL), ERR_OK);
    kvdb_reader_end(r);
    return fd;
}

/* Give it a snapshot, and let the keeper load it. What the log has to do is left. */
static void restore(struct follower *p, const char *members)
{
    uint64_t size;
    int fd = make_file(p, members, &size);
    struct raft_snapshot *snap = xcalloc(1, sizeof *snap);
    snap->meta.index = SNAP_INDEX;
    snap->meta.term = SNAP_TERM;
    raft_ids_add(&snap->meta.conf_state.voters, p->self);
    for (size_t i = 0; i < p->n_others; i++)
        raft_ids_add(&snap->meta.conf_state.voters, p->others[i]);
    struct raft_message m = {.type = RAFT_MSG_SNAP,
                             .to = p->self,
                             .from = p->others[SNAP_TERM % 2],
                             .term = SNAP_TERM,
                             .snapshot = snap};
    assert_true(p->receiver.snapshot(p->receiver.arg, &m, fd, size));
    raft_message_fini(&m);
    server_round(p->server);
    assert_true(server_keeper_round(p->server));
}

/* Its log is longer than the snapshot, by entries that were never committed. The power goes before
 * the log is told: they are gone all the same. */
static void a_crash_before_the_log_begins_anew(void **state)
{
    struct follower *p = *state;
    append_empty(p, 2, FOUNDED, 1, 20, FOUNDED + 1);
    assert_accepted(p, FOUNDED + 20);
    restore(p, NULL);
    power_cut(p);
    start(p);
    assert_int_equal(p->server->applied_index, SNAP_INDEX);
    assert_int_equal(mvcc_store_revision(p->server->kv), 2);
    append_empty(p, SNAP_TERM, SNAP_INDEX, SNAP_TERM, 1, SNAP_INDEX + 1);
    assert_accepted(p, SNAP_INDEX + 1);
    end(p);
}

/* The log has gone on since the snapshot and begins behind what the key database holds, which has lost
 * what it had: what stands in the log was promised, and must not be forgotten. */
static void a_key_database_of_long_ago_is_refused(void **state)
{
    struct follower *p = *state;
    struct logdb *log = NULL;
    struct server_world world = {
        .vfs = FAULT_VFS, .transport = make_transport, .fetch = fetch, .arg = p};
    struct server_events events = {.ready = on_ready, .fatal = on_fatal, .arg = p};
    const struct raft_hard_state hs = {.term = SNAP_TERM, .commit = SNAP_INDEX + 7};
    const struct raft_entry more[2] = {{.index = SNAP_INDEX + 6, .term = SNAP_TERM},
                                       {.index = SNAP_INDEX + 7, .term = SNAP_TERM}};
    struct why why = {""};
    char path[192];
    append_empty(p, 2, FOUNDED, 1, 2, FOUNDED + 2);
    restore(p, NULL);
    power_cut(p);
    start(p);
    end(p);
    snprintf(path, sizeof path, "%s/data/member/log.db", p->dir);
    assert_int_equal(logdb_open(path, &(struct logdb_options){.vfs = FAULT_VFS}, &log, &why), ERR_OK);
    assert_int_equal(logdb_reset(log, &hs, SNAP_INDEX + 5, SNAP_TERM, &why), ERR_OK);
    assert_int_equal(logdb_append(log, NULL, more, ARRAY_LEN(more), &why), ERR_OK);
    logdb_close(log);
    assert_int_equal(server_open(p->cfg, &events, &world, &p->server, &why), ERR_DAMAGED);
    assert_non_null(strstr(why.text, "but the log holds 15 to 17"));
}

/* A snapshot that says nothing of use about its members ends this one, and leaves what it had. */
static void unreadable_members_change_nothing(void **state)
{
    struct follower *p = *state;
    append_empty(p, 2, FOUNDED, 1, 2, FOUNDED + 2);
    restore(p, "garbage");
    server_round(p->server);
    assert_true(p->failed);
    end(p);
    start(p);
    assert_int_equal(p->server->applied_index, FOUNDED + 2);
    assert_int_equal(mvcc_store_revision(p->server->kv), 1);
    assert_int_equal(cluster_size(p->server->cluster), 3);
    append_empty(p, SNAP_TERM, FOUNDED + 2, 2, 1, FOUNDED + 3);
    assert_accepted(p, FOUNDED + 3);
    end(p);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(forwards_in_slices),
        TEST(a_new_leader_gets_the_rest),
        TEST(a_commit_is_not_answered_twice),
        TEST(who_asks_is_answered),
        TEST(a_crash_before_the_log_begins_anew),
        TEST(a_key_database_of_long_ago_is_refused),
        TEST(unreadable_members_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
