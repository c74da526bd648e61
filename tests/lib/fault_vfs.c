/* tests/lib/fault_vfs.c -- see fault_vfs.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fault_vfs.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/random.h"

enum { SECTOR = 512 };

/* A file by name, and its bytes as of the last sync. */
struct shadow {
    struct list link; /* in its disk */
    struct fault_disk *disk;
    char *path;
    struct buf synced;
    int64_t from, to; /* where the file may differ from that */
};

struct fault_disk {
    struct list link; /* in `disks` */
    char *prefix;
    uint64_t ops;
    uint64_t fail_at;
    enum fault_kind kind;
    bool has_failed;
    bool is_off;
    int64_t room;      /* bytes until it is full; -1: any */
    struct list files; /* shadow.link */
};

static struct fault_disk common = {.link = {&common.link, &common.link},
                                   .files = {&common.files, &common.files}};
static struct list disks = {&disks, &disks};

/* An open file: ours in front, the real one behind. */
struct fault_file {
    sqlite3_file base;
    struct shadow *shadow; /* NULL: a file without a name */
    sqlite3_file *real;
};

static sqlite3_vfs *real_vfs;

/* ---- faults --------------------------------------------------------------------------------- */

/* Count an operation; true if it must fail. */
static bool op_fails(struct fault_disk *d)
{
    d->ops++;
    bool is_later = d->kind == FAULT_FROM_THEN || d->kind == FAULT_POWER_OFF;
    bool fails = d->kind != FAULT_NONE && d->fail_at != 0 &&
                 (d->ops == d->fail_at || (is_later && d->ops > d->fail_at));
    if (fails && d->kind == FAULT_POWER_OFF)
        d->is_off = true;
    if (fails || d->is_off)
        d->has_failed = true;
    return fails || d->is_off;
}

static bool is_full(struct fault_disk *d, int n)
{
    if (d->room < 0)
        return false;
    if (d->room < n) {
        d->has_failed = true;
        return true;
    }
    d->room -= n;
    return false;
}

static struct fault_disk *disk_of(const char *path)
{
    struct fault_disk *d;
    LIST_FOREACH (d, &disks, struct fault_disk, link)
        if (strncmp(path, d->prefix, strlen(d->prefix)) == 0)
            return d;
    return &common;
}

/* ---- what survives -------------------------------------------------------------------------- */

static void grow_with_zeros(struct buf *b, size_t n)
{
    if (n <= b->n)
        return;
    memset(buf_reserve(b, n - b->n), 0, n - b->n);
    b->n = n;
}

/* Bring `b` up to the file, which differs from it between `from` and `to` only. */
static void read_file(const char *path, struct buf *b, int64_t from, int64_t to)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st = {.st_size = 0};
    if (fd != -1 && fstat(fd, &st) == 0) {
        grow_with_zeros(b, (size_t)st.st_size);
        if (to > st.st_size)
            to = st.st_size;
        if (from < to) {
            ssize_t n = pread(fd, b->p + from, (size_t)(to - from), from);
            invariant(n == to - from);
        }
    }
    b->n = (size_t)st.st_size;
    if (fd != -1)
        close(fd);
}

static void write_file(const char *path, const struct buf *b)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd == -1)
        return; /* it was deleted */
    ssize_t n = pwrite(fd, b->p, b->n, 0);
    invariant(n == (ssize_t)b->n);
    close(fd);
}

static void shadow_sync(struct shadow *s)
{
    read_file(s->path, &s->synced, s->from, s->to);
    s->from = INT64_MAX;
    s->to = 0;
}

static void shadow_touch(struct shadow *s, int64_t from, int64_t to)
{
    if (s != NULL && from < s->from)
        s->from = from;
    if (s != NULL && to > s->to)
        s->to = to;
}

static struct shadow *shadow_get(const char *path)
{
    struct shadow *s;
    struct fault_disk *d = disk_of(path);
    LIST_FOREACH (s, &d->files, struct shadow, link)
        if (strcmp(s->path, path) == 0)
            return s;
    s = xcalloc(1, sizeof *s);
    s->disk = d;
    s->path = xstrdup(path);
    s->to = INT64_MAX;
    list_add_tail(&d->files, &s->link);
    shadow_sync(s);
    return s;
}

/* Let a choice of the sectors of `now` reach `image`, and one of the two lengths. */
static void mix_sectors(struct buf *image, const struct buf *now, struct rng *rng)
{
    size_t length = rng_below(rng, 2) ? now->n : image->n;
    grow_with_zeros(image, now->n);
    for (size_t at = 0; at < now->n; at += SECTOR) {
        size_t n = now->n - at < SECTOR ? now->n - at : SECTOR;
        if (memcmp(image->p + at, now->p + at, n) != 0 && rng_below(rng, 2))
            memcpy(image->p + at, now->p + at, n);
    }
    image->n = length;
}

/* Give the file the bytes that survived. */
static void shadow_restore(struct shadow *s, enum fault_loss loss, struct rng *rng)
{
    AUTO(buf) struct buf now = BUF_INIT;
    if (loss == FAULT_LOSE_NOTHING)
        return;
    read_file(s->path, &now, 0, INT64_MAX);
    if (loss == FAULT_LOSE_SECTORS)
        mix_sectors(&s->synced, &now, rng);
    write_file(s->path, &s->synced);
    s->from = INT64_MAX;
    s->to = 0;
}

void fault_disk_power_on(struct fault_disk *d, enum fault_loss loss, uint64_t seed)
{
    struct rng rng = {seed};
    struct shadow *s;
    LIST_FOREACH (s, &d->files, struct shadow, link)
        shadow_restore(s, loss, &rng);
    d->is_off = d->has_failed = false;
    d->kind = FAULT_NONE;
}

/* ---- files ---------------------------------------------------------------------------------- */

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct fault_file *)f)->real;
}

static struct shadow *shadow_of(sqlite3_file *f)
{
    return ((struct fault_file *)f)->shadow;
}

/* A file without a name is temporary: on the common disk. */
static struct fault_disk *disk_of_file(sqlite3_file *f)
{
    return shadow_of(f) != NULL ? shadow_of(f)->disk : &common;
}

static int file_close(sqlite3_file *f)
{
    sqlite3_file *real = real_of(f);
    return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (op_fails(disk_of_file(f)))
        return SQLITE_IOERR_WRITE;
    if (is_full(disk_of_file(f), n))
        return SQLITE_FULL;
    shadow_touch(shadow_of(f), at, at + n);
    return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    if (op_fails(disk_of_file(f)))
        return SQLITE_IOERR_TRUNCATE;
    shadow_touch(shadow_of(f), size, INT64_MAX);
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int file_sync(sqlite3_file *f, int flags)
{
    (void)flags;
    if (op_fails(disk_of_file(f)))
        return SQLITE_IOERR_FSYNC;
    if (shadow_of(f) != NULL)
        shadow_sync(shadow_of(f));
    return SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int file_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int file_check_lock(sqlite3_file *f, int *is_locked)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), is_locked);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int file_sector_size(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int file_characteristics(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int file_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **p)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, p);
}

static int file_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int file_shm_unmap(sqlite3_file *f, int is_deleted)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), is_deleted);
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2, /* no memory mapping: it would go past us */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

/* ---- the VFS -------------------------------------------------------------------------------- */

/* A file that is not there yet has no bytes that could come back. */
static struct shadow *shadow_open(const char *name)
{
    struct shadow *s = shadow_get(name);
    if (access(name, F_OK) == -1)
        shadow_sync(s);
    return s;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    (void)vfs;
    struct fault_file *file = (struct fault_file *)f;
    *file = (struct fault_file){.real = (sqlite3_file *)(file + 1)};
    if (op_fails(name ? disk_of(name) : &common))
        return SQLITE_CANTOPEN;
    file->shadow = name ? shadow_open(name) : NULL;
    int rc = real_vfs->xOpen(real_vfs, name, file->real, flags, ret_flags);
    if (rc == SQLITE_OK)
        file->base.pMethods = &file_methods;
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs;
    (void)sync_dir;
    if (op_fails(disk_of(name)))
        return SQLITE_IOERR_DELETE;
    buf_clear(&shadow_get(name)->synced);
    return real_vfs->xDelete(real_vfs, name, 0);
}

static void vfs_register(void)
{
    static sqlite3_vfs vfs;
    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs; /* what is not about files is the real one's */
    vfs.pNext = NULL;
    vfs.zName = FAULT_VFS;
    vfs.szOsFile = (int)sizeof(struct fault_file) + real_vfs->szOsFile;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    sqlite3_vfs_register(&vfs, 0);
}

/* ---- disks ------------------------------------------------------------------------------------
 */

static void disk_init(struct fault_disk *d)
{
    *d = (struct fault_disk){.room = -1};
    list_init(&d->link);
    list_init(&d->files);
}

static void disk_fini(struct fault_disk *d)
{
    struct shadow *s;
    LIST_FOREACH (s, &d->files, struct shadow, link) {
        free(s->path);
        buf_fini(&s->synced);
        free(s);
    }
    free(d->prefix);
}

struct fault_disk *fault_vfs_disk(const char *prefix)
{
    struct fault_disk *d = xcalloc(1, sizeof *d);
    disk_init(d);
    d->prefix = xstrdup(prefix);
    list_add_head(&disks, &d->link); /* the newest is asked first */
    return d;
}

void fault_vfs_reset(void)
{
    struct fault_disk *d;
    if (real_vfs == NULL)
        vfs_register();
    LIST_FOREACH (d, &disks, struct fault_disk, link) {
        list_unlink(&d->link);
        disk_fini(d);
        free(d);
    }
    disk_fini(&common);
    disk_init(&common);
}

uint64_t fault_disk_ops(const struct fault_disk *d)
{
    return d->ops;
}

void fault_disk_fail(struct fault_disk *d, uint64_t n, enum fault_kind kind)
{
    d->fail_at = n;
    d->kind = kind;
}

void fault_disk_fill_after(struct fault_disk *d, int64_t bytes)
{
    d->room = bytes;
}

bool fault_disk_has_failed(const struct fault_disk *d)
{
    return d->has_failed;
}

void fault_disk_power_off(struct fault_disk *d)
{
    d->is_off = true;
}

/* ---- the common disk --------------------------------------------------------------------------
 */

uint64_t fault_vfs_ops(void)
{
    return fault_disk_ops(&common);
}

void fault_vfs_fail(uint64_t n, enum fault_kind kind)
{
    fault_disk_fail(&common, n, kind);
}

void fault_vfs_fill_after(int64_t bytes)
{
    fault_disk_fill_after(&common, bytes);
}

bool fault_vfs_has_failed(void)
{
    return fault_disk_has_failed(&common);
}

void fault_vfs_power_off(void)
{
    fault_disk_power_off(&common);
}

void fault_vfs_power_on(enum fault_loss loss, uint64_t seed)
{
    fault_disk_power_on(&common, loss, seed);
}
