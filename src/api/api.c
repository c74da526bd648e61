/* api/api.c -- the listeners and the client threads, from start to end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/api_loop.h"
#include "api/methods.h"
#include "api/stats.h"
#include "base/log.h"
#include "http/listener.h"

enum {
    LISTENERS_MAX = 256,
    THREAD_STACK = 16 * 1024 * 1024, /* for deeply nested transactions; touched only when needed */
};

struct listener {
    int fd; /* -1 once an acceptor has it */
    enum api_port_kind kind;
    struct acceptor *acceptor;
    const char *path; /* to unlink when we listen no more; NULL: none */
};

struct api {
    const struct config *cfg;
    struct server *server;
    struct api_loop *loops;
    unsigned loops_n;
    struct listener listeners[LISTENERS_MAX];
    size_t listeners_n;

    bool turn_asked; /* by the control thread, of all loops */
    pthread_mutex_t lock;
    pthread_cond_t cond;
    unsigned undrained; /* ports that have open connections; under `lock` */
};

/* A call into a loop's thread. */
struct loop_order {
    struct loop_msg msg;
    struct api_loop *loop;
};

static void order_post(struct api_loop *l, void (*run)(struct loop_msg *m))
{
    struct loop_order *o = xcalloc(1, sizeof *o);
    o->loop = l;
    o->msg.run = run;
    loop_post(l->loop, &o->msg);
}

static struct api_loop *order_take(struct loop_msg *m)
{
    struct loop_order *o = CONTAINER_OF(m, struct loop_order, msg);
    struct api_loop *l = o->loop;
    free(o);
    return l;
}

/* ---- listeners ------------------------------------------------------------------------------- */

static enum err listen_on(struct api *a, const struct listen_sockets *sockets,
                          enum api_port_kind kind, struct why *why)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < sockets->n; i++) {
        if (a->listeners_n == LISTENERS_MAX) {
            e = why_set(why, ERR_INVALID, "too many addresses to listen on");
            close(sockets->v[i].fd);
            continue;
        }
        a->listeners[a->listeners_n++] =
            (struct listener){.fd = sockets->v[i].fd, .kind = kind, .path = sockets->v[i].path};
    }
    return e;
}

static enum err listen_all(struct api *a, const struct api_sockets *sockets, struct why *why)
{
    bool split = sockets->client_http.n != 0;
    enum err client =
        listen_on(a, &sockets->client, split ? API_PORT_GRPC : API_PORT_CLIENT, why);
    enum err http = listen_on(a, &sockets->client_http, API_PORT_HTTP, why);
    enum err metrics = listen_on(a, &sockets->metrics, API_PORT_METRICS, why);
    return client != ERR_OK ? client : http != ERR_OK ? http : metrics;
}

/* The first loop accepts for all. */
static void accept_all(struct api *a)
{
    for (size_t i = 0; i < a->listeners_n; i++) {
        struct listener *l = &a->listeners[i];
        l->acceptor = acceptor_new(a->loops[0].loop, l->fd, NULL, NULL);
        l->fd = -1;
        for (unsigned j = 0; j < a->loops_n; j++)
            acceptor_add(l->acceptor, a->loops[j].ports[l->kind].http);
    }
}

static void accept_no_more(struct api *a)
{
    for (size_t i = 0; i < a->listeners_n; i++) {
        struct listener *l = &a->listeners[i];
        acceptor_free(l->acceptor);
        l->acceptor = NULL;
        if (l->path != NULL)
            (void)unlink(l->path); /* if it stays, the next start removes it */
        l->path = NULL;
    }
}

static void log_addresses(const struct listen_sockets *sockets, const char *traffic)
{
    for (size_t i = 0; i < sockets->n; i++)
        log_info("serving client traffic insecurely; this is strongly discouraged!",
                 LOG_STR("traffic", traffic), LOG_STR("address", sockets->v[i].address));
}

static void log_serving(const struct api_sockets *sockets)
{
    log_addresses(&sockets->client, sockets->client_http.n != 0 ? "grpc" : "grpc+http");
    log_addresses(&sockets->client_http, "http");
    for (size_t i = 0; i < sockets->metrics.n; i++)
        log_info("serving metrics and health checks",
                 LOG_STR("address", sockets->metrics.v[i].address));
}

/* ---- threads --------------------------------------------------------------------------------- */

static enum err loops_make(struct api *a, struct why *why)
{
    unsigned kinds = 0;
    for (size_t i = 0; i < a->listeners_n; i++)
        kinds |= BIT(a->listeners[i].kind);
    unsigned n = server_client_threads(a->server);
    a->loops = xcalloc(n, sizeof *a->loops);
    while (a->loops_n < n) {
        struct api_loop *l = &a->loops[a->loops_n];
        l->cfg = a->cfg;
        l->server = a->server;
        enum err e = api_loop_init(l, a, a->loops_n++, kinds, why);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

/* Signals are the main thread's: the client threads are started with all of them blocked. */
static enum err threads_start(struct api *a, struct why *why)
{
    pthread_attr_t attr;
    sigset_t all, old;
    enum err e = ERR_OK;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (unsigned i = 0; i < a->loops_n && e == ERR_OK; i++) {
        struct api_loop *l = &a->loops[i];
        int rc = pthread_create(&l->thread, &attr, api_loop_main, l);
        l->thread_runs = rc == 0;
        if (rc != 0)
            e = why_set(why, ERR_IO, "cannot start a client thread: %s", strerror(rc));
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return e;
}

static void run_stop(struct loop_msg *m)
{
    api_loop_stop(order_take(m));
}

/* In the accepting loop's thread, so that a connection that it gave away arrives before the end. */
static void run_stop_all(struct loop_msg *m)
{
    struct api *a = order_take(m)->api;
    accept_no_more(a);
    for (unsigned i = 0; i < a->loops_n; i++)
        if (a->loops[i].thread_runs)
            order_post(&a->loops[i], run_stop);
}

void api_stop(struct api *a)
{
    if (a->loops_n != 0 && a->loops[0].thread_runs)
        order_post(&a->loops[0], run_stop_all);
    for (unsigned i = 0; i < a->loops_n; i++) {
        if (a->loops[i].thread_runs)
            pthread_join(a->loops[i].thread, NULL);
        a->loops[i].thread_runs = false;
    }
    accept_no_more(a);
    for (unsigned i = 0; i < a->loops_n; i++)
        api_loop_fini(&a->loops[i]);
    a->loops_n = 0;
}

void api_free(struct api *a)
{
    if (a == NULL)
        return;
    invariant(a->loops_n == 0);
    for (size_t i = 0; i < a->listeners_n; i++)
        if (a->listeners[i].fd != -1)
            close(a->listeners[i].fd);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->cond);
    free(a->loops);
    free(a);
}

static struct api *api_new(const struct config *cfg, struct server *server)
{
    struct api *a = xcalloc(1, sizeof *a);
    a->cfg = cfg;
    a->server = server;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&a->cond, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

enum err api_start(const struct config *cfg, struct server *server,
                   const struct api_sockets *sockets, struct api **ret, struct why *why)
{
    methods_init();
    stats_init(server, cfg->metrics_extensive);
    struct api *a = api_new(cfg, server);
    enum err e = listen_all(a, sockets, why);
    if (e == ERR_OK)
        e = loops_make(a, why);
    if (e == ERR_OK) {
        accept_all(a);
        e = threads_start(a, why);
    }
    if (e != ERR_OK) {
        api_stop(a);
        api_free(a);
        return e;
    }
    log_serving(sockets);
    *ret = a;
    return ERR_OK;
}

/* ---- another configuration ------------------------------------------------------------------- */

static void run_reconfigure(struct loop_msg *m)
{
    api_loop_set_limits(order_take(m));
}

void api_reconfigure(struct api *a, const struct config *cfg)
{
    a->cfg = cfg;
    for (unsigned i = 0; i < a->loops_n; i++) {
        atomic_store(&a->loops[i].cfg, cfg);
        order_post(&a->loops[i], run_reconfigure);
    }
}

/* ---- signs of life --------------------------------------------------------------------------- */

static void run_turned(struct loop_msg *m)
{
    atomic_store(&order_take(m)->turned, true);
}

bool api_has_turned(struct api *a)
{
    bool all = true;
    for (unsigned i = 0; i < a->loops_n; i++)
        all = all && atomic_load(&a->loops[i].turned);
    if (!all && a->turn_asked)
        return false;
    a->turn_asked = true;
    for (unsigned i = 0; i < a->loops_n; i++) {
        atomic_store(&a->loops[i].turned, false);
        order_post(&a->loops[i], run_turned);
    }
    return all;
}

/* ---- draining -------------------------------------------------------------------------------- */

static void on_port_drained(void *arg)
{
    struct api *a = arg;
    pthread_mutex_lock(&a->lock);
    a->undrained--;
    pthread_cond_signal(&a->cond);
    pthread_mutex_unlock(&a->lock);
}

static void run_drain(struct loop_msg *m)
{
    struct api_loop *l = order_take(m);
    api_loop_drain(l, on_port_drained, l->api);
}

/* In the accepting loop's thread, so that a connection that it gave away arrives before the drain. */
static void run_drain_all(struct loop_msg *m)
{
    struct api *a = order_take(m)->api;
    accept_no_more(a);
    for (unsigned i = 0; i < a->loops_n; i++)
        order_post(&a->loops[i], run_drain);
}

static unsigned ports_count(const struct api *a)
{
    unsigned n = 0;
    for (unsigned i = 0; i < a->loops_n; i++)
        for (unsigned kind = 0; kind < API_PORT_COUNT_; kind++)
            n += a->loops[i].ports[kind].http != NULL;
    return n;
}

void api_drain(struct api *a, msec bound)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += bound / 1000;
    until.tv_nsec += bound % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    a->undrained = ports_count(a);
    order_post(&a->loops[0], run_drain_all);
    pthread_mutex_lock(&a->lock);
    while (a->undrained != 0 &&
           pthread_cond_timedwait(&a->cond, &a->lock, &until) != ETIMEDOUT) {
    }
    pthread_mutex_unlock(&a->lock);
}
