/* etcdutl/founders.c -- see founders.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdutl/founders.h"

#include <stdlib.h>

#include "config/loader.h"
#include "etcdutl/marks.h"
#include "raft/conf_codec.h"

enum { FOUNDING_TERM = 1 };

static int id_cmp(const void *a, const void *b)
{
    member_id x = (*(struct member *const *)a)->id, y = (*(struct member *const *)b)->id;
    return (x > y) - (x < y);
}

static struct member *founder(const struct config_member *m, const char *token)
{
    const char **urls = xcalloc(m->peer_urls.n, sizeof *urls);
    for (size_t i = 0; i < m->peer_urls.n; i++)
        urls[i] = m->peer_urls.items[i].text;
    member_id id = member_id_make(sha1_of, urls, m->peer_urls.n, token, 0);
    struct member *f = member_new(id, urls, m->peer_urls.n, false);
    free(f->name);
    f->name = xstrdup(m->name);
    free(urls);
    return f;
}

static void fill(const struct config *c, struct founders *ret)
{
    member_id *ids = xcalloc(c->n_members, sizeof *ids);
    const struct config_member *self = config_self(c);
    *ret = (struct founders){.v = xcalloc(c->n_members, sizeof *ret->v), .n = c->n_members};
    for (size_t i = 0; i < ret->n; i++) {
        ret->v[i] = founder(&c->members[i], c->initial_cluster_token);
        ids[i] = ret->v[i]->id;
        if (&c->members[i] == self)
            ret->self = ids[i];
    }
    ret->cluster_id = cluster_id_make(sha1_of, ids, ret->n);
    qsort(ret->v, ret->n, sizeof *ret->v, id_cmp);
    free(ids);
}

static enum err check_limits(const struct founders *f, struct why *why)
{
    if (f->n > CLUSTER_MEMBERS_MAX)
        return why_set(why, ERR_INVALID, "--initial-cluster has more than %d members",
                       CLUSTER_MEMBERS_MAX);
    for (size_t i = 0; i < f->n; i++)
        if (f->v[i]->peer_urls.n > MEMBER_URLS_MAX || strlen(f->v[i]->name) > MEMBER_TEXT_MAX)
            return why_set(why, ERR_INVALID,
                           "--initial-cluster has a name of more than %d bytes, or a member of "
                           "more than %d URLs", MEMBER_TEXT_MAX, MEMBER_URLS_MAX);
    return ERR_OK;
}

enum err founders_read(const struct founders_options *o, struct founders *ret, struct why *why)
{
    struct config c = {
        .name = (char *)(uintptr_t)o->name,
        .initial_cluster = (char *)(uintptr_t)o->initial_cluster,
        .initial_cluster_token = (char *)(uintptr_t)o->token,
        .initial_cluster_state = (char *)(uintptr_t)"new",
    };
    *ret = (struct founders){0};
    enum err e = url_list_parse(o->peer_urls, false, &c.initial_advertise_peer_urls, why);
    if (e == ERR_OK)
        e = cluster_parse(o->initial_cluster, &c.members, &c.n_members, why);
    if (e == ERR_OK)
        e = config_check_members(&c, why);
    if (e == ERR_OK)
        fill(&c, ret);
    if (e == ERR_OK)
        e = check_limits(ret, why);
    url_list_fini(&c.initial_advertise_peer_urls);
    initial_cluster_free(c.members, c.n_members);
    return e;
}

void founders_fini(struct founders *f)
{
    for (size_t i = 0; i < f->n; i++)
        member_free(f->v[i]);
    free(f->v);
    *f = (struct founders){0};
}

/* ---- into the databases --------------------------------------------------------------------- */

/* The version that the cluster had agreed on. */
static enum err keep_version(struct cluster *c, struct kv_writer *w)
{
    struct slice text;
    char version[CLUSTER_VERSION_MAX];
    if (!w->ops->bucket_get(w, BUCKET_CLUSTER, slice_str("clusterVersion"), &text))
        return ERR_OK;
    if (text.n >= sizeof version)
        return ERR_MALFORMED;
    memcpy(version, text.p, text.n);
    version[text.n] = '\0';
    return cluster_set_version(c, version, w);
}

enum err founders_store(const struct founders *f, struct kv_writer *w, struct why *why)
{
    struct cluster *c = cluster_new(f->cluster_id);
    struct raft_conf_change cc;
    enum err e = keep_version(c, w);
    for (size_t i = 0; i < f->n && e == ERR_OK; i++) {
        cluster_change_add(0, f->v[i], &cc);
        e = cluster_apply_change(c, &cc, w);
        raft_conf_change_fini(&cc);
    }
    if (e == ERR_OK) {
        cluster_save(c, w);
        marks_set_conf_state(w, c);
        marks_set_applied(w, f->n, FOUNDING_TERM);
    } else {
        e = why_set(why, ERR_INVALID, "the members of --initial-cluster: %s", err_text(e));
    }
    cluster_free(c);
    return e;
}

enum err founders_log(const struct founders *f, struct logdb *log, struct why *why)
{
    struct raft_entries entries = {0};
    struct raft_conf_change cc;
    for (size_t i = 0; i < f->n; i++) {
        cluster_change_add(0, f->v[i], &cc);
        struct raft_entry e = {.index = i + 1,
                               .term = FOUNDING_TERM,
                               .type = RAFT_ENTRY_CONF_CHANGE,
                               .data = raft_conf_change_encode(&cc, true)};
        raft_entries_add(&entries, &e, 1);
        blob_unref(e.data);
        raft_conf_change_fini(&cc);
    }
    const struct raft_hard_state hs = {.term = FOUNDING_TERM, .commit = f->n};
    enum err e = logdb_set_identity(log, f->cluster_id, f->self, why);
    if (e == ERR_OK)
        e = logdb_append(log, &hs, entries.v, entries.n, why);
    if (e == ERR_OK)
        e = logdb_gather(log, why);
    raft_entries_fini(&entries);
    return e;
}
