/* etcdctl/compare.c -- the conditions of a txn.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/quote.h"
#include "etcdctl/words.h"

/* What was understood of a line so far, for the sentence about the rest. */
struct parts {
    struct slice target;
    struct buf key, op, value;
};

static bool malformed(struct slice line, struct buf *problem)
{
    buf_add_str(problem, "malformed comparison: ");
    buf_add_slice(problem, line);
    return false;
}

static bool malformed_parts(struct slice line, const struct parts *p, struct buf *problem)
{
    malformed(line, problem);
    buf_add_str(problem, "; got ");
    buf_add_slice(problem, p->target);
    buf_add_byte(problem, '(');
    quote_add(problem, buf_slice(&p->key));
    buf_add_str(problem, ") ");
    buf_add_slice(problem, buf_slice(&p->op));
    buf_add_byte(problem, ' ');
    quote_add(problem, buf_slice(&p->value));
    return false;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct slice *s)
{
    while (s->n && is_blank(s->p[0]))
        *s = slice_make(s->p + 1, s->n - 1);
}

static bool take_quoted(struct slice *s, struct buf *text)
{
    skip_blanks(s);
    size_t n = quote_read(*s, text);
    if (n == 0)
        buf_clear(text);
    *s = slice_make(s->p + n, s->n - n);
    return n > 0;
}

/* "KEY") OP "VALUE" */
static bool take_parts(struct slice s, struct parts *p)
{
    if (!take_quoted(&s, &p->key))
        return false;
    if (s.n < 2 || s.p[0] != ')' || !is_blank(s.p[1]))
        return false;
    s = slice_make(s.p + 1, s.n - 1);
    skip_blanks(&s);
    while (s.n && !is_blank(s.p[0])) {
        buf_add_byte(&p->op, s.p[0]);
        s = slice_make(s.p + 1, s.n - 1);
    }
    return p->op.n > 0 && take_quoted(&s, &p->value);
}

static bool set_result(struct slice op, Etcdserverpb__Compare *ret)
{
    static const struct {
        const char *text;
        Etcdserverpb__Compare__CompareResult result;
    } known[] = {{"=", ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL},
                 {"!=", ETCDSERVERPB__COMPARE__COMPARE_RESULT__NOT_EQUAL},
                 {">", ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER},
                 {"<", ETCDSERVERPB__COMPARE__COMPARE_RESULT__LESS}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (slice_is(op, known[i].text)) {
            ret->result = known[i].result;
            return true;
        }
    }
    return false;
}

static const struct target {
    const char *name, *short_name;
    Etcdserverpb__Compare__CompareTarget target;
    Etcdserverpb__Compare__TargetUnionCase value;
    int base; /* of the number; 0: the value is text */
} targets[] = {
    {"version", "ver", ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION,
     ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION, 10},
    {"create", "c", ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE,
     ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION, 10},
    {"mod", "m", ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD,
     ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION, 10},
    {"value", "val", ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE,
     ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE, 0},
    {"lease", "lease", ETCDSERVERPB__COMPARE__COMPARE_TARGET__LEASE,
     ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE, 16},
};

static const struct target *find_target(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        if (slice_is(name, targets[i].name) || slice_is(name, targets[i].short_name))
            return &targets[i];
    }
    return NULL;
}

static ProtobufCBinaryData keep(struct arena *a, const struct buf *b)
{
    return (ProtobufCBinaryData){b->n, b->n ? arena_dup(a, b->p, b->n) : NULL};
}

static bool set_value(struct arena *a, const struct target *t, struct buf *value,
                      Etcdserverpb__Compare *ret)
{
    ret->target = t->target;
    ret->target_union_case = t->value;
    if (t->base == 0) {
        ret->value = keep(a, value);
        return true;
    }
    AUTO(buf) struct buf why = BUF_INIT;
    if (memchr(buf_cstr(value), '\0', value->n))
        return false;
    return number_parse_int(buf_cstr(value), t->base, 64, &ret->version, &why);
}

static bool parse(struct arena *a, struct slice line, struct parts *p, Etcdserverpb__Compare *ret,
                  struct buf *problem)
{
    const uint8_t *bracket = line.n ? memchr(line.p, '(', line.n) : NULL;
    if (!bracket)
        return malformed(line, problem);
    size_t n = (size_t)(bracket - line.p);
    p->target = slice_make(line.p, n);
    if (!take_parts(slice_make(bracket + 1, line.n - n - 1), p))
        return malformed_parts(line, p, problem);
    const struct target *t = find_target(p->target);
    if (!t || !set_result(buf_slice(&p->op), ret)) {
        malformed(line, problem);
        buf_add_str(problem, t ? " (unknown operator " : " (unknown target ");
        buf_add_slice(problem, t ? buf_slice(&p->op) : p->target);
        buf_add_byte(problem, ')');
        return false;
    }
    ret->key = keep(a, &p->key);
    if (set_value(a, t, &p->value, ret))
        return true;
    buf_add_str(problem, "invalid txn compare request: ");
    buf_add_slice(problem, line);
    return false;
}

bool compare_parse(struct arena *a, struct slice line, Etcdserverpb__Compare *ret,
                   struct buf *problem)
{
    struct parts p = {line, BUF_INIT, BUF_INIT, BUF_INIT};
    *ret = (Etcdserverpb__Compare)ETCDSERVERPB__COMPARE__INIT;
    bool good = parse(a, line, &p, ret, problem);
    buf_fini(&p.key);
    buf_fini(&p.op);
    buf_fini(&p.value);
    return good;
}
