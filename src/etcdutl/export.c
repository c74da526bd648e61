/* etcdutl/export.c -- see export.h.
 *
 * A member that stops as it should has applied all of its log, and so there is hardly an entry
 * behind the snapshot. What is there the target must know, or it would stop for ever; the cluster
 * version is lowered to what it serves, which is harmless in a cluster of one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdutl/export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apply/entry.h"
#include "etcdutl/marks.h"
#include "etcdutl/member_dir.h"
#include "etcdutl/target.h"
#include "membership/v2_tree.h"
#include "storage/snapshot_file.h"
#include "upstream/files.h"
#include "upstream/snap.h"
#include "upstream/wal_writer.h"

struct export {
    const struct export_options *o;
    struct member_dir *m;
    char version[CLUSTER_VERSION_MAX]; /* of the cluster, as the target gets it; "" if undecided */
    bool has_storage_version;          /* the target knows of it */
    struct why *why;
};

/* ---- what the target understands ------------------------------------------------------------- */

static enum err check_entry(struct export *x, const struct raft_entry *e)
{
    unsigned minor = (unsigned)strtoul(strchr(x->o->target, '.') + 1, NULL, 10);
    struct arena *arena = arena_new();
    struct entry entry;
    bool is_known = e->type == RAFT_ENTRY_CONF_CHANGE;
    if (e->type == RAFT_ENTRY_NORMAL)
        is_known = e->data == NULL || e->data->n == 0 ||
                   (entry_decode(blob_slice(e->data), arena, &entry) == ERR_OK &&
                    (entry.v2 != NULL || entry_is_known_to(entry.req, 3, minor)));
    arena_free(arena);
    if (is_known)
        return ERR_OK;
    return why_set(x->why, ERR_INVALID,
                   "the log has an entry (%" PRIu64 ") that is not applied yet and that etcd %s "
                   "does not know: start etcd once, stop it with SIGTERM, and export again",
                   e->index, x->o->target);
}

static enum err check_target(struct export *x)
{
    static const char *const targets[] = {"3.4", "3.5", "3.6", "3.7"};
    for (size_t i = 0; i < ARRAY_LEN(targets); i++)
        if (strcmp(x->o->target, targets[i]) == 0)
            return ERR_OK;
    return why_set(x->why, ERR_INVALID, "--target-version is one of 3.4, 3.5, 3.6, 3.7");
}

static enum err check_state(struct export *x)
{
    const struct member_dir *m = x->m;
    const char *version = cluster_version(m->cluster);
    if (m->applied == 0)
        return why_set(x->why, ERR_INVALID, "'%s' has no state yet: nothing was ever applied",
                       x->o->data_dir);
    bool lowers = version != NULL && version_cmp(version, x->o->target) > 0;
    if (lowers && cluster_size(m->cluster) > 1)
        return why_set(x->why, ERR_INVALID,
                       "the cluster has %zu members and is at version %s: lower that first "
                       "(etcdctl downgrade enable %s), then export one member after the other",
                       cluster_size(m->cluster), version, x->o->target);
    if (lowers)
        snprintf(x->version, sizeof x->version, "%s.0", x->o->target);
    else if (version != NULL)
        snprintf(x->version, sizeof x->version, "%s", version);
    x->has_storage_version = version_cmp(x->o->target, "3.6") >= 0;
    enum err e = ERR_OK;
    for (size_t i = 0; i < m->entries.n && e == ERR_OK; i++)
        if (m->entries.v[i].index > m->applied)
            e = check_entry(x, &m->entries.v[i]);
    return e;
}

/* ---- the files ------------------------------------------------------------------------------ */

static bool filter_row(void *arg, const char *bucket, struct slice key, struct slice *value)
{
    struct export *x = arg;
    bool is_cluster = strcmp(bucket, BUCKET_CLUSTER) == 0;
    if (is_cluster && slice_is(key, "downgrade"))
        return version_cmp(x->o->target, "3.5") >= 0;
    if (is_cluster && slice_is(key, "clusterVersion"))
        *value = slice_str(x->version);
    if (strcmp(bucket, BUCKET_META) == 0 && slice_is(key, "storageVersion")) {
        *value = slice_str(x->version);
        return x->has_storage_version;
    }
    return true;
}

static enum err write_db(struct export *x, const char *snap_dir)
{
    struct snapshot_filter filter = {filter_row, x};
    char *path = xasprintf("%s/db", snap_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    uint64_t size;
    enum err e = fd == -1 ? file_fail(x->why, "create", path, errno) : ERR_OK;
    if (e == ERR_OK)
        e = snapshot_file_write_filtered(x->m->reader, fd, &filter, &size, x->why);
    if (fd != -1)
        close(fd);
    free(path);
    return e;
}

/* The tree says the version that the target gets. */
static enum err make_tree(struct export *x, struct buf *tree)
{
    enum err e = ERR_OK;
    kvdb_begin(x->m->kv);
    if (x->version[0] != '\0')
        e = cluster_set_version(x->m->cluster, x->version, kvdb_writer(x->m->kv));
    kvdb_rollback(x->m->kv);
    cluster_add_v2_json(x->m->cluster, tree);
    return e;
}

static enum err write_wal(struct export *x, const char *wal_dir,
                          const struct raft_snapshot_meta *meta)
{
    const struct member_dir *m = x->m;
    struct wal_writer *w;
    struct raft_hard_state hs = m->start.hard_state;
    if (hs.commit < m->applied)
        hs.commit = m->applied;
    enum err e = wal_writer_open(wal_dir, m->start.cluster_id, m->start.member_id, &w, x->why);
    if (e != ERR_OK)
        return e;
    wal_writer_snapshot(w, meta);
    for (size_t i = 0; i < m->entries.n; i++) {
        const struct raft_entry *r = &m->entries.v[i];
        const struct wal_entry entry = {r->index, r->term, r->type, blob_slice(r->data)};
        if (r->index > m->applied)
            wal_writer_entry(w, &entry);
    }
    wal_writer_state(w, &hs);
    return wal_writer_finish(w, x->why);
}

static enum err write_snap_and_wal(struct export *x, const char *snap_dir, const char *wal_dir)
{
    AUTO(buf) struct buf tree = BUF_INIT;
    struct raft_snapshot_meta meta = {.index = x->m->applied, .term = x->m->applied_term};
    meta.conf_state = conf_state_of_cluster(x->m->cluster);
    enum err e = make_tree(x, &tree);
    if (e == ERR_OK)
        e = snap_create(snap_dir, &meta, buf_slice(&tree), x->why);
    if (e == ERR_OK)
        e = write_wal(x, wal_dir, &meta);
    raft_conf_state_fini(&meta.conf_state);
    return e;
}

static enum err write_all(struct export *x, struct target *t)
{
    char *snap_dir = xasprintf("%s/snap", target_path(t));
    char *wal_dir = xasprintf("%s/wal", target_path(t));
    enum err e = dirs_make(snap_dir, x->why);
    if (e == ERR_OK)
        e = dirs_make(wal_dir, x->why);
    if (e == ERR_OK)
        e = write_db(x, snap_dir);
    if (e == ERR_OK)
        e = write_snap_and_wal(x, snap_dir, wal_dir);
    free(snap_dir);
    free(wal_dir);
    return e;
}

static enum err run(struct export *x)
{
    AUTO(target) struct target *t = NULL;
    struct target_options target = {.data_dir = x->o->to, .owner_like = x->o->data_dir};
    enum err e = check_target(x);
    if (e == ERR_OK)
        e = member_dir_open(x->o->data_dir, x->o->wal_dir, x->o->lock_wait_ms, &x->m, x->why);
    if (e == ERR_OK)
        e = check_state(x);
    if (e == ERR_OK)
        e = target_begin(&target, &t, x->why);
    if (e == ERR_OK)
        e = write_all(x, t);
    return e == ERR_OK ? target_finish(t, NULL, x->why) : e;
}

enum err export_run(const struct export_options *o, struct export_report *ret, struct why *why)
{
    struct export x = {.o = o, .why = why};
    *ret = (struct export_report){0};
    enum err e = run(&x);
    if (e == ERR_OK)
        *ret = (struct export_report){x.m->start.cluster_id, x.m->start.member_id, x.m->applied,
                                      x.m->start.last_index};
    member_dir_close(x.m);
    return e;
}
