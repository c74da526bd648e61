/* etcdutl/db_file.c -- see db_file.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdutl/db_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "etcdutl/member_dir.h"
#include "iface/kv_wire.h"
#include "storage/kvdb.h"
#include "storage/snapshot_reader.h"
#include "upstream/dir.h"
#include "upstream/files.h"

enum { BUCKETS_MAX = 1024 };

static const char sqlite_magic[] = "SQLite format 3";

struct db_file {
    bool owns;
    /* ours */
    struct kvdb *kvdb;
    struct kvdb_reader *reader;
    int64_t size;
    /* upstream's */
    const struct snapshot_reader *snapshot;
    struct snapshot_reader *own_snapshot;
    int fd;
};

static const char *const our_buckets[] = {
    BUCKET_ALARM, BUCKET_AUTH,  BUCKET_AUTH_ROLES, BUCKET_AUTH_USERS,      BUCKET_CLUSTER,
    "key",        BUCKET_LEASE, BUCKET_MEMBERS,    BUCKET_MEMBERS_REMOVED, BUCKET_META,
};

/* ---- opening -------------------------------------------------------------------------------- */

static struct db_file *file_new(void)
{
    struct db_file *f = xcalloc(1, sizeof *f);
    f->fd = -1;
    return f;
}

struct db_file *db_file_of_kvdb(struct kvdb_reader *r)
{
    struct db_file *f = file_new();
    f->reader = r;
    return f;
}

struct db_file *db_file_of_snapshot(const struct snapshot_reader *r)
{
    struct db_file *f = file_new();
    f->snapshot = r;
    return f;
}

static enum err open_ours(struct db_file *f, const char *path, struct why *why)
{
    struct kvdb_options o = {.create = false};
    int64_t in_use;
    char *copy = xstrdup(path);
    enum err e = member_dir_check_writable(dirname(copy), why);
    free(copy);
    if (e == ERR_OK)
        e = kvdb_open(path, &o, &f->kvdb, why);
    if (e != ERR_OK)
        return e;
    kvdb_size(f->kvdb, &f->size, &in_use);
    e = kvdb_reader_open(f->kvdb, &f->reader, why);
    return e == ERR_OK ? kvdb_reader_begin(f->reader, why) : e;
}

static enum err open_upstream(struct db_file *f, const char *path, uint64_t size, msec wait_ms,
                              struct why *why)
{
    struct why inner = {""};
    enum err e = upstream_lock_file(path, wait_ms, &f->fd, why);
    if (e != ERR_OK)
        return e;
    e = snapshot_reader_open(f->fd, size, &f->own_snapshot, &inner);
    if (e != ERR_OK)
        return why_set(why, e, "%s: %s", path, inner.text);
    f->snapshot = f->own_snapshot;
    return ERR_OK;
}

static bool is_ours(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char magic[sizeof sqlite_magic] = "";
    bool is = fd != -1 && read(fd, magic, sizeof magic) == (ssize_t)sizeof magic &&
              memcmp(magic, sqlite_magic, sizeof magic) == 0;
    if (fd != -1)
        close(fd);
    return is;
}

enum err db_file_open(const char *path, msec lock_wait_ms, struct db_file **ret, struct why *why)
{
    struct stat st;
    if (stat(path, &st) == -1)
        return file_fail(why, "stat", path, errno);
    if (!S_ISREG(st.st_mode))
        return why_set(why, ERR_INVALID, "%s: not a file", path);
    AUTO(db_file) struct db_file *f = file_new();
    f->owns = true;
    enum err e = is_ours(path) ? open_ours(f, path, why)
                               : open_upstream(f, path, (uint64_t)st.st_size, lock_wait_ms, why);
    if (e != ERR_OK)
        return e;
    *ret = f;
    f = NULL;
    return ERR_OK;
}

void db_file_close(struct db_file *f)
{
    if (f == NULL)
        return;
    if (f->owns)
        kvdb_reader_close(f->reader);
    kvdb_close(f->kvdb);
    snapshot_reader_close(f->own_snapshot);
    if (f->fd != -1)
        close(f->fd);
    free(f);
}

/* ---- looking -------------------------------------------------------------------------------- */

enum err db_file_check(struct db_file *f, struct why *why)
{
    return f->snapshot != NULL ? snapshot_reader_check(f->snapshot, why)
                               : kvdb_reader_check(f->reader, why);
}

enum err db_file_rows(struct db_file *f, bool (*visit)(void *arg, const struct kv_row *row),
                      void *arg, struct why *why)
{
    if (f->snapshot != NULL)
        return snapshot_reader_rows(f->snapshot, visit, arg, why);
    struct kv_reader *kv = kvdb_reader_kv(f->reader);
    enum err e = kv->ops->scan(kv, 0, INT64_MAX, visit, arg);
    return e == ERR_OK ? ERR_OK : why_set(why, e, "read the history: %s", err_text(e));
}

struct row_pairs {
    const struct db_file_visitor *v;
    struct buf value;
};

static bool visit_row_pair(void *arg, const struct kv_row *row)
{
    struct row_pairs *p = arg;
    uint8_t key[18];
    size_t n = kv_wire_rev_key(key, row);
    buf_clear(&p->value);
    uint8_t *at = buf_reserve(&p->value, kv_wire_size(row));
    p->value.n = (size_t)(kv_wire_put(at, row) - at);
    return p->v->pair(p->v->arg, slice_make(key, n), buf_slice(&p->value));
}

static enum err all_of_ours(struct db_file *f, const struct db_file_visitor *v, struct why *why)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(our_buckets) && e == ERR_OK; i++) {
        v->bucket(v->arg, our_buckets[i]);
        if (strcmp(our_buckets[i], "key") == 0) {
            struct row_pairs p = {.v = v};
            e = db_file_rows(f, visit_row_pair, &p, why);
            buf_fini(&p.value);
        } else {
            e = kvdb_reader_bucket_scan(f->reader, our_buckets[i], v->pair, v->arg);
            if (e != ERR_OK)
                (void)why_set(why, e, "read bucket '%s': %s", our_buckets[i], err_text(e));
        }
    }
    return e;
}

struct names {
    char *v[BUCKETS_MAX];
    size_t n;
};

static bool see_name(void *arg, struct slice key, struct slice value)
{
    struct names *l = arg;
    (void)value;
    if (l->n == BUCKETS_MAX)
        return false;
    l->v[l->n++] = xstrndup((const char *)key.p, key.n);
    return true;
}

static enum err all_of_upstream(struct db_file *f, const struct db_file_visitor *v, struct why *why)
{
    struct names *l = xcalloc(1, sizeof *l);
    enum err e = snapshot_reader_scan(f->snapshot, NULL, see_name, l, why);
    for (size_t i = 0; i < l->n && e == ERR_OK; i++) {
        v->bucket(v->arg, l->v[i]);
        e = snapshot_reader_scan(f->snapshot, l->v[i], v->pair, v->arg, why);
    }
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l);
    return e;
}

enum err db_file_all(struct db_file *f, const struct db_file_visitor *v, struct why *why)
{
    return f->snapshot != NULL ? all_of_upstream(f, v, why) : all_of_ours(f, v, why);
}

enum err db_file_get(struct db_file *f, const char *bucket, const char *key, struct slice *ret)
{
    return f->snapshot != NULL
               ? snapshot_reader_get(f->snapshot, bucket, key, ret)
               : kvdb_reader_bucket_get(f->reader, bucket, slice_str(key), ret);
}

static bool count_pair(void *arg, struct slice key, struct slice value)
{
    (void)key;
    (void)value;
    ++*(size_t *)arg;
    return true;
}

size_t db_file_count(struct db_file *f, const char *bucket)
{
    size_t n = 0;
    enum err e = f->snapshot != NULL
                     ? snapshot_reader_scan(f->snapshot, bucket, count_pair, &n, NULL)
                     : kvdb_reader_bucket_scan(f->reader, bucket, count_pair, &n);
    return e == ERR_OK ? n : 0;
}

int64_t db_file_size(struct db_file *f)
{
    return f->snapshot != NULL ? (int64_t)snapshot_reader_size(f->snapshot) : f->size;
}
