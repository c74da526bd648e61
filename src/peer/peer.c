/* peer/peer.c -- one peer: its URLs, whether it is active, where a message goes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "peer/peer_priv.h"

/* Two streams, the pipeline, a probe, and a good many small requests. */
enum { CONNS_MAX = 32 };

/* ---- what is counted ----------------------------------------------------------------------- */

static const double from_100us[] = METRIC_DOUBLING(0.0001);
static const double from_100ms[] = METRIC_DOUBLING(0.1);

static struct metric families[PEER_COUNTERS] = {
    [PEER_SENT_BYTES] = METRIC_COUNTER_VEC("etcd_network_peer_sent_bytes_total",
                                           "The total number of bytes sent to peers.", "To"),
    [PEER_RECEIVED_BYTES] =
        METRIC_COUNTER_VEC("etcd_network_peer_received_bytes_total",
                           "The total number of bytes received from peers.", "From"),
    [PEER_SENT_FAILURES] =
        METRIC_COUNTER_VEC("etcd_network_peer_sent_failures_total",
                           "The total number of send failures from peers.", "To"),
    [PEER_RECEIVED_FAILURES] =
        METRIC_COUNTER_VEC("etcd_network_peer_received_failures_total",
                           "The total number of receive failures from peers.", "From"),
    [PEER_ROUND_TRIP] =
        METRIC_HISTOGRAM_VEC("etcd_network_peer_round_trip_time_seconds",
                             "Round-Trip-Time histogram between peers", from_100us, 16, "To"),
    [PEER_SNAPSHOT_SENT] = METRIC_COUNTER_VEC("etcd_network_snapshot_send_success",
                                              "Total number of successful snapshot sends", "To"),
    [PEER_SNAPSHOT_SENT_FAILURES] = METRIC_COUNTER_VEC(
        "etcd_network_snapshot_send_failures", "Total number of snapshot send failures", "To"),
    [PEER_SNAPSHOT_SENDING] = METRIC_GAUGE_VEC("etcd_network_snapshot_send_inflights_total",
                                               "Total number of inflight snapshot sends", "To"),
    [PEER_SNAPSHOT_SEND_SECONDS] = METRIC_HISTOGRAM_VEC(
        "etcd_network_snapshot_send_total_duration_seconds",
        "Total latency distributions of v3 snapshot sends", from_100ms, 10, "To"),
    [PEER_SNAPSHOT_RECEIVED] =
        METRIC_COUNTER_VEC("etcd_network_snapshot_receive_success",
                           "Total number of successful snapshot receives", "From"),
    [PEER_SNAPSHOT_RECEIVED_FAILURES] =
        METRIC_COUNTER_VEC("etcd_network_snapshot_receive_failures",
                           "Total number of snapshot receive failures", "From"),
    [PEER_SNAPSHOT_RECEIVING] =
        METRIC_GAUGE_VEC("etcd_network_snapshot_receive_inflights_total",
                         "Total number of inflight snapshot receives", "From"),
    [PEER_SNAPSHOT_RECEIVE_SECONDS] = METRIC_HISTOGRAM_VEC(
        "etcd_network_snapshot_receive_total_duration_seconds",
        "Total latency distributions of v3 snapshot receives", from_100ms, 10, "From"),
    [PEER_ACTIVE] =
        METRIC_GAUGE_VEC("etcd_network_active_peers",
                         "The current number of active peer connections.", "Local", "Remote"),
    [PEER_DISCONNECTED] =
        METRIC_COUNTER_VEC("etcd_network_disconnected_peers_total",
                           "The total number of disconnected peers.", "Local", "Remote"),
};

struct metric *const peers_metrics[] = {
    &families[0],  &families[1],  &families[2],  &families[3], &families[4],  &families[5],
    &families[6],  &families[7],  &families[8],  &families[9], &families[10], &families[11],
    &families[12], &families[13], &families[14], NULL,
};

_Static_assert(ARRAY_LEN(peers_metrics) == PEER_COUNTERS + 1, "every family is listed");

static void count_init(struct peer *peer)
{
    char local[24], remote[24];
    snprintf(local, sizeof local, "%" PRIx64, peer->owner->cfg.id);
    snprintf(remote, sizeof remote, "%" PRIx64, peer->id);
    for (int i = 0; i < PEER_COUNTERS; i++)
        peer->series[i] = families[i].label_names[1] != NULL
                              ? metric_labels(&families[i], local, remote)
                              : metric_labels(&families[i], remote);
}

void peer_count(struct peer *peer, enum peer_counter counter, int64_t n)
{
    if (peer != NULL && peer->series[counter] != NULL)
        series_add(peer->series[counter], n);
}

void peer_observe(struct peer *peer, enum peer_counter counter, double seconds)
{
    if (peer != NULL && peer->series[counter] != NULL)
        series_observe(peer->series[counter], seconds);
}

/* ---- URLs ---------------------------------------------------------------------------------- */

struct http_client *peer_client(const struct peer *peer)
{
    return peer->n_urls != 0 ? peer->urls[peer->picked].client : NULL;
}

void peer_url_failed(struct peer *peer, size_t i)
{
    if (peer->n_urls != 0 && i == peer->picked)
        peer->picked = (peer->picked + 1) % peer->n_urls;
}

static void urls_free(struct peer *peer)
{
    for (size_t i = 0; i < peer->n_urls; i++) {
        http_client_free(peer->urls[i].client);
        peer_address_fini(&peer->urls[i].address);
    }
    for (size_t i = 0; i < peer->n_given; i++)
        free(peer->given[i]);
    free(peer->urls);
    free(peer->given);
    peer->urls = NULL;
    peer->given = NULL;
    peer->n_given = peer->n_urls = peer->picked = 0;
}

static void urls_add(struct peer *peer, const char *text)
{
    const struct peers_config *cfg = &peer->owner->cfg;
    struct peer_url *u = &peer->urls[peer->n_urls];
    struct http_client_config config;
    struct why why;
    enum err e = peer_address_parse(slice_str(text), &u->address, &why);
    if (e == ERR_OK)
        e = peer_address_client(&u->address, cfg->client_ops, cfg->client_io_arg, &config, &why);
    if (e != ERR_OK) {
        log_warn("a URL of a peer cannot be used", LOG_ID("remote-peer-id", peer->id),
                 LOG_STR("url", text), LOG_STR("error", why.text));
        peer_address_fini(&u->address);
        return;
    }
    config.conn_max = CONNS_MAX;
    config.connect_timeout_ms = cfg->dial_timeout_ms;
    u->client = http_client_new(cfg->loop, &config);
    peer->n_urls++;
}

static void peer_disconnect(struct peer *peer)
{
    for (int k = 0; k < PEER_KINDS; k++)
        peer_in_stop(&peer->in[k]);
    peer_pipeline_stop(peer);
    peer_probe_stop(peer);
    peer_requests_stop(peer);
}

bool peer_has_urls(const struct peer *peer, const char *const *urls, size_t n)
{
    if (peer->n_given != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(peer->given[i], urls[i]) != 0)
            return false;
    return true;
}

void peer_set_urls(struct peer *peer, const char *const *urls, size_t n)
{
    peer_disconnect(peer);
    urls_free(peer);
    peer->urls = xcalloc(n, sizeof *peer->urls);
    peer->given = xcalloc(n, sizeof *peer->given);
    for (size_t i = 0; i < n; i++) {
        peer->given[peer->n_given++] = xstrdup(urls[i]);
        urls_add(peer, urls[i]);
    }
    peer_requests_restart(peer);
    for (int k = 0; k < PEER_KINDS && !peer->is_remote; k++)
        peer_in_dial(&peer->in[k]);
    peer_update_activity(peer, "the peer's URLs changed");
}

/* ---- whether it is there ------------------------------------------------------------------- */

void peer_update_activity(struct peer *peer, const char *why)
{
    bool up =
        peer->in[PEER_MSGAPP].state == PEER_IN_UP || peer->in[PEER_MESSAGE].state == PEER_IN_UP;
    if (up == peer->is_active)
        return;
    peer->is_active = up;
    peer_count(peer, PEER_ACTIVE, up ? 1 : -1);
    if (up) {
        peer->active_since = clock_now_ms();
        log_info("peer became active", LOG_ID("peer-id", peer->id));
    } else {
        peer_count(peer, PEER_DISCONNECTED, 1);
        log_warn("peer became inactive (message send to peer failed)", LOG_ID("peer-id", peer->id),
                 LOG_STR("error", why));
    }
}

void peer_report_unreachable(struct peer *peer)
{
    peer->is_unreachable = true;
    peers_settle_soon(peer->owner);
}

/* ---- sending ------------------------------------------------------------------------------- */

static bool peer_dispatch(struct peer *peer, const struct raft_message *m)
{
    if (m->type == RAFT_MSG_APP && peer->out[PEER_MSGAPP].stream != NULL)
        return peer_out_send(&peer->out[PEER_MSGAPP], m);
    if (peer->out[PEER_MESSAGE].stream != NULL)
        return peer_out_send(&peer->out[PEER_MESSAGE], m);
    return peer_pipeline_send(peer, m);
}

void peer_send(struct peer *peer, struct raft_message *m)
{
    if (!peer_dispatch(peer, m)) {
        peer_count(peer, PEER_SENT_FAILURES, 1);
        peer_report_unreachable(peer);
    }
    raft_message_fini(m);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct peer *peer_new(struct peers *p, member_id id, bool is_remote)
{
    struct peer *peer = xcalloc(1, sizeof *peer);
    peer->owner = p;
    peer->id = id;
    peer->is_remote = is_remote;
    list_init(&peer->link);
    list_init(&peer->posts_waiting);
    list_init(&peer->posts_running);
    list_init(&peer->outgoing);
    for (enum peer_kind k = 0; k < PEER_KINDS; k++) {
        peer_in_init(&peer->in[k], peer, k);
        peer->out[k] = (struct peer_out){.peer = peer, .kind = k};
    }
    if (!is_remote)
        count_init(peer);
    return peer;
}

void peer_close(struct peer *peer)
{
    struct peers *p = peer->owner;
    peer_disconnect(peer);
    for (int k = 0; k < PEER_KINDS; k++)
        peer_out_detach(&peer->out[k]);
    peer_requests_fail(peer);
    peers_stop_snapshots(p, peer->id);
    for (int i = 0; i < PEER_COUNTERS && peer->series[i] != NULL; i++)
        series_retire(peer->series[i]);
    list_unlink(&peer->link);
    list_add_tail(&p->dead, &peer->link);
    peers_settle_soon(p);
}

void peer_free(struct peer *peer)
{
    list_unlink(&peer->link);
    urls_free(peer);
    for (int k = 0; k < PEER_KINDS; k++)
        peer_in_fini(&peer->in[k]);
    free(peer);
}
