/* config/cluster.c -- "NAME=URL,...": the members that a cluster begins with.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "config/loader.h"
#include "config/text.h"

struct members {
    struct config_member *items;
    size_t n;
};

static struct config_member *members_get(struct members *m, struct slice name)
{
    for (size_t i = 0; i < m->n; i++) {
        if (slice_is(name, m->items[i].name))
            return &m->items[i];
    }
    m->items = xrealloc(m->items, (m->n + 1) * sizeof(m->items[0]));
    m->items[m->n] = (struct config_member){slice_dup_str(name), {NULL, 0}};
    return &m->items[m->n++];
}

static int member_cmp(const void *a, const void *b)
{
    return strcmp(((const struct config_member *)a)->name, ((const struct config_member *)b)->name);
}

static enum err members_fill(struct members *m, const char *text, struct why *why)
{
    struct slice item, name, url, rest = slice_str(text);
    for (size_t count = 0; rest.n > 0; count++) {
        slice_cut(rest, ',', &item, &rest);
        if (item.n == 0)
            continue;
        if (count >= URL_LIST_MAX)
            return why_set(why, ERR_TOO_LARGE, "more than %d members", URL_LIST_MAX);
        slice_cut(item, '=', &name, &url);
        enum err e = url_list_add(&members_get(m, name)->peer_urls, url, why);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

enum err cluster_parse(const char *text, struct config_member **ret_members, size_t *ret_n,
                       struct why *why)
{
    struct members m = {NULL, 0};
    enum err e = members_fill(&m, text, why);
    if (e != ERR_OK) {
        initial_cluster_free(m.items, m.n);
        return e;
    }
    for (size_t i = 0; i < m.n; i++)
        url_list_sort(&m.items[i].peer_urls);
    if (m.n > 1)
        qsort(m.items, m.n, sizeof(m.items[0]), member_cmp);
    *ret_members = m.items;
    *ret_n = m.n;
    return ERR_OK;
}

void initial_cluster_free(struct config_member *members, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(members[i].name);
        url_list_fini(&members[i].peer_urls);
    }
    free(members);
}

/* ---- what must hold of a member without data --------------------------------------------- */

const struct config_member *config_self(const struct config *c)
{
    for (size_t i = 0; i < c->n_members; i++) {
        if (strcmp(c->members[i].name, c->name) == 0)
            return &c->members[i];
    }
    return NULL;
}

static bool may_have_place(const struct url_list *l, const struct url *u)
{
    for (size_t i = 0; i < l->n; i++)
        if (url_may_be_same_place(&l->items[i], u))
            return true;
    return false;
}

/* Append the URLs of `a` that `b` lacks, each behind `prefix`. Where names are left to compare, the
 * bootstrap does it, which may ask a resolver. */
static void add_missing(struct buf *out, const struct url_list *a, const struct url_list *b,
                        const char *prefix)
{
    for (size_t i = 0; i < a->n; i++) {
        if (!may_have_place(b, &a->items[i]))
            buf_addf(out, "%s%s%s", out->n ? "," : "", prefix, a->items[i].text);
    }
}

static enum err check_advertised(const struct config *c, const struct config_member *self,
                                 struct why *why)
{
    const struct url_list *mine = &c->initial_advertise_peer_urls, *given = &self->peer_urls;
    AUTO(buf) struct buf missing = BUF_INIT;
    AUTO(buf) struct buf urls = BUF_INIT;
    AUTO(buf) struct buf prefix = BUF_INIT;
    buf_addf(&prefix, "%s=", c->name);
    add_missing(&missing, given, mine, buf_cstr(&prefix));
    url_list_format(&urls, mine);
    if (missing.n > 0)
        return why_set(why, ERR_INVALID,
                       "--initial-cluster has %s but missing from --initial-advertise-peer-urls=%s",
                       buf_cstr(&missing), buf_cstr(&urls));
    add_missing(&missing, mine, given, "");
    if (missing.n > 0)
        return why_set(why, ERR_INVALID,
                       "--initial-advertise-peer-urls has %s but missing from --initial-cluster=%s",
                       buf_cstr(&missing), c->initial_cluster);
    if (mine->n != given->n)
        return why_set(why, ERR_INVALID, "failed to resolve %s to match --initial-cluster=%s",
                       buf_cstr(&urls), c->initial_cluster);
    return ERR_OK;
}

static int text_cmp(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool members_share_url(const struct config *c)
{
    size_t n = 0, total = 0;
    for (size_t i = 0; i < c->n_members; i++)
        total += c->members[i].peer_urls.n;
    const char **all = xcalloc(total + 1, sizeof(all[0]));
    for (size_t i = 0; i < c->n_members; i++) {
        for (size_t k = 0; k < c->members[i].peer_urls.n; k++)
            all[n++] = c->members[i].peer_urls.items[k].text;
    }
    if (n > 1)
        qsort(all, n, sizeof(all[0]), text_cmp);
    bool twin = false;
    for (size_t i = 1; i < n && !twin; i++)
        twin = strcmp(all[i - 1], all[i]) == 0;
    free(all);
    return twin;
}

enum err config_check_members(const struct config *c, struct why *why)
{
    if (c->n_members == 0)
        return why_set(why, ERR_INVALID, "initial cluster unset and no discovery endpoints found");
    const struct config_member *self = config_self(c);
    if (!self)
        return why_set(why, ERR_INVALID,
                       "couldn't find local name \"%.256s\" in the initial cluster configuration",
                       c->name);
    if (strcmp(c->initial_cluster_state, "existing") == 0 && c->n_members == 1)
        return why_set(why, ERR_INVALID,
                       "--initial-cluster-state=existing needs the other members in "
                       "--initial-cluster, as \"etcdctl member add\" prints it");
    enum err e = check_advertised(c, self, why);
    if (e == ERR_OK && members_share_url(c))
        return why_set(why, ERR_INVALID, "initial cluster %s has duplicate url",
                       c->initial_cluster);
    return e;
}

enum err config_check_bootstrap(const struct config *c, struct why *why)
{
    enum err e = config_check_members(c, why);
    return e == ERR_OK ? members_check_supported(c, why) : e;
}
