/* storage/kvdb.h -- kv.db: the history of the key space and the buckets, in SQLite.
 *
 * One writer connection (struct kvdb), any number of readers with snapshots of their own (struct
 * kvdb_reader), and one checkpointer. Each of these belongs to one thread at a time. The journal is
 * a WAL; synchronous=NORMAL, so a commit never waits for the disk and a crash may take back the
 * newest commits, never a part of one.
 *
 * The file is open to `sqlite3 -readonly`. Schema 1; application_id 0x65744b56, user_version 1:
 *
 *   CREATE TABLE revision(pos INTEGER PRIMARY KEY, main INTEGER NOT NULL, sub INTEGER NOT NULL,
 *       create_revision INTEGER NOT NULL, version INTEGER NOT NULL, lease INTEGER NOT NULL,
 *       key BLOB NOT NULL, value BLOB NOT NULL);
 *   CREATE TABLE bucket(bucket TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
 *       PRIMARY KEY(bucket, key)) WITHOUT ROWID;
 *
 * A row of `revision` is one revision of one key; version 0 marks a tombstone. `bucket` holds the
 * small tables with upstream's names, keys and values, byte for byte.
 *
 * When a state is durable. A state is on disk for good as soon as a kvdb_checkpoint() that was
 * called after its commit returned has come back with `complete`. Nothing less says so.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_KVDB_H
#define STORAGE_KVDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/why.h"
#include "iface/backend.h"

struct kvdb;

struct kvdb_options {
    bool create;              /* make the file if it is not there */
    bool no_sync;             /* never sync: a crash of the machine may lose or damage all */
    bool bulk;                /* the file is new and nobody else's: see kvdb_bulk_end() */
    size_t writer_cache_size; /* bytes of pages the writer keeps; 0: 4 MiB */
    size_t reader_cache_size; /* the same for each reader; 0: 2 MiB */
    const char *vfs;          /* SQLite VFS by name, for tests; NULL: the default one */
};

/* Open the database. Fail with ERR_NOT_FOUND if it is not there and may not be made, with
 * ERR_FOREIGN_DATA, ERR_NEWER_SCHEMA, ERR_DAMAGED, ERR_DISK_FULL or ERR_IO otherwise. */
MUST_USE enum err kvdb_open(const char *path, const struct kvdb_options *options,
                            struct kvdb **ret_db, struct why *why);

/* After `bulk`, which writes everything once, straight into the file, and does not sync: make the
 * file one that others open, and sync it. Until then a crash leaves nothing of use. Outside of a
 * transaction; what was written is durable when this returns, but for the name of the file. */
MUST_USE enum err kvdb_bulk_end(struct kvdb *db, struct why *why);

/* Close; an open transaction is rolled back. Readers and checkpointers are closed before. */
void kvdb_close(struct kvdb *db); /* NULL is fine */
static inline void kvdb_auto(struct kvdb **db)
{
    kvdb_close(*db);
}

/* ---- writing: one transaction an apply batch ---------------------------------------------- */

/* Lend the writer. Its functions are called between kvdb_begin() and kvdb_commit() only. */
struct kv_writer *kvdb_writer(struct kvdb *db);

/* The same as a put of each of the rows, whose slices are alive all the time; faster. */
void kvdb_put_rows(struct kvdb *db, const struct kv_row *rows, size_t n);

/* Start the transaction. An error is remembered for kvdb_commit(). */
void kvdb_begin(struct kvdb *db);

/* The same for a transaction that replaces everything: all rows are gone in it, and what space they
 * took. It is durable when its kvdb_commit() returns. The buckets stand until kvdb_clear_buckets():
 * to be called when all rows are written. A page that SQLite has spilled and then changes again it
 * overwrites in the WAL, and with the commit the checksums of all that follows: as much writing
 * again. */
void kvdb_begin_anew(struct kvdb *db);
void kvdb_clear_buckets(struct kvdb *db);

/* In a large transaction, now and then: have what it has written so far written to the disk, if that
 * is a megabyte or more. Else its commit would write all of it at once, and whoever else syncs a
 * file meanwhile would wait for that. */
void kvdb_write_back(struct kvdb *db);

/* Commit. Return the first error since kvdb_begin() if there was one; the transaction is then
 * rolled back, and the same error comes back from every later commit: stop the process. */
MUST_USE enum err kvdb_commit(struct kvdb *db, struct why *why);

/* Roll back what was written since kvdb_begin(). */
void kvdb_rollback(struct kvdb *db);

/* Tell the size in bytes: of the whole file, and of what is in use in it, as of the last commit (in
 * a transaction: as of now). Costs about a microsecond. */
void kvdb_size(struct kvdb *db, int64_t *ret_total, int64_t *ret_in_use);

/* Return the bytes of commits in the WAL, as of the last commit. To be kept below some 16 MB by
 * checkpoints: each read looks into the WAL first, and slows down as it grows. */
int64_t kvdb_wal_size(const struct kvdb *db);

/* Give up to `pages_max` free pages back to the file system, in a transaction of its own. Called
 * outside of a transaction. *ret_freed is how many it were: less than asked if none are left. */
MUST_USE enum err kvdb_vacuum_step(struct kvdb *db, unsigned pages_max, unsigned *ret_freed,
                                   struct why *why);

/* ---- reading ------------------------------------------------------------------------------ */

struct kvdb_reader;

/* Open a connection that only reads. Any thread may call it while `db` is open. */
MUST_USE enum err kvdb_reader_open(const struct kvdb *db, struct kvdb_reader **ret_reader,
                                   struct why *why);
void kvdb_reader_close(struct kvdb_reader *r); /* NULL is fine */
static inline void kvdb_reader_auto(struct kvdb_reader **r)
{
    kvdb_reader_close(*r);
}

/* Take a snapshot: what follows, up to kvdb_reader_end(), sees the newest commit before this call.
 * Hold it for a batch, not for minutes: meanwhile the WAL cannot be used again from its start. */
MUST_USE enum err kvdb_reader_begin(struct kvdb_reader *r, struct why *why);
void kvdb_reader_end(struct kvdb_reader *r);

/* Lend the interface to the rows of the snapshot. */
struct kv_reader *kvdb_reader_kv(struct kvdb_reader *r);

/* Lend the value until the next call on this reader. ERR_NOT_FOUND if there is none. */
MUST_USE enum err kvdb_reader_bucket_get(struct kvdb_reader *r, const char *bucket,
                                         struct slice key, struct slice *ret_value);
/* Visit the bucket in the order of its keys until `visit` returns false. */
MUST_USE enum err kvdb_reader_bucket_scan(struct kvdb_reader *r, const char *bucket,
                                          bool (*visit)(void *arg, struct slice key,
                                                        struct slice value),
                                          void *arg);

/* Visit all rows ascending, without their values (value is empty), until `visit` returns false:
 * what rebuilding the key index at start needs. */
MUST_USE enum err kvdb_reader_load_rows(struct kvdb_reader *r,
                                        bool (*visit)(void *arg, const struct kv_row *row),
                                        void *arg, struct why *why);

/* Verify the whole file: SQLite's own check, and that (main, sub) ascend with pos. Reads
 * everything. ERR_DAMAGED with the first fault found. */
MUST_USE enum err kvdb_reader_check(struct kvdb_reader *r, struct why *why);

/* ---- checkpoints: for the housekeeping thread --------------------------------------------- */

struct kvdb_checkpointer;

MUST_USE enum err kvdb_checkpointer_open(const struct kvdb *db, struct kvdb_checkpointer **ret_cp,
                                         struct why *why);
void kvdb_checkpointer_close(struct kvdb_checkpointer *cp); /* NULL is fine */
static inline void kvdb_checkpointer_auto(struct kvdb_checkpointer **cp)
{
    kvdb_checkpointer_close(*cp);
}

enum kvdb_checkpoint_mode {
    KVDB_CHECKPOINT_PASSIVE,          /* waits for nobody, nobody waits for it */
    KVDB_CHECKPOINT_TRUNCATE_IF_IDLE, /* then cut the WAL file to nothing if no one uses it */
};

struct kvdb_checkpoint_stats {
    int64_t log_frames;  /* pages in the WAL when it began; 0 after a truncation */
    int64_t done_frames; /* how many of them are in the database file */
    bool complete;       /* all of them, and synced: every commit before the call is durable */
};

/* Copy what the WAL holds into the database file and sync both. A reader with an old snapshot may
 * keep it from being complete: call again later. The first commit after a complete one starts the
 * WAL anew, which costs that commit one sync. */
MUST_USE enum err kvdb_checkpoint(struct kvdb_checkpointer *cp, enum kvdb_checkpoint_mode mode,
                                  struct kvdb_checkpoint_stats *ret_stats, struct why *why);

#endif
