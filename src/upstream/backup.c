/* upstream/backup.c -- see backup.h.
 *
 * Entries that must not happen in the copy (changes of members, members that publish themselves)
 * become empty ones, as a new leader writes them: so no index moves, and what the database says of
 * the log stays true. (etcdctl 3.4 moved up what stands behind them. The database was ahead of its
 * log then, and the first keys that were written into the copy were lost.)
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/json_text.h"
#include "base/varint.h"
#include "membership/cluster.h"
#include "storage/snapshot_file.h"
#include "upstream/dir.h"
#include "upstream/files.h"
#include "upstream/v2.h"
#include "upstream/wal_writer.h"

#define BACKUP_NAME "etcdctl-v2-backup"
#define BACKUP_URL  "http://use-flag--force-new-cluster:2080"

struct backup {
    const struct backup_options *o;
    struct upstream_dir *d;
    uint64_t cluster_id;
    struct member *self;
    char *member_path, *snap_path, *wal_path; /* of the copy */
    struct wal_entry *entries;                /* of the copy; data lent by `d` */
    size_t entry_n;
    struct why *why;
};

/* ---- the one member ------------------------------------------------------------------------- */

static uint64_t new_id(void)
{
    uint64_t id = 0;
    while (id == 0)
        invariant(getrandom(&id, sizeof id, 0) == sizeof id);
    return id;
}

static struct member *new_self(void)
{
    static const char *const urls[] = {BACKUP_URL};
    struct member *m = member_new(new_id(), urls, 1, false);
    free(m->name);
    m->name = xstrdup(BACKUP_NAME);
    return m;
}

static void add_leaf(struct buf *out, const char *hex, const char *name, const struct buf *value)
{
    buf_addf(out, "\"%s\":{\"Path\":\"/0/members/%s/%s\",\"Value\":", name, hex, name);
    json_add_string(out, (const char *)value->p, value->n);
    buf_add_str(out, "}");
}

/* The directory of members, with the one. */
static void add_own_tree(const struct backup *b, struct buf *out)
{
    AUTO(buf) struct buf raft = BUF_INIT;
    AUTO(buf) struct buf attributes = BUF_INIT;
    char hex[MEMBER_HEX_SIZE];
    member_id_hex(b->self->id, hex);
    member_add_raft_attributes(b->self, &raft);
    member_add_attributes(b->self->name, NULL, 0, &attributes);
    buf_addf(out,
             "{\"Path\":\"/0/members\",\"Children\":{\"%s\":{\"Path\":\"/0/members/%s\","
             "\"Children\":{",
             hex, hex);
    add_leaf(out, hex, "attributes", &attributes);
    buf_add_str(out, ",");
    add_leaf(out, hex, "raftAttributes", &raft);
    buf_add_str(out, "}}}}");
}

/* ---- the snapshot --------------------------------------------------------------------------- */

/* The tree with the one member in place of all others; the rest stays. */
static enum err translate_tree(struct backup *b, struct buf *ret)
{
    struct slice tree = b->d->snap.tree;
    json_t *j = json_loadb((const char *)tree.p, tree.n, JSON_ALLOW_NUL, NULL);
    json_t *own = json_object_get(
        json_object_get(json_object_get(json_object_get(j, "Root"), "Children"), "0"), "Children");
    AUTO(buf) struct buf members = BUF_INIT;
    add_own_tree(b, &members);
    json_t *fresh = json_loadb((const char *)members.p, members.n, 0, NULL);
    char *text = NULL;
    if (json_is_object(own) && json_object_set(own, "members", fresh) == 0)
        text = json_dumps(j, JSON_COMPACT);
    if (text != NULL)
        buf_add_str(ret, text);
    free(text);
    json_decref(fresh);
    json_decref(j);
    return text != NULL ? ERR_OK
                        : why_set(b->why, ERR_DAMAGED,
                                  "the v2 tree of the snapshot has no store of the cluster");
}

static enum err write_snap(struct backup *b, struct raft_snapshot_meta *ret_meta)
{
    *ret_meta =
        (struct raft_snapshot_meta){.index = b->d->snap.meta.index, .term = b->d->snap.meta.term};
    if (ret_meta->index == 0)
        return ERR_OK;
    raft_ids_add(&ret_meta->conf_state.voters, b->self->id);
    AUTO(buf) struct buf tree = BUF_INIT;
    enum err e = translate_tree(b, &tree);
    return e == ERR_OK ? snap_create(b->snap_path, ret_meta, buf_slice(&tree), b->why) : e;
}

/* ---- the log -------------------------------------------------------------------------------- */

enum { REQUEST_HEADER = 100, REQUEST_ATTRIBUTES = 1301 };

/* Tell what is left out, if somebody listens. Return true. */
static bool PRINTF_LIKE(2, 3) drop(const struct backup *b, const char *fmt, ...)
{
    AUTO(buf) struct buf line = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&line, fmt, ap);
    va_end(ap);
    if (b->o->say != NULL)
        b->o->say(buf_cstr(&line));
    return true;
}

static bool drops_v3(const struct backup *b, struct slice request)
{
    struct proto_field f;
    while (request.n != 0 && proto_take(&request, &f)) {
        if (f.number == REQUEST_ATTRIBUTES)
            return drop(b, "ignoring cluster_member_attr_set");
        if (f.number == REQUEST_HEADER && !b->o->with_v3)
            return drop(b, "ignoring v3 raft entry");
    }
    return false;
}

static bool drops(const struct backup *b, const struct wal_entry *e)
{
    struct v2_request v2;
    if (e->type != RAFT_ENTRY_NORMAL)
        return drop(b, "ignoring EntryConfChange raft entry");
    if (!v2_request_find(e->data, &v2))
        return drops_v3(b, e->data);
    return v2_request_is_attributes(&v2) &&
           drop(b, "ignoring member attribute update on %.*s", (int)v2.path.n,
                (const char *)v2.path.p);
}

static void choose_entries(struct backup *b)
{
    const struct wal_entry *e = wal_entries(b->d->wal, &b->entry_n);
    b->entries = xcalloc(b->entry_n + 1, sizeof *b->entries);
    for (size_t i = 0; i < b->entry_n; i++)
        b->entries[i] =
            drops(b, &e[i]) ? (struct wal_entry){.index = e[i].index, .term = e[i].term} : e[i];
}

static enum err write_wal(struct backup *b, const struct raft_snapshot_meta *meta)
{
    struct wal_writer *w;
    enum err err = wal_writer_open(b->wal_path, b->cluster_id, b->self->id, &w, b->why);
    if (err != ERR_OK)
        return err;
    if (meta->index != 0)
        wal_writer_snapshot(w, meta);
    for (size_t i = 0; i < b->entry_n; i++)
        wal_writer_entry(w, &b->entries[i]);
    wal_writer_state(w, wal_hard_state(b->d->wal));
    return wal_writer_finish(w, b->why);
}

/* ---- the database --------------------------------------------------------------------------- */

static void put_number(struct kv_writer *w, const char *name, uint64_t v)
{
    uint8_t bytes[8];
    be64_put(bytes, v);
    w->ops->bucket_put(w, BUCKET_META, slice_str(name), slice_make(bytes, sizeof bytes));
}

static enum err write_members(void *arg, struct kv_writer *w, struct why *why)
{
    struct backup *b = arg;
    struct cluster *c = cluster_new(b->cluster_id);
    struct raft_conf_change cc;
    cluster_change_add(0, b->self, &cc);
    enum err e = cluster_apply_change(c, &cc, w);
    raft_conf_change_fini(&cc);
    if (e == ERR_OK)
        cluster_save(c, w);
    else
        e = why_set(why, e, "the member of the backup: %s", err_text(e));
    w->ops->bucket_remove(w, BUCKET_META, slice_str("confState"));
    cluster_free(c);
    return e;
}

static enum err fill_empty(struct backup *b, struct kvdb *db)
{
    const struct raft_hard_state *hs = wal_hard_state(b->d->wal);
    kvdb_begin(db);
    enum err e = write_members(b, kvdb_writer(db), b->why);
    put_number(kvdb_writer(db), "consistent_index", hs->commit);
    put_number(kvdb_writer(db), "term", hs->term);
    if (e == ERR_OK)
        return kvdb_commit(db, b->why);
    kvdb_rollback(db);
    return e;
}

static enum err write_file(struct backup *b, struct kvdb *db)
{
    struct kvdb_reader *reader = NULL;
    uint64_t size;
    char *path = xasprintf("%s/db", b->snap_path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum err e = fd == -1 ? file_fail(b->why, "create", path, errno) : ERR_OK;
    if (e == ERR_OK)
        e = kvdb_reader_open(db, &reader, b->why);
    if (e == ERR_OK)
        e = kvdb_reader_begin(reader, b->why);
    if (e == ERR_OK)
        e = snapshot_file_write(reader, fd, NULL, &size, b->why);
    if (e == ERR_OK && fsync(fd) == -1)
        e = file_fail(b->why, "sync", path, errno);
    kvdb_reader_close(reader);
    if (fd != -1)
        close(fd);
    free(path);
    return e;
}

/* By way of a database of ours, which is removed: it is what writes upstream's files. */
static enum err write_db(struct backup *b)
{
    AUTO(kvdb) struct kvdb *db = NULL;
    char *dir = xasprintf("%s/spool", b->snap_path);
    char *path = xasprintf("%s/kv.db", dir);
    struct kvdb_options o = {.create = true, .bulk = true};
    struct snapshot_restore how = {.local = write_members, .arg = b};
    enum err e = dirs_make(dir, b->why);
    if (e == ERR_OK)
        e = kvdb_open(path, &o, &db, b->why);
    if (e == ERR_OK)
        e = b->o->with_v3 ? snapshot_restore(b->d->db, db, &how, b->why) : fill_empty(b, db);
    if (e == ERR_OK)
        e = kvdb_bulk_end(db, b->why);
    if (e == ERR_OK)
        e = write_file(b, db);
    dir_remove(dir);
    free(dir);
    free(path);
    return e;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static bool is_given(const char *path)
{
    return path != NULL && path[0] != '\0';
}

static enum err make_dirs(struct backup *b)
{
    if (!dir_is_empty(b->snap_path, NULL))
        return why_set(b->why, ERR_EXISTS, "'%s' is there already", b->snap_path);
    if (wal_is_there(b->wal_path))
        return why_set(b->why, ERR_EXISTS, "'%s' holds a log already", b->wal_path);
    enum err e = dirs_make(b->snap_path, b->why);
    return e == ERR_OK ? dirs_make(b->wal_path, b->why) : e;
}

static enum err write_all(struct backup *b)
{
    struct raft_snapshot_meta meta = {0};
    enum err e = write_snap(b, &meta);
    if (e == ERR_OK)
        e = write_wal(b, &meta);
    if (e == ERR_OK)
        e = write_db(b);
    if (e == ERR_OK)
        e = path_sync(b->snap_path, b->why);
    if (e == ERR_OK)
        e = path_sync(b->wal_path, b->why);
    if (e == ERR_OK)
        e = path_sync(b->member_path, b->why);
    if (e == ERR_OK)
        e = path_sync(b->o->backup_dir, b->why);
    raft_conf_state_fini(&meta.conf_state);
    return e;
}

/* The directories may have been there; the snapshot's was empty then, and had no log. */
static void remove_made(const struct backup *b)
{
    char *log = xasprintf("%s/%016x-%016x.wal", b->wal_path, 0, 0);
    (void)unlink(log);
    free(log);
    dir_remove(b->snap_path);
    if (!is_given(b->o->backup_wal_dir))
        (void)rmdir(b->wal_path);
    (void)rmdir(b->member_path);
}

static enum err open_source(struct backup *b)
{
    struct upstream_options from = {b->o->data_dir, b->o->wal_dir, b->o->lock_wait_ms};
    return b->o->with_v3 ? upstream_dir_open(&from, &b->d, b->why)
                         : upstream_dir_open_log(&from, &b->d, b->why);
}

enum err backup_run(const struct backup_options *o, struct why *why)
{
    struct backup b = {.o = o, .cluster_id = new_id(), .self = new_self(), .why = why};
    b.member_path = xasprintf("%s/member", o->backup_dir);
    b.snap_path = xasprintf("%s/snap", b.member_path);
    b.wal_path = is_given(o->backup_wal_dir) ? xstrdup(o->backup_wal_dir)
                                             : xasprintf("%s/wal", b.member_path);
    enum err e = open_source(&b);
    if (e == ERR_OK) {
        choose_entries(&b);
        e = make_dirs(&b);
    }
    if (e == ERR_OK) {
        e = write_all(&b);
        if (e != ERR_OK)
            remove_made(&b);
    }
    upstream_dir_close(b.d);
    member_free(b.self);
    free(b.entries);
    free(b.member_path);
    free(b.snap_path);
    free(b.wal_path);
    return e;
}
