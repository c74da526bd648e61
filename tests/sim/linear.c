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

/* All events of one revision. */
struct change {
    const struct linear_event *v;
    size_t n;
};

static const char *const kind_names[] = {"get", "stale get", "write", "cas"};

static bool wrong(struct why *why, const struct linear_op *op, const char *what)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < op->n; i++) {
        const struct linear_part *p = &op->parts[i];
        buf_addf(&b, "%s key %u, value %" PRIu64 ", saw %" PRIu64 " of revision %" PRId64,
                 i ? ";" : "", p->key, p->value, p->saw, p->saw_mod);
    }
    why_set(why, ERR_DAMAGED,
            "%s of%s (times %" PRId64 " to %" PRId64 "), answered at revision %" PRId64 ": %s",
            kind_names[op->kind], buf_cstr(&b), op->begin, op->end, op->rev, what);
    buf_fini(&b);
    return false;
}

static bool writes(const struct linear_op *op)
{
    return op->kind == LINEAR_WRITE || op->kind == LINEAR_CAS;
}

static bool only_deletes(const struct linear_op *op)
{
    for (size_t i = 0; i < op->n; i++)
        if (op->parts[i].value != 0)
            return false;
    return writes(op);
}

/* Would it write, where the keys stand so? Then ret[] gets what, but for the revision. */
static size_t would_write(const struct linear_op *op, const struct cell *keys,
                          struct linear_event ret[LINEAR_PARTS_MAX])
{
    size_t n = 0;
    if (!writes(op) || (op->kind == LINEAR_CAS && keys[op->parts[0].key].mod != op->compare))
        return 0;
    for (size_t i = 0; i < op->n; i++) {
        const struct linear_part *p = &op->parts[i];
        if (p->value != 0 || keys[p->key].value != 0)
            ret[n++] = (struct linear_event){.key = p->key, .value = p->value};
    }
    return n;
}

/* Is this revision what it would write there? */
static bool is_written_by(const struct change *c, const struct linear_op *op,
                          const struct cell *keys)
{
    struct linear_event e[LINEAR_PARTS_MAX];
    bool same = would_write(op, keys, e) == c->n;
    for (size_t i = 0; same && i < c->n; i++)
        same = e[i].key == c->v[i].key && e[i].value == c->v[i].value;
    return same;
}

static bool saw_so(const struct linear_op *op, const struct cell *keys)
{
    for (size_t i = 0; i < op->n; i++) {
        const struct cell *was = &keys[op->parts[i].key];
        if (op->parts[i].saw != was->value || op->parts[i].saw_mod != was->mod)
            return false;
    }
    return true;
}

static void cells_write(struct cell *keys, const struct change *c)
{
    for (size_t i = 0; i < c->n; i++)
        keys[c->v[i].key] = (struct cell){c->v[i].value, c->v[i].value ? c->v[i].rev : 0};
}

/* ---- the log -------------------------------------------------------------------------------- */

size_t linear_find(const struct linear_event *log, size_t n, revision rev)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (log[mid].rev < rev)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct change change_at(const struct linear_event *log, size_t n, revision rev)
{
    size_t at = linear_find(log, n, rev);
    return (struct change){log + at, linear_find(log, n, rev + 1) - at};
}

static revision last_rev(const struct linear_event *log, size_t n)
{
    return n != 0 ? log[n - 1].rev : FIRST_REV;
}

static bool is_foreign(const struct linear_event *e)
{
    return e->key >= LINEAR_FOREIGN_KEY;
}

/* No gap, no key twice in a revision, nor ours beside others'. */
static bool log_is_whole(const struct linear_event *log, size_t n, struct why *why)
{
    revision rev = FIRST_REV;
    uint64_t keys = 0;
    for (size_t i = 0; i < n; i++) {
        bool next = log[i].rev == rev + 1;
        keys = next ? 0 : keys;
        if ((!next && (i == 0 || log[i].rev != rev || is_foreign(&log[i]) != is_foreign(&log[i - 1]))) ||
            log[i].key >= LINEAR_KEYS_MAX || (keys & ((uint64_t)1 << log[i].key))) {
            why_set(why, ERR_DAMAGED, "the log has key %u at revision %" PRId64 " after %" PRId64,
                    log[i].key, log[i].rev, rev);
            return false;
        }
        rev = log[i].rev;
        keys |= (uint64_t)1 << log[i].key;
    }
    return true;
}

/* ---- the check ------------------------------------------------------------------------------ */

/* A revision that only deletes, and nobody was told of it: what stood there just before. */
struct riddle {
    struct change change;
    struct cell keys[LINEAR_KEYS_MAX];
};

struct check {
    struct linear_op *ops;
    size_t n;
    const struct linear_event *log;
    size_t log_n;
    revision last;
    bool *explained; /* each revision: we know who wrote it */
    struct riddle *riddles;
    size_t n_riddles;
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

/* One operation that was answered, where the log has brought the keys to. */
static bool saw_right(struct check *c, struct linear_op *op, const struct cell *keys)
{
    struct linear_event e[LINEAR_PARTS_MAX];
    if (op->rev < FIRST_REV + op->changed || op->rev > c->last)
        return wrong(c->why, op, "there is no such revision");
    if (!saw_so(op, keys))
        return wrong(c->why, op, "the keys were not so then");
    if (op->changed != (would_write(op, keys, e) != 0))
        return wrong(c->why, op,
                     op->changed ? "it must not have had an effect" : "it must have had an effect");
    if (!op->changed)
        return true;
    struct change change = change_at(c->log, c->log_n, op->rev);
    if (c->explained[op->rev])
        return wrong(c->why, op, "another write has that revision");
    if (!is_written_by(&change, op, keys))
        return wrong(c->why, op, "it was acknowledged, and is not in the log at its revision");
    c->explained[op->rev] = true;
    return true;
}

/* Walk along the log, and look at each operation at its place. */
static bool replay(struct check *c)
{
    struct cell keys[LINEAR_KEYS_MAX] = {0};
    revision rev = FIRST_REV;
    sort_stable(c->ops, c->n, sizeof *c->ops, by_place, NULL);
    for (size_t i = 0; i < c->n; i++) {
        struct linear_op *op = &c->ops[i];
        if (op->outcome != LINEAR_DONE)
            continue;
        for (; rev < c->last && (uint64_t)(rev + 1) * 2 < place(op); rev++) {
            struct change change = change_at(c->log, c->log_n, rev + 1);
            cells_write(keys, &change);
        }
        if (!saw_right(c, op, keys))
            return false;
    }
    return true;
}

/* ---- what nobody was told of ---------------------------------------------------------------- */

struct value_of {
    uint64_t value;
    struct linear_op *op;
};

static int by_value(const void *a, const void *b)
{
    const struct value_of *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

/* The revision has a value that `op` was to write, and `op` was not answered with it. */
static bool may_have_written(struct check *c, struct linear_op *op, const struct change *change,
                             const struct cell *keys)
{
    if (op->outcome == LINEAR_NOT_DONE)
        return wrong(c->why, op, "it was refused, and yet is in the log");
    if (op->outcome == LINEAR_DONE || op->changed)
        return wrong(c->why, op, "it is in the log more than once, or at another revision");
    if (!is_written_by(change, op, keys))
        return wrong(c->why, op, "it is in the log in part, or where it must have no effect");
    op->rev = change->v->rev; /* so it did happen */
    op->changed = true;
    c->explained[op->rev] = true;
    return true;
}

static bool find_writer(struct check *c, struct value_of *all, size_t all_n,
                        const struct change *change, const struct cell *keys)
{
    struct value_of key = {0}, *found;
    for (size_t i = 0; i < change->n && key.value == 0; i++)
        key.value = change->v[i].value;
    if (key.value == 0) {
        struct riddle *r = &c->riddles[c->n_riddles++];
        r->change = *change;
        memcpy(r->keys, keys, sizeof r->keys);
        return true;
    }
    found = bsearch(&key, all, all_n, sizeof *all, by_value);
    if (found != NULL)
        return may_have_written(c, found->op, change, keys);
    why_set(c->why, ERR_DAMAGED, "revision %" PRId64 " holds a value that nobody wrote: %" PRIu64,
            change->v->rev, key.value);
    return false;
}

static size_t count_unexplained(const struct check *c)
{
    size_t n = 0;
    for (revision rev = FIRST_REV + 1; rev <= c->last; rev++)
        n += !c->explained[rev];
    return n;
}

/* What no answer tells of must be the work of those that had none. Deletions come later. */
static bool find_writers(struct check *c)
{
    struct value_of *all = xcalloc(c->n * LINEAR_PARTS_MAX + 1, sizeof *all);
    struct cell keys[LINEAR_KEYS_MAX] = {0};
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; writes(&c->ops[i]) && k < c->ops[i].n; k++)
            all[n++] = (struct value_of){c->ops[i].parts[k].value, &c->ops[i]};
    qsort(all, n, sizeof *all, by_value);
    c->riddles = xcalloc(count_unexplained(c) + 1, sizeof *c->riddles);
    bool ok = true;
    for (revision rev = FIRST_REV + 1; ok && rev <= c->last; rev++) {
        struct change change = change_at(c->log, c->log_n, rev);
        if (!c->explained[rev])
            ok = find_writer(c, all, n, &change, keys);
        cells_write(keys, &change);
    }
    free(all);
    return ok;
}

/* ---- times ---------------------------------------------------------------------------------- */

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

static bool order_is_right(struct check *c, struct ends *ends, uint64_t *bounds)
{
    for (size_t i = 0; i < c->n; i++) {
        struct linear_op *op = &c->ops[i];
        bounds[i] = bound(ends, op);
        bool counts = op->kind != LINEAR_STALE_GET && (op->outcome == LINEAR_DONE || op->changed);
        if (counts && place(op) < bounds[i])
            return wrong(c->why, op, "what ended before it began was at a later revision");
    }
    return true;
}

/* Who deleted? One matching of the riddles with the deletions that had no answer, by paths that
 * make room (Kuhn). */
struct matching {
    struct check *c;
    const uint64_t *bounds;
    struct riddle **of; /* each operation: the riddle that it answers, or NULL */
    bool *tried;
};

static bool may_answer(const struct matching *m, size_t k, const struct riddle *r)
{
    const struct linear_op *op = &m->c->ops[k];
    return op->outcome == LINEAR_UNKNOWN && only_deletes(op) &&
           m->bounds[k] < (uint64_t)r->change.v->rev * 2 && is_written_by(&r->change, op, r->keys);
}

static bool find_answer(struct matching *m, struct riddle *r)
{
    for (size_t k = 0; k < m->c->n; k++) {
        if (m->tried[k] || !may_answer(m, k, r))
            continue;
        m->tried[k] = true;
        if (m->of[k] == NULL || find_answer(m, m->of[k])) {
            m->of[k] = r;
            return true;
        }
    }
    return false;
}

static bool find_deletions(struct check *c, const uint64_t *bounds)
{
    struct matching m = {c, bounds, xcalloc(c->n + 1, sizeof(struct riddle *)),
                         xcalloc(c->n + 1, sizeof(bool))};
    bool ok = true;
    for (size_t i = 0; ok && i < c->n_riddles; i++) {
        memset(m.tried, 0, c->n * sizeof *m.tried);
        ok = find_answer(&m, &c->riddles[i]);
        if (!ok)
            why_set(c->why, ERR_DAMAGED, "nobody deleted key %u, and %zu more, at revision %" PRId64,
                    c->riddles[i].change.v->key, c->riddles[i].change.n - 1,
                    c->riddles[i].change.v->rev);
    }
    free(m.of);
    free(m.tried);
    return ok;
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
    bool ok = order_is_right(c, &ends, bounds) && find_deletions(c, bounds);
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
    c.last = last_rev(log, log_n);
    for (size_t i = 0; i < n; i++)
        if (ops[i].outcome != LINEAR_DONE)
            ops[i].changed = false;
    c.explained = xcalloc((size_t)c.last + 1, sizeof *c.explained);
    for (size_t i = 0; i < log_n; i++)
        c.explained[log[i].rev] = is_foreign(&log[i]);
    bool ok = replay(&c) && find_writers(&c) && check_times(&c);
    free(c.explained);
    free(c.riddles);
    return ok;
}

/* ---- the search -------------------------------------------------------------------------------
 */

struct search {
    const struct linear_op *ops;
    size_t n;
    const struct linear_event *log;
    size_t log_n;
    revision last;
    bool *seen; /* by the set of operations that have had their turn, and the revision */
};

/* May `op` be next? Not if one that is still to come ended before it began. */
static bool may_be_next(const struct search *s, unsigned done, size_t i)
{
    for (size_t k = 0; k < s->n; k++)
        if (!(done & BIT(k)) && s->ops[k].outcome == LINEAR_DONE && s->ops[k].end < s->ops[i].begin)
            return false;
    return true;
}

/* Let it act where the log has happened up to `*rev`; false if the answer or the log say otherwise.
 */
static bool act(const struct search *s, const struct linear_op *op, revision *rev)
{
    struct cell keys[LINEAR_KEYS_MAX] = {0};
    struct linear_event e[LINEAR_PARTS_MAX];
    struct change past = {s->log, linear_find(s->log, s->log_n, *rev + 1)};
    struct change next = change_at(s->log, s->log_n, *rev + 1);
    cells_write(keys, &past);
    bool changes = would_write(op, keys, e) != 0;
    if (changes && !is_written_by(&next, op, keys))
        return false;
    *rev += changes;
    return op->outcome != LINEAR_DONE ||
           (op->changed == changes && op->rev == *rev && saw_so(op, keys));
}

static bool search_from(const struct search *s, unsigned done, revision rev)
{
    bool all = rev == s->last;
    bool *seen = &s->seen[(size_t)done * ((size_t)s->last + 1) + (size_t)rev];
    if (*seen)
        return false;
    *seen = true;
    for (size_t i = 0; i < s->n; i++)
        all = all && ((done & BIT(i)) || s->ops[i].outcome != LINEAR_DONE);
    for (size_t i = 0; !all && i < s->n; i++) {
        revision then = rev;
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
    s.last = last_rev(log, log_n);
    s.seen = xcalloc(((size_t)1 << n) * ((size_t)s.last + 1), sizeof *s.seen);
    bool found = search_from(&s, 0, FIRST_REV);
    free(s.seen);
    return found;
}
