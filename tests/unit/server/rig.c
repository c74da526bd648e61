/* tests/unit/server/rig.c -- see rig.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/server/rig.h"

#include <ftw.h>
#include <string.h>
#include <unistd.h>

#include "pb/pb_arena.h"

/* ---- the folder and the threads ------------------------------------------------------------- */

int rig_setup(void **state)
{
    struct rig *g = xcalloc(1, sizeof *g);
    const char *tmp = getenv("TMPDIR");
    snprintf(g->dir, sizeof g->dir, "%s/etcd-server-XXXXXX", tmp ? tmp : "/tmp");
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, NULL);
    g->arena = arena_new();
    *state = g;
    return mkdtemp(g->dir) == NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

int rig_teardown(void **state)
{
    struct rig *g = *state;
    arena_free(g->arena);
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->changed);
    int rc = nftw(g->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(g);
    return rc;
}

void rig_changed(struct rig *g)
{
    pthread_cond_broadcast(&g->changed);
}

void rig_wait(struct rig *g, bool (*holds)(void *arg), void *arg)
{
    pthread_mutex_lock(&g->lock);
    while (!holds(arg))
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void flag_set(struct rig *g, bool *flag)
{
    pthread_mutex_lock(&g->lock);
    *flag = true;
    rig_changed(g);
    pthread_mutex_unlock(&g->lock);
}

static bool flag_is(void *arg)
{
    return *(bool *)arg;
}

static void on_ready(void *arg)
{
    struct rig *g = arg;
    flag_set(g, &g->ready);
}

static void on_fatal(void *arg, int status, const char *text)
{
    struct rig *g = arg;
    flag_set(g, &g->failed);
    flag_set(g, &g->ready);
}

static struct config *rig_config(const struct rig *g, const char *flag1, const char *flag2)
{
    char dir[300];
    snprintf(dir, sizeof dir, "--data-dir=%s/data", g->dir);
    char *argv[] = {(char[]){"etcd"}, (char[]){"--name=m"},
                    (char[]){"--listen-peer-urls=http://127.0.0.1:0"}, dir, (char *)(uintptr_t)flag1,
                    (char *)(uintptr_t)flag2, NULL};
    struct config_input in = {.argv = argv, .env_file_default = ""};
    while (argv[in.argc] != NULL)
        in.argc++;
    struct config *cfg = NULL;
    struct config_outcome out = {0};
    if (config_load(&in, &cfg, &out) != CONFIG_RUN)
        fail_msg("%s", out.error);
    config_outcome_fini(&out);
    return cfg;
}

static void *loop_thread(void *arg)
{
    loop_run(((struct rig *)arg)->loop);
    return NULL;
}

void rig_start(struct rig *g, const char *flag1, const char *flag2)
{
    struct why why = {""};
    struct server_events events = {.ready = on_ready, .fatal = on_fatal, .arg = g};
    log_set_level(LOG_FATAL_);
    g->ready = g->failed = false;
    g->cfg = rig_config(g, flag1, flag2);
    if (server_start(g->cfg, &events, &g->server, &why) != ERR_OK)
        fail_msg("%s", why.text);
    g->loop = loop_new();
    assert_int_equal(server_client_new(g->server, g->loop, &g->client, &why), ERR_OK);
    assert_int_equal(pthread_create(&g->thread, NULL, loop_thread, g), 0);
    rig_wait(g, flag_is, &g->ready);
    assert_false(g->failed);
}

void rig_stop_server(struct rig *g)
{
    server_stop(g->server);
}

void rig_stop(struct rig *g)
{
    server_stop(g->server);
    loop_stop(g->loop);
    pthread_join(g->thread, NULL);
    server_client_free(g->client);
    loop_free(g->loop);
    server_free(g->server);
    config_free(g->cfg);
}

void rig_restart(struct rig *g)
{
    rig_stop(g);
    rig_start(g, NULL, NULL);
}

struct job {
    struct loop_msg msg;
    struct rig *rig;
    void (*fn)(void *arg);
    void *arg;
    bool done;
};

static void job_run(struct loop_msg *m)
{
    struct job *j = CONTAINER_OF(m, struct job, msg);
    j->fn(j->arg);
    flag_set(j->rig, &j->done);
}

void rig_run(struct rig *g, void (*fn)(void *arg), void *arg)
{
    struct job j = {.msg.run = job_run, .rig = g, .fn = fn, .arg = arg};
    loop_post(g->loop, &j.msg);
    rig_wait(g, flag_is, &j.done);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void call_done(struct server_call *call)
{
    struct rig_call *c = CONTAINER_OF(call, struct rig_call, call);
    if (c->done)
        fail_msg("a call was answered twice");
    flag_set(c->rig, &c->done);
}

static void call_hand_in(void *arg)
{
    struct rig_call *c = arg;
    server_call(c->rig->client, &c->call);
}

void rig_call_begin(struct rig *g, struct rig_call *c, enum server_op op, const void *request)
{
    *c = (struct rig_call){.rig = g};
    c->call.op = op;
    c->call.request = request;
    c->call.done = call_done;
    rig_run(g, call_hand_in, c);
}

enum err rig_call_end(struct rig_call *c, const ProtobufCMessageDescriptor *desc, void *ret)
{
    rig_wait(c->rig, flag_is, &c->done);
    struct blob *b = c->call.response;
    if (c->call.err != ERR_OK)
        assert_null(b);
    else if (desc != NULL)
        assert_int_equal(pb_unpack(desc, blob_slice(b), c->rig->arena, ret), ERR_OK);
    if (b != NULL)
        assert_int_equal(b->refs, 1);
    blob_unref(b);
    return c->call.err;
}

enum err rig_call(struct rig *g, enum server_op op, const void *request,
                  const ProtobufCMessageDescriptor *desc, void *ret)
{
    struct rig_call c;
    rig_call_begin(g, &c, op, request);
    return rig_call_end(&c, desc, ret);
}

revision rig_put(struct rig *g, const char *key, const char *value)
{
    Etcdserverpb__PutResponse *resp;
    assert_int_equal(rig_call(g, OP_PUT, req_put(g->arena, key, value),
                              &etcdserverpb__put_response__descriptor, &resp),
                     ERR_OK);
    return resp->header->revision;
}

enum err rig_compact(struct rig *g, revision rev, bool physical)
{
    Etcdserverpb__CompactionRequest r = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    r.revision = rev;
    r.physical = physical;
    return rig_call(g, OP_COMPACT, &r, NULL, NULL);
}

enum err rig_grant(struct rig *g, lease_id id, int64_t ttl)
{
    Etcdserverpb__LeaseGrantRequest r = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    r.id = id;
    r.ttl = ttl;
    return rig_call(g, OP_LEASE_GRANT, &r, NULL, NULL);
}

enum err rig_alarm(struct rig *g, int action, int type)
{
    Etcdserverpb__AlarmRequest r = ETCDSERVERPB__ALARM_REQUEST__INIT;
    r.action = (Etcdserverpb__AlarmRequest__AlarmAction)action;
    r.alarm = (Etcdserverpb__AlarmType)type;
    r.memberid = server_member_id(g->server);
    return rig_call(g, OP_ALARM, &r, NULL, NULL);
}

const Etcdserverpb__StatusResponse *rig_status(struct rig *g)
{
    Etcdserverpb__StatusRequest r = ETCDSERVERPB__STATUS_REQUEST__INIT;
    Etcdserverpb__StatusResponse *resp;
    assert_int_equal(
        rig_call(g, OP_STATUS, &r, &etcdserverpb__status_response__descriptor, &resp), ERR_OK);
    return resp;
}

const Etcdserverpb__HashKVResponse *rig_hash_kv(struct rig *g, revision rev)
{
    Etcdserverpb__HashKVRequest r = ETCDSERVERPB__HASH_KVREQUEST__INIT;
    Etcdserverpb__HashKVResponse *resp;
    r.revision = rev;
    assert_int_equal(
        rig_call(g, OP_HASH_KV, &r, &etcdserverpb__hash_kvresponse__descriptor, &resp), ERR_OK);
    return resp;
}

struct range_job {
    struct rig *rig;
    struct range_req req;
    struct buf values;
    int64_t count;
    enum err err;
};

static bool range_row(void *arg, const struct kv_row *row)
{
    struct range_job *j = arg;
    if (j->values.n != 0)
        buf_add_byte(&j->values, ' ');
    buf_add_slice(&j->values, row->value);
    return true;
}

static void range_run(void *arg)
{
    struct range_job *j = arg;
    struct arena *a = arena_new();
    struct range_plan *plan;
    j->err = server_range_plan(j->rig->client, &j->req, a, &plan);
    if (j->err == ERR_OK) {
        j->count = range_plan_count(plan);
        j->err = server_range_fetch(j->rig->client, plan, range_row, j);
        range_plan_free(plan);
    }
    arena_free(a);
}

enum err rig_range(struct rig *g, const char *key, const char *end, revision rev,
                   const char **ret_values, int64_t *ret_count)
{
    struct range_job j = {.rig = g, .req = {.key = slice_str(key), .rev = rev}};
    if (end != NULL)
        j.req.range_end = slice_str(end);
    rig_run(g, range_run, &j);
    *ret_values = arena_strdup(g->arena, buf_cstr(&j.values));
    *ret_count = j.count;
    buf_fini(&j.values);
    return j.err;
}

double rig_metric(struct rig *g, const char *name)
{
    AUTO(buf) struct buf b = BUF_INIT;
    server_metrics_text(g->server, &b);
    size_t n = strlen(name);
    for (const char *line = buf_cstr(&b); line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) == 0 && line[n] == ' ')
            return strtod(line + n, NULL);
    }
    return -1;
}

/* ---- watchers ------------------------------------------------------------------------------- */

static struct rig_watch *watch_of(struct watcher *w)
{
    return CONTAINER_OF(w, struct rig_watch, w);
}

static bool on_writable(struct watcher *watcher)
{
    struct rig_watch *w = watch_of(watcher);
    pthread_mutex_lock(&w->rig->lock);
    bool writable = !w->blocked;
    if (!writable) {
        w->asked = true;
        rig_changed(w->rig);
    }
    pthread_mutex_unlock(&w->rig->lock);
    return writable;
}

static void keep_response(struct rig_watch *w, const struct watch_events *ev)
{
    AUTO(buf) struct buf b = BUF_INIT;
    ProtobufCMessage *msg;
    for (size_t i = 0; i < ev->n; i++)
        buf_add_slice(&b, ev->field[i]);
    if (pb_unpack(&etcdserverpb__watch_response__descriptor, buf_slice(&b), w->rig->arena, &msg) !=
        ERR_OK)
        fail_msg("the events cannot be read");
    w->last = (const Etcdserverpb__WatchResponse *)(const void *)msg;
}

static void on_events(struct watcher *watcher, const struct watch_events *ev)
{
    struct rig_watch *w = watch_of(watcher);
    pthread_mutex_lock(&w->rig->lock);
    invariant(w->n + ev->n <= SEEN_MAX && (ev->shared == NULL) == (ev->n != 1));
    memcpy(w->revs + w->n, ev->revs, ev->n * sizeof *w->revs);
    w->n += ev->n;
    w->upto = ev->rev;
    if (w->keep)
        keep_response(w, ev);
    if (w->room != 0 && --w->room == 0)
        w->blocked = true;
    rig_changed(w->rig);
    pthread_mutex_unlock(&w->rig->lock);
}

static void on_compacted(struct watcher *watcher, revision compacted)
{
    struct rig_watch *w = watch_of(watcher);
    pthread_mutex_lock(&w->rig->lock);
    w->compacted = compacted;
    rig_changed(w->rig);
    pthread_mutex_unlock(&w->rig->lock);
}

static void on_synced(struct watcher *watcher)
{
    struct rig_watch *w = watch_of(watcher);
    flag_set(w->rig, &w->synced);
}

static const struct watcher_ops ops = {on_writable, on_events, on_compacted, on_synced};

static void watch_add(void *arg)
{
    struct rig_watch *w = arg;
    struct slice key = w->key[0] != '\0' ? slice_str(w->key) : slice_make("", 1);
    struct slice end = slice_make(NULL, 0);
    if (w->end != NULL)
        end = w->end[0] != '\0' ? slice_str(w->end) : slice_make("", 1);
    watcher_add(w->rig->client, &w->w, &ops, key, end, w->start, w->filters, w->prev_kv);
}

void rig_watch(struct rig *g, struct rig_watch *w, const char *key, const char *end,
               revision start)
{
    w->rig = g;
    w->key = key;
    w->end = end;
    w->start = start;
    w->revs = xcalloc(SEEN_MAX, sizeof *w->revs);
    rig_run(g, watch_add, w);
}

static void watch_remove(void *arg)
{
    watcher_remove(arg);
}

void rig_unwatch(struct rig_watch *w)
{
    rig_run(w->rig, watch_remove, &w->w);
}

struct seen {
    const struct rig_watch *w;
    size_t n;
};

static bool has_seen(void *arg)
{
    const struct seen *seen = arg;
    return seen->w->n >= seen->n;
}

void rig_watch_wait(struct rig_watch *w, size_t n)
{
    struct seen seen = {w, n};
    rig_wait(w->rig, has_seen, &seen);
}

void rig_watch_wait_blocked(struct rig_watch *w)
{
    rig_wait(w->rig, flag_is, &w->asked);
}

static void watch_resume(void *arg)
{
    watcher_resume(arg);
}

void rig_watch_resume(struct rig_watch *w)
{
    pthread_mutex_lock(&w->rig->lock);
    w->blocked = w->asked = false;
    pthread_mutex_unlock(&w->rig->lock);
    rig_run(w->rig, watch_resume, &w->w);
}

void rig_watch_fini(struct rig_watch *w)
{
    rig_unwatch(w);
    free(w->revs);
}
