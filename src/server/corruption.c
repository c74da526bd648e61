/* server/corruption.c -- do all members hold the same? Compared by HashKV, as upstream does.
 *
 * One check at a time: our own hash at a revision, then the peers' at the same one. Three occasions:
 *   at the start, every member: if a peer that compacted at the same revision has another hash, one
 *     of us is damaged, and this one stops;
 *   now and then (--corrupt-check-time), and after each compaction, the leader: the alarm CORRUPT is
 *     raised for the member that differs.
 * Before anything is done a second check has to find the same: an older member may answer from the
 * middle of a compaction.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/server_priv.h"

enum {
    PEER_TIMEOUT_MS = 10000, /* a large history takes its time */
    AGAIN_MS = 5000,         /* until a difference is looked at again */
    START_DELAY_MS = 1000,   /* after a leader is known: peers connect meanwhile */
};

enum check_kind { CHECK_START, CHECK_PERIODIC, CHECK_COMPACTION };

struct hash {
    uint32_t crc;
    revision compacted, current;
};

/* One peer's answer. */
struct peer_hash {
    struct transport_request request;
    struct corruption *owner;
    member_id id;
    bool answered;
    struct hash hash;
};

struct corruption {
    struct server *server;
    /* the check under way */
    bool running;
    enum check_kind kind;
    revision rev; /* 0: the newest */
    struct server_call call;
    Etcdserverpb__HashKVRequest request;
    struct hash own;
    char body[64];
    struct peer_hash *peers;
    size_t n_peers, n_done;

    /* what is to come */
    bool start_done;
    msec start_at, last_periodic;
    revision compaction_due; /* 0: none */
    msec next_compaction;
    bool suspect;            /* a difference was found: look again */
    msec again_at;
};

/* ---- verdicts ------------------------------------------------------------------------------------- */

static void raise_alarm(struct server *s, member_id id)
{
    Etcdserverpb__InternalRaftRequest req = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserverpb__AlarmRequest alarm = ETCDSERVERPB__ALARM_REQUEST__INIT;
    alarm.action = ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE;
    alarm.memberid = id;
    alarm.alarm = ETCDSERVERPB__ALARM_TYPE__CORRUPT;
    req.alarm = &alarm;
    member_propose(s, &req);
}

static bool differs(const struct corruption *c, const struct peer_hash *p)
{
    return p->answered && p->hash.compacted == c->own.compacted && p->hash.crc != c->own.crc;
}

/* The one who differs from the most: ourselves if most others agree against us. */
static member_id culprit(const struct corruption *c)
{
    size_t differing = 0, answered = 0;
    member_id one = 0;
    for (size_t i = 0; i < c->n_peers; i++) {
        answered += c->peers[i].answered;
        if (differs(c, &c->peers[i])) {
            differing++;
            one = c->peers[i].id;
        }
    }
    return differing > 1 && differing == answered ? c->server->id : one;
}

static void report(struct corruption *c, member_id id)
{
    for (size_t i = 0; i < c->n_peers; i++)
        if (differs(c, &c->peers[i]))
            log_error("found different hashes of the same history", LOG_MESSAGE(MSG_HASH_MISMATCH),
                      LOG_ID("local-member-id", c->server->id), LOG_ID("peer", c->peers[i].id),
                      LOG_INT("revision", c->rev), LOG_INT("compact-revision", c->own.compacted),
                      LOG_UINT("local-hash", c->own.crc),
                      LOG_UINT("peer-hash", c->peers[i].hash.crc), LOG_ID("suspect", id));
}

static void check_end(struct corruption *c)
{
    free(c->peers);
    c->peers = NULL;
    c->n_peers = c->n_done = 0;
    c->running = false;
}

static void judge(struct corruption *c)
{
    struct server *s = c->server;
    member_id id = culprit(c);
    if (c->kind == CHECK_START)
        c->start_done = true;
    if (id == 0) {
        c->suspect = false;
    } else if (!c->suspect) {
        c->suspect = true;
        c->again_at = s->now + AGAIN_MS;
    } else {
        c->suspect = false;
        report(c, id);
        if (c->kind == CHECK_START && (id == s->id || c->n_peers == 1))
            member_fail(s, "this member's data differ from its peers'",
                        "one of them is damaged; compare with 'etcdctl endpoint hashkv --cluster', "
                        "and replace the member that differs from the majority");
        else if (raft_is_leader(s->raft))
            raise_alarm(s, id);
    }
    check_end(c);
}

/* ---- the peers' hashes ------------------------------------------------------------------------------ */

static bool number_of(struct slice body, const char *name, int64_t *ret)
{
    char text[32];
    const uint8_t *at = memmem(body.p, body.n, name, strlen(name));
    if (at == NULL)
        return false;
    at += strlen(name);
    size_t n = (size_t)(body.p + body.n - at);
    n = n < sizeof text - 1 ? n : sizeof text - 1;
    memcpy(text, at, n);
    text[n] = '\0';
    return sscanf(text, "%20" SCNd64, ret) == 1;
}

static void peer_answered(struct transport_request *r, unsigned status, struct slice body)
{
    struct peer_hash *p = CONTAINER_OF(r, struct peer_hash, request);
    struct corruption *c = p->owner;
    int64_t crc, compacted = -1;
    if (status == 200 && body.n != 0 && number_of(body, "\"hash\":", &crc)) {
        (void)number_of(body, "\"compact_revision\":", &compacted);
        p->hash = (struct hash){.crc = (uint32_t)crc, .compacted = compacted};
        p->answered = true;
    }
    if (++c->n_done == c->n_peers)
        judge(c);
}

static void ask_peers(struct corruption *c)
{
    struct server *s = c->server;
    size_t n = cluster_size(s->cluster);
    c->peers = xcalloc(n, sizeof *c->peers);
    snprintf(c->body, sizeof c->body, "{\"revision\":%" PRId64 "}", c->rev);
    for (size_t i = 0; i < n; i++)
        if (cluster_at(s->cluster, i)->id != s->id)
            c->peers[c->n_peers++] = (struct peer_hash){
                .request = {.to = cluster_at(s->cluster, i)->id,
                            .method = "GET",
                            .path = "/members/hashkv",
                            .content_type = "application/json",
                            .body = slice_str(c->body),
                            .timeout_ms = PEER_TIMEOUT_MS,
                            .done = peer_answered},
                .owner = c,
                .id = cluster_at(s->cluster, i)->id,
            };
    if (c->n_peers == 0)
        judge(c);
    for (size_t i = 0; i < c->n_peers; i++)
        s->transport->ops->request(s->transport, &c->peers[i].request);
}

/* ---- our own ------------------------------------------------------------------------------------------ */

static void own_hash(struct server_call *call)
{
    struct corruption *c = CONTAINER_OF(call, struct corruption, call);
    struct blob *response = call->response;
    Etcdserverpb__HashKVResponse *r =
        call->err == ERR_OK
            ? etcdserverpb__hash_kvresponse__unpack(NULL, response->n, response->p)
            : NULL;
    call->response = NULL;
    blob_unref(response);
    if (r == NULL) { /* compacted meanwhile, or we stop */
        check_end(c);
        return;
    }
    c->own = (struct hash){.crc = r->hash, .compacted = r->compact_revision};
    if (c->rev == 0)
        c->rev = r->hash_revision;
    etcdserverpb__hash_kvresponse__free_unpacked(r, NULL);
    ask_peers(c);
}

static void check(struct corruption *c, enum check_kind kind, revision rev)
{
    struct server *s = c->server;
    c->running = true;
    c->kind = kind;
    c->rev = rev;
    etcdserverpb__hash_kvrequest__init(&c->request);
    c->request.revision = rev;
    c->call = (struct server_call){.op = OP_HASH_KV,
                                   .request = &c->request.base,
                                   .done = own_hash,
                                   .client = s->self};
    list_init(&c->call.task.link);
    call_run(s, &c->call.task);
}

/* ---- when ---------------------------------------------------------------------------------------------- */

void corruption_compacted(struct server *s, revision rev)
{
    if (s->corruption != NULL && s->cfg->gates.compact_hash_check)
        s->corruption->compaction_due = rev;
}

static void start_check(struct corruption *c)
{
    struct server *s = c->server;
    if (c->start_at == 0)
        c->start_at = s->now + START_DELAY_MS;
    if (s->now < c->start_at)
        return;
    if (s->cfg->gates.initial_corrupt_check)
        check(c, CHECK_START, 0);
    else
        c->start_done = true;
}

msec corruption_run(struct server *s)
{
    struct corruption *c = s->corruption;
    msec period = s->cfg->corrupt_check_time / 1000000;
    if (c == NULL) {
        c = s->corruption = xcalloc(1, sizeof *c);
        c->server = s;
        c->last_periodic = s->now;
    }
    if (c->running || s->restore != NULL || raft_leader(s->raft) == 0 ||
        cluster_size(s->cluster) < 2 || published_revision(s) <= 1)
        return MSEC_NEVER;
    if (c->suspect) {
        if (s->now >= c->again_at)
            check(c, c->kind, c->kind == CHECK_COMPACTION ? c->rev : 0);
        return c->again_at;
    }
    if (!c->start_done) {
        start_check(c);
        return c->start_at;
    }
    if (!raft_is_leader(s->raft)) {
        c->compaction_due = 0;
        c->last_periodic = s->now;
        return MSEC_NEVER;
    }
    if (c->compaction_due != 0 && s->now >= c->next_compaction && !mvcc_compact_pending(s->kv)) {
        revision rev = c->compaction_due;
        c->next_compaction = s->now + s->cfg->compact_hash_check_time / 1000000;
        c->compaction_due = 0;
        check(c, CHECK_COMPACTION, rev);
    } else if (period > 0 && s->now >= c->last_periodic + period) {
        c->last_periodic = s->now;
        check(c, CHECK_PERIODIC, 0);
    }
    return period > 0 ? c->last_periodic + period : MSEC_NEVER;
}

void corruption_free(struct corruption *c)
{
    if (c != NULL)
        free(c->peers);
    free(c);
}
