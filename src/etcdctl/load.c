/* etcdctl/load.c -- see load.h.
 *
 * The puts share the connections of one client: the server sees as many of them at once as upstream's
 * clients make, and one thread is enough to make them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/load.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/duration.h"
#include "base/random.h"
#include "cli/terminal.h"
#include "etcdctl/interrupt.h"

enum {
    TICK_MS = 1,
    BAR_WIDTH = 40,
};

struct load {
    struct etcd_client *client;
    const struct load_plan *plan;
    struct load_stats *stats;
    struct rng rng;
    uint8_t *key, *value; /* of the put that is being made */
    size_t prefix_len;
    nsec began, next; /* `next`: when the next put is due */
    unsigned started, busy;
    bool stopped; /* no more puts are begun */
    double *took; /* seconds, of those that went well */
    size_t n_took, took_max;
    struct etcd_timer *tick;
    struct progress progress;
};

struct put {
    struct load *load;
    nsec began;
};

static nsec now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (nsec)t.tv_sec * NSEC_S + t.tv_nsec;
}

/* ---- results ------------------------------------------------------------------------------------ */

static void count_error(struct load_stats *s, const struct etcd_error *e)
{
    size_t i = 0;
    while (i < s->n_errors && strcmp(s->errors[i].text, e->text) != 0)
        i++;
    if (i == LOAD_ERRORS_MAX)
        i--; /* count it with the last kind */
    if (i == s->n_errors) {
        s->errors[i].text = xstrdup(e->text);
        s->n_errors++;
    }
    s->errors[i].n++;
}

static void count_time(struct load *l, nsec took)
{
    if (l->n_took == l->took_max) {
        l->took_max = l->took_max ? 2 * l->took_max : 4096;
        l->took = xrealloc(l->took, l->took_max * sizeof *l->took);
    }
    l->took[l->n_took++] = (double)took / (double)NSEC_S;
}

/* By Newton. The mathematical library would cost every command a third of a megabyte of memory. */
static double square_root(double v)
{
    double r = v > 1 ? v : 1;
    for (int i = 0; i < 64; i++)
        r = (r + v / r) / 2;
    return r;
}

static void sum_up(struct load *l)
{
    struct load_stats *s = l->stats;
    double total = 0, squares = 0, n = (double)l->n_took;
    for (size_t i = 0; i < l->n_took; i++) {
        total += l->took[i];
        if (l->took[i] > s->slowest)
            s->slowest = l->took[i];
    }
    for (size_t i = 0; i < l->n_took; i++)
        squares += (l->took[i] - total / n) * (l->took[i] - total / n);
    s->stddev = l->n_took ? square_root(squares / n) : 0;
    s->rate = n / ((double)(now() - l->began) / (double)NSEC_S);
}

static void show_bar(struct load *l)
{
    bool timed = l->plan->duration_s > 0;
    uint64_t all = timed ? l->plan->duration_s : l->plan->total;
    uint64_t done = timed ? (uint64_t)((now() - l->began) / NSEC_S) : l->started - l->busy;
    if (done > all)
        done = all;
    int full = (int)(BAR_WIDTH * done / all);
    char bar[BAR_WIDTH + 1];
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < full ? '=' : i == full ? '>' : '.';
    bar[BAR_WIDTH] = '\0';
    progress_show(&l->progress, "%llu / %llu [%s] %llu%%", (unsigned long long)done,
                  (unsigned long long)all, bar, (unsigned long long)(100 * done / all));
}

/* ---- puts --------------------------------------------------------------------------------------- */

static void go_on(struct load *l);

static void on_put(void *arg, const void *response, const struct etcd_error *error)
{
    struct put *p = arg;
    struct load *l = p->load;
    if (response)
        count_time(l, now() - p->began);
    else
        count_error(l->stats, error);
    free(p);
    l->busy--;
    go_on(l);
}

static void put_start(struct load *l)
{
    uint64_t random = rng_next(&l->rng);
    memcpy(l->key + l->prefix_len, &random, sizeof random);
    Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;
    request.key = (ProtobufCBinaryData){l->prefix_len + l->plan->key_size, l->key};
    request.value = (ProtobufCBinaryData){l->plan->value_size, l->value};
    struct put *p = xmalloc(sizeof *p);
    *p = (struct put){l, now()};
    l->started++;
    l->busy++;
    etcd_call_start(l->client, &etcd_rpc_put, &request, -1, on_put, p);
}

static bool is_over(const struct load *l)
{
    if (l->plan->duration_s)
        return now() - l->began >= l->plan->duration_s * NSEC_S;
    return l->started == l->plan->total;
}

/* Begin all puts that are due. Those that were due while all clients were busy are not made up for. */
static void go_on(struct load *l)
{
    nsec time = now();
    while (!l->stopped && !is_over(l) && (l->plan->rate == 0 || l->next <= time)) {
        if (l->busy == l->plan->clients) {
            l->next = time;
            return;
        }
        put_start(l);
        if (l->plan->rate)
            l->next += NSEC_S / l->plan->rate;
    }
}

static void on_tick(void *arg)
{
    struct load *l = arg;
    go_on(l);
    show_bar(l);
    etcd_timer_set(l->tick, TICK_MS);
}

/* ---- the whole ---------------------------------------------------------------------------------- */

static void load_init(struct load *l, struct etcd_client *c, const struct load_plan *plan,
                      struct load_stats *stats)
{
    *l = (struct load){.client = c, .plan = plan, .stats = stats};
    *stats = (struct load_stats){0};
    if (getrandom(&l->rng.state, sizeof l->rng.state, 0) < 0)
        l->rng.state = (uint64_t)now();
    l->prefix_len = strlen(plan->prefix);
    l->key = xcalloc(1, l->prefix_len + plan->key_size);
    memcpy(l->key, plan->prefix, l->prefix_len);
    l->value = xcalloc(1, plan->value_size);
    l->tick = etcd_timer_new(c, on_tick, l);
    progress_init(&l->progress);
    l->began = l->next = now();
}

void load_run(struct etcd_client *c, const struct load_plan *plan, struct load_stats *ret_stats)
{
    struct load l;
    load_init(&l, c, plan, ret_stats);
    interrupt_client(c);
    on_tick(&l);
    while (!is_over(&l) && etcd_client_poll(c, -1))
        ;
    interrupt_process(); /* a second signal ends everything */
    etcd_client_resume(c);
    l.stopped = true;
    while (l.busy > 0)
        etcd_client_poll(c, -1);
    sum_up(&l);
    progress_end(&l.progress);
    etcd_timer_free(l.tick);
    free(l.key);
    free(l.value);
    free(l.took);
}

void load_stats_fini(struct load_stats *s)
{
    for (size_t i = 0; i < s->n_errors; i++)
        free(s->errors[i].text);
}
