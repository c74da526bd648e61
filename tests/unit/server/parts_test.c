/* tests/unit/server/parts_test.c -- the bytes of an event, and the calls that wait by id.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "pb/pb_arena.h"
#include "server/feed.h"
#include "server/server_priv.h"

/* ---- events ---------------------------------------------------------------------------------- */

static void event_is(struct blob *b, const char *expected, size_t n)
{
    assert_int_equal(b->n, n);
    assert_memory_equal(b->p, expected, n);
}

static void put_event_bytes(void **state)
{
    (void)state;
    struct slice key;
    struct kv_row row = {.main = 300, .create = 2, .version = 3, .lease = 7,
                         .key = slice_str("k"), .value = slice_str("val")};
    static const char expected[] = "\x5a\x13"         /* field 11: Event */
                                   "\x12\x11"         /* kv */
                                   "\x0a\x01k"        /* key */
                                   "\x10\x02"         /* create_revision */
                                   "\x18\xac\x02"     /* mod_revision */
                                   "\x20\x03"         /* version */
                                   "\x2a\x03" "val"   /* value */
                                   "\x30\x07";        /* lease */
    struct blob *b = event_encode(&row, &key);
    event_is(b, expected, sizeof expected - 1);
    assert_true(slice_is(key, "k"));
    assert_true(key.p > b->p && key.p < b->p + b->n);
    blob_unref(b);
}

/* A deletion tells the key and its revision, nothing else. */
static void delete_event_bytes(void **state)
{
    (void)state;
    struct slice key;
    struct kv_row row = {.main = 5, .key = slice_str("k")};
    struct kv_row prev = {.main = 4, .create = 4, .version = 1, .key = slice_str("k"),
                          .value = slice_str("v")};
    struct blob *b = event_encode(&row, &key);
    event_is(b, "\x5a\x09\x08\x01\x12\x05\x0a\x01k\x18\x05", 11);
    struct blob *with = event_with_prev(blob_slice(b), &prev);
    event_is(with,
             "\x5a\x17\x08\x01\x12\x05\x0a\x01k\x18\x05"
             "\x1a\x0c\x0a\x01k\x10\x04\x18\x04\x20\x01\x2a\x01v",
             25);
    blob_unref(b);
    blob_unref(with);
}

static Mvccpb__Event *event_read(struct blob *b, struct arena *a)
{
    ProtobufCMessage *msg;
    assert_int_equal(
        pb_unpack(&etcdserverpb__watch_response__descriptor, blob_slice(b), a, &msg), ERR_OK);
    Etcdserverpb__WatchResponse *resp = (Etcdserverpb__WatchResponse *)msg;
    assert_int_equal(resp->n_events, 1);
    return resp->events[0];
}

/* Lengths around the places where their own length changes. */
static void events_of_all_lengths(void **state)
{
    (void)state;
    static uint8_t bytes[70000];
    static const size_t lengths[] = {0, 1, 100, 127, 128, 16000, 16383, 16384, 65000};
    struct arena *a = arena_new();
    struct slice key;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        for (size_t j = 0; j < ARRAY_LEN(lengths); j++) {
            struct kv_row row = {.main = 9, .create = 9, .version = 1,
                                 .key = slice_make(bytes, lengths[i] + 1),
                                 .value = slice_make(bytes, lengths[j])};
            struct blob *b = event_encode(&row, &key), *with;
            with = event_with_prev(blob_slice(b), &row);
            Mvccpb__Event *e = event_read(with, a);
            assert_int_equal(key.n, lengths[i] + 1);
            assert_int_equal(e->kv->key.len, lengths[i] + 1);
            assert_int_equal(e->kv->value.len, lengths[j]);
            assert_int_equal(e->prev_kv->value.len, lengths[j]);
            assert_int_equal(event_read(b, a)->kv->value.len, lengths[j]);
            blob_unref(b);
            blob_unref(with);
            arena_reset(a);
        }
    }
    arena_free(a);
}

/* ---- the calls that wait --------------------------------------------------------------------- */

enum { CALLS = 5000 };

static void pending_calls_are_found_once(void **state)
{
    (void)state;
    struct server_call *calls = xcalloc(CALLS, sizeof *calls);
    struct pending p = {.n = 0};
    struct rng rng = {5};
    assert_null(pending_take(&p, 1));
    for (size_t i = 0; i < CALLS; i++) {
        calls[i].id = UINT64_C(0xabcd000000000000) + i * (1 + i % 3); /* some stand together */
        calls[i].entry = blob_new(i % 7);
        pending_add(&p, &calls[i]);
    }
    assert_int_equal(p.n, CALLS);
    size_t left = CALLS;
    while (left > 0) {
        struct server_call *c = &calls[rng_below(&rng, CALLS)];
        if (c->entry == NULL)
            continue;
        size_t bytes = p.bytes;
        struct server_call *found = pending_take(&p, c->id);
        assert_non_null(found);
        assert_true(found->id == c->id);
        assert_int_equal(p.bytes, bytes - found->entry->n);
        blob_unref(found->entry);
        found->entry = NULL;
        assert_int_equal(p.n, --left);
    }
    assert_int_equal(p.bytes, 0);
    assert_null(pending_take(&p, calls[0].id));
    free(p.bucket);
    free(calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_event_bytes),
        cmocka_unit_test(delete_event_bytes),
        cmocka_unit_test(events_of_all_lengths),
        cmocka_unit_test(pending_calls_are_found_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
