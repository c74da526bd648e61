/* upstream/wal_writer.c -- see wal_writer.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/wal_writer.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "upstream/files.h"
#include "upstream/wal_format.h"

enum { WRITE_SIZE = 1024 * 1024 };

struct wal_writer {
    int fd;
    char *path;
    uint32_t crc;
    struct buf pending;
    struct buf record, data;
    enum err error;
    struct why why;
};

static void flush(struct wal_writer *w)
{
    if (w->error == ERR_OK)
        w->error = file_write(w->fd, w->path, buf_slice(&w->pending), &w->why);
    buf_clear(&w->pending);
}

/* Write a record with the data in w->data. */
static void add_record(struct wal_writer *w, unsigned type)
{
    static const uint8_t zeros[WAL_ALIGN];
    if (type != WAL_CRC)
        w->crc = crc32c(w->crc, w->data.p, w->data.n);
    buf_clear(&w->record);
    proto_add_number(&w->record, WAL_RECORD_TYPE, type);
    proto_add_number(&w->record, WAL_RECORD_CRC, w->crc);
    if (w->data.n != 0)
        proto_add_bytes(&w->record, WAL_RECORD_DATA, buf_slice(&w->data));
    size_t padding = (WAL_ALIGN - w->record.n % WAL_ALIGN) % WAL_ALIGN;
    uint64_t length = w->record.n;
    if (padding != 0)
        length |= (uint64_t)(0x80 | padding) << 56;
    length = htole64(length);
    buf_add(&w->pending, &length, sizeof length);
    buf_add_slice(&w->pending, buf_slice(&w->record));
    buf_add(&w->pending, zeros, padding);
    buf_clear(&w->data);
    if (w->pending.n >= WRITE_SIZE)
        flush(w);
}

enum err wal_writer_open(const char *dir, uint64_t cluster, member_id member,
                         struct wal_writer **ret, struct why *why)
{
    struct wal_writer *w = xcalloc(1, sizeof *w);
    const struct raft_snapshot_meta none = {0};
    w->path = xasprintf("%s/%016x-%016x.wal", dir, 0, 0);
    w->fd = open(w->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (w->fd == -1) {
        enum err e = file_fail(why, "create", w->path, errno);
        wal_writer_drop(w);
        return e;
    }
    add_record(w, WAL_CRC);
    wal_metadata_add(&w->data, cluster, member);
    add_record(w, WAL_METADATA);
    wal_writer_snapshot(w, &none);
    *ret = w;
    return ERR_OK;
}

void wal_writer_snapshot(struct wal_writer *w, const struct raft_snapshot_meta *meta)
{
    walpb_snapshot_add(&w->data, meta);
    add_record(w, WAL_SNAPSHOT);
}

void wal_writer_entry(struct wal_writer *w, const struct wal_entry *e)
{
    raftpb_entry_add(&w->data, e);
    add_record(w, WAL_ENTRY);
}

void wal_writer_state(struct wal_writer *w, const struct raft_hard_state *hs)
{
    raftpb_hard_state_add(&w->data, hs);
    add_record(w, WAL_STATE);
}

enum err wal_writer_finish(struct wal_writer *w, struct why *why)
{
    flush(w);
    if (w->error == ERR_OK && fsync(w->fd) == -1)
        w->error = file_fail(&w->why, "sync", w->path, errno);
    enum err e = w->error == ERR_OK ? ERR_OK : why_set(why, w->error, "%s", w->why.text);
    wal_writer_drop(w);
    return e;
}

void wal_writer_drop(struct wal_writer *w)
{
    if (w == NULL)
        return;
    if (w->fd != -1)
        close(w->fd);
    free(w->path);
    buf_fini(&w->pending);
    buf_fini(&w->record);
    buf_fini(&w->data);
    free(w);
}
