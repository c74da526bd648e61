/* server/bootstrap.c
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/bootstrap.h"

#include <inttypes.h>

#include "base/log.h"
#include "raft/conf_codec.h"
#include "server/join.h"
#include "server/server_priv.h"

/* ---- a new cluster -------------------------------------------------------------------------- */

static int id_cmp(const void *a, const void *b)
{
    member_id x = (*(struct member *const *)a)->id, y = (*(struct member *const *)b)->id;
    return (x > y) - (x < y);
}

static struct member *founder(const struct config *c, const struct config_member *m)
{
    const char **urls = xcalloc(m->peer_urls.n, sizeof *urls);
    for (size_t i = 0; i < m->peer_urls.n; i++)
        urls[i] = m->peer_urls.items[i].text;
    member_id id = member_id_make(sha1_digest, urls, m->peer_urls.n, c->initial_cluster_token, 0);
    struct member *f = member_new(id, urls, m->peer_urls.n, false);
    free(f->name);
    f->name = xstrdup(m->name);
    free(urls);
    return f;
}

/* The members that the configuration names, by ascending id, and which of them we are. */
static struct members founders(const struct config *c, member_id *ret_self)
{
    struct members l = {.v = xcalloc(c->n_members, sizeof *l.v), .n = c->n_members};
    const struct config_member *self = config_self(c);
    member_id *ids = xcalloc(l.n, sizeof *ids);
    for (size_t i = 0; i < l.n; i++) {
        l.v[i] = founder(c, &c->members[i]);
        ids[i] = l.v[i]->id;
        if (&c->members[i] == self)
            *ret_self = ids[i];
    }
    l.cluster_id = cluster_id_make(sha1_digest, ids, l.n);
    qsort(l.v, l.n, sizeof *l.v, id_cmp);
    free(ids);
    return l;
}

/* What every member could refuse to read must not get into the log. */
static enum err check_limits(const struct members *l, struct why *why)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i]->peer_urls.n > MEMBER_URLS_MAX || strlen(l->v[i]->name) > MEMBER_TEXT_MAX)
            return why_set(why, ERR_INVALID,
                           "--initial-cluster has a name of more than %d bytes, or a member of "
                           "more than %d URLs",
                           MEMBER_TEXT_MAX, MEMBER_URLS_MAX);
    return ERR_OK;
}

static void add_change(struct raft_entries *l, raft_index index, raft_term term,
                       struct raft_conf_change *cc)
{
    struct raft_entry e = {.index = index,
                           .term = term,
                           .type = RAFT_ENTRY_CONF_CHANGE,
                           .data = raft_conf_change_encode(cc, true)};
    raft_entries_add(l, &e, 1);
    blob_unref(e.data);
    raft_conf_change_fini(cc);
}

static enum err write_founders(struct server *s, const struct members *l, struct why *why)
{
    struct raft_entries entries = {0};
    struct raft_conf_change cc;
    for (size_t i = 0; i < l->n; i++) {
        cluster_change_add(0, l->v[i], &cc);
        add_change(&entries, i + 1, 1, &cc);
    }
    const struct raft_hard_state hs = {.term = 1, .commit = l->n};
    enum err e = logdb_set_identity(s->logdb, s->cluster_id, s->id, why);
    if (e == ERR_OK)
        e = logdb_append(s->logdb, &hs, entries.v, entries.n, why);
    raft_entries_fini(&entries);
    return e;
}

static enum err found_cluster(struct server *s, struct why *why)
{
    AUTO(members) struct members l = founders(s->cfg, &s->id);
    s->cluster_id = l.cluster_id;
    enum err e = check_limits(&l, why);
    if (e == ERR_OK)
        e = join_check_new(s, why);
    if (e != ERR_OK)
        return e;
    log_info("starting a new member of a new cluster", LOG_STR("name", s->cfg->name),
             LOG_STR("data-dir", s->cfg->data_dir), LOG_ID("local-member-id", s->id),
             LOG_ID("cluster-id", s->cluster_id),
             LOG_STR("initial-cluster", s->cfg->initial_cluster));
    return write_founders(s, &l, why);
}

enum err bootstrap_new(struct server *s, struct why *why)
{
    /* config_load() leaves this out where it finds the folder, even if nothing is in it. */
    enum err e = config_check_bootstrap(s->cfg, why);
    if (e == ERR_OK)
        e = join_check_advertised(s, why);
    if (e != ERR_OK)
        return e;
    return strcmp(s->cfg->initial_cluster_state, "existing") == 0 ? join_cluster(s, why)
                                                                  : found_cluster(s, why);
}

/* ---- a restart: where configuration and data differ ------------------------------------------ */

/* Say it, with the command that would make the cluster as configured. */
static void warn_differs(const char *what, const char *name, member_id id, const char *configured,
                         const char *held, const char *command)
{
    log_warn(what, LOG_MESSAGE(MSG_CONFIG_IGNORED), LOG_STR("member", name), LOG_ID("member-id", id),
             LOG_STR("configured-peer-urls", configured), LOG_STR("data-peer-urls", held),
             LOG_STR("to-change-the-cluster", command));
}

/* `configured` is NULL where the configuration, `m` NULL where the cluster does not know it. */
static void compare_urls(const struct member *m, const char *name,
                         const struct url_list *configured, bool *asks)
{
    AUTO(buf) struct buf want = BUF_INIT;
    AUTO(buf) struct buf have = BUF_INIT;
    AUTO(buf) struct buf command = BUF_INIT;
    AUTO(url_list) struct url_list held = {0};
    const char *what;
    if (m != NULL) {
        held = member_peer_urls(m);
        url_list_format(&have, &held);
    }
    if (configured != NULL)
        url_list_format(&want, configured);
    if (m == NULL) {
        what = "--initial-cluster has a member that the cluster does not have; the data hold";
        buf_addf(&command, "etcdctl member add %s --peer-urls=%s", name, buf_cstr(&want));
    } else if (configured == NULL) {
        what = "the cluster has a member that --initial-cluster does not have; the data hold";
        buf_addf(&command, "etcdctl member remove %" PRIx64, m->id);
    } else if (!url_list_same_places(&held, configured) &&
               !join_same_places(&held, configured, asks)) {
        what = "the configured peer URLs of a member are not those of the cluster; the data hold";
        buf_addf(&command, "etcdctl member update %" PRIx64 " --peer-urls=%s", m->id,
                 buf_cstr(&want));
    } else {
        return;
    }
    warn_differs(what, name, m != NULL ? m->id : 0, buf_cstr(&want), buf_cstr(&have),
                 buf_cstr(&command));
}

/* Find the member in the configuration: by its name, else by one of its URLs. */
static const struct config_member *configured_as(const struct config *c, const struct member *m)
{
    AUTO(url_list) struct url_list urls = member_peer_urls(m);
    for (size_t i = 0; i < c->n_members; i++)
        if (member_is_started(m) && strcmp(c->members[i].name, m->name) == 0)
            return &c->members[i];
    for (size_t i = 0; i < c->n_members; i++)
        for (size_t k = 0; k < urls.n; k++)
            if (url_list_has_place(&c->members[i].peer_urls, &urls.items[k]))
                return &c->members[i];
    return NULL;
}

static void compare_others(const struct server *s, bool *asks)
{
    const struct config *c = s->cfg;
    bool *known = xcalloc(c->n_members, sizeof *known);
    for (size_t i = 0; i < cluster_size(s->cluster); i++) {
        const struct member *m = cluster_at(s->cluster, i);
        const struct config_member *as = configured_as(c, m);
        if (as != NULL)
            known[as - c->members] = true;
        if (m->id != s->id)
            compare_urls(m, m->name, as != NULL ? &as->peer_urls : NULL, asks);
    }
    for (size_t i = 0; i < c->n_members; i++)
        if (!known[i] && &c->members[i] != config_self(c))
            compare_urls(NULL, c->members[i].name, &c->members[i].peer_urls, asks);
    free(known);
}

/* An --initial-cluster of ourselves alone says nothing about the others: it is the default, and
 * what the first member of a cluster that grew was started with. */
static void compare_config(const struct server *s)
{
    const struct member *self = cluster_find(s->cluster, s->id);
    bool asks = true; /* for names */
    if (self == NULL)
        return; /* it has not come that far in the log */
    compare_urls(self, s->cfg->name, &s->cfg->initial_advertise_peer_urls, &asks);
    if (s->cfg->n_members > 1)
        compare_others(s, &asks);
}

/* ---- a restart as a cluster of one ----------------------------------------------------------- */

/* Who is in the cluster once all committed entries are applied. */
struct committed {
    raft_index from, to; /* of the entries that are not applied yet; exclusive, inclusive */
    struct raft_ids voters, learners;
};

static void committed_change(struct committed *c, const struct raft_conf_change_single *ch)
{
    if (ch->type == RAFT_CONF_REMOVE_NODE) {
        raft_ids_remove(&c->voters, ch->node);
        raft_ids_remove(&c->learners, ch->node);
    } else if (ch->type == RAFT_CONF_ADD_NODE) {
        raft_ids_remove(&c->learners, ch->node);
        raft_ids_add(&c->voters, ch->node);
    } else if (ch->type == RAFT_CONF_ADD_LEARNER && !raft_ids_has(&c->voters, ch->node)) {
        raft_ids_add(&c->learners, ch->node);
    }
}

static void committed_entry(void *arg, const struct raft_entry *e)
{
    struct committed *c = arg;
    struct raft_conf_change cc;
    if (e->index <= c->from || e->index > c->to || !raft_entry_is_conf_change(e) ||
        raft_conf_change_decode(e->type, blob_slice(e->data), &cc) != ERR_OK)
        return;
    for (size_t i = 0; i < cc.n_changes; i++)
        committed_change(c, &cc.changes[i]);
    raft_conf_change_fini(&cc);
}

/* A voter must be left at each step, so we become one before the others go. */
static void promote_self(const struct server *s, const struct committed *c,
                         struct raft_entries *out, raft_term term)
{
    struct raft_conf_change cc;
    if (raft_ids_has(&c->voters, s->id))
        return;
    cluster_change_promote(0, s->id, &cc);
    add_change(out, c->to + 1, term, &cc);
}

static void remove_others(const struct server *s, const struct committed *c,
                          struct raft_entries *out, raft_term term)
{
    const struct raft_ids *sets[] = {&c->voters, &c->learners};
    struct raft_conf_change cc;
    for (size_t k = 0; k < ARRAY_LEN(sets); k++)
        for (size_t i = 0; i < sets[k]->n; i++) {
            if (sets[k]->v[i] == s->id)
                continue;
            cluster_change_remove(0, sets[k]->v[i], &cc);
            add_change(out, c->to + out->n + 1, term, &cc);
        }
}

static enum err write_forced(struct server *s, const struct committed *c,
                             const struct logdb_start *start, bool *ret_reload, struct why *why)
{
    struct raft_entries entries = {0};
    struct raft_hard_state hs = start->hard_state;
    promote_self(s, c, &entries, hs.term);
    remove_others(s, c, &entries, hs.term);
    if (entries.n == 0) {
        log_warn("force-new-cluster: the member is alone already; take the flag away");
        return ERR_OK;
    }
    log_warn("force-new-cluster: all other members are removed, and what only they have is lost; "
             "never start them again with their data, and take the flag away now",
             LOG_MESSAGE(MSG_RECOVERY_FORCED),
             LOG_ID("cluster-id", s->cluster_id), LOG_ID("local-member-id", s->id),
             LOG_UINT("commit-index", c->to),
             LOG_UINT("dropped-entries", start->last_index - c->to));
    hs.commit = c->to + entries.n;
    enum err e = logdb_append(s->logdb, &hs, entries.v, entries.n, why);
    *ret_reload = e == ERR_OK;
    raft_entries_fini(&entries);
    return e;
}

static enum err force_new_cluster(struct server *s, const struct logdb_start *start,
                                  bool *ret_reload, struct why *why)
{
    struct committed c = {.from = s->applied_index, .to = start->hard_state.commit};
    struct logdb_start again;
    if (c.to < c.from)
        c.to = c.from; /* it was known to be committed when it was applied */
    for (size_t i = 0; i < cluster_size(s->cluster); i++) {
        const struct member *m = cluster_at(s->cluster, i);
        raft_ids_add(m->is_learner ? &c.learners : &c.voters, m->id);
    }
    enum err e = logdb_load(s->logdb, committed_entry, &c, &again, why);
    bool is_member = raft_ids_has(&c.voters, s->id) || raft_ids_has(&c.learners, s->id);
    if (e == ERR_OK && !is_member)
        e = why_set(why, ERR_INVALID,
                    "force-new-cluster: the data of this member end before it came into the "
                    "cluster; take those of another member, or a backup");
    if (e == ERR_OK)
        e = write_forced(s, &c, start, ret_reload, why);
    raft_ids_fini(&c.voters);
    raft_ids_fini(&c.learners);
    return e;
}

/* ---- a restart ------------------------------------------------------------------------------ */

enum err bootstrap_restart(struct server *s, const struct logdb_start *start, bool *ret_reload,
                           struct why *why)
{
    const char *version = cluster_version(s->cluster);
    *ret_reload = false;
    if (cluster_is_removed(s->cluster, s->id))
        return why_set(why, ERR_REMOVED,
                       "%s; its data directory '%s' must be removed before it can join again "
                       "(etcdctl member add ...)",
                       err_text(ERR_REMOVED), s->cfg->data_dir);
    if (version != NULL && strverscmp(version, ETCD_CLUSTER_VERSION) > 0)
        return why_set(why, ERR_NEWER_SCHEMA,
                       "invalid downgrade; server version is lower than determined cluster "
                       "version: this program serves up to %s, the cluster is at %s",
                       ETCD_CLUSTER_VERSION, version);
    if (s->cfg->force_new_cluster)
        return force_new_cluster(s, start, ret_reload, why);
    compare_config(s);
    return ERR_OK;
}

static void founding_entry(void *arg, const struct raft_entry *e)
{
    bool *founding = arg;
    *founding = *founding && e->term == 1 && e->type == RAFT_ENTRY_CONF_CHANGE;
}

bool bootstrap_is_stale(struct server *s, const struct logdb_start *start)
{
    const struct raft_hard_state *hs = &start->hard_state;
    struct logdb_start again;
    bool founding = start->trimmed_index == 0 && start->last_index <= CLUSTER_MEMBERS_MAX;
    if (!founding || strcmp(s->cfg->initial_cluster_state, "new") != 0 ||
        s->cfg->force_new_cluster || (hs->vote != 0 && hs->vote != start->member_id))
        return false;
    /* A restored backup has such a log too, but data beside it. */
    if (mvcc_store_revision(s->kv) > 1 || cluster_version(s->cluster) != NULL ||
        config_check_bootstrap(s->cfg, NULL) != ERR_OK ||
        logdb_load(s->logdb, founding_entry, &founding, &again, NULL) != ERR_OK || !founding)
        return false;
    member_id self = 0;
    AUTO(members) struct members l = founders(s->cfg, &self);
    return l.cluster_id != start->cluster_id || self != start->member_id;
}
