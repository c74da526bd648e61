/* etcdutl/member_dir.c -- see member_dir.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdutl/member_dir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_STEP_MS = 50 };

enum err member_dir_check_writable(const char *path, struct why *why)
{
    if (access(path, W_OK) == 0 || (errno != EROFS && errno != EACCES))
        return ERR_OK;
    return why_set(why, ERR_IO,
                   "'%s' cannot be written (%s), which is needed for a look into it too: %s", path,
                   strerror(errno),
                   errno == EROFS ? "copy the data directory to another place, and name that"
                                  : "run etcdutl as the user that it belongs to, or as root");
}

static enum err open_dir(struct member_dir *m, const char *path, const char *wal_dir, msec wait_ms,
                         struct why *why)
{
    struct data_dir_options o = {.path = path, .wal_dir = wal_dir, .create = false};
    struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000L};
    char *member = xasprintf("%s/member", path);
    enum err e = member_dir_check_writable(member, why);
    free(member);
    if (e != ERR_OK)
        return e;
    for (msec waited = 0; (e = data_dir_open(&o, &m->dir, why)) == ERR_LOCKED;
         waited += LOCK_STEP_MS) {
        if (wait_ms >= 0 && waited >= wait_ms)
            break;
        (void)nanosleep(&step, NULL);
    }
    if (e == ERR_OK && !data_dir_has_kv(m->dir))
        e = why_set(why, ERR_NOT_FOUND, "'%s' is not there", data_dir_kv_path(m->dir));
    return e;
}

static enum err open_kv(struct member_dir *m, struct why *why)
{
    struct kvdb_options o = {.create = false};
    enum err e = kvdb_open(data_dir_kv_path(m->dir), &o, &m->kv, why);
    if (e == ERR_OK)
        e = kvdb_reader_open(m->kv, &m->reader, why);
    return e == ERR_OK ? kvdb_reader_begin(m->reader, why) : e;
}

/* ---- the log -------------------------------------------------------------------------------- */

static void add_entry(void *arg, const struct raft_entry *e)
{
    struct member_dir *m = arg;
    raft_entries_add(&m->entries, e, 1);
    if (e->index == m->applied)
        m->applied_term = e->term;
}

static enum err read_applied(struct member_dir *m, struct why *why)
{
    struct slice v;
    enum err e = kvdb_reader_bucket_get(m->reader, BUCKET_META, slice_str("consistent_index"), &v);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    if (e != ERR_OK || v.n != 8)
        return why_set(why, ERR_DAMAGED, "'%s': its meta bucket cannot be read",
                       data_dir_kv_path(m->dir));
    m->applied = be64_get(v.p);
    return ERR_OK;
}

static enum err load_log(struct member_dir *m, struct why *why)
{
    struct logdb_options o = {.create = false};
    enum err e = read_applied(m, why);
    if (e == ERR_OK)
        e = logdb_open(data_dir_log_path(m->dir), &o, &m->log, why);
    if (e == ERR_OK)
        e = logdb_load(m->log, add_entry, m, &m->start, why);
    if (e != ERR_OK)
        return e;
    if (m->applied == m->start.trimmed_index)
        m->applied_term = m->start.trimmed_term;
    if (m->applied < m->start.trimmed_index || m->applied > m->start.last_index)
        return why_set(why, ERR_DAMAGED,
                       "'%s' stands at entry %" PRIu64 ", but '%s' holds %" PRIu64 " to %" PRIu64
                       ": they are not of one member, or one of them lost data",
                       data_dir_kv_path(m->dir), m->applied, data_dir_log_path(m->dir),
                       m->start.trimmed_index, m->start.last_index);
    return ERR_OK;
}

/* The writer reads only inside of a transaction; this one writes nothing. */
static enum err load_cluster(struct member_dir *m, struct why *why)
{
    m->cluster = cluster_new(m->start.cluster_id);
    kvdb_begin(m->kv);
    enum err e = cluster_load(m->cluster, kvdb_writer(m->kv), why);
    kvdb_rollback(m->kv);
    return e;
}

/* ---- opening -------------------------------------------------------------------------------- */

enum err member_dir_open_kv(const char *path, const char *wal_dir, msec lock_wait_ms,
                            struct member_dir **ret, struct why *why)
{
    AUTO(member_dir) struct member_dir *m = xcalloc(1, sizeof *m);
    enum err e = open_dir(m, path, wal_dir, lock_wait_ms, why);
    if (e == ERR_OK)
        e = open_kv(m, why);
    if (e != ERR_OK)
        return e;
    *ret = m;
    m = NULL;
    return ERR_OK;
}

enum err member_dir_open(const char *path, const char *wal_dir, msec lock_wait_ms,
                         struct member_dir **ret, struct why *why)
{
    AUTO(member_dir) struct member_dir *m = NULL;
    enum err e = member_dir_open_kv(path, wal_dir, lock_wait_ms, &m, why);
    if (e == ERR_OK)
        e = load_log(m, why);
    if (e == ERR_OK)
        e = load_cluster(m, why);
    if (e != ERR_OK)
        return e;
    *ret = m;
    m = NULL;
    return ERR_OK;
}

void member_dir_close_databases(struct member_dir *m)
{
    logdb_close(m->log);
    kvdb_reader_close(m->reader);
    kvdb_close(m->kv);
    m->log = NULL;
    m->reader = NULL;
    m->kv = NULL;
}

void member_dir_close(struct member_dir *m)
{
    if (m == NULL)
        return;
    cluster_free(m->cluster);
    raft_entries_fini(&m->entries);
    member_dir_close_databases(m);
    data_dir_close(m->dir);
    free(m);
}
