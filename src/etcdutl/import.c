/* etcdutl/import.c -- see import.h.
 *
 * Upstream's files are never written to. In place, they change places with the new ones when those
 * are whole:
 *   DIR/member          -> DIR/member.upstream-DATE
 *   WALDIR/x.wal        -> WALDIR/upstream-DATE/x.wal   (a WAL directory may be a mount point)
 * In between no etcd starts: ours will not have a log of upstream's, and upstream's has no
 * database. SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "etcdutl/import.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "etcdutl/marks.h"
#include "etcdutl/replay.h"
#include "etcdutl/target.h"
#include "membership/v2_tree.h"
#include "upstream/files.h"
#include "upstream/v2.h"

#define PUT_ASIDE "member.upstream-"

enum {
    DATE_MAX = 64,
    APPEND_MAX = 4096,
    APPEND_BYTES = 16 * 1024 * 1024,
    CATCH_UP_ENTRIES = 5000, /* as --snapshot-catchup-entries */
    CATCH_UP_BYTES = 64 * 1024 * 1024,
};

struct import {
    const struct import_options *o;
    struct import_report *report;
    struct upstream_dir *d;
    struct why *why;
};

void import_report_fini(struct import_report *r)
{
    free(r->kept);
    free(r->wal_kept);
    buf_fini(&r->notes);
}

/* ---- may it be? ----------------------------------------------------------------------------- */

/* The value of a row of a small bucket as a string; "" if there is none. */
static void db_text(const struct upstream_dir *d, const char *bucket, const char *key,
                    char ret[CLUSTER_VERSION_MAX])
{
    struct slice v;
    ret[0] = '\0';
    if (snapshot_reader_get(d->db, bucket, key, &v) != ERR_OK || v.n >= CLUSTER_VERSION_MAX)
        return;
    memcpy(ret, v.p, v.n);
    ret[v.n] = '\0';
}

static enum err check_version(struct import *im)
{
    char storage[CLUSTER_VERSION_MAX];
    db_text(im->d, BUCKET_META, "storageVersion", storage);
    if (storage[0] != '\0' && version_cmp(storage, ETCD_CLUSTER_VERSION) > 0)
        return why_set(im->why, ERR_NEWER_SCHEMA,
                       "'%s' was written by etcd %s, and this program reads up to %s; downgrade "
                       "the cluster first (etcdctl downgrade)",
                       im->o->from, storage, ETCD_CLUSTER_VERSION);
    return ERR_OK;
}

/* What the v2 interface wrote would be lost: our etcd keeps none of it. */
static enum err check_v2(struct import *im)
{
    struct cluster *c = cluster_new(0);
    bool has_user_keys = false;
    size_t n;
    const struct wal_entry *e = wal_entries(im->d->wal, &n);
    enum err err = ERR_OK;
    if (im->d->snap.tree.n != 0)
        err = cluster_load_v2_json(c, im->d->snap.tree, &has_user_keys, im->why);
    cluster_free(c);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    im->report->v2_writes = v2_content_count(e, n);
    if (!has_user_keys && im->report->v2_writes == 0)
        return ERR_OK;
    if (im->o->drop_v2)
        return ERR_OK;
    return why_set(im->why, ERR_FOREIGN_DATA,
                   "'%s' holds keys, users or roles of the v2 API (%s), which this etcd does not "
                   "keep. Copy what is still needed to v3 first; with --drop-v2 they stay behind",
                   im->o->from, has_user_keys ? "in its snapshot" : "in its log");
}

/* ---- the key database ----------------------------------------------------------------------- */

/* The term of an entry that the log has, or that the snapshot stands at. */
static raft_term term_of(const struct upstream_dir *d, raft_index index)
{
    size_t n;
    const struct wal_entry *e = wal_entries(d->wal, &n);
    if (index <= d->snap.meta.index)
        return d->snap.meta.term;
    return e[index - d->snap.meta.index - 1].term;
}

static void note_member(struct import *im, const struct cluster *c)
{
    struct import_report *r = im->report;
    const struct member *m = cluster_find(c, r->member_id);
    r->members = cluster_size(c);
    if (m != NULL)
        snprintf(r->name, sizeof r->name, "%s", m->name);
}

static enum err check_members(struct import *im, const struct cluster *c)
{
    const char *version = cluster_version(c);
    if (version != NULL && version_cmp(version, ETCD_CLUSTER_VERSION) > 0)
        return why_set(im->why, ERR_NEWER_SCHEMA,
                       "the cluster of '%s' is at version %s, and this program serves up to %s",
                       im->o->from, version, ETCD_CLUSTER_VERSION);
    if (cluster_is_removed(c, im->report->member_id))
        return why_set(im->why, ERR_REMOVED, "'%s': %s; it cannot come back with these data",
                       im->o->from, err_text(ERR_REMOVED));
    return ERR_OK;
}

static enum err write_local(void *arg, struct kv_writer *w, struct why *why)
{
    struct import *im = arg;
    struct cluster *c = cluster_new(im->report->cluster_id);
    enum err e = replay_members(im->d, c, w, why);
    if (e == ERR_OK)
        e = check_members(im, c);
    if (e == ERR_OK) {
        note_member(im, c);
        cluster_save(c, w);
        marks_set_conf_state(w, c);
        marks_set_applied(w, im->d->applied, term_of(im->d, im->d->applied));
    }
    cluster_free(c);
    return e;
}

/* Upstream's side of the check, beside the copying: both only read. */
struct hash_job {
    const struct upstream_dir *d;
    struct hashkv hash;
    enum err err;
    struct why why;
};

static void *hash_main(void *arg)
{
    struct hash_job *job = arg;
    struct db_file *f = db_file_of_snapshot(job->d->db);
    job->err = hashkv_read(f, 0, &job->hash, &job->why);
    db_file_close(f);
    return NULL;
}

static enum err hash_ours(struct import *im, struct kvdb *db)
{
    struct kvdb_reader *reader = NULL;
    enum err e = kvdb_reader_open(db, &reader, im->why);
    if (e == ERR_OK)
        e = kvdb_reader_begin(reader, im->why);
    if (e == ERR_OK) {
        struct db_file *f = db_file_of_kvdb(reader);
        e = hashkv_read(f, 0, &im->report->hash, im->why);
        db_file_close(f);
    }
    kvdb_reader_close(reader);
    return e;
}

/* Both sides must come to the same. */
static enum err compare(struct import *im, const struct hash_job *theirs)
{
    const struct hashkv *a = &theirs->hash, *b = &im->report->hash;
    if (theirs->err != ERR_OK)
        return why_set(im->why, theirs->err, "%s", theirs->why.text);
    if (a->hash == b->hash && a->revision == b->revision && a->compacted == b->compacted)
        return ERR_OK;
    return why_set(im->why, ERR_DAMAGED,
                   "the hashes differ (%" PRIu32 " at revision %" PRId64 ", and %" PRIu32
                   " at %" PRId64 "): nothing was imported",
                   a->hash, a->revision, b->hash, b->revision);
}

static enum err fill_kv(struct import *im, struct target *t)
{
    AUTO(kvdb) struct kvdb *db = NULL;
    struct snapshot_restore how = {.local = write_local, .arg = im};
    enum err e = target_open_kv(t, &db, im->why);
    if (e == ERR_OK)
        e = snapshot_restore(im->d->db, db, &how, im->why);
    if (e == ERR_OK)
        e = kvdb_bulk_end(db, im->why);
    return e == ERR_OK ? hash_ours(im, db) : e;
}

static enum err fill_and_verify(struct import *im, struct target *t)
{
    struct hash_job theirs = {.d = im->d};
    pthread_t thread;
    invariant(pthread_create(&thread, NULL, hash_main, &theirs) == 0);
    enum err e = fill_kv(im, t);
    pthread_join(thread, NULL);
    return e == ERR_OK ? compare(im, &theirs) : e;
}

/* ---- the log -------------------------------------------------------------------------------- */

static enum err append(struct logdb *log, struct raft_entries *batch, struct why *why)
{
    enum err e = batch->n != 0 ? logdb_append(log, NULL, batch->v, batch->n, why) : ERR_OK;
    raft_entries_cut(batch, 0);
    return e;
}

/* Where our log begins: what is applied nobody asks for in a cluster of one; in a bigger one the
 * others may lag a little. */
static raft_index log_begin(const struct import *im)
{
    const struct upstream_dir *d = im->d;
    size_t n, bytes = 0;
    const struct wal_entry *e = wal_entries(d->wal, &n);
    raft_index begin = d->applied;
    if (im->report->members == 1)
        return begin;
    while (begin > d->snap.meta.index && d->applied - begin < CATCH_UP_ENTRIES) {
        bytes += e[begin - d->snap.meta.index - 1].data.n;
        if (bytes > CATCH_UP_BYTES)
            break;
        begin--;
    }
    return begin;
}

static enum err append_all(const struct upstream_dir *d, raft_index begin, struct logdb *log,
                           struct why *why)
{
    struct raft_entries batch = {0};
    size_t n, bytes = 0;
    const struct wal_entry *w = wal_entries(d->wal, &n);
    enum err e = ERR_OK;
    for (size_t i = (size_t)(begin - d->snap.meta.index); i < n && e == ERR_OK; i++) {
        struct raft_entry entry = {.index = w[i].index,
                                   .term = w[i].term,
                                   .type = w[i].type,
                                   .data = w[i].data.n ? blob_dup(w[i].data) : NULL};
        raft_entries_add(&batch, &entry, 1);
        blob_unref(entry.data);
        bytes += w[i].data.n;
        if (batch.n >= APPEND_MAX || bytes >= APPEND_BYTES) {
            e = append(log, &batch, why);
            bytes = 0;
        }
    }
    if (e == ERR_OK)
        e = append(log, &batch, why);
    raft_entries_fini(&batch);
    return e;
}

/* What the member promised; a vote of a term that it does not know of is none. */
static struct raft_hard_state hard_state_of(const struct upstream_dir *d)
{
    struct raft_hard_state hs = *wal_hard_state(d->wal);
    size_t n;
    const struct wal_entry *e = wal_entries(d->wal, &n);
    raft_term last = n != 0 ? e[n - 1].term : d->snap.meta.term;
    if (hs.term < last)
        hs = (struct raft_hard_state){.term = last, .commit = hs.commit};
    if (hs.commit < d->applied)
        hs.commit = d->applied; /* it was known to be committed when it was applied */
    return hs;
}

static enum err fill_log(struct import *im, struct target *t)
{
    AUTO(logdb) struct logdb *log = NULL;
    const struct upstream_dir *d = im->d;
    raft_index begin = log_begin(im);
    struct raft_hard_state hs = hard_state_of(d), none = {.term = term_of(d, begin)};
    enum err e = target_open_log(t, &log, im->why);
    if (e == ERR_OK)
        e = logdb_set_identity(log, im->report->cluster_id, im->report->member_id, im->why);
    if (e == ERR_OK && begin != 0)
        e = logdb_reset(log, &none, begin, none.term, im->why);
    if (e == ERR_OK)
        e = append_all(d, begin, log, im->why);
    if (e == ERR_OK)
        e = logdb_append(log, &hs, NULL, 0, im->why);
    if (e == ERR_OK)
        e = logdb_gather(log, im->why);
    return e;
}

/* ---- in place of the old one ---------------------------------------------------------------- */

static bool has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

/* Of the log, of a file that was prepared for it, or of one that upstream mended. */
static bool is_wal_name(const char *name)
{
    return has_suffix(name, ".wal") || has_suffix(name, ".tmp") || has_suffix(name, ".broken");
}

static enum err put_wal_aside(struct import *im, const char *date)
{
    char *aside = xasprintf("%s/upstream-%s", im->o->wal_dir, date);
    enum err e = dirs_make(aside, im->why);
    DIR *dir = e == ERR_OK ? opendir(im->o->wal_dir) : NULL;
    struct dirent *ent;
    while (dir != NULL && e == ERR_OK && (ent = readdir(dir)) != NULL) {
        if (!is_wal_name(ent->d_name))
            continue;
        char *from = xasprintf("%s/%s", im->o->wal_dir, ent->d_name);
        char *to = xasprintf("%s/%s", aside, ent->d_name);
        if (rename(from, to) == -1)
            e = file_fail(im->why, "rename", from, errno);
        free(from);
        free(to);
    }
    if (dir != NULL)
        closedir(dir);
    if (e == ERR_OK)
        e = path_sync(aside, im->why);
    if (e == ERR_OK)
        e = path_sync(im->o->wal_dir, im->why);
    im->report->wal_kept = aside;
    return e;
}

/* A WAL directory that does not go along with member/. */
static bool has_wal_dir(const struct import_options *o)
{
    if (o->wal_dir == NULL || o->wal_dir[0] == '\0')
        return false;
    char *member = xasprintf("%s/member", o->from);
    char *inside = path_inside(o->wal_dir, member);
    bool is_inside = inside != NULL;
    free(inside);
    free(member);
    return !is_inside;
}

/* ---- the rest of one that was interrupted --------------------------------------------------- */

static bool has_file(const struct import_options *o, const char *name)
{
    char *path = xasprintf("%s/%s", o->from, name);
    bool has = access(path, F_OK) == 0;
    free(path);
    return has;
}

/* When the newest of what is put aside was; false, and `ret` stays, if nothing is. */
static bool find_date(const struct import_options *o, char ret[DATE_MAX])
{
    size_t n = strlen(PUT_ASIDE);
    DIR *dir = opendir(o->from);
    struct dirent *ent;
    bool is_found = false;
    while (dir != NULL && (ent = readdir(dir)) != NULL) {
        const char *date = ent->d_name + n;
        if (strncmp(ent->d_name, PUT_ASIDE, n) != 0 || strlen(date) >= DATE_MAX ||
            (is_found && strcmp(date, ret) < 0))
            continue;
        snprintf(ret, DATE_MAX, "%s", date);
        is_found = true;
    }
    if (dir != NULL)
        closedir(dir);
    return is_found;
}

/* Where the file system cannot swap, there is a moment without a member. */
static enum err check_member(const struct import *im)
{
    char date[DATE_MAX];
    if (has_file(im->o, "member") || !find_date(im->o, date))
        return ERR_OK;
    return why_set(im->why, ERR_NOT_FOUND,
                   "an import was interrupted: rename '%s/" PUT_ASIDE "%s' to '%s/member', and "
                   "import again; start no etcd before",
                   im->o->from, date, im->o->from);
}

/* The member is ours, and upstream's log is still where ours goes. */
static enum err resume(struct import *im)
{
    const struct import_options *o = im->o;
    struct import_report *r = im->report;
    if (!has_wal_dir(o) || !wal_is_there(o->wal_dir))
        return why_set(im->why, ERR_EXISTS, "'%s' holds data of this etcd: it was imported already",
                       o->from);
    AUTO(wal) struct wal *w = NULL;
    char date[DATE_MAX];
    snprintf(date, sizeof date, "%s", o->date);
    (void)find_date(o, date);
    enum err e = wal_open(o->wal_dir, &w, im->why);
    if (e != ERR_OK)
        return e;
    r->resumed = true;
    r->cluster_id = wal_cluster_id(w);
    r->member_id = wal_member_id(w);
    e = target_resume(o->from, o->wal_dir, r->cluster_id, r->member_id, im->why);
    r->kept = xasprintf("%s/" PUT_ASIDE "%s", o->from, date);
    return e == ERR_OK ? put_wal_aside(im, date) : e;
}

/* ---- the end of it -------------------------------------------------------------------------- */

static enum err finish(struct import *im, struct target *t, bool in_place)
{
    if (!in_place)
        return target_finish(t, NULL, im->why);
    char *kept = xasprintf("%s/" PUT_ASIDE "%s", im->o->from, im->o->date);
    enum err e = target_finish(t, kept, im->why);
    im->report->kept = kept;
    if (e == ERR_OK && has_wal_dir(im->o))
        e = put_wal_aside(im, im->o->date);
    return e;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static void note(struct import *im)
{
    struct import_report *r = im->report;
    struct db_file *f = db_file_of_snapshot(im->d->db);
    struct slice enabled;
    size_t n;
    (void)wal_entries(im->d->wal, &n);
    r->applied = im->d->applied;
    r->last = im->d->snap.meta.index + n;
    r->auth = snapshot_reader_get(im->d->db, BUCKET_AUTH, "authEnabled", &enabled) == ERR_OK &&
              enabled.n == 1 && enabled.p[0] == 1;
    r->leases = db_file_count(f, BUCKET_LEASE);
    r->alarms = db_file_count(f, BUCKET_ALARM);
    db_file_close(f);
    buf_add_slice(&r->notes, buf_slice(&im->d->notes));
}

static enum err open_source(struct import *im)
{
    struct upstream_options from = {im->o->from, im->o->wal_dir, im->o->lock_wait_ms};
    enum err e = upstream_dir_open(&from, &im->d, im->why);
    if (e != ERR_OK)
        return e;
    im->report->cluster_id = wal_cluster_id(im->d->wal);
    im->report->member_id = wal_member_id(im->d->wal);
    note(im);
    e = check_version(im);
    return e == ERR_OK ? check_v2(im) : e;
}

static bool is_in_place(const struct import_options *o)
{
    return o->data_dir == NULL || o->data_dir[0] == '\0';
}

static enum err run(struct import *im)
{
    bool in_place = is_in_place(im->o);
    AUTO(target) struct target *t = NULL;
    char *like = xasprintf("%s/member", im->o->from);
    /* In place, our log goes where upstream's is: there etcd's --wal-dir points. */
    struct target_options target = {
        .data_dir = in_place ? im->o->from : im->o->data_dir,
        .wal_dir = in_place ? im->o->wal_dir : NULL,
        .owner_like = like,
        .beside_member = in_place,
        .vfs = im->o->vfs,
    };
    enum err e = open_source(im);
    if (e == ERR_OK)
        e = target_begin(&target, &t, im->why);
    if (e == ERR_OK)
        e = fill_and_verify(im, t);
    if (e == ERR_OK)
        e = fill_log(im, t);
    if (e == ERR_OK)
        e = finish(im, t, in_place);
    free(like);
    return e;
}

enum err import_run(const struct import_options *o, struct import_report *ret, struct why *why)
{
    struct import im = {.o = o, .report = ret, .why = why};
    *ret = (struct import_report){.notes = BUF_INIT};
    enum err e = check_member(&im);
    if (e == ERR_OK)
        e = is_in_place(o) && has_file(o, "member/kv.db") ? resume(&im) : run(&im);
    upstream_dir_close(im.d);
    return e;
}
