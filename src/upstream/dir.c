/* upstream/dir.c -- see dir.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "upstream/files.h"

enum { LOCK_STEP_MS = 50 };

/* ---- the lock ------------------------------------------------------------------------------- */

static void sleep_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

enum err upstream_lock_file(const char *path, msec wait_ms, int *ret_fd, struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return file_fail(why, "open", path, errno);
    int rc;
    for (msec waited = 0; (rc = flock(fd, LOCK_SH | LOCK_NB)) == -1 && errno == EWOULDBLOCK;
         waited += LOCK_STEP_MS) {
        if (wait_ms != UPSTREAM_WAIT_FOR_EVER && waited >= wait_ms)
            break;
        sleep_ms(LOCK_STEP_MS);
    }
    if (rc == 0) {
        *ret_fd = fd;
        return ERR_OK;
    }
    enum err e = errno == EWOULDBLOCK
                     ? why_set(why, ERR_LOCKED, "'%s' is in use: an etcd runs on it; stop it first",
                               path)
                     : file_fail(why, "lock", path, errno);
    close(fd);
    return e;
}

/* ---- snapshot and log ----------------------------------------------------------------------- */

/* A snapshot counts if the log mentions it as one of a committed state. */
static bool snap_may(void *arg, raft_index index, raft_term term)
{
    const struct wal *w = arg;
    size_t n;
    const struct wal_snapshot *s = wal_snapshots(w, &n);
    for (size_t i = 0; i < n; i++)
        if (s[i].index == index && s[i].term == term)
            return index <= wal_hard_state(w)->commit;
    return false;
}

static enum err open_log(struct upstream_dir *d, struct why *why)
{
    AUTO(buf) struct buf passed_over = BUF_INIT;
    enum err e = wal_open(d->wal_path, &d->wal, why);
    if (e == ERR_OK)
        e = snap_find(d->snap_path, snap_may, d->wal, &d->snap, &passed_over, why);
    if (e != ERR_OK)
        return e;
    if (passed_over.n != 0)
        buf_addf(&d->notes, "snapshots that cannot be read are passed over: %s\n",
                 buf_cstr(&passed_over));
    if (wal_torn_size(d->wal) != 0)
        buf_addf(&d->notes, "the log ends in a record that was not written whole, which never "
                 "counted; it is left out\n");
    struct wal_snapshot start = {d->snap.meta.index, d->snap.meta.term};
    e = wal_load(d->wal, start, why);
    if (e != ERR_OK)
        return e;
    size_t n;
    (void)wal_entries(d->wal, &n);
    if (wal_hard_state(d->wal)->commit > start.index + n)
        return why_set(why, ERR_DAMAGED,
                       "'%s' is damaged: it ends at entry %" PRIu64 ", but %" PRIu64
                       " were committed",
                       d->wal_path, start.index + n, wal_hard_state(d->wal)->commit);
    return ERR_OK;
}

/* ---- the database --------------------------------------------------------------------------- */

static enum err open_db_file(struct upstream_dir *d, const char *path, struct why *why)
{
    struct stat st;
    struct slice index;
    if (fstat(d->db_fd, &st) == -1)
        return file_fail(why, "look at", path, errno);
    d->db_size = (uint64_t)st.st_size;
    struct why inner = {""};
    enum err e = snapshot_reader_open(d->db_fd, d->db_size, &d->db, &inner);
    if (e == ERR_OK)
        e = snapshot_reader_check(d->db, &inner);
    if (e != ERR_OK)
        return why_set(why, e, "'%s': %s", path, inner.text);
    d->applied = 0;
    e = snapshot_reader_get(d->db, BUCKET_META, "consistent_index", &index);
    if (e == ERR_OK && index.n == 8)
        d->applied = be64_get(index.p);
    return e == ERR_OK || e == ERR_NOT_FOUND
               ? ERR_OK
               : why_set(why, e, "'%s': the meta bucket cannot be read", path);
}

/* The database of a snapshot that came from the leader, where the member died before it took it
 * up. */
static enum err open_received(struct upstream_dir *d, struct why *why)
{
    char *path = xasprintf("%s/%016" PRIx64 ".snap.db", d->snap_path, d->snap.meta.index);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err e = ERR_OK;
    if (fd == -1) {
        e = why_set(why, ERR_DAMAGED,
                    "'%s': the key database stands at entry %" PRIu64 ", before the snapshot at "
                    "%" PRIu64 ", and '%s' is not there",
                    d->path, d->applied, d->snap.meta.index, path);
    } else {
        snapshot_reader_close(d->db);
        d->db = NULL;
        int locked = d->db_fd;
        d->db_fd = fd;
        e = open_db_file(d, path, why);
        d->db_fd = locked;
        close(fd);
        if (d->applied < d->snap.meta.index)
            d->applied = d->snap.meta.index;
    }
    free(path);
    return e;
}

static enum err open_db(struct upstream_dir *d, msec wait_ms, struct why *why)
{
    char *path = xasprintf("%s/db", d->snap_path);
    enum err e = upstream_lock_file(path, wait_ms, &d->db_fd, why);
    if (e == ERR_NOT_FOUND)
        e = why_set(why, e, "'%s' has no key database (member/snap/db): it is no data directory of "
                    "etcd 3.x", d->path);
    if (e == ERR_OK)
        e = open_db_file(d, path, why);
    free(path);
    return e;
}

static enum err check_fit(struct upstream_dir *d, struct why *why)
{
    size_t n;
    (void)wal_entries(d->wal, &n);
    enum err e = d->applied < d->snap.meta.index ? open_received(d, why) : ERR_OK;
    if (e == ERR_OK && d->applied > d->snap.meta.index + n)
        e = why_set(why, ERR_DAMAGED,
                    "'%s': the key database stands at entry %" PRIu64 ", but the log ends at "
                    "%" PRIu64 ": one of them lost data, or they are not of one member",
                    d->path, d->applied, d->snap.meta.index + n);
    return e;
}

/* ---- opening -------------------------------------------------------------------------------- */

static struct upstream_dir *dir_new(const struct upstream_options *o)
{
    struct upstream_dir *d = xcalloc(1, sizeof *d);
    d->db_fd = -1;
    d->path = xstrdup(o->path);
    d->snap_path = xasprintf("%s/member/snap", o->path);
    d->wal_path = o->wal_dir != NULL && o->wal_dir[0] != '\0'
                      ? xstrdup(o->wal_dir)
                      : xasprintf("%s/member/wal", o->path);
    return d;
}

bool upstream_dir_is(const char *path, const char *wal_dir)
{
    struct upstream_options o = {.path = path, .wal_dir = wal_dir};
    struct upstream_dir *d = dir_new(&o);
    char *db = xasprintf("%s/db", d->snap_path);
    bool is = access(db, F_OK) == 0 || wal_is_there(d->wal_path);
    free(db);
    upstream_dir_close(d);
    return is;
}

enum err upstream_dir_open_log(const struct upstream_options *o, struct upstream_dir **ret,
                               struct why *why)
{
    AUTO(upstream_dir) struct upstream_dir *d = dir_new(o);
    enum err e = open_log(d, why);
    if (e != ERR_OK)
        return e;
    *ret = d;
    d = NULL;
    return ERR_OK;
}

enum err upstream_dir_open(const struct upstream_options *o, struct upstream_dir **ret,
                           struct why *why)
{
    AUTO(upstream_dir) struct upstream_dir *d = dir_new(o);
    enum err e = open_db(d, o->lock_wait_ms, why);
    if (e == ERR_OK)
        e = open_log(d, why);
    if (e == ERR_OK)
        e = check_fit(d, why);
    if (e != ERR_OK)
        return e;
    *ret = d;
    d = NULL;
    return ERR_OK;
}

void upstream_dir_close(struct upstream_dir *d)
{
    if (d == NULL)
        return;
    snapshot_reader_close(d->db);
    snap_fini(&d->snap);
    wal_close(d->wal);
    if (d->db_fd != -1)
        close(d->db_fd);
    buf_fini(&d->notes);
    free(d->path);
    free(d->snap_path);
    free(d->wal_path);
    free(d);
}
