/* Upstream's log: what was written is read again; cut off, changed and several files.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "tests/unit/storage/scratch.h"
#include "base/crc32c.h"
#include "upstream/files.h"
#include "upstream/wal.h"
#include "upstream/wal_format.h"
#include "upstream/wal_writer.h"

enum { CLUSTER = 0xc1, MEMBER = 0x3e };

static const char first_name[] = "0000000000000000-0000000000000000.wal";

static struct wal_entry make_entry(raft_index index, raft_term term)
{
    static char texts[64][32];
    char *text = texts[index % 64];
    snprintf(text, sizeof texts[0], "entry %" PRIu64 " of term %" PRIu64, index, term);
    return (struct wal_entry){index, term, RAFT_ENTRY_NORMAL, slice_str(text)};
}

/* Entries 1 to 5 of term 1, of which 4 and 5 are replaced by 4 to 6 of term 2; a snapshot at 2. */
static void write_log(void)
{
    struct wal_writer *w;
    struct wal_entry e;
    const struct raft_hard_state before = {1, MEMBER, 3}, after = {2, 7, 5};
    struct raft_snapshot_meta snapshot = {.index = 2, .term = 1};
    OK(wal_writer_open(scratch_dir, CLUSTER, MEMBER, &w, &scratch_why));
    for (raft_index i = 1; i <= 5; i++) {
        e = make_entry(i, 1);
        wal_writer_entry(w, &e);
    }
    wal_writer_state(w, &before);
    wal_writer_snapshot(w, &snapshot);
    for (raft_index i = 4; i <= 6; i++) {
        e = make_entry(i, 2);
        wal_writer_entry(w, &e);
    }
    wal_writer_state(w, &after);
    OK(wal_writer_finish(w, &scratch_why));
}

static void check_entries(const struct wal *w, raft_index first)
{
    size_t n;
    const struct wal_entry *e = wal_entries(w, &n);
    for (size_t i = 0; i < n; i++) {
        raft_index index = first + i;
        struct wal_entry want = make_entry(index, index <= 3 ? 1 : 2);
        assert_int_equal(e[i].index, index);
        assert_int_equal(e[i].term, want.term);
        assert_true(slice_eq(e[i].data, want.data));
    }
}

static void test_read_again(void **state)
{
    (void)state;
    AUTO(wal) struct wal *w = NULL;
    size_t n;
    write_log();
    OK(wal_open(scratch_dir, &w, &scratch_why));
    assert_int_equal(wal_cluster_id(w), CLUSTER);
    assert_int_equal(wal_member_id(w), MEMBER);
    assert_int_equal(wal_hard_state(w)->term, 2);
    assert_int_equal(wal_hard_state(w)->vote, 7);
    assert_int_equal(wal_hard_state(w)->commit, 5);
    const struct wal_snapshot *s = wal_snapshots(w, &n);
    assert_int_equal(n, 2);
    assert_int_equal(s[1].index, 2);
    OK(wal_load(w, (struct wal_snapshot){0, 0}, &scratch_why));
    (void)wal_entries(w, &n);
    assert_int_equal(n, 6);
    check_entries(w, 1);
    OK(wal_load(w, (struct wal_snapshot){2, 1}, &scratch_why));
    (void)wal_entries(w, &n);
    assert_int_equal(n, 4);
    check_entries(w, 3);
    assert_int_equal(wal_torn_size(w), 0);
}

static void test_other_snapshot(void **state)
{
    (void)state;
    AUTO(wal) struct wal *w = NULL;
    write_log();
    OK(wal_open(scratch_dir, &w, &scratch_why));
    assert_int_equal(wal_load(w, (struct wal_snapshot){2, 2}, &scratch_why), ERR_DAMAGED);
    assert_int_equal(wal_load(w, (struct wal_snapshot){3, 1}, &scratch_why), ERR_DAMAGED);
    assert_non_null(strstr(scratch_why.text, "does not mention"));
}

static void replace(const char *name, struct slice bytes)
{
    const char *path = scratch_path(name);
    unlink(path);
    OK(file_create(path, bytes, &scratch_why));
}

/* Read what is there; what it returns is right as far as it goes. */
static enum err read_log(size_t *ret_n, size_t *ret_torn)
{
    AUTO(wal) struct wal *w = NULL;
    enum err e = wal_open(scratch_dir, &w, &scratch_why);
    if (e == ERR_OK)
        e = wal_load(w, (struct wal_snapshot){0, 0}, &scratch_why);
    if (e != ERR_OK)
        return e;
    (void)wal_entries(w, ret_n);
    *ret_torn = wal_torn_size(w);
    return ERR_OK;
}

static void test_cut_off_anywhere(void **state)
{
    (void)state;
    AUTO(buf) struct buf whole = BUF_INIT;
    write_log();
    OK(file_read(scratch_path(first_name), 1 << 20, &whole, &scratch_why));
    size_t n = 0, torn = 0, most = 0;
    for (size_t cut = 0; cut <= whole.n; cut++) {
        replace(first_name, slice_make(whole.p, cut));
        enum err e = read_log(&n, &torn);
        if (e != ERR_OK)
            assert_true(cut < 120 && e == ERR_DAMAGED); /* it does not say whose log it is */
        else
            most = n > most ? n : most;
        /* Less than a length at the end is none, as upstream sees it; more is a torn record. */
        if (e == ERR_OK && torn != 0)
            assert_in_range(torn, 8, 80);
    }
    assert_int_equal(most, 6);
}

static void test_zeros_behind(void **state)
{
    (void)state;
    AUTO(buf) struct buf bytes = BUF_INIT;
    size_t n = 0, torn = 1;
    write_log();
    OK(file_read(scratch_path(first_name), 1 << 20, &bytes, &scratch_why));
    size_t used = bytes.n;
    memset(buf_reserve(&bytes, 100000), 0, 100000);
    bytes.n += 100000;
    replace(first_name, buf_slice(&bytes));
    OK(read_log(&n, &torn));
    assert_int_equal(n, 6);
    assert_int_equal(torn, 0);
    /* A record of which the disk wrote the beginning only. */
    uint64_t length = 4000; /* a multiple of 8 */
    memcpy(bytes.p + used, &length, sizeof length);
    memset(bytes.p + used + 8, 0x55, 600);
    replace(first_name, buf_slice(&bytes));
    OK(read_log(&n, &torn));
    assert_int_equal(n, 6);
    assert_int_equal(torn, 100000);
    /* One that is whole and does not have its checksum is damage. */
    memset(bytes.p + used + 8, 0x55, 4000);
    replace(first_name, buf_slice(&bytes));
    assert_int_equal(read_log(&n, &torn), ERR_DAMAGED);
}

static void test_each_bit(void **state)
{
    (void)state;
    AUTO(buf) struct buf bytes = BUF_INIT;
    write_log();
    OK(file_read(scratch_path(first_name), 1 << 20, &bytes, &scratch_why));
    size_t unnoticed = 0;
    for (size_t at = 0; at < bytes.n; at++) {
        bytes.p[at] ^= (uint8_t)(1u << at % 8);
        replace(first_name, buf_slice(&bytes));
        AUTO(wal) struct wal *w = NULL;
        enum err e = wal_open(scratch_dir, &w, &scratch_why);
        if (e == ERR_OK)
            e = wal_load(w, (struct wal_snapshot){0, 0}, &scratch_why);
        if (e == ERR_OK) {
            check_entries(w, 1);
            unnoticed++;
        }
        bytes.p[at] ^= (uint8_t)(1u << at % 8);
    }
    assert_true(unnoticed < bytes.n / 8); /* padding, and the last record's length */
}

/* ---- several files -------------------------------------------------------------------------- */

static void add_frame(struct buf *b, uint32_t *crc, unsigned type, const struct buf *data)
{
    AUTO(buf) struct buf r = BUF_INIT;
    if (type != WAL_CRC)
        *crc = crc32c(*crc, data->p, data->n);
    proto_add_number(&r, WAL_RECORD_TYPE, type);
    proto_add_number(&r, WAL_RECORD_CRC, *crc);
    if (data->n != 0)
        proto_add_bytes(&r, WAL_RECORD_DATA, buf_slice(data));
    size_t padding = (8 - r.n % 8) % 8;
    uint64_t length = r.n | (padding ? (uint64_t)(0x80 | padding) << 56 : 0);
    buf_add(b, &length, sizeof length);
    buf_add_slice(b, buf_slice(&r));
    buf_add(b, "\0\0\0\0\0\0\0", padding);
}

static void add_start(struct buf *b, uint32_t *crc)
{
    AUTO(buf) struct buf data = BUF_INIT;
    add_frame(b, crc, WAL_CRC, &data);
    wal_metadata_add(&data, CLUSTER, MEMBER);
    add_frame(b, crc, WAL_METADATA, &data);
}

static void add_entry(struct buf *b, uint32_t *crc, raft_index index)
{
    AUTO(buf) struct buf data = BUF_INIT;
    struct wal_entry e = make_entry(index, index <= 3 ? 1 : 2);
    raftpb_entry_add(&data, &e);
    add_frame(b, crc, WAL_ENTRY, &data);
}

/* Entries 1 to 3 in the first file, 4 to 6 in the second, zeros behind both. */
static void write_two(struct buf files[2])
{
    uint32_t crc = 0;
    for (int k = 0; k < 2; k++) {
        add_start(&files[k], &crc);
        for (raft_index i = 1; i <= 3; i++)
            add_entry(&files[k], &crc, (raft_index)k * 3 + i);
        memset(buf_reserve(&files[k], 4096), 0, 4096);
        files[k].n += 4096;
    }
    replace(first_name, buf_slice(&files[0]));
    replace("0000000000000001-0000000000000004.wal", buf_slice(&files[1]));
    replace("1.tmp", slice_str("not one of them"));
    replace("0000000000000000-0000000000000000.wal.broken", slice_str("nor this"));
}

static void test_two_files(void **state)
{
    (void)state;
    struct buf files[2] = {BUF_INIT, BUF_INIT};
    size_t n = 0, torn;
    write_two(files);
    OK(read_log(&n, &torn));
    assert_int_equal(n, 6);
    /* A torn record is at the end of the last file only. */
    files[0].p[files[0].n - 4096 - 10] ^= 1;
    replace(first_name, buf_slice(&files[0]));
    assert_int_equal(read_log(&n, &torn), ERR_DAMAGED);
    /* The second file alone lacks what is before it. */
    unlink(scratch_path(first_name));
    assert_int_equal(read_log(&n, &torn), ERR_DAMAGED);
    buf_fini(&files[0]);
    buf_fini(&files[1]);
}

static void test_missing_file(void **state)
{
    (void)state;
    struct buf files[2] = {BUF_INIT, BUF_INIT};
    size_t n = 0, torn;
    write_two(files);
    rename(scratch_path("0000000000000001-0000000000000004.wal"),
           scratch_path("0000000000000002-0000000000000004.wal"));
    assert_int_equal(read_log(&n, &torn), ERR_DAMAGED);
    assert_non_null(strstr(scratch_why.text, "missing"));
    buf_fini(&files[0]);
    buf_fini(&files[1]);
}

static void test_nothing_there(void **state)
{
    (void)state;
    struct wal *w = NULL;
    assert_int_equal(wal_open(scratch_dir, &w, &scratch_why), ERR_NOT_FOUND);
    assert_int_equal(wal_open(scratch_path("none"), &w, &scratch_why), ERR_NOT_FOUND);
    assert_false(wal_is_there(scratch_dir));
    replace(first_name, slice_str(""));
    assert_int_equal(wal_open(scratch_dir, &w, &scratch_why), ERR_DAMAGED);
    assert_true(wal_is_there(scratch_dir));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
        T(test_read_again),   T(test_other_snapshot), T(test_cut_off_anywhere),
        T(test_zeros_behind), T(test_each_bit),       T(test_two_files),
        T(test_missing_file), T(test_nothing_there),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
