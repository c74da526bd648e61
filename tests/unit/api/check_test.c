/* tests/unit/api/check_test.c -- the checks of requests, above all: which transactions change a key twice.
 *
 * Transactions are written as text: "p:a" puts a, "d:a" deletes a, "d:a-c" deletes [a, c), "r:a" reads a,
 * "(x|y)" is a nested transaction with the branches x and y; operations stand side by side with spaces.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"

enum { OPS_MAX = 8192 };

struct parser {
    const char *p;
    struct arena *a;
};

static Etcdserverpb__TxnRequest *parse_txn(struct parser *ps);

static ProtobufCBinaryData parse_word(struct parser *ps, const char *stop)
{
    size_t n = strcspn(ps->p, stop);
    ProtobufCBinaryData d = {n, arena_dup(ps->a, ps->p, n)};
    ps->p += n;
    return d;
}

static void parse_range(struct parser *ps, ProtobufCBinaryData *key, ProtobufCBinaryData *end)
{
    *key = parse_word(ps, " |)-");
    if (*ps->p == '-') {
        ps->p++;
        *end = parse_word(ps, " |)");
    }
}

static Etcdserverpb__RequestOp *parse_op(struct parser *ps)
{
    Etcdserverpb__RequestOp *op = arena_alloc(ps->a, sizeof *op);
    etcdserverpb__request_op__init(op);
    char kind = *ps->p;
    ps->p += kind == '(' ? 1 : 2;
    if (kind == '(') {
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
        op->request_txn = parse_txn(ps);
        assert_int_equal(*ps->p++, ')');
    } else if (kind == 'p') {
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        op->request_put = arena_alloc(ps->a, sizeof *op->request_put);
        etcdserverpb__put_request__init(op->request_put);
        op->request_put->key = parse_word(ps, " |)");
    } else if (kind == 'd') {
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
        op->request_delete_range = arena_alloc(ps->a, sizeof *op->request_delete_range);
        etcdserverpb__delete_range_request__init(op->request_delete_range);
        parse_range(ps, &op->request_delete_range->key, &op->request_delete_range->range_end);
    } else if (kind == 'r') {
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
        op->request_range = arena_alloc(ps->a, sizeof *op->request_range);
        etcdserverpb__range_request__init(op->request_range);
        parse_range(ps, &op->request_range->key, &op->request_range->range_end);
    } else {
        assert_int_equal(kind, '-'); /* "-:" is an operation that is none */
    }
    return op;
}

static size_t parse_ops(struct parser *ps, Etcdserverpb__RequestOp ***ret)
{
    Etcdserverpb__RequestOp **ops = arena_alloc(ps->a, OPS_MAX * sizeof *ops);
    size_t n = 0;
    while (*ps->p != '\0' && *ps->p != '|' && *ps->p != ')') {
        if (*ps->p == ' ')
            ps->p++;
        else
            ops[n++] = parse_op(ps);
        assert_true(n < OPS_MAX);
    }
    *ret = ops;
    return n;
}

static Etcdserverpb__TxnRequest *parse_txn(struct parser *ps)
{
    Etcdserverpb__TxnRequest *t = arena_alloc(ps->a, sizeof *t);
    etcdserverpb__txn_request__init(t);
    t->n_success = parse_ops(ps, &t->success);
    if (*ps->p == '|') {
        ps->p++;
        t->n_failure = parse_ops(ps, &t->failure);
    }
    return t;
}

static enum err txn(const char *text, uint64_t ops_max)
{
    struct parser ps = {text, arena_new()};
    Etcdserverpb__TxnRequest *t = parse_txn(&ps);
    assert_int_equal(*ps.p, '\0');
    enum err e = check_txn(t, ops_max, ps.a);
    arena_free(ps.a);
    return e;
}

#define OK(text) assert_int_equal(txn(text, 128), ERR_OK)
#define DUP(text) assert_int_equal(txn(text, 128), ERR_DUPLICATE_KEY)

static void keys_of_one_branch(void **state)
{
    (void)state;
    OK("");
    OK("p:a");
    OK("p:a p:b r:a");
    DUP("p:a p:a");
    DUP("|p:a p:a"); /* the branch that will not be taken counts too */
    OK("p:a|p:a");
    DUP("p:a d:a");
    DUP("d:a p:a");
    OK("d:a d:a d:a-c");
    DUP("d:a-c p:b");
    DUP("p:b d:a-c");
    OK("d:a-c p:c");
    OK("d:b-c p:a p:c p:d");
    DUP("d:a-c d:x-z p:y");
    OK("d:a-b d:c-d d:e-f p:b p:d p:f");
}

/* Upstream lets these pass. */
static void ranges_that_are_none(void **state)
{
    (void)state;
    OK("d:c-a p:b p:c");
    OK("d:a-a p:a");
    struct arena *a = arena_new();
    struct parser ps = {"d:a-b p:c", a};
    Etcdserverpb__TxnRequest *t = parse_txn(&ps);
    t->success[0]->request_delete_range->range_end.data[0] = '\0'; /* from a on */
    assert_int_equal(check_txn(t, 128, a), ERR_OK);
    arena_free(a);
}

static void nested(void **state)
{
    (void)state;
    OK("(p:a|p:a)");
    OK("(p:a|d:a-c)");
    OK("(d:a-c|p:b)");
    DUP("(p:a|) p:a");
    DUP("(|p:a) p:a");
    DUP("(p:a|p:b) (p:c|p:a)");
    OK("(p:a|p:b) (p:c|p:d)");
    DUP("(d:a|) p:a");
    DUP("d:a (p:a|)");
    DUP("(|d:a-c) p:b");
    /* Between siblings a delete counts only for the puts behind it. */
    DUP("(d:a-b|) (p:a|)");
    OK("(p:a|) (d:a-b|)");
    DUP("((p:a|)|) (p:a|)");
    OK("((p:a|)|(p:a|)) (p:b|)");
    DUP("((p:a|)|(p:b|)) (p:b|)");
    DUP("((p:a|p:a)|p:a) p:a");
    OK("((p:a|p:a)|p:a) p:b");
    DUP("(p:a p:a|)");
    OK("((d:a|d:b)|(p:a p:b|p:a)) p:c");
    DUP("((d:a|d:b)|(p:a p:b|p:a)) (p:b|)");
}

static void numbers_of_operations(void **state)
{
    (void)state;
    assert_int_equal(txn("p:a p:b", 2), ERR_OK);
    assert_int_equal(txn("p:a p:b", 1), ERR_TOO_MANY_OPS);
    assert_int_equal(txn("|p:a p:b", 1), ERR_TOO_MANY_OPS);
    assert_int_equal(txn("(p:a|)", 2), ERR_OK);
    assert_int_equal(txn("(p:a|)", 1), ERR_TOO_MANY_OPS);
    assert_int_equal(txn("(p:a p:b|) p:c", 3), ERR_TOO_MANY_OPS);
    assert_int_equal(txn("(p:a p:b|) p:c", 4), ERR_OK);
}

static void bad_operations(void **state)
{
    (void)state;
    assert_int_equal(txn("p:", 9), ERR_EMPTY_KEY);
    assert_int_equal(txn("d:", 9), ERR_EMPTY_KEY);
    assert_int_equal(txn("r:", 9), ERR_EMPTY_KEY);
    assert_int_equal(txn("(r:a|r:)", 9), ERR_EMPTY_KEY);
    assert_int_equal(txn("-:", 9), ERR_KEY_NOT_FOUND);
    assert_int_equal(txn("p:a p:a -:", 9), ERR_KEY_NOT_FOUND); /* before the duplicates */
}

static void compares_need_keys(void **state)
{
    (void)state;
    Etcdserverpb__Compare cmp = ETCDSERVERPB__COMPARE__INIT, *cmps[] = {&cmp};
    Etcdserverpb__TxnRequest t = ETCDSERVERPB__TXN_REQUEST__INIT;
    t.n_compare = 1;
    t.compare = cmps;
    assert_int_equal(check_txn(&t, 128, NULL), ERR_EMPTY_KEY);
    assert_int_equal(check_txn(&t, 0, NULL), ERR_TOO_MANY_OPS);
}

/* ---- against the plain definition, on random transactions ------------------------------------ */

struct random_txn {
    struct rng rng;
    struct buf text;
};

static void random_ops(struct random_txn *r, unsigned depth)
{
    uint64_t n = rng_below(&r->rng, 4);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t kind = rng_below(&r->rng, depth == 0 ? 3 : 5);
        char a = (char)('a' + rng_below(&r->rng, 12)), b = (char)('a' + rng_below(&r->rng, 12));
        if (kind < 1) {
            buf_addf(&r->text, "d:%c-%c ", a, b);
        } else if (kind < 3) {
            buf_addf(&r->text, "p:%c ", a);
        } else {
            buf_add_byte(&r->text, '(');
            random_ops(r, depth - 1);
            buf_add_byte(&r->text, '|');
            random_ops(r, depth - 1);
            buf_add_str(&r->text, ") ");
        }
    }
}

/* Sets of the letters that puts and deletes touch. */
struct touched {
    unsigned puts, dels;
};

static bool plain_ops(Etcdserverpb__RequestOp *const *ops, size_t n, struct touched *ret)
{
    struct touched all = {0, 0};
    for (size_t i = 0; i < n; i++)
        if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE) {
            const Etcdserverpb__DeleteRangeRequest *d = ops[i]->request_delete_range;
            for (int c = d->key.data[0]; c < d->range_end.data[0]; c++)
                all.dels |= BIT(c - 'a');
        }
    for (size_t i = 0; i < n; i++)
        if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN) {
            const Etcdserverpb__TxnRequest *t = ops[i]->request_txn;
            struct touched yes, no;
            if (!plain_ops(t->success, t->n_success, &yes) ||
                !plain_ops(t->failure, t->n_failure, &no) ||
                ((yes.puts | no.puts) & (all.puts | all.dels)))
                return false;
            all.puts |= yes.puts | no.puts;
            all.dels |= yes.dels | no.dels;
        }
    for (size_t i = 0; i < n; i++)
        if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT) {
            unsigned key = BIT(ops[i]->request_put->key.data[0] - 'a');
            if (key & (all.puts | all.dels))
                return false;
            all.puts |= key;
        }
    *ret = all;
    return true;
}

static void random_transactions(void **state)
{
    (void)state;
    struct random_txn r = {.rng = {7}};
    unsigned refused = 0;
    for (int i = 0; i < 20000; i++) {
        buf_clear(&r.text);
        random_ops(&r, 3);
        struct parser ps = {buf_cstr(&r.text), arena_new()};
        Etcdserverpb__TxnRequest *t = parse_txn(&ps);
        struct touched all;
        bool fine = plain_ops(t->success, t->n_success, &all);
        enum err e = check_txn(t, 1000, ps.a);
        if (e != (fine ? ERR_OK : ERR_DUPLICATE_KEY))
            fail_msg("%s", buf_cstr(&r.text));
        refused += !fine;
        arena_free(ps.a);
    }
    assert_in_range(refused, 2000, 18000); /* both sides were tried */
    buf_fini(&r.text);
}

/* ---- single requests ---------------------------------------------------------------------- */

static void single_requests(void **state)
{
    (void)state;
    uint8_t byte = 'a';
    Etcdserverpb__RangeRequest r = ETCDSERVERPB__RANGE_REQUEST__INIT;
    assert_int_equal(check_range(&r), ERR_EMPTY_KEY);
    r.key = (ProtobufCBinaryData){1, &byte};
    assert_int_equal(check_range(&r), ERR_OK);
    r.sort_order = (Etcdserverpb__RangeRequest__SortOrder)3;
    assert_int_equal(check_range(&r), ERR_INVALID_SORT);
    r.sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND;
    assert_int_equal(check_range_stream(&r), ERR_STREAM_SORT);
    r.sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__ASCEND;
    assert_int_equal(check_range_stream(&r), ERR_OK);
    r.max_mod_revision = 5;
    assert_int_equal(check_range_stream(&r), ERR_STREAM_FILTER);
    r.sort_target = (Etcdserverpb__RangeRequest__SortTarget)-1;
    assert_int_equal(check_range(&r), ERR_INVALID_SORT);

    Etcdserverpb__PutRequest p = ETCDSERVERPB__PUT_REQUEST__INIT;
    assert_int_equal(check_put(&p), ERR_EMPTY_KEY);
    p.key = p.value = r.key;
    p.lease = 1;
    assert_int_equal(check_put(&p), ERR_OK);
    p.ignore_lease = true;
    assert_int_equal(check_put(&p), ERR_LEASE_PROVIDED);
    p.ignore_value = true;
    assert_int_equal(check_put(&p), ERR_VALUE_PROVIDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_one_branch), cmocka_unit_test(ranges_that_are_none),
        cmocka_unit_test(nested),             cmocka_unit_test(numbers_of_operations),
        cmocka_unit_test(bad_operations),     cmocka_unit_test(compares_need_keys),
        cmocka_unit_test(random_transactions), cmocka_unit_test(single_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
