/* etcdutl/restore.c -- see restore.h.
 *
 * The digest is computed beside the copying, by a thread of its own: both only read the file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdutl/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "etcdutl/marks.h"
#include "etcdutl/target.h"
#include "storage/snapshot_file.h"
#include "storage/snapshot_reader.h"
#include "upstream/files.h"

struct restore {
    const struct restore_options *o;
    struct restore_report *report;
    struct founders founders;
    int fd;
    uint64_t size;
    struct snapshot_reader *reader;
    int64_t last_pos;
    struct why *why;
};

/* ---- the digest ----------------------------------------------------------------------------- */

static void add_bytes(struct buf *b, const uint8_t *p, size_t n)
{
    buf_add_str(b, "[");
    for (size_t i = 0; i < n; i++)
        buf_addf(b, "%s%u", i ? " " : "", p[i]);
    buf_add_str(b, "]");
}

static enum err digest_differs(const struct restore *r, struct why *why)
{
    uint8_t want[SNAPSHOT_DIGEST_SIZE], got[SNAPSHOT_DIGEST_SIZE];
    uint64_t size = r->size - SNAPSHOT_DIGEST_SIZE;
    AUTO(buf) struct buf text = BUF_INIT;
    if (pread(r->fd, want, sizeof want, (off_t)size) != (ssize_t)sizeof want)
        return file_fail(why, "read", r->o->snapshot, errno);
    enum err e = snapshot_file_digest(r->fd, size, got, why);
    if (e != ERR_OK)
        return e;
    buf_add_str(&text, "expected sha256 ");
    add_bytes(&text, want, sizeof want);
    buf_add_str(&text, ", got ");
    add_bytes(&text, got, sizeof got);
    return why_set(why, ERR_DAMAGED, "%s", buf_cstr(&text));
}

struct digest_job {
    const struct snapshot_reader *reader;
    enum snapshot_digest result;
};

static void *digest_main(void *arg)
{
    struct digest_job *job = arg;
    job->result = snapshot_reader_digest(job->reader);
    return NULL;
}

/* ---- the databases -------------------------------------------------------------------------- */

static void see_row(void *arg, const struct kv_row *row)
{
    struct restore *r = arg;
    r->report->latest = row->main;
    r->last_pos = row->pos;
}

/* Last in the transaction: what is this cluster's and not the old one's. */
static enum err write_local(void *arg, struct kv_writer *w, struct why *why)
{
    struct restore *r = arg;
    r->report->raised = r->report->latest;
    if (r->o->bump_revision != 0) {
        r->report->raised = r->report->latest + (revision)r->o->bump_revision;
        int64_t pos = r->report->raised << KV_POS_SUB_BITS;
        struct kv_row row = {.pos = pos > r->last_pos ? pos : r->last_pos + 1,
                             .main = r->report->raised,
                             .key = slice_make("", 0),
                             .value = slice_make("", 0)};
        w->ops->put(w, &row);
        marks_set_scheduled_compaction(w, r->report->raised);
    }
    return founders_store(&r->founders, w, why);
}

static enum err fill_kv(struct restore *r, struct target *t)
{
    AUTO(kvdb) struct kvdb *db = NULL;
    struct snapshot_restore how = {.row = see_row, .local = write_local, .arg = r};
    enum err e = target_open_kv(t, &db, r->why);
    if (e == ERR_OK)
        e = snapshot_restore(r->reader, db, &how, r->why);
    return e == ERR_OK ? kvdb_bulk_end(db, r->why) : e;
}

static enum err fill_log(struct restore *r, struct target *t)
{
    AUTO(logdb) struct logdb *log = NULL;
    enum err e = target_open_log(t, &log, r->why);
    return e == ERR_OK ? founders_log(&r->founders, log, r->why) : e;
}

static enum err fill_and_check(struct restore *r, struct target *t)
{
    struct digest_job job = {.reader = r->reader};
    pthread_t thread;
    if (r->o->skip_hash_check)
        return fill_kv(r, t);
    invariant(pthread_create(&thread, NULL, digest_main, &job) == 0);
    enum err e = fill_kv(r, t);
    pthread_join(thread, NULL);
    return job.result == SNAPSHOT_DIGEST_BAD ? digest_differs(r, r->why) : e;
}

/* ---- the file ------------------------------------------------------------------------------- */

static enum err open_snapshot(struct restore *r)
{
    struct stat st;
    r->fd = open(r->o->snapshot, O_RDONLY | O_CLOEXEC);
    if (r->fd == -1 || fstat(r->fd, &st) == -1)
        return file_fail(r->why, "open", r->o->snapshot, errno);
    r->size = (uint64_t)st.st_size;
    struct why inner = {""};
    enum err e = snapshot_reader_open(r->fd, r->size, &r->reader, &inner);
    if (e != ERR_OK)
        return why_set(r->why, e, "%s: %s", r->o->snapshot, inner.text);
    if (!r->o->skip_hash_check && r->size % 512 != SNAPSHOT_DIGEST_SIZE)
        return why_set(r->why, ERR_INVALID, "snapshot missing hash but --skip-hash-check=false");
    return ERR_OK;
}

static enum err run(struct restore *r)
{
    AUTO(target) struct target *t = NULL;
    struct target_options target = {
        .data_dir = r->o->data_dir, .wal_dir = r->o->wal_dir, .vfs = r->o->vfs};
    enum err e = founders_read(&r->o->founders, &r->founders, r->why);
    if (e == ERR_OK)
        e = open_snapshot(r);
    if (e == ERR_OK)
        e = target_begin(&target, &t, r->why);
    if (e == ERR_OK)
        e = fill_and_check(r, t);
    if (e == ERR_OK)
        e = fill_log(r, t);
    return e == ERR_OK ? target_finish(t, NULL, r->why) : e;
}

enum err restore_run(const struct restore_options *o, struct restore_report *ret, struct why *why)
{
    struct restore r = {.o = o, .report = ret, .fd = -1, .why = why};
    *ret = (struct restore_report){.latest = 1};
    if (o->bump_revision > INT64_MAX >> (KV_POS_SUB_BITS + 2))
        return why_set(why, ERR_INVALID, "--bump-revision is too large");
    enum err e = run(&r);
    ret->cluster_id = r.founders.cluster_id;
    ret->member_id = r.founders.self;
    ret->members = r.founders.n;
    founders_fini(&r.founders);
    snapshot_reader_close(r.reader);
    if (r.fd != -1)
        close(r.fd);
    return e;
}
