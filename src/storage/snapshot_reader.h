/* storage/snapshot_reader.h -- upstream's snapshot file (bbolt) as a source of rows.
 *
 * Any writer's file is read: upstream's own database files, their copies with or without the
 * digest behind them, and what snapshot_file.h writes. The file is mapped, and must not be cut
 * meanwhile. Nothing in it is trusted: every page number, count, offset and length is checked
 * against the file before it is used, depth is bounded, keys ascend, and one walk looks at no more
 * pages than there are.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_SNAPSHOT_READER_H
#define STORAGE_SNAPSHOT_READER_H

#include "base/why.h"
#include "iface/backend.h"
#include "storage/kvdb.h"

struct snapshot_reader;

enum snapshot_digest {
    SNAPSHOT_DIGEST_NONE, /* the size is a multiple of the page size: there is none */
    SNAPSHOT_DIGEST_GOOD,
    SNAPSHOT_DIGEST_BAD,
};

/* Map the `size` bytes of `fd` (lent; may be closed afterwards) and choose the newer valid meta
 * page. ERR_DAMAGED with a sentence if it is no such file or ends early, ERR_IO. */
MUST_USE enum err snapshot_reader_open(int fd, uint64_t size, struct snapshot_reader **ret,
                                       struct why *why);
void snapshot_reader_close(struct snapshot_reader *r); /* NULL is fine */
static inline void snapshot_reader_auto(struct snapshot_reader **r)
{
    snapshot_reader_close(*r);
}

/* Return how many bytes of the file are in use by the database: its pages up to the last one. */
uint64_t snapshot_reader_size(const struct snapshot_reader *r);

/* Read all bytes and compare with the SHA-256 behind them. */
enum snapshot_digest snapshot_reader_digest(const struct snapshot_reader *r);

/* Visit the rows of a top-level bucket (NULL: of the list of buckets, whose keys are their names)
 * in order until `visit` returns false. A bucket that is not there has none. ERR_DAMAGED. */
MUST_USE enum err snapshot_reader_scan(const struct snapshot_reader *r, const char *bucket,
                                       bool (*visit)(void *arg, struct slice key,
                                                     struct slice value),
                                       void *arg, struct why *why);
/* Find one row of a small bucket. ERR_NOT_FOUND; the value lives as long as the reader. */
MUST_USE enum err snapshot_reader_get(const struct snapshot_reader *r, const char *bucket,
                                      const char *key, struct slice *ret_value);

/* Visit the history (bucket "key") in order, decoded, each row with its `pos` as mvcc/store.h
 * counts it. Slices live as long as the reader. ERR_DAMAGED on rows that cannot be. A row without a
 * key (and then without anything) only lifts the revision: `etcdutl snapshot restore
 * --bump-revision` adds such a one. */
MUST_USE enum err snapshot_reader_rows(const struct snapshot_reader *r,
                                       bool (*visit)(void *arg, const struct kv_row *row),
                                       void *arg, struct why *why);

/* Walk every page: structure, order of keys, page numbers used twice. What `etcdutl snapshot
 * status` does first. */
MUST_USE enum err snapshot_reader_check(const struct snapshot_reader *r, struct why *why);

/* Replace all that `db` holds by the snapshot, in one transaction that is durable when this
 * returns. `row` (may be NULL) sees each row of the history on its way; `local` (may be NULL) may
 * write more to the same transaction, last; its error ends it. `go_on` (may be NULL) is asked now
 * and then; false ends it with ERR_CLOSED. ERR_TOO_LARGE if SQLite has no room for a row. After a
 * failure the database is as it was before; after ERR_IO or ERR_DISK_FULL it answers as after a
 * failed kvdb_commit(). The writer belongs to the caller's thread meanwhile. */
struct snapshot_restore {
    void (*row)(void *arg, const struct kv_row *row);
    enum err (*local)(void *arg, struct kv_writer *w, struct why *why);
    bool (*go_on)(void *arg);
    void *arg;
};
MUST_USE enum err snapshot_restore(const struct snapshot_reader *r, struct kvdb *db,
                                   const struct snapshot_restore *how, struct why *why);

#endif
