/* server/network.c -- the member's side of the transport: what it sends, what it is told, whom it
 * knows. All of it on the member thread.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "server/metrics_priv.h"
#include "server/server_priv.h"

enum { WAITING_WARN_MS = 5000, WAITING_REPEAT_MS = 30000 };

/* ---- out ------------------------------------------------------------------------------------ */

/* A newer answer says what the held one did; before anything else it goes first. */
static void release_answer(struct server *s, const struct raft_message *next)
{
    struct raft_message *held = &s->held_answer;
    if (held->to == 0 || (next != NULL && next->to != held->to))
        return;
    if (next == NULL || next->type != RAFT_MSG_APP_RESP || next->term != held->term)
        s->transport->ops->send(s->transport, held, 1);
    raft_message_fini(held);
}

/* Keep in mind what the leader was told last. */
static void note_answers(struct server *s, const struct raft_messages *msgs)
{
    for (size_t i = 0; i < msgs->n; i++) {
        const struct raft_message *m = &msgs->v[i];
        release_answer(s, m);
        if (m->type == RAFT_MSG_APP_RESP)
            s->last_answer = (struct network_answer){m->to, m->term, m->reject ? 0 : m->index};
    }
}

void network_hold_answers(struct server *s, struct raft_messages *msgs)
{
    size_t n = 0;
    for (size_t i = 0; i < msgs->n; i++) {
        struct raft_message *m = &msgs->v[i];
        const struct network_answer *last = &s->last_answer;
        if (m->type == RAFT_MSG_APP_RESP && !m->reject && m->to == last->to &&
            m->term == last->term && m->index == last->index) {
            raft_message_fini(&s->held_answer);
            s->held_answer = *m;
        } else {
            msgs->v[n++] = *m;
        }
    }
    msgs->n = n;
}

void network_release_answer(struct server *s)
{
    release_answer(s, NULL);
}

void network_send(struct server *s, struct raft_messages *msgs)
{
    size_t from = 0;
    const struct transport_ops *ops = s->transport->ops;
    if (msgs->n == 0)
        return;
    note_answers(s, msgs);
    for (size_t i = 0; i < msgs->n; i++)
        if (msgs->v[i].type == RAFT_MSG_SNAP) {
            ops->send(s->transport, msgs->v + from, i - from);
            snapshot_send(s, &msgs->v[i]);
            from = i + 1;
        }
    ops->send(s->transport, msgs->v + from, msgs->n - from);
    msgs->n = 0;
    if (s->loop != NULL)
        loop_flush(s->loop); /* they are on their way before our own disk is asked */
}

/* ---- in ------------------------------------------------------------------------------------- */

static bool ends(const struct server *s)
{
    return s->stop_now || atomic_load_explicit(&s->failed, memory_order_relaxed);
}

static bool on_message(void *arg, struct raft_message *m)
{
    struct server *s = arg;
    if (ends(s))
        return false;
    if (m->type == RAFT_MSG_PROP && cluster_is_removed(s->cluster, m->from))
        return false;
    enum err e = raft_step(s->raft, m);
    if (e == ERR_DAMAGED)
        member_fail(s, "this member's log contradicts the leader's",
                    "one of them lost entries that were committed");
    return e != ERR_DAMAGED && e != ERR_MALFORMED && e != ERR_STEP_LOCAL;
}

static void on_round(void *arg)
{
    (void)arg; /* the member's round follows its loop's */
}

static bool on_snapshot(void *arg, struct raft_message *m, int fd, uint64_t size)
{
    struct server *s = arg;
    if (!ends(s))
        return restore_offer(s, m, fd, size);
    close(fd);
    return false;
}

static void on_unreachable(void *arg, member_id id)
{
    struct server *s = arg;
    if (!ends(s))
        raft_report_unreachable(s->raft, id);
}

static void on_snapshot_sent(void *arg, member_id id, bool ok)
{
    struct server *s = arg;
    if (!ends(s))
        snapshot_sent(s, id, ok);
}

static void on_removed(void *arg, member_id by)
{
    struct server *s = arg;
    if (!ends(s))
        member_was_removed(s, by);
}

static void on_request(void *arg, struct transport_inbound *in)
{
    peer_request(arg, in);
}

static bool is_removed(void *arg, member_id id)
{
    const struct server *s = arg;
    return cluster_is_removed(s->cluster, id);
}

static const char *server_version(void *arg)
{
    return version_reported(arg);
}

struct transport_receiver network_receiver(struct server *s)
{
    return (struct transport_receiver){
        .message = on_message,
        .round = on_round,
        .snapshot = on_snapshot,
        .unreachable = on_unreachable,
        .snapshot_sent = on_snapshot_sent,
        .removed = on_removed,
        .request = on_request,
        .is_removed = is_removed,
        .server_version = server_version,
        .arg = s,
    };
}

/* ---- who is there ------------------------------------------------------------------------------ */

void network_set(struct server *s, const struct member *m)
{
    if (m->id == s->id)
        return;
    s->transport->ops->peer_set(s->transport, m->id, urls_view(&m->peer_urls), m->peer_urls.n);
    metrics_know_peer(s, m->id, true);
}

void network_remove(struct server *s, member_id id)
{
    if (id == s->id)
        return;
    s->transport->ops->peer_remove(s->transport, id);
    metrics_know_peer(s, id, false);
}

void network_sync(struct server *s)
{
    size_t n;
    const member_id *removed = cluster_removed(s->cluster, &n);
    for (size_t i = 0; i < cluster_size(s->cluster); i++)
        network_set(s, cluster_at(s->cluster, i));
    for (size_t i = 0; i < n; i++)
        network_remove(s, removed[i]);
}

bool network_is_active_since(struct server *s, member_id id, msec since)
{
    struct transport_peer p;
    return s->transport->ops->peer_get(s->transport, id, &p) && p.active && p.active_since < since;
}

size_t network_active_voters(struct server *s, msec since)
{
    size_t n = 0;
    for (size_t i = 0; i < cluster_size(s->cluster); i++) {
        const struct member *m = cluster_at(s->cluster, i);
        if (!m->is_learner && (m->id == s->id || network_is_active_since(s, m->id, since)))
            n++;
    }
    return n;
}

bool network_has_quorum_since(struct server *s, msec since)
{
    return network_active_voters(s, since) > cluster_n_voters(s->cluster) / 2;
}

member_id member_best_successor(struct server *s)
{
    member_id best = 0;
    raft_index match = 0;
    msec since = MSEC_NEVER;
    for (size_t i = 0; i < raft_progress_count(s->raft); i++) {
        struct raft_progress_info p;
        struct transport_peer peer;
        raft_progress_at(s->raft, i, &p);
        if (p.id == s->id || p.learner || !p.recent_active ||
            !s->transport->ops->peer_get(s->transport, p.id, &peer) || !peer.active)
            continue;
        /* The newest log hands over at once; among those the one that is connected longest. */
        if (best == 0 || p.match > match || (p.match == match && peer.active_since < since)) {
            best = p.id;
            match = p.match;
            since = peer.active_since;
        }
    }
    return best;
}

/* The name that whoever configured us gave to the member with this URL. */
static const char *name_of(const struct server *s, const struct member *m)
{
    if (member_is_started(m))
        return m->name;
    for (size_t i = 0; i < s->cfg->n_members; i++) {
        const struct config_member *c = &s->cfg->members[i];
        for (size_t k = 0; k < c->peer_urls.n && m->peer_urls.n != 0; k++)
            if (strcmp(c->peer_urls.items[k].text, m->peer_urls.v[0]) == 0)
                return c->name;
    }
    return "?";
}

void network_add_missing(struct server *s, struct buf *names, bool with_urls)
{
    for (size_t i = 0; i < cluster_size(s->cluster); i++) {
        const struct member *m = cluster_at(s->cluster, i);
        if (m->id == s->id || network_is_active_since(s, m->id, s->now + 1))
            continue;
        buf_addf(names, "%s%s", names->n ? ", " : "", name_of(s, m));
        if (with_urls)
            buf_addf(names, " (%s)", m->peer_urls.n ? m->peer_urls.v[0] : "");
    }
}

void network_report_waiting(struct server *s)
{
    if (raft_leader(s->raft) != 0 || raft_single_voter(s->raft)) {
        s->next_waiting_report = s->now + WAITING_WARN_MS;
        return;
    }
    if (s->now < s->next_waiting_report)
        return;
    s->next_waiting_report = s->now + WAITING_REPEAT_MS;
    AUTO(buf) struct buf names = BUF_INIT;
    network_add_missing(s, &names, true);
    if (names.n == 0)
        log_warn("no leader yet; all members answer, an election is under way",
                 LOG_UINT("term", raft_current_term(s->raft)));
    else
        log_warn("waiting for peers: no leader can be elected without a majority",
                 LOG_MESSAGE(MSG_WAITING_FOR_PEERS),
                 LOG_STR("not-connected", buf_cstr(&names)),
                 LOG_UINT("connected-voters", network_active_voters(s, s->now + 1)),
                 LOG_UINT("voters", cluster_n_voters(s->cluster)));
}
