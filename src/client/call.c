/* client/call.c -- see client_priv.h.
 *
 * Sent again, at most TRIES_MAX times and until the deadline:
 *   - what the server did not begin to work on, at once;
 *   - what was refused for its token, with another one;
 *   - what a learner refused, at another endpoint;
 *   - a repeatable method that met UNAVAILABLE.
 * After each (endpoints / 2 + 1) tries there is a pause.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "client/client_priv.h"
#include "grpc/wire.h"
#include "pb/pb_arena.h"

enum {
    TRIES_MAX = 100,
    POOL_MAX = 1024,
    REQUEST_KEEP_MAX = 64 * 1024, /* a larger buffer does not go to the pool */
    ANSWER_SMALL = 4096,          /* is unpacked last, in memory that the call before has used */
};

/* ---- life -------------------------------------------------------------------------------- */

static struct etcd_pending *call_new(struct etcd_client *c)
{
    if (list_is_empty(&c->pool)) {
        struct etcd_pending *p = xcalloc(1, sizeof *p);
        list_init(&p->link);
        return p;
    }
    struct etcd_pending *p = LIST_ENTRY(c->pool.next, struct etcd_pending, link);
    list_unlink(&p->link);
    c->pool_n--;
    return p;
}

static void call_free(struct etcd_pending *p)
{
    list_unlink(&p->link);
    buf_fini(&p->request);
    buf_fini(&p->answer);
    arena_free(p->arena);
    free(p);
}

/* Take the call out of everything, and keep its memory for the next one. */
static void call_recycle(struct etcd_pending *p)
{
    struct etcd_client *c = p->attempt.client;
    attempt_stop(&p->attempt);
    deadlines_remove(&c->deadlines, &p->deadline);
    if (p->arena != NULL && c->spare == NULL) {
        arena_reset(p->arena);
        c->spare = p->arena;
        p->arena = NULL;
    }
    if (c->pool_n >= POOL_MAX || p->request.cap > REQUEST_KEEP_MAX) {
        call_free(p);
        return;
    }
    list_unlink(&p->link);
    arena_free(p->arena);
    p->arena = NULL;
    buf_clear(&p->request);
    buf_clear(&p->answer);
    list_add_head(&c->pool, &p->link);
    c->pool_n++;
}

/* The one end of every call. */
static void call_end(struct etcd_pending *p, const struct etcd_error *error)
{
    struct etcd_client *c = p->attempt.client;
    deadlines_remove(&c->deadlines, &p->deadline);
    p->done(p->arg, error == NULL ? p->response : NULL, error);
    call_recycle(p);
}

/* ---- tries ------------------------------------------------------------------------------- */

static void on_started(struct attempt *a)
{
    struct etcd_pending *p = CONTAINER_OF(a, struct etcd_pending, attempt);
    p->tries++;
    p->broken = false;
    buf_clear(&p->answer);
    arena_free(p->arena); /* of an answer whose status was an error */
    p->arena = NULL;
    grpc_rpc_send(&a->rpc, buf_slice(&p->request), true);
}

static void unpack(struct etcd_pending *p, struct slice msg)
{
    struct etcd_client *c = p->attempt.client;
    if (p->arena == NULL) {
        p->arena = c->spare != NULL ? c->spare : arena_new();
        c->spare = NULL;
    }
    p->broken = pb_unpack(p->attempt.method->response, msg, p->arena, &p->response) != ERR_OK;
}

static void on_message(struct grpc_rpc *r, struct slice msg)
{
    struct etcd_pending *p = CONTAINER_OF(r, struct etcd_pending, attempt.rpc);
    if (msg.n <= ANSWER_SMALL)
        buf_add_slice(&p->answer, msg);
    else
        unpack(p, msg);
}

static void try_again(struct etcd_pending *p, const struct grpc_status *st)
{
    struct etcd_client *c = p->attempt.client;
    bool round_is_over = p->tries % (c->n_endpoints / 2 + 1) == 0;
    if (!round_is_over || (st->not_begun && p->tries == 1))
        attempt_go(&p->attempt);
    else
        attempt_go_later(&p->attempt);
}

static void on_ended(struct attempt *a, const struct grpc_status *st,
                     const struct etcd_error *no_token)
{
    struct etcd_pending *p = CONTAINER_OF(a, struct etcd_pending, attempt);
    struct etcd_error e;
    if (no_token == NULL && st->code == GRPC_OK && p->arena == NULL)
        unpack(p, buf_slice(&p->answer));
    if (no_token != NULL) {
        call_end(p, no_token);
    } else if (p->broken) {
        error_set(&e, ETCD_INTERNAL,
                  "rpc error: code = Internal desc = grpc: failed to unmarshal "
                  "the received message");
        call_end(p, &e);
    } else if (st->code == GRPC_OK) {
        call_end(p, NULL);
    } else {
        error_of_status(&e, st);
        client_debug(a->client, "%s: try %u: %s", a->method->path, p->tries, e.text);
        if (p->tries < TRIES_MAX && attempt_is_worth_another(a, st, &e, false))
            try_again(p, st);
        else
            call_end(p, &e);
    }
}

static void on_deadline(struct deadline *d)
{
    struct etcd_pending *p = CONTAINER_OF(d, struct etcd_pending, deadline);
    size_t n = p->request.n - GRPC_PREFIX_LEN;
    uint32_t max = p->attempt.client->cfg.send_max;
    struct etcd_error e;
    endpoint_shun(p->attempt.endpoint);
    attempt_stop(&p->attempt);
    if (n > max)
        error_set(&e, ETCD_RESOURCE_EXHAUSTED,
                  "rpc error: code = ResourceExhausted desc = trying to send message larger than "
                  "max (%zu vs. %u)",
                  n, max);
    else
        error_of_deadline(&e);
    call_end(p, &e);
}

/* ---- the beginning ----------------------------------------------------------------------- */

size_t message_frame(struct buf *to, const ProtobufCMessage *msg)
{
    size_t n = protobuf_c_message_get_packed_size(msg);
    uint8_t *p = buf_reserve(to, GRPC_PREFIX_LEN + n);
    grpc_prefix_put(p, (uint32_t)n);
    (void)protobuf_c_message_pack(msg, p + GRPC_PREFIX_LEN);
    to->n += GRPC_PREFIX_LEN + n;
    return n;
}

struct etcd_pending *
call_start(struct etcd_client *c, size_t at, const struct etcd_method *m, const void *request,
           int64_t timeout_ms,
           void (*done)(void *arg, const void *response, const struct etcd_error *error), void *arg)
{
    struct etcd_pending *p = call_new(c);
    attempt_init(&p->attempt, c, m);
    p->attempt.at = at;
    p->attempt.without_token = m == &etcd_rpc_authenticate;
    p->attempt.rpc.one_answer = true;
    p->attempt.rpc.message = on_message;
    p->attempt.started = on_started;
    p->attempt.ended = on_ended;
    p->deadline.at = DEADLINE_NONE;
    p->tries = 0;
    p->broken = false;
    p->response = NULL;
    p->done = done;
    p->arg = arg;
    list_add_tail(&c->calls, &p->link);
    if (message_frame(&p->request, request) > c->cfg.send_max) {
        deadlines_add(&c->deadlines, &p->deadline, loop_now(c->loop)); /* told from the loop */
        return p;
    }
    if (timeout_ms == 0)
        timeout_ms = c->cfg.call_timeout_ms;
    p->attempt.deadline = deadline_in(c, timeout_ms);
    if (p->attempt.deadline != DEADLINE_NONE)
        deadlines_add(&c->deadlines, &p->deadline, p->attempt.deadline);
    attempt_go(&p->attempt);
    return p;
}

struct etcd_pending *etcd_call_start(
    struct etcd_client *c, const struct etcd_method *m, const void *request, int64_t timeout_ms,
    void (*done)(void *arg, const void *response, const struct etcd_error *error), void *arg)
{
    return call_start(c, SIZE_MAX, m, request, timeout_ms, done, arg);
}

struct etcd_pending *
etcd_call_start_at(struct etcd_client *c, size_t endpoint, const struct etcd_method *m,
                   const void *request, int64_t timeout_ms,
                   void (*done)(void *arg, const void *response, const struct etcd_error *error),
                   void *arg)
{
    invariant(endpoint < c->n_endpoints);
    return call_start(c, endpoint, m, request, timeout_ms, done, arg);
}

void etcd_call_cancel(struct etcd_pending *p)
{
    call_recycle(p);
}

void calls_init(struct etcd_client *c)
{
    list_init(&c->calls);
    list_init(&c->pool);
    deadlines_init(&c->deadlines, c->loop, on_deadline);
}

static void free_all(struct list *calls)
{
    struct etcd_pending *p;
    LIST_FOREACH (p, calls, struct etcd_pending, link)
        call_free(p);
}

void calls_fini(struct etcd_client *c)
{
    struct etcd_pending *p;
    LIST_FOREACH (p, &c->calls, struct etcd_pending, link)
        attempt_stop(&p->attempt);
    free_all(&c->calls);
    free_all(&c->pool);
    arena_free(c->spare);
    deadlines_fini(&c->deadlines);
}

/* ---- waiting ----------------------------------------------------------------------------- */

/* An answer that etcd_call() returns: a copy of the outermost struct, whose pointers lead into the
 * arena, behind the arena's own address. */
struct answer {
    struct arena *arena;
    _Alignas(max_align_t) uint8_t message[];
};

struct waiter {
    struct etcd_pending *call;
    bool over;
    struct answer *answer;
    struct etcd_error *error;
};

static struct answer *answer_new(struct arena *a, const ProtobufCMessage *msg)
{
    size_t n = msg->descriptor->sizeof_message;
    struct answer *answer = arena_alloc(a, sizeof *answer + n);
    memcpy(answer->message, msg, n);
    answer->arena = a;
    return answer;
}

static void on_waited(void *arg, const void *response, const struct etcd_error *error)
{
    struct waiter *w = arg;
    w->over = true;
    if (response == NULL) {
        *w->error = *error;
        return;
    }
    w->answer = answer_new(w->call->arena, response);
    w->call->arena = NULL; /* the answer's now */
}

static void *call_wait(struct etcd_client *c, size_t at, const struct etcd_method *m,
                       const void *request, int64_t timeout_ms, struct etcd_error *ret_error)
{
    struct waiter w = {.error = ret_error};
    if (!client_may_wait(c, ret_error))
        return NULL;
    w.call = call_start(c, at, m, request, timeout_ms, on_waited, &w);
    while (!w.over && etcd_client_poll(c, -1))
        ;
    if (!w.over) {
        etcd_call_cancel(w.call);
        error_set(ret_error, ETCD_CANCELED, "context canceled");
    }
    return w.answer != NULL ? w.answer->message : NULL;
}

void *etcd_call(struct etcd_client *c, const struct etcd_method *m, const void *request,
                int64_t timeout_ms, struct etcd_error *ret_error)
{
    return call_wait(c, SIZE_MAX, m, request, timeout_ms, ret_error);
}

void *etcd_call_at(struct etcd_client *c, size_t endpoint, const struct etcd_method *m,
                   const void *request, int64_t timeout_ms, struct etcd_error *ret_error)
{
    invariant(endpoint < c->n_endpoints);
    return call_wait(c, endpoint, m, request, timeout_ms, ret_error);
}

void *response_dup(const ProtobufCMessage *msg)
{
    AUTO(buf) struct buf wire = BUF_INIT;
    struct arena *a = arena_new();
    ProtobufCMessage *copy;
    pb_pack(msg, &wire);
    enum err e = pb_unpack(msg->descriptor, buf_slice(&wire), a, &copy);
    invariant(e == ERR_OK);
    return answer_new(a, copy)->message;
}

void etcd_response_free(void *response)
{
    if (response != NULL)
        arena_free(CONTAINER_OF(response, struct answer, message)->arena);
}
