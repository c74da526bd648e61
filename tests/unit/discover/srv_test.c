/* Tests of discover/srv: answers of name servers, whole, cut and malicious.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "discover/srv.h"

/* One question, _e._tcp.a.b, and three answers: SRV 2 5 2379 x.a.b (by a pointer), a TXT, and
 * SRV 1 0 80 y. */
static const uint8_t answer[] = {
    0,    1,    0x81, 0x80, 0,   1,   0,   3,   0, 0,   0, 0,                    /* header */
    2,    '_',  'e',  4,    '_', 't', 'c', 'p', 1, 'a', 1, 'b', 0, 0, 33, 0,  1, /* question */
    0xc0, 12,   0,    33,   0,   1,   0,   0,   0, 9,   0, 10,  0, 2, 0,  5,  0x09, 0x4b, 1,
    'x',  0xc0, 20,   0xc0, 12,  0,   16,  0,   1, 0,   0, 0,   9, 0, 2,  1,  'z',  0xc0, 12,
    0,    33,   0,    1,    0,   0,   0,   9,   0, 9,   0, 1,   0, 0, 0,  80, 1,    'y',  0,
};

static void whole(void **state)
{
    (void)state;
    struct srv_records r;
    assert_int_equal(srv_read(slice_make(answer, sizeof answer), &r), ERR_OK);
    assert_int_equal(r.n, 2);
    assert_string_equal(r.at[0].target, "x.a.b.");
    assert_int_equal(r.at[0].port, 2379);
    assert_int_equal(r.at[0].weight, 5);
    assert_string_equal(r.at[1].target, "y.");
    srv_sort(&r, 1);
    assert_string_equal(r.at[0].target, "y.");
    srv_records_fini(&r);
}

static void cut(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof answer; n++) {
        struct srv_records r;
        uint8_t *copy = malloc(n + 1); /* so that a read behind the end is seen */
        memcpy(copy, answer, n);
        uint8_t *exact = realloc(copy, n != 0 ? n : 1);
        assert_int_equal(srv_read(slice_make(exact, n), &r), ERR_MALFORMED);
        free(exact);
    }
}

/* Change one byte of the good answer; what comes out is whole or refused. */
static void changed(void **state)
{
    (void)state;
    uint8_t copy[sizeof answer];
    for (size_t i = 0; i < sizeof answer; i++) {
        for (unsigned v = 0; v < 256; v++) {
            struct srv_records r;
            memcpy(copy, answer, sizeof answer);
            copy[i] = (uint8_t)v;
            if (srv_read(slice_make(copy, sizeof copy), &r) != ERR_OK)
                continue;
            for (size_t k = 0; k < r.n; k++) {
                size_t len = strlen(r.at[k].target);
                assert_in_range(len, 1, SRV_NAME_MAX);
                assert_int_equal(r.at[k].target[len - 1], '.');
            }
            srv_records_fini(&r);
        }
    }
}

static void pointer_to_itself(void **state)
{
    (void)state;
    struct srv_records r;
    uint8_t copy[sizeof answer];
    memcpy(copy, answer, sizeof answer);
    copy[29] = 0xc0;
    copy[30] = 29;
    assert_int_equal(srv_read(slice_make(copy, sizeof copy), &r), ERR_MALFORMED);
}

static void nothing_found(void **state)
{
    (void)state;
    struct srv_records r;
    static const uint8_t empty[12] = {0, 1, 0x81, 0x80};
    assert_int_equal(srv_read(slice_make(empty, sizeof empty), &r), ERR_NOT_FOUND);
}

/* Heavier records come first more often, and each of them sometimes. */
static void weights(void **state)
{
    (void)state;
    unsigned first[3] = {0};
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct srv_record at[] = {
            {1, 10, 1, "a."}, {1, 0, 2, "b."}, {1, 90, 3, "c."}, {0, 0, 4, "d."}};
        struct srv_records r = {at, ARRAY_LEN(at)};
        srv_sort(&r, seed);
        assert_int_equal(at[0].port, 4);
        first[at[1].port - 1]++;
    }
    assert_true(first[2] > 1500 && first[0] > 50 && first[0] < 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),         cmocka_unit_test(cut),
        cmocka_unit_test(changed),       cmocka_unit_test(pointer_to_itself),
        cmocka_unit_test(nothing_found), cmocka_unit_test(weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
