/* benchmark/load.c
 * SPDX-License-Identifier: Apache-2.0 */
#include "benchmark/load.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/duration.h"
#include "benchmark/globals.h"
#include "cli/terminal.h"

/* A wake-up that came late is caught up with, by as much at most. */
#define PACE_SLACK_NS     NSEC_MS
#define PROGRESS_EVERY_MS 100

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * NSEC_S + t.tv_nsec;
}

int64_t load_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* ---- the rate -------------------------------------------------------------------------------- */

/* Reserve the next turn of all; return when it is. */
static int64_t reserve(struct load *l, int64_t now_ns)
{
    int64_t burst_ns = (l->burst > 1 ? l->burst - 1 : 0) * l->interval_ns;
    int64_t oldest = now_ns - burst_ns - PACE_SLACK_NS;
    int64_t turn, next = atomic_load_explicit(&l->next_ns, memory_order_relaxed);
    do
        turn = next > oldest ? next : oldest;
    while (!atomic_compare_exchange_weak(&l->next_ns, &next, turn + l->interval_ns));
    return turn;
}

static void set_timer(struct worker *w)
{
    struct itimerspec when = {0};
    if (!list_is_empty(&w->paced)) {
        int64_t due = LIST_ENTRY(w->paced.next, struct slot, link)->due_ns;
        when.it_value.tv_sec = due / NSEC_S;
        when.it_value.tv_nsec = due % NSEC_S;
    }
    (void)timerfd_settime(w->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void begin(struct slot *s)
{
    s->began_ns = s->worker->now_ns;
    s->load->begin(s);
}

static void on_due(void *arg, int fd)
{
    struct worker *w = arg;
    uint64_t times;
    (void)!read(fd, &times, sizeof times);
    w->now_ns = load_now_ns();
    while (!list_is_empty(&w->paced)) {
        struct slot *s = LIST_ENTRY(w->paced.next, struct slot, link);
        if (s->due_ns > w->now_ns)
            break;
        list_unlink(&s->link);
        begin(s);
    }
    set_timer(w);
}

/* ---- slots ----------------------------------------------------------------------------------- */

static bool take_number(struct slot *s)
{
    struct load *l = s->load;
    if (atomic_load_explicit(&l->stopped, memory_order_relaxed))
        return false;
    if (l->per_slot > 0)
        s->number = s->id * l->per_slot + s->taken;
    else
        s->number = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed);
    s->taken++;
    return l->per_slot > 0 ? s->taken <= l->per_slot : s->number < l->total;
}

/* Begin the slot's next request, now or when it is its turn. The worker's clock was just read. */
static void go_on(struct slot *s)
{
    struct worker *w = s->worker;
    if (!take_number(s)) {
        w->n_idle++;
        return;
    }
    if (s->load->interval_ns == 0) {
        begin(s);
        return;
    }
    s->due_ns = reserve(s->load, w->now_ns);
    if (s->due_ns <= w->now_ns) {
        begin(s);
        return;
    }
    bool first = list_is_empty(&w->paced);
    list_add_tail(&w->paced, &s->link);
    if (first)
        set_timer(w);
}

void load_ready(struct slot *s)
{
    s->worker->now_ns = load_now_ns();
    go_on(s);
}

void load_add(struct worker *w, int kind, int64_t began_ns, int64_t took_ns)
{
    samples_add(&w->samples[kind], began_ns + w->load->wall_minus_monotonic_ns, took_ns);
    uint64_t n = atomic_load_explicit(&w->n_done, memory_order_relaxed);
    atomic_store_explicit(&w->n_done, n + 1, memory_order_relaxed);
}

void load_done(struct slot *s, int kind, const struct etcd_error *error)
{
    struct worker *w = s->worker;
    w->now_ns = load_now_ns();
    if (kind == LOAD_UNMEASURED)
        ;
    else if (error != NULL && error->code != ETCD_OK)
        samples_add_error(&w->samples[kind], error->text);
    else
        load_add(w, kind, s->began_ns, w->now_ns - s->began_ns);
    go_on(s);
}

/* ---- workers --------------------------------------------------------------------------------- */

static bool is_over(const struct worker *w)
{
    return !w->load->stays && w->n_idle == w->n_slots;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct load *l = w->load;
    for (size_t i = (size_t)(w - l->fleet->workers); i < l->n_slots; i += l->fleet->n) {
        if (l->prepare != NULL)
            l->prepare(&l->slots[i]);
        else
            load_ready(&l->slots[i]);
    }
    while (!is_over(w) && etcd_client_poll(w->client, -1))
        ;
    return NULL;
}

static void worker_start(struct worker *w, struct load *l)
{
    w->load = l;
    w->n_slots = w->n_idle = 0;
    atomic_store(&w->n_done, 0);
    list_init(&w->paced);
    w->samples = xcalloc(l->n_kinds, sizeof *w->samples);
    for (size_t k = 0; k < l->n_kinds; k++)
        samples_init(&w->samples[k], globals.sample);
    w->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    invariant(w->timer_fd != -1);
    etcd_client_on_readable(w->client, w->timer_fd, on_due, w);
    etcd_client_resume(w->client);
}

static void worker_end(struct worker *w)
{
    struct load *l = w->load;
    etcd_client_on_readable(w->client, w->timer_fd, NULL, NULL);
    close(w->timer_fd);
    for (size_t k = 0; k < l->n_kinds; k++) {
        samples_merge(&l->reports[k].samples, &w->samples[k]);
        samples_fini(&w->samples[k]);
    }
    free(w->samples);
    w->samples = NULL;
}

/* ---- the load -------------------------------------------------------------------------------- */

static void make_slots(struct load *l)
{
    size_t size = (l->slot_size + 15) / 16 * 16;
    l->slots = xcalloc(l->n_slots + 1, sizeof *l->slots);
    l->own = xcalloc(l->n_slots + 1, size);
    for (size_t i = 0; i < l->n_slots; i++) {
        struct worker *w = &l->fleet->workers[i % l->fleet->n];
        l->slots[i] = (struct slot){.worker = w, .load = l, .id = i, .own = l->own + i * size};
        list_init(&l->slots[i].link);
        w->n_slots++;
    }
}

void load_start(struct load *l)
{
    struct fleet *f = l->fleet;
    for (size_t k = 0; k < l->n_kinds; k++)
        report_init(&l->reports[k], l->ops[k]);
    for (size_t i = 0; i < f->n; i++)
        worker_start(&f->workers[i], l);
    make_slots(l);
    if (l->rate > 0)
        l->interval_ns = NSEC_S / l->rate > 0 ? NSEC_S / l->rate : 1;
    l->began_ns = load_now_ns();
    l->wall_minus_monotonic_ns = clock_ns(CLOCK_REALTIME) - l->began_ns;
    atomic_store(&l->next_ns, l->began_ns);
    for (size_t i = 0; i < f->n; i++) {
        int e = pthread_create(&f->workers[i].thread, NULL, worker_main, &f->workers[i]);
        invariant(e == 0);
    }
}

/* Wait for the worker, showing how far all are. */
static void join(struct worker *w, struct progress *p)
{
    const struct load *l = w->load;
    uint64_t total = l->progress_total > 0 ? l->progress_total : l->total;
    while (p->terminal) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += PROGRESS_EVERY_MS * 1000000;
        until.tv_sec += until.tv_nsec / NSEC_S;
        until.tv_nsec %= NSEC_S;
        if (pthread_timedjoin_np(w->thread, NULL, &until) == 0)
            return;
        uint64_t n = 0;
        for (size_t i = 0; i < l->fleet->n; i++)
            n += atomic_load_explicit(&l->fleet->workers[i].n_done, memory_order_relaxed);
        progress_show(p, "%llu / %llu %.2f%%", (unsigned long long)n, (unsigned long long)total,
                      total ? 100.0 * (double)n / (double)total : 100.0);
    }
    pthread_join(w->thread, NULL);
}

int load_wait(struct load *l)
{
    struct progress p;
    progress_init(&p);
    for (size_t i = 0; i < l->fleet->n; i++)
        join(&l->fleet->workers[i], &p);
    int64_t took_ns = load_now_ns() - l->began_ns;
    progress_end(&p);
    for (size_t i = 0; i < l->fleet->n; i++)
        worker_end(&l->fleet->workers[i]);
    for (size_t k = 0; k < l->n_kinds; k++)
        l->reports[k].took_ns = took_ns;
    if (atomic_load(&l->failed))
        return cli_fail(CLI_ERROR, "%s", l->failure);
    return CLI_OK;
}

int load_run(struct load *l)
{
    load_start(l);
    return load_wait(l);
}

void load_fini(struct load *l)
{
    for (size_t k = 0; k < l->n_kinds; k++)
        report_fini(&l->reports[k]);
    free(l->slots);
    free(l->own);
    l->slots = NULL;
    l->own = NULL;
}

void load_stop(struct load *l)
{
    atomic_store(&l->stopped, true);
    for (size_t i = 0; i < l->fleet->n; i++)
        etcd_client_interrupt(l->fleet->workers[i].client);
}

void load_fail(struct load *l, const char *what, const struct etcd_error *error)
{
    if (!atomic_exchange(&l->failed, true))
        snprintf(l->failure, sizeof l->failure, "%s: %s", what, error->text);
    load_stop(l);
}
