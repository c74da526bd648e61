/* http/server.c -- all connections of a loop: flushing, timeouts, draining.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/server.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "http/priv.h"
#include "loop/clock.h"

#define SWEEP_MIN_MS 10
#define SWEEP_MAX_MS 1000
#define DRAIN_SWEEP_MS 50
#define DRAIN_FIRST_MS 250 /* for the first bytes of a connection that came just before the drain */

#define DEFAULT(field, value)                                                                      \
    do {                                                                                           \
        if ((field) == 0)                                                                          \
            (field) = (value);                                                                     \
    } while (0)

static void config_complete(struct http_config *c)
{
    DEFAULT(c->streams_max, UINT32_MAX);
    DEFAULT(c->header_bytes_max, 1024u * 1024);
    DEFAULT(c->h2_header_bytes_max, 64u * 1024);
    DEFAULT(c->body_bytes_max, 2u * 1024 * 1024);
    DEFAULT(c->send_buffer_max, 64u * 1024);
    DEFAULT(c->stream_low_water, 64u * 1024);
    DEFAULT(c->conn_queue_max, 64u * 1024 * 1024);
    DEFAULT(c->first_request_timeout_ms, 30000);
    DEFAULT(c->ping_min_ms, 5000);
    DEFAULT(c->keepalive_interval_ms, 7200000);
    DEFAULT(c->keepalive_timeout_ms, 20000);
}

/* A quarter of the shortest timeout, so that none is late by more than that. */
static msec sweep_interval(const struct http_config *c)
{
    msec least = c->first_request_timeout_ms;
    const msec others[] = {c->idle_timeout_ms, c->keepalive_interval_ms, c->keepalive_timeout_ms};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (others[i] > 0 && others[i] < least)
            least = others[i];
    least /= 4;
    return least < SWEEP_MIN_MS ? SWEEP_MIN_MS : least > SWEEP_MAX_MS ? SWEEP_MAX_MS : least;
}

static void server_sweep_conns(struct http_server *sv)
{
    msec now = loop_now(sv->loop);
    struct http_conn *c;
    LIST_FOREACH(c, &sv->conns, struct http_conn, link) {
        if (c->deadline != 0 && now >= c->deadline)
            conn_kill(c);
        else if (c->proto != NULL && !c->dead && !c->lingering)
            c->proto->sweep(c, now);
    }
}

static void on_sweep(struct loop_timer *t)
{
    struct http_server *sv = CONTAINER_OF(t, struct http_server, sweep_timer);
    server_sweep_conns(sv);
    if (sv->conn_n != 0) {
        loop_timer_set(&sv->sweep_timer, sv->sweep_ms);
    } else if (sv->drained != NULL) {
        void (*drained)(void *arg) = sv->drained;
        sv->drained = NULL;
        drained(sv->drained_arg);
    }
}

static void on_round_end(void *arg)
{
    struct http_server *sv = arg;
    while (!list_is_empty(&sv->dirty)) {
        struct http_conn *c = LIST_ENTRY(sv->dirty.next, struct http_conn, dirty_link);
        list_unlink(&c->dirty_link);
        if (!c->dead)
            conn_flush(c);
        if (c->dead)
            conn_reap(c);
    }
}

struct http_server *http_server_new(struct loop *l, const struct http_config *config)
{
    invariant(config->request != NULL);
    struct http_server *sv = xcalloc(1, sizeof *sv);
    sv->loop = l;
    sv->cfg = *config;
    config_complete(&sv->cfg);
    sv->sweep_ms = sweep_interval(&sv->cfg);
    list_init(&sv->conns);
    list_init(&sv->dirty);
    list_init(&sv->stream_pool);
    sv->read_buf = xmalloc(HTTP_READ_CHUNK);
    sv->h2_shared = h2_shared_new();
    loop_timer_init(&sv->sweep_timer, l, on_sweep);
    loop_on_round_end(l, on_round_end, sv);
    return sv;
}

void http_server_free(struct http_server *sv)
{
    if (sv == NULL)
        return;
    while (!list_is_empty(&sv->conns))
        conn_reap(LIST_ENTRY(sv->conns.next, struct http_conn, link));
    loop_remove_round_end(sv->loop, on_round_end, sv);
    loop_timer_fini(&sv->sweep_timer);
    stream_pools_free(sv);
    h2_shared_free(sv->h2_shared);
    buf_fini(&sv->scratch);
    free(sv->read_buf);
    free(sv);
}

void http_server_set_limits(struct http_server *sv, uint32_t streams_max, uint64_t body_bytes_max)
{
    sv->cfg.streams_max = streams_max;
    sv->cfg.body_bytes_max = body_bytes_max;
    config_complete(&sv->cfg);
}

struct loop *http_server_loop(const struct http_server *sv)
{
    return sv->loop;
}

const struct http_counters *http_server_counters(const struct http_server *sv)
{
    return &sv->counters;
}

void http_server_adopt(struct http_server *sv, int fd, const struct http_io_ops *ops, void *io_arg)
{
    if (sv->draining || (sv->cfg.conn_max != 0 && sv->conn_n >= sv->cfg.conn_max)) {
        counter_add(&sv->counters.conns_refused, 1);
        close(fd);
        return;
    }
    if (sv->conn_n == 0)
        loop_timer_set(&sv->sweep_timer, sv->sweep_ms);
    counter_add(&sv->counters.conns_accepted, 1);
    conn_new(sv, fd, ops != NULL ? ops : &http_io_plain, io_arg);
}

void server_forget_conn(struct http_server *sv, struct http_conn *c)
{
    list_unlink(&c->link);
    sv->conn_n--;
    counter_add(&sv->counters.conns_open, UINT64_MAX); /* minus one */
    if (sv->draining && sv->conn_n == 0)
        loop_timer_set(&sv->sweep_timer, 0);
}

void http_server_drain(struct http_server *sv, void (*done)(void *arg), void *arg)
{
    sv->draining = true;
    sv->drained = done;
    sv->drained_arg = arg;
    struct http_conn *c;
    LIST_FOREACH(c, &sv->conns, struct http_conn, link) {
        if (c->proto == NULL)
            c->deadline = c->last_read + DRAIN_FIRST_MS;
        else if (!c->dead && !c->lingering)
            c->proto->drain(c);
    }
    sv->sweep_ms = DRAIN_SWEEP_MS;
    loop_timer_set(&sv->sweep_timer, sv->conn_n == 0 ? 0 : DRAIN_SWEEP_MS);
}

void http_server_close_all(struct http_server *sv)
{
    struct http_conn *c;
    LIST_FOREACH(c, &sv->conns, struct http_conn, link)
        conn_kill(c);
}

const char *server_date(struct http_server *sv)
{
    int64_t now = clock_wall_ns() / 1000000000;
    if (now != sv->date_s) {
        sv->date_s = now;
        time_t t = (time_t)now;
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(sv->date_text, sizeof sv->date_text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    }
    return sv->date_text;
}
