/* server/join.c
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/join.h"

#include <inttypes.h>
#include <jansson.h>
#include <netdb.h>
#include <netinet/in.h>
#include <time.h>

#include "base/log.h"
#include "loop/clock.h"
#include "peer/fetch.h"
#include "server/server_priv.h"

enum {
    PROBE_TIMEOUT_MS = 1000, /* of members that may not have been started yet */
    MEMBERS_TIMEOUT_MS = 10000,
    VERSION_TIMEOUT_MS = 5000,
    PATIENCE_MS = 30000, /* until somebody answers, and until names resolve */
    SLOW_MS = 1000,      /* for the names of a warning */
    RETRY_MS = 1000,
    REPORT_MS = 5000,
    LISTED_MAX = 400, /* bytes of a list of members inside a sentence */
};

#define VERSION_MIN "3.0.0" /* of a cluster that we can join */

/* ---- lists of members ----------------------------------------------------------------------- */

void members_auto(struct members *l)
{
    for (size_t i = 0; i < l->n; i++)
        member_free(l->v[i]);
    free(l->v);
    *l = (struct members){0};
}

static const struct member *members_find(const struct members *l, member_id id)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i]->id == id)
            return l->v[i];
    return NULL;
}

struct url_list member_peer_urls(const struct member *m)
{
    struct url_list l = {0};
    for (size_t i = 0; i < m->peer_urls.n; i++) {
        if (url_list_add(&l, slice_str(m->peer_urls.v[i]), NULL) != ERR_OK)
            continue; /* nobody can be reached by it */
    }
    url_list_sort(&l);
    return l;
}

/* ---- names of hosts ------------------------------------------------------------------------- */

static void pause_ms(msec ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&t, &t) == -1)
        continue;
}

static inline void addrinfo_auto(struct addrinfo **a)
{
    if (*a != NULL)
        freeaddrinfo(*a);
}

/* Ask until `*deadline`, since the name service may start after us; NULL if it is in vain. */
static struct addrinfo *resolve(const char *host, const msec *deadline)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int rc;
    while ((rc = getaddrinfo(host, NULL, &hints, &list)) != 0) {
        log_warn("a host name of --initial-cluster does not resolve", LOG_STR("host", host),
                 LOG_STR("error", gai_strerror(rc)));
        if (clock_now_ms() >= *deadline)
            return NULL;
        pause_ms(RETRY_MS);
    }
    return list;
}

static bool address_eq(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family)
        return false;
    const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
    const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;
    return a->sa_family == AF_INET
               ? a4->sin_addr.s_addr == b4->sin_addr.s_addr
               : memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
}

/* As url_same_place(), or with an address in common. */
static bool resolved_eq(const struct url *a, const struct url *b, const msec *deadline)
{
    if (url_same_place(a, b))
        return true;
    if (a->scheme != b->scheme || url_is_unix(a) || strcmp(a->port, b->port) != 0)
        return false;
    AUTO(addrinfo) struct addrinfo *la = resolve(url_bind_host(a), deadline);
    AUTO(addrinfo) struct addrinfo *lb = la ? resolve(url_bind_host(b), deadline) : NULL;
    for (const struct addrinfo *x = la; x != NULL; x = x->ai_next)
        for (const struct addrinfo *y = lb; y != NULL; y = y->ai_next)
            if (address_eq(x->ai_addr, y->ai_addr))
                return true;
    return false;
}

static bool resolved_has(const struct url_list *l, const struct url *u, const msec *deadline)
{
    for (size_t i = 0; i < l->n; i++)
        if (resolved_eq(&l->items[i], u, deadline))
            return true;
    return false;
}

/* Without a deadline no names are asked for. */
static bool url_lists_match(const struct url_list *a, const struct url_list *b,
                            const msec *deadline)
{
    if (deadline == NULL)
        return url_list_same_places(a, b);
    bool match = a->n == b->n;
    for (size_t i = 0; i < a->n && match; i++)
        match = resolved_has(b, &a->items[i], deadline) && resolved_has(a, &b->items[i], deadline);
    return match;
}

bool join_same_places(const struct url_list *a, const struct url_list *b, bool *asks)
{
    const msec once = 0;
    msec began = clock_now_ms();
    bool same = url_lists_match(a, b, *asks ? &once : NULL);
    *asks = *asks && clock_now_ms() - began < SLOW_MS;
    return same;
}

static msec resolve_deadline(const struct server *s)
{
    return s->world.fetch != NULL ? 0 : clock_now_ms() + PATIENCE_MS;
}

enum err join_check_advertised(struct server *s, struct why *why)
{
    const struct config *c = s->cfg;
    msec deadline = resolve_deadline(s);
    AUTO(buf) struct buf urls = BUF_INIT;
    if (url_lists_match(&c->initial_advertise_peer_urls, &config_self(c)->peer_urls, &deadline))
        return ERR_OK;
    url_list_format(&urls, &c->initial_advertise_peer_urls);
    return why_set(why, ERR_INVALID, "failed to resolve %s to match --initial-cluster=%s",
                   buf_cstr(&urls), c->initial_cluster);
}

/* ---- asking other members ------------------------------------------------------------------- */

/* GET url + path; anything but an answer of status 200 is a failure. The caller owns *ret_body. */
static enum err ask(struct server *s, const char *url, const char *path, msec timeout,
                    uint64_t *ret_cluster_id, struct buf *ret_body, struct why *why)
{
    unsigned status = 0;
    enum err e;
    if (s->world.fetch != NULL) {
        struct server_fetched got = {0};
        e = s->world.fetch(s->world.arg, url, path, &got);
        status = got.status;
        *ret_cluster_id = got.cluster_id;
        *ret_body = got.body;
        if (e != ERR_OK)
            why_set(why, e, "%s", err_text(e));
    } else {
        e = peer_fetch(url, path, timeout, MEMBER_JSON_MAX, &status, ret_cluster_id, ret_body, why);
    }
    return e == ERR_OK && status != 200 ? why_set(why, ERR_MALFORMED, "status %u", status) : e;
}

/* Ask one member who is in its cluster. */
static enum err ask_members(struct server *s, const char *url, msec timeout, struct members *ret,
                            struct why *why)
{
    AUTO(buf) struct buf body = BUF_INIT;
    struct members l = {0};
    enum err e = ask(s, url, "/members", timeout, &l.cluster_id, &body, why);
    if (e != ERR_OK)
        return e;
    e = members_from_json(buf_slice(&body), CLUSTER_MEMBERS_MAX, &l.v, &l.n);
    if (e == ERR_OK && l.n > 0 && l.cluster_id != 0) {
        *ret = l;
        return ERR_OK;
    }
    members_auto(&l);
    return why_set(why, ERR_MALFORMED, "its list of members cannot be read");
}

static int text_cmp(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The peer URLs of the others, sorted; the array is owned, the texts are lent. */
static const char **other_urls(const struct config *c, size_t *ret_n)
{
    const struct config_member *self = config_self(c);
    const char **urls = NULL;
    size_t n = 0;
    for (size_t i = 0; i < c->n_members; i++) {
        const struct url_list *l = &c->members[i].peer_urls;
        if (&c->members[i] == self)
            continue;
        urls = xrealloc(urls, (n + l->n) * sizeof *urls);
        for (size_t k = 0; k < l->n; k++)
            urls[n++] = l->items[k].text;
    }
    if (n > 1)
        qsort(urls, n, sizeof *urls, text_cmp);
    *ret_n = n;
    return urls;
}

/* ---- a new cluster --------------------------------------------------------------------------- */

enum err join_check_new(struct server *s, struct why *why)
{
    enum err e = ERR_OK;
    size_t n;
    const char **urls = other_urls(s->cfg, &n);
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        AUTO(members) struct members l = {0};
        struct why reason;
        if (ask_members(s, urls[i], PROBE_TIMEOUT_MS, &l, &reason) != ERR_OK)
            continue;
        const struct member *self = members_find(&l, s->id);
        if (self != NULL && self->client_urls.n > 0)
            e = why_set(why, ERR_EXISTS,
                        "member %" PRIx64 " has already been bootstrapped; if its data are lost, "
                        "remove it (etcdctl member remove %" PRIx64 "), add it again (etcdctl "
                        "member add) and start it with --initial-cluster-state=existing, or "
                        "restore a backup on all members",
                        s->id, s->id);
    }
    free(urls);
    return e;
}

/* ---- joining: who is there ------------------------------------------------------------------ */

/* Ask all of them once. */
static enum err ask_anybody(struct server *s, const char *const *urls, size_t n,
                            struct members *ret, struct why *why)
{
    enum err e = why_set(why, ERR_CLOSED, "there is nobody to ask");
    for (size_t i = 0; i < n && e != ERR_OK; i++) {
        struct why reason = {""};
        e = ask_members(s, urls[i], MEMBERS_TIMEOUT_MS, ret, &reason);
        if (e != ERR_OK)
            why_set(why, e, "%s: %s", urls[i], reason.text);
    }
    return e;
}

/* Ask until somebody answers, for a while: after a power cut they all start at once. */
static enum err fetch_cluster(struct server *s, struct members *ret, struct why *why)
{
    size_t n;
    const char **urls = other_urls(s->cfg, &n);
    msec begin = clock_now_ms(), next_report = begin;
    struct why reason;
    enum err e;
    while ((e = ask_anybody(s, urls, n, ret, &reason)) != ERR_OK) {
        msec now = clock_now_ms();
        if (now - begin >= PATIENCE_MS || s->world.fetch != NULL) {
            why_set(why, e,
                    "cannot fetch cluster info from peer urls: could not retrieve cluster "
                    "information from the given URLs (%s)",
                    reason.text);
            break;
        }
        if (now >= next_report) {
            log_warn("waiting for a member of the cluster to answer",
                     LOG_STR("initial-cluster", s->cfg->initial_cluster),
                     LOG_STR("error", reason.text), LOG_MS("for", begin + PATIENCE_MS - now));
            next_report = now + REPORT_MS;
        }
        pause_ms(RETRY_MS);
    }
    free(urls);
    return e;
}

/* ---- joining: which of them are we ---------------------------------------------------------- */

static enum err refuse_peers(const struct members *l, const char *what, struct why *why)
{
    AUTO(buf) struct buf b = BUF_INIT;
    for (size_t i = 0; i < l->n; i++) {
        buf_addf(&b, "%s%" PRIx64 "=", i > 0 ? " " : "", l->v[i]->id);
        for (size_t k = 0; k < l->v[i]->peer_urls.n; k++)
            buf_addf(&b, "%s%s", k > 0 ? "," : "", l->v[i]->peer_urls.v[k]);
    }
    return why_set(why, ERR_INVALID,
                   "error validating peerURLs {ClusterID:%" PRIx64 " Members:[%.*s]}: %s; "
                   "\"etcdctl member add\" comes before the start of a new member, and prints its "
                   "--initial-cluster",
                   l->cluster_id, LISTED_MAX, buf_cstr(&b), what);
}

/* Find for each member its counterpart in the configuration, of those that are left; `ids` (by the
 * place in the configuration) is 0 where there is none yet. Return how many members have none. */
static size_t match_members(const struct config *c, const struct members *l, member_id *ids,
                            const msec *deadline)
{
    size_t missing = 0;
    for (size_t i = 0; i < l->n; i++) {
        AUTO(url_list) struct url_list urls = member_peer_urls(l->v[i]);
        bool found = false;
        for (size_t k = 0; k < c->n_members && !found; k++)
            found = ids[k] == l->v[i]->id;
        for (size_t k = 0; k < c->n_members && !found; k++) {
            found = ids[k] == 0 && url_lists_match(&urls, &c->members[k].peer_urls, deadline);
            if (found)
                ids[k] = l->v[i]->id;
        }
        missing += !found;
    }
    return missing;
}

/* Set s->id. */
static enum err find_self(struct server *s, const struct members *l, struct why *why)
{
    const struct config *c = s->cfg;
    msec deadline = resolve_deadline(s);
    if (l->n != c->n_members)
        return refuse_peers(l, "member count is unequal", why);
    member_id *ids = xcalloc(c->n_members, sizeof *ids);
    size_t missing = match_members(c, l, ids, NULL);
    if (missing > 0)
        missing = match_members(c, l, ids, &deadline);
    s->id = missing == 0 ? ids[config_self(c) - c->members] : 0;
    free(ids);
    return s->id != 0 ? ERR_OK : refuse_peers(l, "unmatched member while checking PeerURLs", why);
}

/* ---- joining: do we understand each other ---------------------------------------------------- */

/* Read "3.4.0" into `ret`, without needless zeros. */
static bool version_parse(const char *text, char ret[CLUSTER_VERSION_MAX])
{
    unsigned major, minor, patch;
    int n = 0;
    if (sscanf(text, "%5u.%5u.%5u%n", &major, &minor, &patch, &n) != 3 || text[n] != '\0')
        return false;
    (void)snprintf(ret, CLUSTER_VERSION_MAX, "%u.%u.%u", major, minor, patch);
    return true;
}

static inline void json_auto(json_t **j)
{
    json_decref(*j);
}

/* The cluster version as this member tells it; false if there is none yet, or no answer. */
static bool ask_version(struct server *s, const struct member *m, char ret[CLUSTER_VERSION_MAX])
{
    struct why why = {""};
    for (size_t i = 0; i < m->peer_urls.n; i++) {
        AUTO(buf) struct buf body = BUF_INIT;
        uint64_t cluster_id;
        if (ask(s, m->peer_urls.v[i], "/version", VERSION_TIMEOUT_MS, &cluster_id, &body, &why) !=
            ERR_OK)
            continue;
        AUTO(json) json_t *j = json_loadb((const char *)body.p, body.n, 0, NULL);
        const char *text = json_string_value(json_object_get(j, "etcdcluster"));
        if (text != NULL && version_parse(text, ret))
            return true;
        why_set(&why, ERR_MALFORMED, "it tells no version of the cluster");
    }
    log_warn("failed to get the cluster version of a member", LOG_ID("remote-member-id", m->id),
             LOG_STR("error", why.text));
    return false;
}

/* At least one member tells a version that we can serve, and none another. The lowest one counts:
 * who tells a higher one has only seen a change before the others. */
static enum err check_versions(struct server *s, const struct members *l, struct why *why)
{
    char *lowest = s->joined_version, v[CLUSTER_VERSION_MAX];
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i]->id == s->id || !ask_version(s, l->v[i], v))
            continue;
        if (strverscmp(v, VERSION_MIN) < 0 || strverscmp(v, ETCD_CLUSTER_VERSION) > 0)
            return why_set(why, ERR_NEWER_SCHEMA,
                           "incompatible with current running cluster: its version is %s, and this "
                           "program serves %s to %s",
                           v, VERSION_MIN, ETCD_CLUSTER_VERSION);
        if (lowest[0] == '\0' || strverscmp(v, lowest) < 0)
            memcpy(lowest, v, sizeof v);
    }
    return lowest[0] != '\0' ? ERR_OK
                             : why_set(why, ERR_CLOSED,
                                       "incompatible with current running cluster: none of its "
                                       "members tells its version");
}

static enum err check_learners(const struct server *s, const struct members *l, struct why *why)
{
    size_t learners = 0;
    for (size_t i = 0; i < l->n; i++)
        learners += l->v[i]->is_learner;
    return learners <= s->cfg->max_learners
               ? ERR_OK
               : why_set(why, ERR_TOO_MANY_LEARNERS,
                         "the cluster has %zu learners, but --max-learners is %" PRIu64
                         "; it must be the same on all members",
                         learners, s->cfg->max_learners);
}

/* ---- joining: all of it --------------------------------------------------------------------- */

/* A term and a vote that an earlier start left under another name are not ours. */
static enum err write_joined(struct server *s, struct why *why)
{
    struct logdb_start start;
    enum err e = logdb_load(s->logdb, NULL, NULL, &start, why);
    if (e != ERR_OK || (start.cluster_id == s->cluster_id && start.member_id == s->id))
        return e;
    e = logdb_append(s->logdb, &(struct raft_hard_state){0}, NULL, 0, why);
    return e == ERR_OK ? logdb_set_identity(s->logdb, s->cluster_id, s->id, why) : e;
}

enum err join_cluster(struct server *s, struct why *why)
{
    AUTO(members) struct members l = {0};
    enum err e = fetch_cluster(s, &l, why);
    if (e == ERR_OK)
        e = find_self(s, &l, why);
    if (e == ERR_OK)
        e = check_versions(s, &l, why);
    if (e == ERR_OK)
        e = check_learners(s, &l, why);
    if (e != ERR_OK)
        return e;
    s->cluster_id = l.cluster_id;
    log_info("starting a new member of an existing cluster", LOG_STR("name", s->cfg->name),
             LOG_STR("data-dir", s->cfg->data_dir), LOG_ID("local-member-id", s->id),
             LOG_ID("cluster-id", s->cluster_id), LOG_STR("cluster-version", s->joined_version));
    if (member_is_started(members_find(&l, s->id)))
        log_warn("this member ran before, and its data are gone: what it promised to the others "
                 "may be lost; to be safe, remove it from the cluster and add it again",
                 LOG_ID("local-member-id", s->id));
    s->remotes = l.v;
    s->n_remotes = l.n;
    l = (struct members){0};
    return write_joined(s, why);
}
