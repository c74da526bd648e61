/* api/api_loop.c -- making, running and ending one client thread.
 *
 * The end: api_loop_drain() ends what only waits and lets the rest be answered; api_loop_stop() closes
 * the connections, which ends their calls; the server answers what it was asked; the last user that
 * goes stops the loop.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/api_loop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/call.h"
#include "api/grpc_port.h"
#include "api/http_port.h"
#include "api/wire.h"
#include "loop/clock.h"

enum {
    LEADERLESS_MAX = 3,           /* election timeouts without a leader that a stream bears */
    GATEWAY_BODY_FACTOR = 2,      /* JSON text is longer than the message */
};

#define MSEC_PER_NSEC_DIV 1000000

/* ---- the leader ------------------------------------------------------------------------------ */

/* End every stream that asked for a leader. Ending one may end others of the list. */
static void leader_lost(struct api_loop *l)
{
    while (!list_is_empty(&l->need_leader)) {
        struct call *c = LIST_ENTRY(l->need_leader.next, struct call, link);
        list_unlink(&c->link);
        call_fail(c, ERR_NO_LEADER);
    }
}

static void on_leader_timer(struct loop_timer *t)
{
    struct api_loop *l = CONTAINER_OF(t, struct api_loop, leader_timer);
    l->leaderless = server_has_leader(l->server) ? 0 : l->leaderless + 1;
    if (l->leaderless >= LEADERLESS_MAX)
        leader_lost(l);
    loop_timer_set(t, (msec)l->cfg->election_timeout_ms);
}

/* ---- ports ----------------------------------------------------------------------------------- */

/* `ns` in milliseconds; 0, which switches a timer off, is an age. */
static msec timer_ms(nsec ns)
{
    return ns > 0 ? ns / MSEC_PER_NSEC_DIV : MSEC_NEVER / 4;
}

static void on_request(struct http_stream *s, void *arg)
{
    struct api_port *p = arg;
    bool is_grpc = p->grpc != NULL && grpc_is_request(s);
    if (is_grpc || p->kind == API_PORT_GRPC)
        grpc_server_take(p->grpc, s);
    else
        http_port_request(p, s);
}

/* The largest message that is taken, and the largest body of a request in JSON. */
static uint64_t recv_max_of(const struct config *cfg)
{
    return cfg->max_request_bytes + API_TRANSPORT_EXTRA;
}

static void port_init(struct api_port *p, struct api_loop *l, enum api_port_kind kind)
{
    const struct config *cfg = l->cfg;
    uint64_t recv_max = recv_max_of(cfg);
    msec ping_min = cfg->grpc_keepalive_min_time / MSEC_PER_NSEC_DIV;
    struct http_config config = {
        .request = on_request,
        .arg = p,
        .streams_max = (uint32_t)cfg->max_concurrent_streams,
        .body_bytes_max = recv_max * GATEWAY_BODY_FACTOR,
        .ping_min_ms = ping_min > 0 ? ping_min : 1,
        .keepalive_interval_ms = timer_ms(cfg->grpc_keepalive_interval),
        .keepalive_timeout_ms = timer_ms(cfg->grpc_keepalive_timeout),
    };
    p->loop = l;
    p->kind = kind;
    p->http = http_server_new(l->loop, &config);
    if (kind == API_PORT_CLIENT || kind == API_PORT_GRPC)
        grpc_port_init(p, (uint32_t)recv_max);
}

void api_loop_set_limits(struct api_loop *l)
{
    const struct config *cfg = l->cfg;
    uint64_t recv_max = recv_max_of(cfg);
    for (unsigned kind = 0; kind < API_PORT_COUNT_; kind++) {
        struct api_port *p = &l->ports[kind];
        if (p->http != NULL)
            http_server_set_limits(p->http, (uint32_t)cfg->max_concurrent_streams,
                                   recv_max * GATEWAY_BODY_FACTOR);
        if (p->grpc != NULL)
            grpc_server_set_recv_max(p->grpc, (uint32_t)recv_max);
    }
}

static void port_fini(struct api_port *p)
{
    http_server_free(p->http);
    grpc_port_fini(p);
}

/* ---- life ------------------------------------------------------------------------------------ */

enum err api_loop_init(struct api_loop *l, struct api *a, unsigned index, unsigned kinds,
                       struct why *why)
{
    l->api = a;
    l->index = index;
    l->rng.state = (uint64_t)clock_wall_ns() + index;
    l->loop = loop_new();
    l->scratch = arena_new();
    l->scratch_out = arena_new();
    list_init(&l->idle_calls);
    list_init(&l->need_leader);
    list_init(&l->waiting);
    loop_timer_init(&l->leader_timer, l->loop, on_leader_timer);
    /* The ports come first: what the server_client does at the end of a round is then sent in it. */
    for (unsigned kind = 0; kind < API_PORT_COUNT_; kind++)
        if (kinds & BIT(kind))
            port_init(&l->ports[kind], l, (enum api_port_kind)kind);
    return server_client_new(l->server, l->loop, &l->client, why);
}

void api_loop_fini(struct api_loop *l)
{
    if (l->loop == NULL)
        return;
    invariant(l->users == 0);
    for (unsigned kind = 0; kind < API_PORT_COUNT_; kind++)
        port_fini(&l->ports[kind]);
    if (l->client != NULL)
        server_client_free(l->client);
    call_free_idle(l);
    loop_timer_fini(&l->leader_timer);
    arena_free(l->scratch);
    arena_free(l->scratch_out);
    buf_fini(&l->out);
    loop_free(l->loop);
}

void *api_loop_main(void *arg)
{
    struct api_loop *l = arg;
    char name[16];
    snprintf(name, sizeof name, "etcd-client-%u", l->index);
    pthread_setname_np(pthread_self(), name);
    loop_timer_set(&l->leader_timer, (msec)l->cfg->election_timeout_ms);
    loop_run(l->loop);
    return NULL;
}

/* The connections are told first, so that a client which hears that its watch has ended does not try again
 * here. */
void api_loop_drain(struct api_loop *l, void (*done)(void *arg), void *arg)
{
    for (unsigned kind = 0; kind < API_PORT_COUNT_; kind++)
        if (l->ports[kind].http != NULL)
            http_server_drain(l->ports[kind].http, done, arg);
    while (!list_is_empty(&l->waiting)) {
        struct call *c = LIST_ENTRY(l->waiting.next, struct call, waiting);
        call_set_waiting(c, false);
        call_fail(c, ERR_STOPPED);
    }
}

void api_loop_stop(struct api_loop *l)
{
    l->stopping = true;
    for (unsigned kind = 0; kind < API_PORT_COUNT_; kind++)
        if (l->ports[kind].http != NULL)
            http_server_close_all(l->ports[kind].http);
    if (l->users == 0)
        loop_stop(l->loop);
}

void api_loop_hold(struct api_loop *l)
{
    l->users++;
}

void api_loop_release(struct api_loop *l)
{
    invariant(l->users > 0);
    if (--l->users == 0 && l->stopping)
        loop_stop(l->loop);
}

/* ---- the response header --------------------------------------------------------------------- */

size_t api_header_put(const struct api_loop *l, revision rev, uint8_t out[API_HEADER_MAX])
{
    struct server_header h;
    server_header_get(l->client, &h);
    uint8_t *p = out + 2;
    p = kv_wire_int(p, 0x08, (int64_t)h.cluster_id);
    p = kv_wire_int(p, 0x10, (int64_t)h.member);
    p = kv_wire_int(p, 0x18, rev);
    p = kv_wire_int(p, 0x20, (int64_t)h.term);
    size_t n = (size_t)(p - out) - 2; /* at most 44: one byte of length */
    out[0] = 0x0a;
    out[1] = (uint8_t)n;
    return n + 2;
}

revision api_revision(const struct api_loop *l)
{
    struct server_header h;
    server_header_get(l->client, &h);
    return h.rev;
}
