/* client/attempt.c -- see client_priv.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "client/client_priv.h"

enum { PAUSE_MS = 25 }; /* give or take a tenth */

static void on_rpc_done(struct grpc_rpc *r, const struct grpc_status *st)
{
    struct attempt *a = CONTAINER_OF(r, struct attempt, rpc);
    endpoint_release(a->endpoint);
    a->endpoint = NULL;
    a->ended(a, st, NULL);
}

void attempt_init(struct attempt *a, struct etcd_client *c, const struct etcd_method *m)
{
    a->client = c;
    a->method = m;
    a->at = SIZE_MAX;
    a->deadline = a->pause.at = DEADLINE_NONE;
    list_init(&a->link);
    a->rpc.path = m->path;
    a->rpc.headers = a->headers;
    a->rpc.recv_max = c->cfg.recv_max;
    a->rpc.done = on_rpc_done;
}

/* Keep the token as it is now: the headers are lent to the connection. */
static void take_token(struct attempt *a)
{
    struct token *t = &a->client->token;
    blob_unref(a->token);
    a->token = t->bytes != NULL && !a->without_token ? blob_ref(t->bytes) : NULL;
    a->token_no = t->no;
}

static void set_headers(struct attempt *a)
{
    struct http_header *h = a->headers;
    for (size_t i = 0; i < GRPC_BASE_HEADERS; i++)
        *h++ = grpc_base_headers[i];
    *h++ = HTTP_HEADER("client-api-version", "3.7");
    if (a->require_leader)
        *h++ = HTTP_HEADER("hasleader", "true");
    if (a->token != NULL) {
        *h = HTTP_HEADER("token", "");
        h->value = blob_slice(a->token);
        h++->lasting = false;
    }
    if (a->deadline != DEADLINE_NONE) {
        msec left = a->deadline - loop_now(a->client->loop);
        *h++ = grpc_timeout_header(left > 0 ? left : 1, a->timeout);
    }
    a->rpc.n_headers = (size_t)(h - a->headers);
}

void attempt_go(struct attempt *a)
{
    struct etcd_client *c = a->client;
    invariant(a->endpoint == NULL);
    if (!c->connected)
        endpoints_connect(c);
    bool ready = a->without_token || token_is_ready(c);
    struct endpoint *e = ready ? endpoint_pick(c, a->at) : NULL;
    if (e == NULL) {
        if (list_is_empty(&a->link))
            list_add_tail(&c->waiting, &a->link);
        if (endpoints_are_down(c, a->at))
            attempts_give_up(c);
        return;
    }
    list_unlink(&a->link);
    a->endpoint = e;
    e->running++;
    take_token(a);
    set_headers(a);
    grpc_rpc_start(&a->rpc, e->h2);
    a->started(a);
}

void attempt_go_later(struct attempt *a)
{
    struct etcd_client *c = a->client;
    msec pause = PAUSE_MS * 9 / 10 + (msec)rng_below(&c->rng, PAUSE_MS / 5);
    deadlines_add(&c->pauses, &a->pause, loop_now(c->loop) + pause);
}

bool attempt_is_worth_another(struct attempt *a, const struct grpc_status *st,
                              const struct etcd_error *e, bool heard)
{
    if (heard)
        return false;
    if (st->not_begun || token_is_to_blame(a, e))
        return true;
    if (error_is(e, ERR_NOT_SUPPORTED_FOR_LEARNER) && a->client->n_endpoints > 1)
        return a->at == SIZE_MAX;
    return a->method->repeatable && e->code == ETCD_UNAVAILABLE;
}

void attempt_stop(struct attempt *a)
{
    list_unlink(&a->link);
    deadlines_remove(&a->client->pauses, &a->pause);
    if (a->endpoint != NULL) {
        grpc_rpc_cancel(&a->rpc);
        endpoint_release(a->endpoint);
        a->endpoint = NULL;
    }
    blob_unref(a->token);
    a->token = NULL;
}

void attempts_go(struct etcd_client *c)
{
    struct list all;
    list_init(&all);
    list_splice_tail(&all, &c->waiting);
    while (!list_is_empty(&all)) {
        struct attempt *a = LIST_ENTRY(all.next, struct attempt, link);
        list_unlink(&a->link);
        attempt_go(a);
    }
}

void attempts_fail(struct etcd_client *c, const struct etcd_error *error)
{
    struct list all;
    list_init(&all);
    list_splice_tail(&all, &c->waiting);
    while (!list_is_empty(&all)) {
        struct attempt *a = LIST_ENTRY(all.next, struct attempt, link);
        list_unlink(&a->link);
        if (a->without_token)
            list_add_tail(&c->waiting, &a->link);
        else
            a->ended(a, NULL, error);
    }
}

static void on_give_up(struct loop_task *t)
{
    struct etcd_client *c = CONTAINER_OF(t, struct etcd_client, give_up);
    struct etcd_error error;
    struct list all;
    error_set(&error, ETCD_UNAVAILABLE,
              "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error "
              "while dialing: %s\"",
              c->trouble.text);
    list_init(&all);
    list_splice_tail(&all, &c->waiting);
    while (!list_is_empty(&all)) {
        struct attempt *a = LIST_ENTRY(all.next, struct attempt, link);
        list_unlink(&a->link);
        if (endpoints_are_down(c, a->at))
            a->ended(a, NULL, &error);
        else
            list_add_tail(&c->waiting, &a->link);
    }
}

void attempts_give_up(struct etcd_client *c)
{
    if (c->cfg.fail_fast)
        loop_task_add(c->loop, &c->give_up);
}

static void on_pause_over(struct deadline *d)
{
    attempt_go(CONTAINER_OF(d, struct attempt, pause));
}

void attempts_init(struct etcd_client *c)
{
    list_init(&c->waiting);
    loop_task_init(&c->give_up, on_give_up);
    deadlines_init(&c->pauses, c->loop, on_pause_over);
}

void attempts_fini(struct etcd_client *c)
{
    loop_task_cancel(&c->give_up);
    deadlines_fini(&c->pauses);
}
