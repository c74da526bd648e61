/* tests/lib/fault_vfs.c -- see fault_vfs.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fault_vfs.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/random.h"

enum { FILES_MAX = 16, SECTOR = 512 };

/* A file by name, and its bytes as of the last sync. */
struct shadow {
    char *path;
    struct buf synced;
};

static struct disk {
    uint64_t ops;
    uint64_t fail_at;
    enum fault_kind kind;
    bool has_failed;
    bool is_off;
    int64_t room; /* bytes until it is full; -1: any */
    struct shadow files[FILES_MAX];
    size_t files_n;
} disk;

/* An open file: ours in front, the real one behind. */
struct fault_file {
    sqlite3_file base;
    struct shadow *shadow; /* NULL: a file without a name */
    sqlite3_file *real;
};

static sqlite3_vfs *real_vfs;

/* ---- faults --------------------------------------------------------------------------------- */

/* Count an operation; true if it must fail. */
static bool op_fails(void)
{
    disk.ops++;
    bool is_later = disk.kind == FAULT_FROM_THEN || disk.kind == FAULT_POWER_OFF;
    bool fails = disk.kind != FAULT_NONE && disk.fail_at != 0 &&
                 (disk.ops == disk.fail_at || (is_later && disk.ops > disk.fail_at));
    if (fails && disk.kind == FAULT_POWER_OFF)
        disk.is_off = true;
    if (fails || disk.is_off)
        disk.has_failed = true;
    return fails || disk.is_off;
}

static bool is_full(int n)
{
    if (disk.room < 0)
        return false;
    if (disk.room < n) {
        disk.has_failed = true;
        return true;
    }
    disk.room -= n;
    return false;
}

/* ---- what survives -------------------------------------------------------------------------- */

static void read_file(const char *path, struct buf *b)
{
    buf_clear(b);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd != -1 && fstat(fd, &st) == 0) {
        uint8_t *p = buf_reserve(b, (size_t)st.st_size);
        ssize_t n = pread(fd, p, (size_t)st.st_size, 0);
        b->n = n > 0 ? (size_t)n : 0;
    }
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

static struct shadow *shadow_get(const char *path)
{
    for (size_t i = 0; i < disk.files_n; i++) {
        if (strcmp(disk.files[i].path, path) == 0)
            return &disk.files[i];
    }
    invariant(disk.files_n < FILES_MAX);
    struct shadow *s = &disk.files[disk.files_n++];
    *s = (struct shadow){.path = xstrdup(path)};
    read_file(path, &s->synced);
    return s;
}

static void grow_with_zeros(struct buf *b, size_t n)
{
    if (n <= b->n)
        return;
    memset(buf_reserve(b, n - b->n), 0, n - b->n);
    b->n = n;
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

void fault_vfs_power_on(enum fault_loss loss, uint64_t seed)
{
    struct rng rng = {seed};
    for (size_t i = 0; i < disk.files_n; i++) {
        struct shadow *s = &disk.files[i];
        AUTO(buf) struct buf now = BUF_INIT;
        read_file(s->path, &now);
        if (loss == FAULT_LOSE_SECTORS)
            mix_sectors(&s->synced, &now, &rng);
        write_file(s->path, &s->synced);
    }
    disk.is_off = false;
    disk.kind = FAULT_NONE;
}

/* ---- files ---------------------------------------------------------------------------------- */

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct fault_file *)f)->real;
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
    if (op_fails())
        return SQLITE_IOERR_WRITE;
    if (is_full(n))
        return SQLITE_FULL;
    return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    if (op_fails())
        return SQLITE_IOERR_TRUNCATE;
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int file_sync(sqlite3_file *f, int flags)
{
    (void)flags;
    if (op_fails())
        return SQLITE_IOERR_FSYNC;
    struct shadow *s = ((struct fault_file *)f)->shadow;
    if (s != NULL)
        read_file(s->path, &s->synced);
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

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    (void)vfs;
    struct fault_file *file = (struct fault_file *)f;
    *file = (struct fault_file){.real = (sqlite3_file *)(file + 1)};
    if (op_fails())
        return SQLITE_CANTOPEN;
    file->shadow = name ? shadow_get(name) : NULL;
    int rc = real_vfs->xOpen(real_vfs, name, file->real, flags, ret_flags);
    if (rc == SQLITE_OK)
        file->base.pMethods = &file_methods;
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs;
    (void)sync_dir;
    if (op_fails())
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

void fault_vfs_reset(void)
{
    if (real_vfs == NULL)
        vfs_register();
    for (size_t i = 0; i < disk.files_n; i++) {
        free(disk.files[i].path);
        buf_fini(&disk.files[i].synced);
    }
    disk = (struct disk){.room = -1};
}

uint64_t fault_vfs_ops(void)
{
    return disk.ops;
}

void fault_vfs_fail(uint64_t n, enum fault_kind kind)
{
    disk.fail_at = n;
    disk.kind = kind;
}

void fault_vfs_fill_after(int64_t bytes)
{
    disk.room = bytes;
}

bool fault_vfs_has_failed(void)
{
    return disk.has_failed;
}

void fault_vfs_power_off(void)
{
    disk.is_off = true;
}
