/* Fuzz target: any bytes as a snapshot file. The checksums of the meta pages are made right, since
 * hardly anything would come through otherwise; all that is lent is looked at.
 * SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "storage/bbolt.h"
#include "storage/snapshot_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAGE_SIZE = 4096 };

static volatile uint8_t sink;

static void look_at(struct slice s)
{
    for (size_t i = 0; i < s.n; i += 64)
        sink ^= s.p[i];
    if (s.n != 0)
        sink ^= s.p[s.n - 1];
}

static bool see_pair(void *arg, struct slice key, struct slice value)
{
    (void)arg;
    invariant(key.n != 0);
    look_at(key);
    look_at(value);
    return true;
}

static bool see_row(void *arg, const struct kv_row *row)
{
    struct kv_row *last = arg;
    invariant(row->pos > last->pos && row->main >= last->main && row->version >= 0);
    invariant(row->create <= row->main && row->sub >= 0);
    look_at(row->key);
    look_at(row->value);
    *last = *row;
    return true;
}

static bool see_bucket(void *arg, struct slice key, struct slice value)
{
    const struct snapshot_reader *r = arg;
    char *name = xstrndup((const char *)key.p, key.n);
    (void)snapshot_reader_scan(r, name, see_pair, NULL, NULL);
    free(name);
    look_at(value);
    return true;
}

static void see_all(const struct snapshot_reader *r)
{
    struct kv_row last = {0};
    struct slice value;
    bool is_sound = snapshot_reader_check(r, NULL) == ERR_OK;
    enum err e = snapshot_reader_scan(r, NULL, see_bucket, (void *)(uintptr_t)r, NULL);
    invariant(!is_sound || e == ERR_OK);
    (void)snapshot_reader_rows(r, see_row, &last, NULL);
    if (snapshot_reader_get(r, BUCKET_META, "consistent_index", &value) == ERR_OK)
        look_at(value);
    (void)snapshot_reader_digest(r);
}

static void mend_meta(uint8_t *file, size_t size, size_t at)
{
    at += BBOLT_HEADER_SIZE;
    if (at + BBOLT_META_SIZE > size)
        return;
    uint64_t sum = htole64(bbolt_sum(file + at, BBOLT_META_SUMMED));
    memcpy(file + at + BBOLT_META_SUMMED, &sum, sizeof sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snapshot_reader *r;
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add(&b, data, size);
    mend_meta(b.p, b.n, 0);
    mend_meta(b.p, b.n, PAGE_SIZE);
    int fd = memfd_create("snapshot", MFD_CLOEXEC);
    invariant(fd != -1 && write(fd, b.p, b.n) == (ssize_t)b.n);
    enum err e = snapshot_reader_open(fd, b.n, &r, NULL);
    close(fd);
    if (e == ERR_OK) {
        see_all(r);
        snapshot_reader_close(r);
    }
    return 0;
}
