/* server/versions.c -- versions: what we say we are, what the cluster agrees on, and which entries all
 * of its members understand. Also how a member makes itself known.
 *
 * We always say what we are. The leader asks all members now and then; the cluster's version is the
 * lowest, and rises when the last member was upgraded. What is proposed in the name of the cluster is
 * in the form that its oldest member can read: an entry that one of upstream's members does not know
 * would stop it for good.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/entry.h"
#include "base/log.h"
#include "server/server_priv.h"

enum {
    POLL_MS = 4000,         /* between two rounds of questions */
    POLL_TIMEOUT_MS = 3000, /* for an answer */
    V2_BELOW_MINOR = 6,     /* before 3.6, cluster entries are v2 requests */
};

struct version {
    unsigned major, minor; /* 0.0: not known */
};

/* One member that is being asked. */
struct poll {
    struct transport_request request;
    struct versions *versions;
    struct version version;
    bool done;
};

struct versions {
    struct server *server;
    struct poll *polls; /* of the round under way; NULL: none is */
    size_t n_polls, n_done;
    msec next_poll;
    msec next_publish;
    bool warned_unreachable;
};

static struct version version_parse(const char *text)
{
    struct version v = {0, 0};
    if (sscanf(text, "%3u.%3u", &v.major, &v.minor) != 2)
        v = (struct version){0, 0};
    return v;
}

static int version_cmp(struct version a, struct version b)
{
    if (a.major != b.major)
        return a.major < b.major ? -1 : 1;
    return a.minor == b.minor ? 0 : a.minor < b.minor ? -1 : 1;
}

static struct version version_own(void)
{
    return version_parse(ETCD_API_VERSION);
}

const char *version_reported(struct server *s)
{
    (void)s;
    return ETCD_API_VERSION;
}

void version_add_json(struct server *s, struct buf *out)
{
    const char *cluster = atomic_load(&s->cluster_version);
    buf_addf(out, "{\"etcdserver\":\"%s\",\"etcdcluster\":\"%s\",\"storage\":\"%s\"}",
             version_reported(s), cluster,
             strcmp(cluster, "not_decided") == 0 ? "unknown" : cluster);
}

/* ---- the oldest member ---------------------------------------------------------------------------- */

/* What the cluster has agreed on, or had when we joined it; our own if it has not. 3.0 says nothing
 * but that not all could be asked. */
static struct version version_agreed(struct server *s)
{
    const char *text = cluster_version(s->cluster);
    struct version v = version_parse(text != NULL ? text : s->joined_version);
    return v.major == 0 || (v.major == 3 && v.minor == 0) ? version_own() : v;
}

/* The lowest version that a member may have. */
static struct version version_lowest(struct server *s)
{
    struct version lowest = version_own(), agreed = version_agreed(s);
    for (size_t i = 0; i < cluster_size(s->cluster); i++) {
        struct transport_peer p;
        const struct member *m = cluster_at(s->cluster, i);
        struct version v = agreed;
        if (m->id == s->id)
            continue;
        if (s->transport->ops->peer_get(s->transport, m->id, &p) && p.major != 0)
            v = (struct version){p.major, p.minor};
        if (version_cmp(v, lowest) < 0)
            lowest = v;
    }
    return cluster_size(s->cluster) == 0 && version_cmp(agreed, lowest) < 0 ? agreed : lowest;
}

static bool speaks_v2(struct server *s)
{
    struct version v = version_lowest(s);
    return v.major == 3 && v.minor < V2_BELOW_MINOR;
}

bool version_allows(struct server *s, const Etcdserverpb__InternalRaftRequest *req)
{
    struct version v = version_lowest(s);
    return entry_is_known_to(req, v.major, v.minor);
}

/* ---- making ourselves known ------------------------------------------------------------------------ */

bool version_self_is_published(struct server *s)
{
    const struct member *m = cluster_find(s->cluster, s->id);
    const struct url_list *urls = &s->cfg->advertise_client_urls;
    if (m == NULL || strcmp(m->name, s->cfg->name) != 0 || m->client_urls.n != urls->n)
        return false;
    for (size_t i = 0; i < urls->n; i++)
        if (strcmp(m->client_urls.v[i], urls->items[i].text) != 0)
            return false;
    return true;
}

static void propose_attributes(struct server *s)
{
    const struct url_list *urls = &s->cfg->advertise_client_urls;
    char **texts = xcalloc(urls->n, sizeof *texts);
    for (size_t i = 0; i < urls->n; i++)
        texts[i] = urls->items[i].text;
    if (speaks_v2(s)) {
        member_propose_entry(
            s, entry_encode_v2_attributes(atomic_fetch_add(&s->next_id, 1), s->id, s->cfg->name,
                                          (const char *const *)texts, urls->n));
    } else {
        Etcdserverpb__InternalRaftRequest req = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
        Membershippb__ClusterMemberAttrSetRequest set =
            MEMBERSHIPPB__CLUSTER_MEMBER_ATTR_SET_REQUEST__INIT;
        Membershippb__Attributes attributes = MEMBERSHIPPB__ATTRIBUTES__INIT;
        attributes.name = s->cfg->name;
        attributes.n_client_urls = urls->n;
        attributes.client_urls = texts;
        set.member_id = s->id;
        set.member_attributes = &attributes;
        req.cluster_member_attr_set = &set;
        member_propose(s, &req);
    }
    free(texts);
}

static void publish(struct versions *v)
{
    struct server *s = v->server;
    if (s->published_self || raft_leader(s->raft) == 0 || s->now < v->next_publish ||
        cluster_find(s->cluster, s->id) == NULL)
        return;
    if (raft_is_leader(s->raft) && !raft_committed_in_term(s->raft))
        return;
    v->next_publish = s->now + member_request_timeout(s);
    propose_attributes(s);
}

/* ---- the cluster's version ------------------------------------------------------------------------- */

static void propose_version(struct server *s, struct version to)
{
    char text[CLUSTER_VERSION_MAX];
    snprintf(text, sizeof text, "%u.%u.0", to.major, to.minor);
    if (speaks_v2(s)) {
        member_propose_entry(s,
                             entry_encode_v2_version(atomic_fetch_add(&s->next_id, 1), text));
        return;
    }
    Etcdserverpb__InternalRaftRequest req = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    Membershippb__ClusterVersionSetRequest set = MEMBERSHIPPB__CLUSTER_VERSION_SET_REQUEST__INIT;
    set.ver = text;
    req.cluster_version_set = &set;
    member_propose(s, &req);
}

static void propose_downgrade(struct server *s, const char *target)
{
    Etcdserverpb__InternalRaftRequest req = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    Membershippb__DowngradeInfoSetRequest set = MEMBERSHIPPB__DOWNGRADE_INFO_SET_REQUEST__INIT;
    char text[CLUSTER_VERSION_MAX];
    snprintf(text, sizeof text, "%s", target != NULL ? target : "");
    set.enabled = target != NULL;
    set.ver = text;
    req.downgrade_info_set = &set;
    member_propose(s, &req);
}

/* All have been asked. */
static void decide(struct versions *v)
{
    struct server *s = v->server;
    struct version lowest = version_own();
    bool all = true, all_at_target = true;
    const char *now_text = cluster_version(s->cluster);
    const char *target_text = cluster_downgrade_target(s->cluster);
    struct version now = version_parse(now_text != NULL ? now_text : "");
    struct version target = version_parse(target_text != NULL ? target_text : "");
    all_at_target = version_cmp(lowest, target) == 0;
    for (size_t i = 0; i < v->n_polls; i++) {
        struct version one = v->polls[i].version;
        all = all && one.major != 0;
        all_at_target = all_at_target && version_cmp(one, target) == 0;
        if (one.major != 0 && version_cmp(one, lowest) < 0)
            lowest = one;
    }
    if (!raft_is_leader(s->raft))
        return;
    if (!all) {
        if (now.major == 0)
            propose_version(s, (struct version){3, 0});
    } else if (target.major != 0 && all_at_target) {
        log_info("the downgrade is complete", LOG_STR("cluster-version", target_text));
        propose_downgrade(s, NULL);
    } else if (target.major != 0) {
        if (version_cmp(target, now) != 0)
            propose_version(s, target);
    } else if (now.major == 0 || version_cmp(lowest, now) > 0) {
        propose_version(s, lowest);
    }
}

static void polls_end(struct versions *v)
{
    struct server *s = v->server;
    for (size_t i = 0; i < v->n_polls; i++)
        if (!v->polls[i].done)
            s->transport->ops->request_cancel(s->transport, &v->polls[i].request);
    free(v->polls);
    v->polls = NULL;
    v->n_polls = v->n_done = 0;
}

static void polled(struct transport_request *r, unsigned status, struct slice body)
{
    static const char name[] = "\"etcdserver\":\"";
    struct poll *p = CONTAINER_OF(r, struct poll, request);
    struct versions *v = p->versions;
    const char *at = status == 200 ? memmem(body.p, body.n, name, sizeof name - 1) : NULL;
    char text[16] = "";
    p->done = true;
    if (at != NULL) {
        size_t left = body.n - (size_t)(at + sizeof name - 1 - (const char *)body.p);
        size_t n = left < sizeof text - 1 ? left : sizeof text - 1;
        memcpy(text, at + sizeof name - 1, n);
        text[n] = '\0';
        p->version = version_parse(text);
    }
    if (++v->n_done < v->n_polls)
        return;
    decide(v);
    polls_end(v);
}

static void poll_all(struct versions *v)
{
    struct server *s = v->server;
    size_t n = cluster_size(s->cluster);
    v->next_poll = s->now + POLL_MS;
    v->polls = xcalloc(n, sizeof *v->polls);
    for (size_t i = 0; i < n; i++)
        if (cluster_at(s->cluster, i)->id != s->id)
            v->polls[v->n_polls++] = (struct poll){
                .request = {.to = cluster_at(s->cluster, i)->id,
                            .method = "GET",
                            .path = "/version",
                            .timeout_ms = POLL_TIMEOUT_MS,
                            .done = polled},
                .versions = v,
            };
    if (v->n_polls == 0) {
        decide(v);
        polls_end(v);
    }
    for (size_t i = 0; i < v->n_polls; i++)
        s->transport->ops->request(s->transport, &v->polls[i].request);
}

/* ---- downgrade -------------------------------------------------------------------------------------- */

#define ACTION(name) ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__##name

/* "3.6" or "3.6.0". */
static bool target_parse(const char *text, struct version *ret)
{
    unsigned patch;
    int end = 0;
    if (sscanf(text, "%3u.%3u%n", &ret->major, &ret->minor, &end) != 2)
        return false;
    if (text[end] == '\0')
        return true;
    text += end;
    return sscanf(text, ".%9u%n", &patch, &end) == 1 && text[end] == '\0';
}

static enum err downgrade_check(struct server *s, const Etcdserverpb__DowngradeRequest *req,
                                struct version *ret)
{
    const char *now_text = cluster_version(s->cluster);
    if (req->action == ACTION(CANCEL))
        return ERR_OK; /* that there is nothing to cancel is no error */
    if (req->action != ACTION(VALIDATE) && req->action != ACTION(ENABLE))
        return ERR_UNKNOWN_METHOD;
    if (!target_parse(req->version, ret))
        return ERR_DOWNGRADE_BAD_FORMAT;
    if (now_text == NULL)
        return ERR_NO_CLUSTER_VERSION;
    struct version now = version_parse(now_text);
    if (ret->major != now.major || ret->minor + 1 != now.minor)
        return ERR_DOWNGRADE_BAD_TARGET;
    return cluster_downgrade_enabled(s->cluster) ? ERR_DOWNGRADE_IN_PROGRESS : ERR_OK;
}

/* The cluster's version as it is told: "3.7". */
static void told_version(struct server *s, char ret_text[CLUSTER_VERSION_MAX])
{
    const char *now = cluster_version(s->cluster);
    struct version v = version_parse(now != NULL ? now : "0.0.0");
    snprintf(ret_text, CLUSTER_VERSION_MAX, "%u.%u", v.major, v.minor);
}

/* The answer to DowngradeRequest, for a call that has waited as a linearizable read does: an entry
 * to propose in its name, or at once. */
void downgrade_call(struct server *s, struct server_call *call)
{
    const Etcdserverpb__DowngradeRequest *req = (const void *)call->request;
    Etcdserverpb__InternalRaftRequest entry = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    Membershippb__DowngradeInfoSetRequest set = MEMBERSHIPPB__DOWNGRADE_INFO_SET_REQUEST__INIT;
    Etcdserverpb__DowngradeResponse resp = ETCDSERVERPB__DOWNGRADE_RESPONSE__INIT;
    char text[CLUSTER_VERSION_MAX] = "", version[CLUSTER_VERSION_MAX];
    struct version target;
    enum err e = downgrade_check(s, req, &target);
    if (e != ERR_OK) {
        call_answer(s, call, e, NULL);
        return;
    }
    told_version(s, version);
    resp.version = version;
    if (req->action == ACTION(VALIDATE) ||
        (req->action == ACTION(CANCEL) && !cluster_downgrade_enabled(s->cluster))) {
        call_answer_pb(s, call, &resp.base);
        return;
    }
    set.enabled = req->action == ACTION(ENABLE);
    if (set.enabled)
        snprintf(text, sizeof text, "%u.%u.0", target.major, target.minor);
    set.ver = text;
    entry.downgrade_info_set = &set;
    call_propose_request(s, call, &entry);
}

void downgrade_applied(struct server *s, struct server_call *call)
{
    char version[CLUSTER_VERSION_MAX];
    Etcdserverpb__DowngradeResponse resp = ETCDSERVERPB__DOWNGRADE_RESPONSE__INIT;
    Etcdserverpb__ResponseHeader header = header_make(s, 0);
    told_version(s, version);
    resp.header = &header;
    resp.version = version;
    call->response = message_blob(&resp.base);
    if (s->versions != NULL)
        s->versions->next_poll = s->now; /* act on it */
}

/* ---- all of it ---------------------------------------------------------------------------------------- */

msec versions_run(struct server *s)
{
    struct versions *v = s->versions;
    if (v == NULL) {
        v = s->versions = xcalloc(1, sizeof *v);
        v->server = s;
    }
    publish(v);
    if (!raft_is_leader(s->raft) || !raft_committed_in_term(s->raft)) {
        v->next_poll = s->now;
        return MSEC_NEVER; /* the next tick is soon enough */
    }
    if (v->polls == NULL && s->now >= v->next_poll)
        poll_all(v);
    return v->polls == NULL ? v->next_poll : MSEC_NEVER;
}

void versions_free(struct versions *v)
{
    if (v != NULL)
        free(v->polls);
    free(v);
}
