/* membership/cluster.c -- the members, and how applied entries change them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "membership/cluster_priv.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#define KEY_VERSION   "clusterVersion"
#define KEY_DOWNGRADE "downgrade"

enum { LEARNERS_MAX_DEFAULT = 1 };

struct cluster *cluster_new(uint64_t id)
{
    struct cluster *c = xcalloc(1, sizeof *c);
    c->id = id;
    c->learners_max = LEARNERS_MAX_DEFAULT;
    return c;
}

static void cluster_clear(struct cluster *c)
{
    for (size_t i = 0; i < c->n_members; i++)
        member_free(c->members[i]);
    free(c->members);
    raft_ids_fini(&c->removed);
    c->members = NULL;
    c->n_members = 0;
    c->version[0] = '\0';
    c->downgrade_target[0] = '\0';
}

void cluster_free(struct cluster *c)
{
    if (c == NULL)
        return;
    cluster_clear(c);
    free(c);
}

void cluster_check(const struct cluster *c)
{
    invariant(c->n_members <= CLUSTER_MEMBERS_MAX);
    for (size_t i = 0; i < c->n_members; i++) {
        const struct member *m = c->members[i];
        invariant(m->id != 0 && m->name != NULL);
        invariant(i == 0 || c->members[i - 1]->id < m->id);
        invariant(!raft_ids_has(&c->removed, m->id));
    }
}

/* ---- what is known --------------------------------------------------------------------------- */

uint64_t cluster_id(const struct cluster *c)
{
    return c->id;
}

void cluster_set_id(struct cluster *c, uint64_t id)
{
    c->id = id;
}

void cluster_set_learners_max(struct cluster *c, size_t n)
{
    c->learners_max = n;
}

size_t cluster_size(const struct cluster *c)
{
    return c->n_members;
}

const struct member *cluster_at(const struct cluster *c, size_t i)
{
    invariant(i < c->n_members);
    return c->members[i];
}

/* Return the place of `id`, or where it would go. */
static size_t place_of(const struct cluster *c, member_id id)
{
    size_t lo = 0, hi = c->n_members;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->members[mid]->id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct member *find(const struct cluster *c, member_id id)
{
    size_t i = place_of(c, id);
    return i < c->n_members && c->members[i]->id == id ? c->members[i] : NULL;
}

const struct member *cluster_find(const struct cluster *c, member_id id)
{
    return find(c, id);
}

bool cluster_is_removed(const struct cluster *c, member_id id)
{
    return raft_ids_has(&c->removed, id);
}

const member_id *cluster_removed(const struct cluster *c, size_t *ret_n)
{
    *ret_n = c->removed.n;
    return c->removed.v;
}

size_t cluster_n_learners(const struct cluster *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_members; i++)
        n += c->members[i]->is_learner;
    return n;
}

size_t cluster_n_voters(const struct cluster *c)
{
    return c->n_members - cluster_n_learners(c);
}

const char *cluster_version(const struct cluster *c)
{
    return c->version[0] != '\0' ? c->version : NULL;
}

bool cluster_version_reached(const struct cluster *c, unsigned major, unsigned minor)
{
    char *end;
    unsigned long have = strtoul(c->version, &end, 10);
    if (have != major || *end != '.')
        return have > major;
    return strtoul(end + 1, NULL, 10) >= minor;
}

const char *cluster_downgrade_target(const struct cluster *c)
{
    return c->downgrade_target[0] != '\0' ? c->downgrade_target : NULL;
}

void cluster_add_json(const struct cluster *c, struct buf *out)
{
    buf_add_byte(out, '[');
    for (size_t i = 0; i < c->n_members; i++) {
        if (i > 0)
            buf_add_byte(out, ',');
        member_add_json(c->members[i], out);
    }
    buf_add_byte(out, ']');
}

/* ---- changes in memory ----------------------------------------------------------------------- */

void cluster_insert(struct cluster *c, struct member *m)
{
    size_t at = place_of(c, m->id);
    invariant(at == c->n_members || c->members[at]->id != m->id);
    c->members = xrealloc(c->members, (c->n_members + 1) * sizeof *c->members);
    memmove(c->members + at + 1, c->members + at, (c->n_members - at) * sizeof *c->members);
    c->members[at] = m;
    c->n_members++;
}

static void remove_member(struct cluster *c, member_id id)
{
    size_t at = place_of(c, id);
    invariant(at < c->n_members && c->members[at]->id == id);
    member_free(c->members[at]);
    c->n_members--;
    memmove(c->members + at, c->members + at + 1, (c->n_members - at) * sizeof *c->members);
    raft_ids_add(&c->removed, id);
}

/* ---- buckets: to ----------------------------------------------------------------------------- */

static void store_member(struct kv_writer *w, const struct member *m)
{
    char hex[MEMBER_HEX_SIZE];
    AUTO(buf) struct buf json = BUF_INIT;
    member_add_json(m, &json);
    w->ops->bucket_put(w, BUCKET_MEMBERS, member_id_hex(m->id, hex), buf_slice(&json));
}

static void store_removed(struct kv_writer *w, member_id id)
{
    char hex[MEMBER_HEX_SIZE];
    struct slice key = member_id_hex(id, hex);
    w->ops->bucket_remove(w, BUCKET_MEMBERS, key);
    w->ops->bucket_put(w, BUCKET_MEMBERS_REMOVED, key, slice_str("removed"));
}

static void store_version(struct kv_writer *w, const struct cluster *c)
{
    w->ops->bucket_put(w, BUCKET_CLUSTER, slice_str(KEY_VERSION), slice_str(c->version));
}

static void store_downgrade(struct kv_writer *w, const struct cluster *c)
{
    AUTO(buf) struct buf json = BUF_INIT;
    buf_addf(&json, "{\"target-version\":\"%s\",\"enabled\":%s}", c->downgrade_target,
             c->downgrade_target[0] != '\0' ? "true" : "false");
    w->ops->bucket_put(w, BUCKET_CLUSTER, slice_str(KEY_DOWNGRADE), buf_slice(&json));
}

/* The keys of a bucket, each with its length before it, so that they outlive the scan. */
static bool collect_key(void *arg, struct slice key, struct slice value)
{
    struct buf *keys = arg;
    buf_add_be64(keys, key.n);
    buf_add_slice(keys, key);
    return true;
}

static void empty_bucket(struct kv_writer *w, const char *bucket)
{
    AUTO(buf) struct buf keys = BUF_INIT;
    w->ops->bucket_scan(w, bucket, collect_key, &keys);
    for (size_t at = 0; at < keys.n;) {
        size_t n = be64_get(keys.p + at);
        w->ops->bucket_remove(w, bucket, slice_make(keys.p + at + 8, n));
        at += 8 + n;
    }
}

void cluster_save(const struct cluster *c, struct kv_writer *w)
{
    empty_bucket(w, BUCKET_MEMBERS);
    empty_bucket(w, BUCKET_MEMBERS_REMOVED);
    empty_bucket(w, BUCKET_CLUSTER);
    for (size_t i = 0; i < c->n_members; i++)
        store_member(w, c->members[i]);
    for (size_t i = 0; i < c->removed.n; i++)
        store_removed(w, c->removed.v[i]);
    if (c->version[0] != '\0')
        store_version(w, c);
    if (c->downgrade_target[0] != '\0')
        store_downgrade(w, c);
}

/* ---- buckets: from --------------------------------------------------------------------------- */

enum err cluster_parse_version(struct slice text, char ret[CLUSTER_VERSION_MAX])
{
    unsigned dots = 0;
    bool digit = false;
    if (text.n >= CLUSTER_VERSION_MAX)
        return ERR_MALFORMED;
    for (size_t i = 0; i < text.n; i++) {
        bool is_dot = text.p[i] == '.';
        if ((is_dot && !digit) || (!is_dot && (text.p[i] < '0' || text.p[i] > '9')))
            return ERR_MALFORMED;
        dots += is_dot;
        digit = !is_dot;
    }
    if (dots != 2 || !digit)
        return ERR_MALFORMED;
    memcpy(ret, text.p, text.n);
    ret[text.n] = '\0';
    return ERR_OK;
}

struct loading {
    struct cluster *c;
    struct why *why;
    enum err e;
};

/* Note a bad row and end the scan. */
static bool loading_damaged(struct loading *l, const char *bucket, struct slice key)
{
    l->e = why_set(l->why, ERR_DAMAGED, "bucket '%s': the row '%.*s' cannot be read", bucket,
                   (int)(key.n < 64 ? key.n : 64), (const char *)key.p);
    return false;
}

static bool load_member(void *arg, struct slice key, struct slice value)
{
    struct loading *l = arg;
    member_id id;
    struct member *m = NULL;
    if (!member_id_from_hex(key, &id) || member_from_json(value, &m) != ERR_OK || m->id != id ||
        l->c->n_members == CLUSTER_MEMBERS_MAX || find(l->c, id) != NULL) {
        member_free(m);
        return loading_damaged(l, BUCKET_MEMBERS, key);
    }
    cluster_insert(l->c, m);
    return true;
}

static bool load_removed(void *arg, struct slice key, struct slice value)
{
    struct loading *l = arg;
    member_id id;
    if (!member_id_from_hex(key, &id) || find(l->c, id) != NULL)
        return loading_damaged(l, BUCKET_MEMBERS_REMOVED, key);
    raft_ids_add(&l->c->removed, id);
    return true;
}

static enum err parse_downgrade(struct slice text, char ret[CLUSTER_VERSION_MAX])
{
    if (text.n > MEMBER_JSON_MAX)
        return ERR_MALFORMED;
    json_t *j = json_loadb((const char *)text.p, text.n, 0, NULL);
    const json_t *enabled = json_object_get(j, "enabled");
    const char *target = json_string_value(json_object_get(j, "target-version"));
    enum err e = json_is_boolean(enabled) ? ERR_OK : ERR_MALFORMED;
    if (json_is_true(enabled))
        e = target != NULL ? cluster_parse_version(slice_str(target), ret) : ERR_MALFORMED;
    json_decref(j);
    return e;
}

static bool load_cluster_row(void *arg, struct slice key, struct slice value)
{
    struct loading *l = arg;
    enum err e = ERR_OK;
    if (slice_is(key, KEY_VERSION))
        e = cluster_parse_version(value, l->c->version);
    else if (slice_is(key, KEY_DOWNGRADE))
        e = parse_downgrade(value, l->c->downgrade_target);
    return e == ERR_OK || loading_damaged(l, BUCKET_CLUSTER, key);
}

void cluster_adopt(struct cluster *c, struct cluster *fresh)
{
    struct cluster old = *c;
    *c = *fresh;
    c->learners_max = old.learners_max;
    *fresh = old;
}

enum err cluster_load(struct cluster *c, struct kv_writer *w, struct why *why)
{
    struct cluster *fresh = cluster_new(c->id);
    struct loading l = {fresh, why, ERR_OK};
    w->ops->bucket_scan(w, BUCKET_MEMBERS, load_member, &l);
    if (l.e == ERR_OK)
        w->ops->bucket_scan(w, BUCKET_MEMBERS_REMOVED, load_removed, &l);
    if (l.e == ERR_OK)
        w->ops->bucket_scan(w, BUCKET_CLUSTER, load_cluster_row, &l);
    if (l.e == ERR_OK)
        cluster_adopt(c, fresh);
    cluster_free(fresh);
    return l.e;
}

/* ---- other applied entries ------------------------------------------------------------------- */

enum err cluster_set_attributes(struct cluster *c, member_id id, const char *name,
                                const char *const *client_urls, size_t n_urls, struct kv_writer *w)
{
    struct member *m = find(c, id);
    if (m == NULL)
        return ERR_MEMBER_NOT_FOUND;
    if (n_urls > MEMBER_URLS_MAX || strlen(name) > MEMBER_TEXT_MAX)
        return ERR_MALFORMED;
    for (size_t i = 0; i < n_urls; i++) {
        if (strlen(client_urls[i]) > MEMBER_TEXT_MAX)
            return ERR_MALFORMED;
    }
    struct urls urls = urls_dup(client_urls, n_urls); /* the arguments may be our own */
    char *copy = xstrdup(name);
    free(m->name);
    m->name = copy;
    urls_fini(&m->client_urls);
    m->client_urls = urls;
    store_member(w, m);
    return ERR_OK;
}

enum err cluster_set_attributes_json(struct cluster *c, member_id id, struct slice json,
                                     struct kv_writer *w)
{
    struct member *m = member_new(id, NULL, 0, false);
    enum err e = member_read_attributes(m, json);
    if (e == ERR_OK)
        e = cluster_set_attributes(c, id, m->name, urls_view(&m->client_urls), m->client_urls.n, w);
    member_free(m);
    return e;
}

enum err cluster_set_version(struct cluster *c, const char *version, struct kv_writer *w)
{
    enum err e = cluster_parse_version(slice_str(version), c->version);
    if (e == ERR_OK)
        store_version(w, c);
    return e;
}

enum err cluster_set_downgrade(struct cluster *c, const char *target, struct kv_writer *w)
{
    enum err e = ERR_OK;
    if (target != NULL)
        e = cluster_parse_version(slice_str(target), c->downgrade_target);
    else
        c->downgrade_target[0] = '\0';
    if (e == ERR_OK)
        store_downgrade(w, c);
    return e;
}

/* ---- reconfiguration: to the log ------------------------------------------------------------- */

static void change_fill(struct raft_conf_change *cc, uint64_t change_id,
                        enum raft_conf_change_type type, member_id id, const struct buf *context)
{
    *cc = (struct raft_conf_change){.id = change_id, .n_changes = 1};
    cc->changes = xmalloc(sizeof *cc->changes);
    cc->changes[0] = (struct raft_conf_change_single){type, id};
    cc->context = context != NULL ? blob_dup(buf_slice(context)) : NULL;
}

void cluster_change_add(uint64_t change_id, const struct member *m, struct raft_conf_change *ret_cc)
{
    AUTO(buf) struct buf json = BUF_INIT;
    member_add_json(m, &json);
    change_fill(ret_cc, change_id, m->is_learner ? RAFT_CONF_ADD_LEARNER : RAFT_CONF_ADD_NODE,
                m->id, &json);
}

void cluster_change_promote(uint64_t change_id, member_id id, struct raft_conf_change *ret_cc)
{
    AUTO(buf) struct buf json = BUF_INIT;
    buf_addf(&json, "{\"id\":%" PRIu64 ",\"peerURLs\":null,\"isPromote\":true}", id);
    change_fill(ret_cc, change_id, RAFT_CONF_ADD_NODE, id, &json);
}

void cluster_change_update(uint64_t change_id, member_id id, const char *const *peer_urls,
                           size_t n_urls, struct raft_conf_change *ret_cc)
{
    AUTO(buf) struct buf json = BUF_INIT;
    struct member *m = member_new(id, peer_urls, n_urls, false);
    member_add_json(m, &json);
    member_free(m);
    change_fill(ret_cc, change_id, RAFT_CONF_UPDATE_NODE, id, &json);
}

void cluster_change_remove(uint64_t change_id, member_id id, struct raft_conf_change *ret_cc)
{
    change_fill(ret_cc, change_id, RAFT_CONF_REMOVE_NODE, id, NULL);
}

/* ---- reconfiguration: from the log ----------------------------------------------------------- */

enum change_kind { CHANGE_ADD, CHANGE_PROMOTE, CHANGE_UPDATE, CHANGE_REMOVE };

struct change {
    enum change_kind kind;
    member_id id;
    struct member *m; /* owned; NULL for CHANGE_REMOVE */
};

static void change_auto(struct change *ch)
{
    member_free(ch->m);
}

/* Find out what the raft types, which etcd uses for more than their names say, stand for. */
static enum err change_classify(enum raft_conf_change_type type, bool promote, struct change *ch)
{
    if (type == RAFT_CONF_UPDATE_NODE) {
        ch->kind = CHANGE_UPDATE;
        return ERR_OK;
    }
    if (type != RAFT_CONF_ADD_NODE && type != RAFT_CONF_ADD_LEARNER)
        return ERR_MALFORMED;
    ch->kind = promote ? CHANGE_PROMOTE : CHANGE_ADD;
    return ch->m->is_learner == (type == RAFT_CONF_ADD_LEARNER) ? ERR_OK : ERR_MALFORMED;
}

static enum err change_parse(const struct raft_conf_change *cc, struct change *ch)
{
    if (cc->n_changes != 1 || cc->changes[0].node == 0)
        return ERR_MALFORMED;
    *ch = (struct change){CHANGE_REMOVE, cc->changes[0].node, NULL};
    if (cc->changes[0].type == RAFT_CONF_REMOVE_NODE)
        return ERR_OK;
    bool promote = false;
    enum err e = member_change_from_json(blob_slice(cc->context), &ch->m, &promote);
    if (e != ERR_OK || ch->m->id != ch->id)
        return ERR_MALFORMED;
    return change_classify(cc->changes[0].type, promote, ch);
}

/* Fail if a member other than `m` has one of its peer URLs. */
static enum err check_peer_urls(const struct cluster *c, const struct member *m)
{
    for (size_t i = 0; i < c->n_members; i++) {
        const struct urls *u = &c->members[i]->peer_urls;
        for (size_t k = 0; k < u->n && c->members[i]->id != m->id; k++) {
            for (size_t n = 0; n < m->peer_urls.n; n++) {
                if (strcmp(u->v[k], m->peer_urls.v[n]) == 0)
                    return ERR_PEER_URL_EXISTS;
            }
        }
    }
    return ERR_OK;
}

static enum err check_add(const struct cluster *c, const struct member *m)
{
    if (find(c, m->id) != NULL)
        return ERR_MEMBER_EXISTS;
    enum err e = check_peer_urls(c, m);
    if (e != ERR_OK)
        return e;
    if (m->is_learner && cluster_n_learners(c) >= c->learners_max)
        return ERR_TOO_MANY_LEARNERS;
    return c->n_members < CLUSTER_MEMBERS_MAX ? ERR_OK : ERR_TOO_LARGE;
}

static enum err change_check(const struct cluster *c, const struct change *ch)
{
    if (cluster_is_removed(c, ch->id))
        return ERR_MEMBER_NOT_FOUND;
    if (ch->kind == CHANGE_ADD)
        return check_add(c, ch->m);
    const struct member *m = find(c, ch->id);
    if (m == NULL)
        return ERR_MEMBER_NOT_FOUND;
    if (ch->kind == CHANGE_PROMOTE && !m->is_learner)
        return ERR_MEMBER_NOT_LEARNER;
    return ch->kind == CHANGE_UPDATE ? check_peer_urls(c, ch->m) : ERR_OK;
}

enum err cluster_check_change(const struct cluster *c, const struct raft_conf_change *cc)
{
    AUTO(change) struct change ch = {0};
    enum err e = change_parse(cc, &ch);
    return e == ERR_OK ? change_check(c, &ch) : e;
}

static void change_apply(struct cluster *c, struct change *ch)
{
    struct member *m = find(c, ch->id);
    switch (ch->kind) {
    case CHANGE_ADD:
        cluster_insert(c, ch->m);
        ch->m = NULL;
        break;
    case CHANGE_PROMOTE:
        m->is_learner = false;
        break;
    case CHANGE_UPDATE:
        urls_fini(&m->peer_urls);
        m->peer_urls = ch->m->peer_urls;
        ch->m->peer_urls = (struct urls){NULL, 0};
        if (c->version[0] != '\0' && !cluster_version_reached(c, 3, 5))
            m->is_learner = ch->m->is_learner; /* as 3.4 does: a later promotion is refused alike */
        break;
    case CHANGE_REMOVE:
        remove_member(c, ch->id);
        break;
    }
    invariant((find(c, ch->id) == NULL) == (ch->kind == CHANGE_REMOVE));
}

enum err cluster_apply_change(struct cluster *c, const struct raft_conf_change *cc,
                              struct kv_writer *w)
{
    AUTO(change) struct change ch = {0};
    enum err e = change_parse(cc, &ch);
    if (e == ERR_OK)
        e = change_check(c, &ch);
    if (e != ERR_OK)
        return e;
    change_apply(c, &ch);
    if (ch.kind == CHANGE_REMOVE)
        store_removed(w, ch.id);
    else
        store_member(w, find(c, ch.id));
    return ERR_OK;
}

/* ---- strict reconfiguration ------------------------------------------------------------------ */

/* Count the voters but `except`, and those of them that have started. */
static void count_voters(const struct cluster *c, member_id except, size_t *ret_voters,
                         size_t *ret_started)
{
    *ret_voters = 0;
    *ret_started = 0;
    for (size_t i = 0; i < c->n_members; i++) {
        const struct member *m = c->members[i];
        if (m->is_learner || m->id == except)
            continue;
        *ret_voters += 1;
        *ret_started += member_is_started(m);
    }
}

enum err cluster_check_quorum(const struct cluster *c, const struct raft_conf_change *cc)
{
    AUTO(change) struct change ch = {0};
    enum err e = change_parse(cc, &ch);
    if (e != ERR_OK)
        return e;
    const struct member *m = ch.kind == CHANGE_ADD ? ch.m : find(c, ch.id);
    if (m == NULL || ch.kind == CHANGE_UPDATE || (m->is_learner && ch.kind != CHANGE_PROMOTE))
        return ERR_OK;

    size_t voters, started;
    count_voters(c, ch.kind == CHANGE_REMOVE ? ch.id : 0, &voters, &started);
    if (ch.kind != CHANGE_REMOVE)
        voters++;
    if (ch.kind == CHANGE_PROMOTE)
        started++; /* a learner that is in sync has started, published or not */
    if (ch.kind == CHANGE_ADD && started == 1 && voters == 2)
        return ERR_OK; /* how a cluster grows from the one member that was restored */
    return started >= voters / 2 + 1 ? ERR_OK : ERR_MEMBER_NOT_ENOUGH_STARTED;
}
