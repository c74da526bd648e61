/* Tests of who a member is: of a new cluster, of one that it joins, by its data, or made to be one.
 *
 * The files are real; the other members are a table of answers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "raft/conf_codec.h"
#include "server/bootstrap.h"
#include "server/server_priv.h"
#include "tests/lib/mem_backend.h"

#define A "http://127.0.0.1:44551"
#define B "http://127.0.0.1:58663"
#define C "http://127.0.0.1:3"

enum { ANSWERS_MAX = 8, FLAGS_MAX = 16 };

/* The ids that upstream gives to zed=A and yak=B. */
static const member_id ZED = 15785744172763163920u, YAK = 18320675136350429087u;

struct answer {
    const char *url, *path, *body;
    uint64_t cluster_id;
};

struct rig {
    char dir[64], log[96], output[96];
    struct server s;
    struct mem_backend *buckets; /* of the cluster */
    struct logdb_start start;
    struct answer answers[ANSWERS_MAX];
    size_t n_answers, n_asked;
    struct why why;
};

static enum err fetch(void *arg, const char *url, const char *path, struct server_fetched *ret)
{
    struct rig *g = arg;
    g->n_asked++;
    for (size_t i = 0; i < g->n_answers; i++) {
        const struct answer *a = &g->answers[i];
        if (strcmp(a->url, url) != 0 || strcmp(a->path, path) != 0)
            continue;
        *ret = (struct server_fetched){.status = a->body ? 200 : 404, .cluster_id = a->cluster_id};
        buf_add_str(&ret->body, a->body ? a->body : "404 page not found\n");
        return ERR_OK;
    }
    return ERR_CLOSED;
}

static void answer(struct rig *g, const char *url, const char *path, const char *body)
{
    assert_true(g->n_answers < ANSWERS_MAX);
    g->answers[g->n_answers++] = (struct answer){url, path, body, 0xc1d};
}

/* ---- the rig -------------------------------------------------------------------------------- */

/* Flags are separated by "|". */
static void configure(struct rig *g, const char *flags)
{
    char *text = xasprintf("etcd|--data-dir|%s|%s", g->dir, flags), *rest = text;
    char *argv[FLAGS_MAX + 1], *envp[] = {NULL};
    int n = 0;
    for (char *word; (word = strsep(&rest, "|")) != NULL;) {
        assert_true(n < FLAGS_MAX);
        argv[n++] = word;
    }
    argv[n] = NULL;
    struct config_input in = {.argc = n, .argv = argv, .envp = envp, .env_file_default = ""};
    struct config_outcome out;
    struct config *cfg;
    if (config_load(&in, &cfg, &out) != CONFIG_RUN)
        fail_msg("%s", out.error);
    config_outcome_fini(&out);
    config_free((struct config *)g->s.cfg);
    g->s.cfg = cfg;
    free(text);
}

static void load(struct rig *g)
{
    assert_int_equal(logdb_load(g->s.logdb, NULL, NULL, &g->start, NULL), ERR_OK);
    g->s.id = g->start.member_id;
    g->s.cluster_id = g->start.cluster_id;
}

static int setup(void **state)
{
    struct rig *g = xcalloc(1, sizeof *g);
    (void)snprintf(g->dir, sizeof g->dir, "/tmp/etcd-bootstrap-test-XXXXXX");
    assert_non_null(mkdtemp(g->dir));
    (void)snprintf(g->log, sizeof g->log, "%s/log.db", g->dir);
    (void)snprintf(g->output, sizeof g->output, "%s/output", g->dir);
    const char *outputs[] = {g->output};
    assert_int_equal(log_set_outputs(outputs, 1, NULL), ERR_OK);
    assert_int_equal(logdb_open(g->log, &(struct logdb_options){.create = true, .no_sync = true},
                                &g->s.logdb, NULL),
                     ERR_OK);
    g->s.world.fetch = fetch;
    g->s.world.arg = g;
    g->buckets = mem_backend_new();
    g->s.cluster = cluster_new(0);
    g->s.kv = mvcc_store_new();
    *state = g;
    return 0;
}

static void drop_remotes(struct rig *g)
{
    for (size_t i = 0; i < g->s.n_remotes; i++)
        member_free(g->s.remotes[i]);
    free(g->s.remotes);
    g->s.remotes = NULL;
    g->s.n_remotes = 0;
}

static int teardown(void **state)
{
    struct rig *g = *state;
    const char *outputs[] = {"stderr"};
    assert_int_equal(log_set_outputs(outputs, 1, NULL), ERR_OK);
    drop_remotes(g);
    cluster_free(g->s.cluster);
    mem_backend_free(g->buckets);
    mvcc_store_free(g->s.kv);
    logdb_close(g->s.logdb);
    config_free((struct config *)g->s.cfg);
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char *path = xasprintf("%s%s", g->log, suffixes[i]);
        (void)unlink(path);
        free(path);
    }
    (void)unlink(g->output);
    int rc = rmdir(g->dir);
    free(g);
    return rc;
}

/* How often `part` was said since the last time; forgets it all. */
static int said(struct rig *g, const char *part)
{
    static char text[16384];
    FILE *f = fopen(g->output, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

static void forget(struct rig *g)
{
    assert_int_equal(truncate(g->output, 0), 0);
}

/* ---- entries -------------------------------------------------------------------------------- */

/* "+ID" a voter comes, "*ID" a learner, "^ID" one is promoted, "-ID" one goes; "." another entry.
 */
static void show(void *arg, const struct raft_entry *e)
{
    struct buf *out = arg;
    struct raft_conf_change cc;
    buf_addf(out, "%s%llu:", out->n > 0 ? " " : "", (unsigned long long)e->term);
    if (e->type != RAFT_ENTRY_CONF_CHANGE) {
        buf_add_byte(out, '.');
        return;
    }
    assert_int_equal(raft_conf_change_decode(e->type, blob_slice(e->data), &cc), ERR_OK);
    assert_int_equal(cc.id, 0);
    struct slice bytes = blob_slice(cc.context);
    char *context = bytes.n > 0 ? xstrndup((const char *)bytes.p, bytes.n) : xstrdup("");
    char mark = cc.changes[0].type == RAFT_CONF_REMOVE_NODE   ? '-'
                : cc.changes[0].type == RAFT_CONF_ADD_LEARNER ? '*'
                : strstr(context, "isPromote")                ? '^'
                                                              : '+';
    buf_addf(out, "%c%llx", mark, (unsigned long long)cc.changes[0].node);
    free(context);
    raft_conf_change_fini(&cc);
}

static void assert_log(struct rig *g, const char *expected)
{
    AUTO(buf) struct buf b = BUF_INIT;
    assert_int_equal(logdb_load(g->s.logdb, show, &b, &g->start, NULL), ERR_OK);
    assert_string_equal(buf_cstr(&b), expected);
}

/* Append a change, or with a NULL member an empty entry. */
static void append(struct rig *g, raft_term term, const struct member *m)
{
    struct raft_conf_change cc = {0};
    struct raft_entry e = {.index = logdb_last_index(g->s.logdb) + 1, .term = term};
    if (m != NULL) {
        cluster_change_add(0, m, &cc);
        e.type = RAFT_ENTRY_CONF_CHANGE;
        e.data = raft_conf_change_encode(&cc, true);
        raft_conf_change_fini(&cc);
    }
    const struct raft_hard_state hs = {.term = term, .commit = g->start.hard_state.commit};
    assert_int_equal(logdb_append(g->s.logdb, &hs, &e, 1, NULL), ERR_OK);
    blob_unref(e.data);
}

static void append_member(struct rig *g, raft_term term, member_id id, const char *url,
                          bool is_learner)
{
    struct member *m = member_new(id, &url, 1, is_learner);
    append(g, term, m);
    member_free(m);
}

static void commit(struct rig *g, raft_term term, raft_index index)
{
    const struct raft_hard_state hs = {.term = term, .commit = index};
    assert_int_equal(logdb_append(g->s.logdb, &hs, NULL, 0, NULL), ERR_OK);
    load(g);
}

/* Put a member into the cluster as if its entry had been applied. */
static void apply(struct rig *g, member_id id, const char *name, const char *url, bool is_learner)
{
    struct raft_conf_change cc;
    struct member *m = member_new(id, &url, 1, is_learner);
    free(m->name);
    m->name = xstrdup(name);
    cluster_change_add(0, m, &cc);
    assert_int_equal(cluster_apply_change(g->s.cluster, &cc, mem_backend_writer(g->buckets)),
                     ERR_OK);
    raft_conf_change_fini(&cc);
    member_free(m);
}

static void apply_removal(struct rig *g, member_id id)
{
    struct raft_conf_change cc;
    cluster_change_remove(0, id, &cc);
    assert_int_equal(cluster_apply_change(g->s.cluster, &cc, mem_backend_writer(g->buckets)),
                     ERR_OK);
    raft_conf_change_fini(&cc);
}

static void apply_version(struct rig *g, const char *version)
{
    assert_int_equal(cluster_set_version(g->s.cluster, version, mem_backend_writer(g->buckets)),
                     ERR_OK);
}

/* ---- a new cluster -------------------------------------------------------------------------- */

#define ZED_FLAGS "--name|zed|--initial-advertise-peer-urls|" A
#define PAIR      "|--initial-cluster|zed=" A ",yak=" B
#define NEW_PAIR  ZED_FLAGS PAIR
#define JOIN_PAIR NEW_PAIR "|--initial-cluster-state|existing"

static void take_context(void *arg, const struct raft_entry *e)
{
    struct raft_conf_change cc;
    struct buf *b = arg;
    assert_int_equal(raft_conf_change_decode(e->type, blob_slice(e->data), &cc), ERR_OK);
    buf_add_slice(b, blob_slice(cc.context));
    raft_conf_change_fini(&cc);
}

/* Ids, order and contexts are those that etcd 3.4.23 made of the same flags. */
static void a_new_cluster_is_upstreams(void **state)
{
    struct rig *g = *state;
    AUTO(buf) struct buf contexts = BUF_INIT;
    configure(g, NEW_PAIR);
    assert_int_equal(bootstrap_new(&g->s, &g->why), ERR_OK);
    assert_true(g->s.id == ZED);
    assert_log(g, "1:+db123ab04cbdad10 1:+fe401cf82b7f9f9f");
    assert_true(g->start.member_id == ZED && g->start.cluster_id == g->s.cluster_id);
    assert_int_equal(g->start.hard_state.term, 1);
    assert_int_equal(g->start.hard_state.commit, 2);
    assert_int_equal(g->start.hard_state.vote, 0);
    assert_int_equal(logdb_load(g->s.logdb, take_context, &contexts, &g->start, NULL), ERR_OK);
    assert_string_equal(buf_cstr(&contexts),
                        "{\"id\":15785744172763163920,\"peerURLs\":[\"" A "\"],\"name\":\"zed\"}"
                        "{\"id\":18320675136350429087,\"peerURLs\":[\"" B "\"],\"name\":\"yak\"}");
    assert_int_equal(g->n_asked, 1);
}

static void all_members_begin_with_the_same_log(void **state)
{
    struct rig *g = *state;
    configure(g, "--name|yak|--initial-advertise-peer-urls|" B PAIR);
    assert_int_equal(bootstrap_new(&g->s, &g->why), ERR_OK);
    assert_true(g->s.id == YAK);
    assert_log(g, "1:+db123ab04cbdad10 1:+fe401cf82b7f9f9f");
}

static void the_token_makes_another_cluster(void **state)
{
    struct rig *g = *state;
    configure(g, NEW_PAIR "|--initial-cluster-token|other");
    assert_int_equal(bootstrap_new(&g->s, &g->why), ERR_OK);
    assert_true(g->s.id != ZED);
}

static void a_member_that_ran_is_not_new(void **state)
{
    struct rig *g = *state;
    configure(g, NEW_PAIR);
    answer(g, B, "/members",
           "[{\"id\":15785744172763163920,\"peerURLs\":[\"" A "\"],\"name\":\"zed\","
           "\"clientURLs\":[\"http://127.0.0.1:1\"]}]");
    assert_int_equal(bootstrap_new(&g->s, &g->why), ERR_EXISTS);
    assert_non_null(strstr(g->why.text, "member db123ab04cbdad10 has already been bootstrapped"));
    assert_non_null(strstr(g->why.text, "etcdctl member remove db123ab04cbdad10"));
    assert_log(g, "");
}

/* The others were started a moment before us: they know us, but we have not published ourselves. */
static void others_may_be_first(void **state)
{
    struct rig *g = *state;
    configure(g, NEW_PAIR);
    answer(g, B, "/members", "[{\"id\":15785744172763163920,\"name\":\"zed\"}]");
    assert_int_equal(bootstrap_new(&g->s, &g->why), ERR_OK);
}

/* The folder was made by an earlier start, so the load of the configuration did not ask. */
static void the_configuration_is_checked_here_too(void **state)
{
    struct rig *g = *state;
    char *path = xasprintf("%s/member", g->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    configure(g, ZED_FLAGS "|--initial-cluster|yak=" B);
    assert_int_equal(bootstrap_new(&g->s, &g->why), ERR_INVALID);
    configure(g, ZED_FLAGS "|--initial-cluster|zed");
    assert_int_equal(bootstrap_new(&g->s, &g->why), ERR_INVALID);
    assert_int_equal(rmdir(path), 0);
    free(path);
}

/* A name and its address are one; this name is one that no resolver has to be asked for. */
static void advertised_urls_may_be_names(void **state)
{
    struct rig *g = *state;
    configure(g, "--name|zed|--initial-advertise-peer-urls|" A
                 "|--initial-cluster|zed=http://127.1:44551");
    assert_int_equal(bootstrap_new(&g->s, &g->why), ERR_OK);
    forget(g);
    configure(g, "--name|zed|--initial-advertise-peer-urls|" A
                 "|--initial-cluster|zed=http://127.2:44551");
    assert_int_equal(bootstrap_new(&g->s, &g->why), ERR_INVALID);
    assert_string_equal(g->why.text, "failed to resolve " A
                                     " to match --initial-cluster=zed=http://127.2:44551");
}

static void what_nobody_could_read_is_refused(void **state)
{
    struct rig *g = *state;
    AUTO(buf) struct buf flags = BUF_INIT;
    buf_add_str(&flags, NEW_PAIR);
    for (int i = 0; i < MEMBER_URLS_MAX; i++)
        buf_addf(&flags, ",yak=http://127.0.0.1:%d", 10000 + i);
    configure(g, buf_cstr(&flags));
    assert_int_equal(bootstrap_new(&g->s, &g->why), ERR_INVALID);
    assert_log(g, "");
}

/* ---- joining -------------------------------------------------------------------------------- */

#define MEMBER(id, url) "{\"id\":" id ",\"peerURLs\":[\"" url "\"]}"
#define VERSION(v)      "{\"etcdserver\":\"3.4.23\",\"etcdcluster\":\"" v "\"}"

static void joins(struct rig *g, const char *flags, member_id expected)
{
    configure(g, flags);
    if (bootstrap_new(&g->s, &g->why) != ERR_OK)
        fail_msg("%s", g->why.text);
    assert_true(g->s.id == expected);
    assert_int_equal(g->s.cluster_id, 0xc1d);
    assert_log(g, "");
    assert_true(g->start.member_id == expected && g->start.cluster_id == 0xc1d);
}

static void join_fails(struct rig *g, enum err e, const char *words)
{
    assert_int_equal(bootstrap_new(&g->s, &g->why), e);
    if (strstr(g->why.text, words) == NULL)
        fail_msg("%s", g->why.text);
    assert_null(g->s.remotes);
}

static void ids_come_from_the_cluster(void **state)
{
    struct rig *g = *state;
    answer(g, B, "/members", "[" MEMBER("7", B) "," MEMBER("18446744073709551615", A) "]\n");
    answer(g, B, "/version", VERSION("3.4.0"));
    joins(g, JOIN_PAIR, UINT64_MAX);
    assert_int_equal(g->s.n_remotes, 2);
    assert_int_equal(g->s.remotes[0]->id, 7);
    assert_string_equal(g->s.joined_version, "3.4.0");
    assert_int_equal(said(g, "this member ran before"), 0);
}

static void a_host_may_be_written_in_many_ways(void **state)
{
    struct rig *g = *state;
    answer(g, "http://[::1]:5", "/members",
           "[" MEMBER("7", "http://[0:0:0:0:0:0:0:1]:5") "," MEMBER("8",
                                                                    "http://localhost:44551") "]");
    answer(g, "http://[0:0:0:0:0:0:0:1]:5", "/version", VERSION("3.7.0"));
    joins(g,
          ZED_FLAGS "|--initial-cluster|zed=" A ",yak=http://[::1]:5|--initial-cluster-state|"
                    "existing",
          8);
}

/* The first that answers is believed; one that answers with something else is passed over. */
static void anybody_may_answer(void **state)
{
    struct rig *g = *state;
    static const char list[] = "[" MEMBER("7", A) "," MEMBER("8", B) "," MEMBER("9", C) "]";
    answer(g, C, "/members", "[]");
    answer(g, B, "/members", list);
    answer(g, C, "/version", VERSION("3.5.0"));
    answer(g, B, "/version", VERSION("not_decided"));
    joins(g, ZED_FLAGS PAIR ",xen=" C "|--initial-cluster-state|existing", 7);
    assert_string_equal(g->s.joined_version, "3.5.0");
    assert_int_equal(said(g, "failed to get the cluster version of a member"), 1);
}

static void nobody_answers(void **state)
{
    struct rig *g = *state;
    configure(g, JOIN_PAIR);
    join_fails(g, ERR_CLOSED,
               "cannot fetch cluster info from peer urls: could not retrieve cluster "
               "information from the given URLs (" B ": closed)");
    answer(g, B, "/members", NULL);
    join_fails(g, ERR_MALFORMED, "(" B ": status 404)");
    g->n_answers = 0;
    answer(g, B, "/members", "{");
    join_fails(g, ERR_MALFORMED, "list of members cannot be read");
    g->n_answers = 0;
    answer(g, B, "/members", "[" MEMBER("7", A) "," MEMBER("8", B) "]");
    g->answers[0].cluster_id = 0;
    join_fails(g, ERR_MALFORMED, "list of members cannot be read");
    assert_log(g, "");
    assert_int_equal(g->start.member_id, 0);
}

static void the_members_must_be_the_same(void **state)
{
    struct rig *g = *state;
    configure(g, JOIN_PAIR);
    answer(g, B, "/members", "[" MEMBER("7", B) "]");
    join_fails(g, ERR_INVALID,
               "error validating peerURLs {ClusterID:c1d Members:[7=" B "]}: member "
               "count is unequal; \"etcdctl member add\" comes before");
    g->n_answers = 0;
    answer(g, B, "/members", "[" MEMBER("7", B) "," MEMBER("8", C) "]");
    join_fails(g, ERR_INVALID, "unmatched member while checking PeerURLs");
    g->n_answers = 0;
    answer(g, B, "/members", "[" MEMBER("7", B) ",{\"id\":8,\"peerURLs\":[\"" A "\",\"x\"]}]");
    answer(g, B, "/version", VERSION("3.4.0"));
    assert_int_equal(bootstrap_new(&g->s, &g->why), ERR_OK); /* "x" leads nowhere */
}

/* Two members of the cluster must not become one of the configuration. */
static void twins_are_unmatched(void **state)
{
    struct rig *g = *state;
    configure(g, JOIN_PAIR);
    answer(g, B, "/members", "[" MEMBER("7", B) "," MEMBER("8", B) "]");
    join_fails(g, ERR_INVALID, "unmatched member while checking PeerURLs");
}

static void versions(void **state)
{
    struct rig *g = *state;
    static const struct {
        const char *a, *b; /* what two others tell; NULL: nothing */
        enum err e;
        const char *version;
    } rows[] = {
        {VERSION("3.0.0"), NULL, ERR_OK, "3.0.0"},
        {VERSION("3.7.0"), VERSION("3.6.0"), ERR_OK, "3.6.0"},
        {VERSION("3.4.0"), VERSION("3.10.0"), ERR_NEWER_SCHEMA, NULL},
        {VERSION("3.8.0"), NULL, ERR_NEWER_SCHEMA, NULL},
        {VERSION("2.3.0"), NULL, ERR_NEWER_SCHEMA, NULL},
        {VERSION("not_decided"), NULL, ERR_CLOSED, NULL},
        {VERSION("3.4"), "[]", ERR_CLOSED, NULL},
        {VERSION("3.4.0x"), "{\"etcdcluster\":3}", ERR_CLOSED, NULL},
        {VERSION("999999.4.0"), NULL, ERR_CLOSED, NULL},
        {VERSION("-1.4.0"), NULL, ERR_NEWER_SCHEMA, NULL},
        {"", "{", ERR_CLOSED, NULL},
        {NULL, NULL, ERR_CLOSED, NULL},
    };
    configure(g, ZED_FLAGS PAIR ",xen=" C "|--initial-cluster-state|existing");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        g->n_answers = 0;
        g->s.joined_version[0] = '\0';
        answer(g, B, "/members", "[" MEMBER("7", A) "," MEMBER("8", B) "," MEMBER("9", C) "]");
        answer(g, B, "/version", rows[i].a);
        answer(g, C, "/version", rows[i].b);
        if (rows[i].e != ERR_OK) {
            join_fails(g, rows[i].e, "incompatible with current running cluster");
            continue;
        }
        assert_int_equal(bootstrap_new(&g->s, &g->why), ERR_OK);
        assert_string_equal(g->s.joined_version, rows[i].version);
        drop_remotes(g);
    }
}

static void learners_are_counted(void **state)
{
    struct rig *g = *state;
    configure(g, JOIN_PAIR "|--max-learners|0");
    answer(g, B, "/members",
           "[" MEMBER("8", B) ",{\"id\":7,\"peerURLs\":[\"" A "\"],\"isLearner\":true}]");
    answer(g, B, "/version", VERSION("3.6.0"));
    join_fails(g, ERR_TOO_MANY_LEARNERS, "the cluster has 1 learners");
    configure(g, JOIN_PAIR);
    assert_int_equal(bootstrap_new(&g->s, &g->why), ERR_OK);
}

static void lost_data_are_told(void **state)
{
    struct rig *g = *state;
    answer(g, B, "/members",
           "[" MEMBER("8", B) ",{\"id\":7,\"peerURLs\":[\"" A "\"],\"name\":\"zed\"}]");
    answer(g, B, "/version", VERSION("3.6.0"));
    joins(g, JOIN_PAIR, 7);
    assert_int_equal(said(g, "this member ran before, and its data are gone"), 1);
}

/* A start that was cut short is done again: under the same name the vote stands. */
static void a_vote_belongs_to_a_name(void **state)
{
    struct rig *g = *state;
    const struct raft_hard_state voted = {.term = 9, .vote = 8};
    answer(g, B, "/members", "[" MEMBER("8", B) "," MEMBER("7", A) "]");
    answer(g, B, "/version", VERSION("3.6.0"));
    assert_int_equal(logdb_set_identity(g->s.logdb, 0xc1d, 7, NULL), ERR_OK);
    assert_int_equal(logdb_append(g->s.logdb, &voted, NULL, 0, NULL), ERR_OK);
    joins(g, JOIN_PAIR, 7);
    assert_int_equal(g->start.hard_state.vote, 8);
    g->n_answers = 0;
    answer(g, B, "/members", "[" MEMBER("8", B) "," MEMBER("6", A) "]");
    answer(g, B, "/version", VERSION("3.6.0"));
    drop_remotes(g);
    joins(g, JOIN_PAIR, 6);
    assert_int_equal(g->start.hard_state.vote, 0);
    assert_int_equal(g->start.hard_state.term, 0);
}

/* ---- a restart ------------------------------------------------------------------------------ */

/* A member ZED with two entries, of a cluster that has whom apply() puts in. */
static void has_data(struct rig *g, const char *flags)
{
    configure(g, NEW_PAIR);
    assert_int_equal(bootstrap_new(&g->s, &g->why), ERR_OK);
    load(g);
    g->s.applied_index = 2;
    configure(g, flags);
    forget(g);
}

static enum err restart(struct rig *g)
{
    bool reload = true;
    enum err e = bootstrap_restart(&g->s, &g->start, &reload, &g->why);
    assert_false(reload);
    return e;
}

static void a_removed_member_stays_away(void **state)
{
    struct rig *g = *state;
    has_data(g, NEW_PAIR);
    apply(g, YAK, "yak", B, false);
    apply(g, ZED, "zed", A, false);
    assert_int_equal(restart(g), ERR_OK);
    apply_removal(g, ZED);
    assert_int_equal(restart(g), ERR_REMOVED);
    assert_non_null(strstr(g->why.text,
                           "the member has been permanently removed from the cluster; its data "
                           "directory '/tmp/"));
    configure(g, NEW_PAIR "|--force-new-cluster");
    assert_int_equal(restart(g), ERR_REMOVED);
}

static void a_newer_cluster_is_not_served(void **state)
{
    struct rig *g = *state;
    has_data(g, NEW_PAIR);
    apply(g, ZED, "zed", A, false);
    apply_version(g, "3.7.0");
    assert_int_equal(restart(g), ERR_OK);
    apply_version(g, "3.10.0");
    assert_int_equal(restart(g), ERR_NEWER_SCHEMA);
    assert_non_null(strstr(g->why.text, "the cluster is at 3.10.0"));
}

static void what_is_the_same_is_not_told(void **state)
{
    struct rig *g = *state;
    has_data(g, "--name|zed|--initial-advertise-peer-urls|http://localhost:44551|"
                "--initial-cluster|zed=http://localhost:44551,yak=" B);
    apply(g, YAK, "", B, false);          /* has not published its name */
    assert_int_equal(restart(g), ERR_OK); /* nor have we come to our own entry */
    apply(g, ZED, "zed", A, false);
    assert_int_equal(restart(g), ERR_OK);
    configure(g, ZED_FLAGS);
    assert_int_equal(restart(g), ERR_OK);
    /* Other names of the same places: 127.1 is one that no name service is needed for. */
    configure(g, "--name|zed|--initial-advertise-peer-urls|http://127.1:44551|"
                 "--initial-cluster|zed=http://127.1:44551,yak=" B);
    assert_int_equal(restart(g), ERR_OK);
    assert_int_equal(said(g, "the data hold"), 0);
}

static void other_urls_are_told(void **state)
{
    struct rig *g = *state;
    has_data(g, "--name|zed|--initial-advertise-peer-urls|" C "," A "|--initial-cluster|zed=" A
                ",zed=" C ",yak=http://127.0.0.1:9");
    apply(g, ZED, "zed", A, false);
    apply(g, YAK, "yak", B, false);
    assert_int_equal(restart(g), ERR_OK);
    assert_int_equal(said(g, "the data hold"), 2);
    assert_int_equal(said(g, "\"level\":\"warn\""), 2);
    assert_int_equal(said(g, "etcdctl member update db123ab04cbdad10 --peer-urls=" C "," A "\""),
                     1);
    assert_int_equal(
        said(g, "etcdctl member update fe401cf82b7f9f9f --peer-urls=http://127.0.0.1:9\""), 1);
}

static void other_members_are_told(void **state)
{
    struct rig *g = *state;
    has_data(g, NEW_PAIR);
    apply(g, ZED, "zed", A, false);
    apply(g, 0xabc, "xen", C, false);
    assert_int_equal(restart(g), ERR_OK);
    assert_int_equal(said(g, "the data hold"), 2);
    assert_int_equal(said(g, "etcdctl member add yak --peer-urls=" B "\""), 1);
    assert_int_equal(said(g, "etcdctl member remove abc\""), 1);
    forget(g);
    configure(g, ZED_FLAGS); /* the first member of a cluster that grew */
    assert_int_equal(restart(g), ERR_OK);
    assert_int_equal(said(g, "the data hold"), 0);
}

/* ---- force-new-cluster ---------------------------------------------------------------------- */

static void force(struct rig *g, bool expect_change, const char *log)
{
    bool reload = !expect_change;
    configure(g, NEW_PAIR "|--force-new-cluster");
    load(g);
    assert_int_equal(bootstrap_restart(&g->s, &g->start, &reload, &g->why), ERR_OK);
    assert_int_equal(reload, expect_change);
    assert_log(g, log);
    if (expect_change)
        assert_int_equal(g->start.hard_state.commit, g->start.last_index);
    assert_int_equal(said(g, "force-new-cluster: all other members are removed"), expect_change);
    assert_int_equal(said(g, "force-new-cluster: the member is alone already"), !expect_change);
    forget(g);
}

#define FOUNDED "1:+db123ab04cbdad10 1:+fe401cf82b7f9f9f"

static void forced_alone(void **state)
{
    struct rig *g = *state;
    has_data(g, NEW_PAIR);
    apply(g, ZED, "zed", A, false);
    apply(g, YAK, "yak", B, false);
    append(g, 2, NULL); /* committed, not applied */
    append_member(g, 2, 5, C, true);
    append_member(g, 2, 4, "http://127.0.0.1:4", false); /* not committed */
    append(g, 3, NULL);
    commit(g, 3, 4);
    force(g, true, FOUNDED " 2:. 2:*5 3:-fe401cf82b7f9f9f 3:-5");
    /* Once more, before these are applied: there is nothing left to do. */
    force(g, false, FOUNDED " 2:. 2:*5 3:-fe401cf82b7f9f9f 3:-5");
}

/* The commit index on the disk may be older than what was applied. */
static void what_was_applied_was_committed(void **state)
{
    struct rig *g = *state;
    has_data(g, NEW_PAIR);
    apply(g, ZED, "zed", A, false);
    apply(g, YAK, "yak", B, false);
    append(g, 2, NULL);
    append(g, 2, NULL);
    g->s.applied_index = 3;
    force(g, true, FOUNDED " 2:. 2:-fe401cf82b7f9f9f");
}

static void a_learner_becomes_the_cluster(void **state)
{
    struct rig *g = *state;
    has_data(g, NEW_PAIR);
    apply(g, ZED, "zed", A, true);
    apply(g, YAK, "yak", B, false);
    force(g, true, FOUNDED " 1:^db123ab04cbdad10 1:-fe401cf82b7f9f9f");
}

static void a_member_that_has_not_seen_itself(void **state)
{
    struct rig *g = *state;
    bool reload = true;
    has_data(g, NEW_PAIR "|--force-new-cluster");
    apply(g, YAK, "yak", B, false);
    assert_int_equal(bootstrap_restart(&g->s, &g->start, &reload, &g->why), ERR_INVALID);
    assert_false(reload);
    assert_log(g, FOUNDED);
    g->s.applied_index = 0; /* its entry is committed, though not applied */
    force(g, true, FOUNDED " 1:-fe401cf82b7f9f9f");
}

/* ---- stale data ------------------------------------------------------------------------------ */

static void stale_data_are_found(void **state)
{
    struct rig *g = *state;
    static const char *const others[] = {
        ZED_FLAGS,
        NEW_PAIR ",xen=" C,
        NEW_PAIR "|--initial-cluster-token|other",
        "--name|yak|--initial-advertise-peer-urls|" B PAIR,
    };
    has_data(g, NEW_PAIR);
    assert_false(bootstrap_is_stale(&g->s, &g->start));
    configure(g, "--name|x|--initial-advertise-peer-urls|" A "|--initial-cluster|x=" A ",y=" B);
    assert_false(bootstrap_is_stale(&g->s, &g->start)); /* names do not matter */
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        configure(g, others[i]);
        assert_true(bootstrap_is_stale(&g->s, &g->start));
    }
    /* Without a preliminary vote its term grows while it waits for the others. */
    const struct raft_hard_state voted = {.term = 5, .vote = ZED, .commit = 2};
    assert_int_equal(logdb_append(g->s.logdb, &voted, NULL, 0, NULL), ERR_OK);
    load(g);
    assert_true(bootstrap_is_stale(&g->s, &g->start));
}

static void data_that_count_are_not_stale(void **state)
{
    struct rig *g = *state;
    has_data(g, ZED_FLAGS);
    assert_true(bootstrap_is_stale(&g->s, &g->start));
    configure(g, JOIN_PAIR "|--initial-cluster-token|other");
    assert_false(bootstrap_is_stale(&g->s, &g->start));
    configure(g, ZED_FLAGS "|--force-new-cluster");
    assert_false(bootstrap_is_stale(&g->s, &g->start));
    configure(g, ZED_FLAGS);
    apply_version(g, "3.7.0");
    assert_false(bootstrap_is_stale(&g->s, &g->start));
    cluster_free(g->s.cluster);
    g->s.cluster = cluster_new(0);
    mvcc_store_free(g->s.kv);
    g->s.kv = mvcc_store_new();
    mvcc_store_load(
        g->s.kv, &(struct kv_row){
                     .pos = 2 << 20, .main = 2, .create = 2, .version = 1, .key = slice_str("k")});
    assert_false(bootstrap_is_stale(&g->s, &g->start)); /* a restored backup */
    mvcc_store_free(g->s.kv);
    g->s.kv = mvcc_store_new();
    assert_true(bootstrap_is_stale(&g->s, &g->start));
    const struct raft_hard_state voted = {.term = 2, .vote = YAK, .commit = 2};
    assert_int_equal(logdb_append(g->s.logdb, &voted, NULL, 0, NULL), ERR_OK);
    load(g);
    assert_false(bootstrap_is_stale(&g->s, &g->start));
    commit(g, 2, 2);
    assert_true(bootstrap_is_stale(&g->s, &g->start));
    append(g, 2, NULL);
    load(g);
    assert_false(bootstrap_is_stale(&g->s, &g->start)); /* somebody leads */
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_new_cluster_is_upstreams),
        TEST(all_members_begin_with_the_same_log),
        TEST(the_token_makes_another_cluster),
        TEST(a_member_that_ran_is_not_new),
        TEST(others_may_be_first),
        TEST(the_configuration_is_checked_here_too),
        TEST(advertised_urls_may_be_names),
        TEST(what_nobody_could_read_is_refused),
        TEST(ids_come_from_the_cluster),
        TEST(a_host_may_be_written_in_many_ways),
        TEST(anybody_may_answer),
        TEST(nobody_answers),
        TEST(the_members_must_be_the_same),
        TEST(twins_are_unmatched),
        TEST(versions),
        TEST(learners_are_counted),
        TEST(lost_data_are_told),
        TEST(a_vote_belongs_to_a_name),
        TEST(a_removed_member_stays_away),
        TEST(a_newer_cluster_is_not_served),
        TEST(what_is_the_same_is_not_told),
        TEST(other_urls_are_told),
        TEST(other_members_are_told),
        TEST(forced_alone),
        TEST(what_was_applied_was_committed),
        TEST(a_learner_becomes_the_cluster),
        TEST(a_member_that_has_not_seen_itself),
        TEST(stale_data_are_found),
        TEST(data_that_count_are_not_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
