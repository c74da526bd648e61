/* mvcc/hash.c -- HashKV, the rules of upstream's newer versions.
 *
 * Where no key is live at the revision, upstream counts every row that is still there at or below the
 * compacted revision. While a compaction is under way that depends on how far it is; here the rows that
 * it will remove never count, which is what upstream comes to.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mvcc/hash.h"

#include <stdlib.h>

#include "base/crc32c.h"
#include "iface/kv_wire.h"

static bool stop_at_first(void *arg, struct slice key, const struct mvcc_rev *rev)
{
    (void)key;
    (void)rev;
    *(bool *)arg = true;
    return false;
}

static bool any_live(const struct mvcc_store *s, revision rev)
{
    bool any = false;
    struct key_range all = {.open = true};
    mvcc_index_range(mvcc_store_index(s), &all, rev, stop_at_first, &any);
    return any;
}

enum err mvcc_hash_begin(struct mvcc_hash *h, const struct mvcc_store *s, revision rev,
                         revision current)
{
    if (rev == 0)
        rev = current;
    if (rev > current)
        return ERR_FUTURE_REV;
    if (rev > 0 && rev < mvcc_store_compacted(s))
        return ERR_COMPACTED;
    h->crc = crc32c(0, "key", 3);
    h->rev = rev;
    h->compacted = mvcc_store_compacted(s);
    h->keep_at = any_live(s, rev) ? rev : h->compacted;
    return ERR_OK;
}

/* A row that a compaction has removed, or will, does not count. */
static bool row_counts(const struct mvcc_hash *h, const struct mvcc_store *s,
                       const struct kv_row *row)
{
    if (row->main > h->rev)
        return false;
    if (row->main > h->compacted)
        return true;
    struct mvcc_rev newest;
    return mvcc_index_get(mvcc_store_index(s), row->key, h->keep_at, &newest) &&
           newest.pos == row->pos;
}

static uint32_t crc_value(uint32_t crc, const struct kv_row *row)
{
    uint8_t small[1024];
    size_t n = kv_wire_size(row);
    uint8_t *p = n <= sizeof small ? small : xmalloc(n);
    kv_wire_put(p, row);
    crc = crc32c(crc, p, n);
    if (p != small)
        free(p);
    return crc;
}

void mvcc_hash_add(struct mvcc_hash *h, const struct mvcc_store *s, const struct kv_row *row)
{
    if (!row_counts(h, s, row))
        return;
    uint8_t key[18];
    size_t n = kv_wire_rev_key(key, row);
    h->crc = crc32c(h->crc, key, n);
    h->crc = crc_value(h->crc, row);
}
