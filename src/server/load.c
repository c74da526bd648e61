/* server/load.c -- the history into the key index at start: one thread reads rows, another takes them in.
 *
 * Reading a row from SQLite costs about as much as finding its place in the index, so the two go on side by side,
 * with a few blocks of rows between them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "server/server_priv.h"

enum { BLOCK_ROWS = 4096, BLOCKS = 4 };

struct block {
    struct list link;
    struct kv_row rows[BLOCK_ROWS];
    size_t ends[BLOCK_ROWS]; /* of each row's key in `keys` */
    struct buf keys;
    size_t n;
    bool last;
};

struct loading {
    struct kvdb_reader *reader;
    struct mailbox *filled, *empty; /* of blocks */
    struct block *block;            /* being filled */
    enum err err;
    struct why *why;
};

/* ---- the reading thread ------------------------------------------------------------------- */

static void block_take(struct loading *l)
{
    struct list one;
    list_init(&one);
    mailbox_take(l->empty, &one, MSEC_NEVER);
    l->block = LIST_ENTRY(one.next, struct block, link);
    list_unlink(&l->block->link);
    while (!list_is_empty(&one)) { /* more than one was there */
        struct list *rest = one.next;
        list_unlink(rest);
        mailbox_post(l->empty, rest);
    }
    l->block->n = 0;
    buf_clear(&l->block->keys);
}

static bool read_row(void *arg, const struct kv_row *row)
{
    struct loading *l = arg;
    if (l->block->n == BLOCK_ROWS) {
        mailbox_post(l->filled, &l->block->link);
        block_take(l);
    }
    struct block *b = l->block;
    buf_add_slice(&b->keys, row->key);
    b->rows[b->n] = *row;
    b->ends[b->n++] = b->keys.n;
    return true;
}

static void *read_main(void *arg)
{
    struct loading *l = arg;
    block_take(l);
    l->err = kvdb_reader_load_rows(l->reader, read_row, l, l->why);
    l->block->last = true;
    mailbox_post(l->filled, &l->block->link);
    return NULL;
}

/* ---- the member's side ---------------------------------------------------------------------- */

static void block_load(struct state *st, struct block *b)
{
    size_t start = 0;
    for (size_t i = 0; i < b->n; i++) {
        struct kv_row *row = &b->rows[i];
        row->key = slice_make(b->keys.p + start, b->ends[i] - start);
        start = b->ends[i];
        mvcc_store_load(st->kv, row);
        applier_load_row(st->applier, row);
    }
}

static void blocks_load(struct server *s, struct state *st, struct loading *l)
{
    uint64_t done = 0;
    struct list blocks;
    list_init(&blocks);
    for (bool last = false; !last;) {
        mailbox_take(l->filled, &blocks, MSEC_NEVER);
        while (!list_is_empty(&blocks)) {
            struct block *b = LIST_ENTRY(blocks.next, struct block, link);
            list_unlink(&b->link);
            block_load(st, b);
            last = b->last;
            done += b->n;
            if (done != 0)
                member_progress(s, "loading the history: row", done);
            mailbox_post(l->empty, &b->link);
        }
    }
}

static enum err load_from(struct server *s, struct state *st, struct kvdb_reader *reader,
                          struct why *why)
{
    struct loading l = {.reader = reader, .why = why};
    struct block *blocks = xcalloc(BLOCKS, sizeof *blocks);
    pthread_t thread;
    l.filled = mailbox_new();
    l.empty = mailbox_new();
    for (size_t i = 0; i < BLOCKS; i++)
        mailbox_post(l.empty, &blocks[i].link);
    invariant(pthread_create(&thread, NULL, read_main, &l) == 0);
    blocks_load(s, st, &l);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < BLOCKS; i++)
        buf_fini(&blocks[i].keys);
    free(blocks);
    mailbox_free(l.filled);
    mailbox_free(l.empty);
    return l.err;
}

enum err rows_load(struct server *s, struct state *st, struct why *why)
{
    struct kvdb_reader *reader = NULL;
    enum err e = kvdb_reader_open(s->kvdb, &reader, why);
    if (e == ERR_OK)
        e = kvdb_reader_begin(reader, why);
    if (e == ERR_OK) {
        e = load_from(s, st, reader, why);
        kvdb_reader_end(reader);
    }
    kvdb_reader_close(reader);
    return e;
}
