/* Fuzz target: any bytes as upstream's log. The first byte chooses: as a file, or as the data of
 * records that are framed and summed right, since hardly anything would come through otherwise.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "upstream/v2.h"
#include "upstream/wal.h"
#include "upstream/wal_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

static void look_at(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        sink ^= s.p[i];
}

/* Records: type, length, that many bytes. */
static void frame(struct slice in, struct buf *out)
{
    uint32_t crc = 0;
    while (in.n >= 2) {
        unsigned type = in.p[0] % 7;
        size_t n = in.p[1] < in.n - 2 ? in.p[1] : in.n - 2;
        struct slice data = slice_make(in.p + 2, n);
        AUTO(buf) struct buf r = BUF_INIT;
        if (type != WAL_CRC)
            crc = crc32c(crc, data.p, data.n);
        proto_add_number(&r, WAL_RECORD_TYPE, type);
        proto_add_number(&r, WAL_RECORD_CRC, crc);
        proto_add_bytes(&r, WAL_RECORD_DATA, data);
        size_t padding = (8 - r.n % 8) % 8;
        uint64_t length = r.n | (padding ? (uint64_t)(0x80 | padding) << 56 : 0);
        buf_add(out, &length, sizeof length);
        buf_add_slice(out, buf_slice(&r));
        buf_add(out, "\0\0\0\0\0\0\0", padding);
        in = slice_make(data.p + n, in.n - 2 - n);
    }
}

static void read_all(const char *dir)
{
    AUTO(wal) struct wal *w = NULL;
    struct why why;
    if (wal_open(dir, &w, &why) != ERR_OK)
        return;
    size_t n, n_snapshots;
    const struct wal_snapshot *s = wal_snapshots(w, &n_snapshots);
    for (size_t k = 0; k <= n_snapshots; k++) {
        struct wal_snapshot start = k < n_snapshots ? s[k] : (struct wal_snapshot){0, 0};
        if (wal_load(w, start, &why) != ERR_OK)
            continue;
        const struct wal_entry *e = wal_entries(w, &n);
        for (size_t i = 0; i < n; i++) {
            invariant(e[i].index == start.index + 1 + i && e[i].term >= start.term);
            look_at(e[i].data);
        }
        (void)v2_content_count(e, n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char dir[] = "/tmp/etcd-wal-fuzz-XXXXXX", path[128];
    AUTO(buf) struct buf bytes = BUF_INIT;
    if (path[0] == '\0') {
        invariant(mkdtemp(dir) != NULL);
        snprintf(path, sizeof path, "%s/%016x-%016x.wal", dir, 0, 0);
    }
    if (size == 0)
        return 0;
    if (data[0] % 2)
        buf_add(&bytes, data + 1, size - 1);
    else
        frame(slice_make(data + 1, size - 1), &bytes);
    FILE *f = fopen(path, "w"); /* not file_create(), which waits for the disk */
    if (f == NULL)
        return 0;
    fwrite(bytes.p, 1, bytes.n, f);
    fclose(f);
    read_all(dir);
    unlink(path);
    return 0;
}
