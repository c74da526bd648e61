/* tests/sim/linear.c -- see linear.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/linear.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sort.h"

#define FIRST_REV 1 /* of a store that nobody wrote to */

/* A key as it stands at some revision. */
struct cell {
    uint64_t value;
    revision mod;
};

static const char *const kind_names[] = {"get", "stale get", "put", "delete", "cas"};

static bool wrong(struct why *why, const struct linear_op *op, const char *what)
{
    why_set(why, ERR_DAMAGED,
            "%s of key %u, value %" PRIu64 " (times %" PRId64 " to %" PRId64
            "), answered at revision "
            "%" PRId64 " having seen value %" PRIu64 " of revision %" PRId64 ": %s",
            kind_names[op->kind], op->key, op->value, op->begin, op->end, op->rev, op->saw,
            op->saw_mod, what);
    return false;
}

static bool writes_value(const struct linear_op *op)
{
    return op->kind == LINEAR_PUT || op->kind == LINEAR_CAS;
}

/* Would it write, where its key stands so? */
static bool would_change(const struct linear_op *op, const struct cell *was)
{
    switch (op->kind) {
    case LINEAR_PUT:
        return true;
    case LINEAR_DELETE:
        return was->value != 0;
    case LINEAR_CAS:
        return was->mod == op->compare;
    default:
        return false;
    }
}

static bool is_written_by(const struct linear_event *e, const struct linear_op *op)
{
    return e->key == op->key && e->value == (op->kind == LINEAR_DELETE ? 0 : op->value);
}

static void cell_write(struct cell *c, const struct linear_event *e)
{
    *c = (struct cell){e->value, e->value != 0 ? e->rev : 0};
}

static bool log_is_whole(const struct linear_event *log, size_t n, struct why *why)
{
    for (size_t i = 0; i < n; i++)
        if (log[i].rev != FIRST_REV + 1 + (revision)i || log[i].key >= LINEAR_KEYS_MAX) {
            why_set(why, ERR_DAMAGED, "the log has revision %" PRId64 " at place %zu", log[i].rev,
                    i);
            return false;
        }
    return true;
}

/* ---- the check ------------------------------------------------------------------------------ */

struct check {
    struct linear_op *ops;
    size_t n;
    const struct linear_event *log;
    size_t log_n;
    bool *explained;     /* each event: we know who wrote it */
    struct cell *before; /* its key, before it */
    struct why *why;
};

/* Writes stand at even places, and between them what read. */
static uint64_t place(const struct linear_op *op)
{
    return (uint64_t)op->rev * 2 + !op->changed;
}

static int by_place(void *arg, const void *a, const void *b)
{
    (void)arg;
    uint64_t x = place(a), y = place(b);
    return (x > y) - (x < y);
}

static int by_begin(void *arg, const void *a, const void *b)
{
    (void)arg;
    const struct linear_op *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static int by_value(const void *a, const void *b)
{
    const struct linear_op *const *x = a, *const *y = b;
    return ((*x)->value > (*y)->value) - ((*x)->value < (*y)->value);
}

/* One operation that was answered, where the log has brought the keys to. */
static bool saw_right(struct check *c, struct linear_op *op, const struct cell *was)
{
    revision last = FIRST_REV + (revision)c->log_n;
    if (op->rev < FIRST_REV + op->changed || op->rev > last)
        return wrong(c->why, op, "there is no such revision");
    if (op->saw != was->value || op->saw_mod != was->mod)
        return wrong(c->why, op, "the key was not so then");
    if (op->changed != would_change(op, was))
        return wrong(c->why, op,
                     op->changed ? "it must not have had an effect" : "it must have had an effect");
    if (!op->changed)
        return true;
    size_t i = (size_t)(op->rev - FIRST_REV - 1);
    if (c->explained[i])
        return wrong(c->why, op, "another write has that revision");
    if (!is_written_by(&c->log[i], op))
        return wrong(c->why, op, "it was acknowledged, and is not in the log at its revision");
    c->explained[i] = true;
    return true;
}

/* Bring the keys up to what stands before the place `to`. */
static size_t advance(struct check *c, struct cell *keys, size_t at, uint64_t to)
{
    for (; at < c->log_n && (uint64_t)c->log[at].rev * 2 < to; at++) {
        struct cell *key = &keys[c->log[at].key];
        c->before[at] = *key;
        cell_write(key, &c->log[at]);
    }
    return at;
}

/* Walk along the log, and look at each operation at its place. */
static bool replay(struct check *c)
{
    struct cell keys[LINEAR_KEYS_MAX] = {0};
    size_t at = 0;
    sort_stable(c->ops, c->n, sizeof *c->ops, by_place, NULL);
    for (size_t i = 0; i < c->n; i++) {
        struct linear_op *op = &c->ops[i];
        if (op->outcome != LINEAR_DONE)
            continue;
        at = advance(c, keys, at, place(op));
        if (!saw_right(c, op, &keys[op->key]))
            return false;
    }
    advance(c, keys, at, UINT64_MAX);
    return true;
}

/* Event `i` has the value that `op` was to write, and `op` was not answered at this revision. */
static bool may_have_written(struct check *c, struct linear_op *op, size_t i)
{
    if (op->outcome == LINEAR_NOT_DONE)
        return wrong(c->why, op, "it was refused, and yet is in the log");
    if (op->outcome == LINEAR_DONE || op->changed)
        return wrong(c->why, op, "it is in the log more than once, or at another revision");
    if (!is_written_by(&c->log[i], op) || !would_change(op, &c->before[i]))
        return wrong(c->why, op, "it is in the log where it must not have had an effect");
    op->rev = c->log[i].rev; /* so it did happen */
    op->changed = true;
    c->explained[i] = true;
    return true;
}

static bool find_writer(struct check *c, struct linear_op **all, size_t all_n, size_t i)
{
    struct linear_op key = {.value = c->log[i].value}, *key_p = &key;
    struct linear_op **found = bsearch(&key_p, all, all_n, sizeof(struct linear_op *), by_value);
    if (found != NULL)
        return may_have_written(c, *found, i);
    why_set(c->why, ERR_DAMAGED, "revision %" PRId64 " holds a value that nobody wrote: %" PRIu64,
            c->log[i].rev, c->log[i].value);
    return false;
}

/* What no answer tells of must be the work of those that had none. Deletions come later. */
static bool find_writers(struct check *c)
{
    struct linear_op **all = xcalloc(c->n + 1, sizeof(struct linear_op *));
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        if (writes_value(&c->ops[i]))
            all[n++] = &c->ops[i];
    qsort(all, n, sizeof(struct linear_op *), by_value);
    bool ok = true;
    for (size_t i = 0; ok && i < c->log_n; i++)
        if (!c->explained[i] && c->log[i].value != 0)
            ok = find_writer(c, all, n, i);
    free(all);
    return ok;
}

/* The operations are in the order of their begin. `ends` are the ends of those that were answered;
 * the highest place among those that ended before `op` began is a bound for it. */
struct ends {
    struct linear_op **v; /* by end */
    size_t n, at;
    uint64_t highest;
};

static int by_end(const void *a, const void *b)
{
    const struct linear_op *const *x = a, *const *y = b;
    return ((*x)->end > (*y)->end) - ((*x)->end < (*y)->end);
}

static uint64_t bound(struct ends *e, const struct linear_op *op)
{
    for (; e->at < e->n && e->v[e->at]->end < op->begin; e->at++)
        if (place(e->v[e->at]) > e->highest)
            e->highest = place(e->v[e->at]);
    return e->highest;
}

/* Find a deletion for event `i` among those without an answer: one on this key that had begun
 * before anything later was answered. All that could have, could have at any later place too: so
 * any will do. */
static bool find_deletion(struct check *c, const uint64_t *bounds, size_t i)
{
    uint64_t at = (uint64_t)c->log[i].rev * 2;
    for (size_t k = 0; c->before[i].value != 0 && k < c->n; k++) {
        struct linear_op *op = &c->ops[k];
        if (op->kind == LINEAR_DELETE && op->outcome == LINEAR_UNKNOWN && !op->changed &&
            op->key == c->log[i].key && bounds[k] < at) {
            op->changed = true;
            op->rev = c->log[i].rev;
            c->explained[i] = true;
            return true;
        }
    }
    why_set(c->why, ERR_DAMAGED, "nobody deleted key %u at revision %" PRId64, c->log[i].key,
            c->log[i].rev);
    return false;
}

static bool order_is_right(struct check *c, struct ends *ends, uint64_t *bounds)
{
    for (size_t i = 0; i < c->n; i++) {
        struct linear_op *op = &c->ops[i];
        bounds[i] = bound(ends, op);
        bool counts = op->kind != LINEAR_STALE_GET &&
                      (op->outcome == LINEAR_DONE || (op->changed && op->kind != LINEAR_DELETE));
        if (counts && place(op) < bounds[i])
            return wrong(c->why, op, "what ended before it began was at a later revision");
    }
    for (size_t i = 0; i < c->log_n; i++)
        if (!c->explained[i] && !find_deletion(c, bounds, i))
            return false;
    return true;
}

static bool check_times(struct check *c)
{
    struct ends ends = {.v = xcalloc(c->n + 1, sizeof(struct linear_op *))};
    uint64_t *bounds = xcalloc(c->n + 1, sizeof *bounds);
    sort_stable(c->ops, c->n, sizeof *c->ops, by_begin, NULL);
    for (size_t i = 0; i < c->n; i++)
        if (c->ops[i].outcome == LINEAR_DONE)
            ends.v[ends.n++] = &c->ops[i];
    qsort(ends.v, ends.n, sizeof(struct linear_op *), by_end);
    bool ok = order_is_right(c, &ends, bounds);
    free(ends.v);
    free(bounds);
    return ok;
}

bool linear_check(struct linear_op *ops, size_t n, const struct linear_event *log, size_t log_n,
                  struct why *why)
{
    struct check c = {.ops = ops, .n = n, .log = log, .log_n = log_n, .why = why};
    if (!log_is_whole(log, log_n, why))
        return false;
    for (size_t i = 0; i < n; i++)
        if (ops[i].outcome != LINEAR_DONE)
            ops[i].changed = false;
    c.explained = xcalloc(log_n + 1, sizeof *c.explained);
    c.before = xcalloc(log_n + 1, sizeof *c.before);
    for (size_t i = 0; i < log_n; i++)
        c.explained[i] = log[i].key >= LINEAR_FOREIGN_KEY;
    bool ok = replay(&c) && find_writers(&c) && check_times(&c);
    free(c.explained);
    free(c.before);
    return ok;
}

/* ---- the search -------------------------------------------------------------------------------
 */

struct search {
    const struct linear_op *ops;
    size_t n;
    const struct linear_event *log;
    size_t log_n;
    bool *seen; /* by the set of operations that have had their turn, and the revision */
};

static struct cell cell_at(const struct search *s, unsigned key, size_t events)
{
    struct cell c = {0};
    for (size_t i = 0; i < events; i++)
        if (s->log[i].key == key)
            cell_write(&c, &s->log[i]);
    return c;
}

/* May `op` be next? Not if one that is still to come ended before it began. */
static bool may_be_next(const struct search *s, unsigned done, size_t i)
{
    for (size_t k = 0; k < s->n; k++)
        if (!(done & BIT(k)) && s->ops[k].outcome == LINEAR_DONE && s->ops[k].end < s->ops[i].begin)
            return false;
    return true;
}

/* Let it act where `events` of the log have happened; false if the answer or the log say otherwise.
 */
static bool act(const struct search *s, const struct linear_op *op, size_t *events)
{
    struct cell was = cell_at(s, op->key, *events);
    bool changes = would_change(op, &was);
    if (changes && (*events == s->log_n || !is_written_by(&s->log[*events], op)))
        return false;
    *events += changes;
    return op->outcome != LINEAR_DONE ||
           (op->changed == changes && op->rev == FIRST_REV + (revision)*events &&
            op->saw == was.value && op->saw_mod == was.mod);
}

static bool search_from(const struct search *s, unsigned done, size_t events)
{
    bool all = events == s->log_n;
    bool *seen = &s->seen[(size_t)done * (s->log_n + 1) + events];
    if (*seen)
        return false;
    *seen = true;
    for (size_t i = 0; i < s->n; i++)
        all = all && ((done & BIT(i)) || s->ops[i].outcome != LINEAR_DONE);
    for (size_t i = 0; !all && i < s->n; i++) {
        size_t then = events;
        if (!(done & BIT(i)) && s->ops[i].outcome != LINEAR_NOT_DONE && may_be_next(s, done, i) &&
            act(s, &s->ops[i], &then))
            all = search_from(s, done | BIT(i), then);
    }
    return all;
}

bool linear_search(const struct linear_op *ops, size_t n, const struct linear_event *log,
                   size_t log_n)
{
    struct search s = {.ops = ops, .n = n, .log = log, .log_n = log_n};
    invariant(n <= LINEAR_SEARCH_MAX);
    if (!log_is_whole(log, log_n, NULL))
        return false;
    s.seen = xcalloc(((size_t)1 << n) * (log_n + 1), sizeof *s.seen);
    bool found = search_from(&s, 0, 0);
    free(s.seen);
    return found;
}
