/* What was appended is what is loaded: conflicts, trimming, resets; damage is refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/logdb.h"

#include <fcntl.h>
#include <sqlite3.h>

#include "scratch.h"

static struct logdb *open_log(void)
{
    struct logdb *db;
    struct logdb_options o = {.create = true, .checkpoint_size = 64 * 1024};
    OK(logdb_open(scratch_path("log.db"), &o, &db, &scratch_why));
    return db;
}

/* Append entries [from, to] of one term, each with its index as text. */
static void append(struct logdb *db, raft_index from, raft_index to, raft_term term)
{
    struct raft_entries l = {0};
    char text[32];
    for (raft_index i = from; i <= to; i++) {
        int n = snprintf(text, sizeof text, "%ju.%ju", (uintmax_t)term, (uintmax_t)i);
        struct blob *data = i % 10 ? blob_dup(slice_make(text, (size_t)n)) : NULL;
        raft_entries_add(&l, &(struct raft_entry){.index = i, .term = term, .data = data}, 1);
        blob_unref(data);
    }
    struct raft_hard_state hs = {.term = term, .vote = UINT64_MAX - 1, .commit = from - 1};
    OK(logdb_append(db, &hs, l.v, l.n, &scratch_why));
    raft_entries_fini(&l);
}

struct loaded {
    struct logdb_start start;
    size_t n;
    raft_term last_term;
};

static void see(void *arg, const struct raft_entry *e)
{
    struct loaded *l = arg;
    char text[32];
    snprintf(text, sizeof text, "%ju.%ju", (uintmax_t)e->term, (uintmax_t)e->index);
    assert_int_equal(e->type, RAFT_ENTRY_NORMAL);
    if (e->index % 10)
        assert_true(slice_is(blob_slice(e->data), text));
    else
        assert_null(e->data);
    l->n++;
    l->last_term = e->term;
}

static struct loaded load(struct logdb *db)
{
    struct loaded l = {.n = 0};
    OK(logdb_load(db, see, &l, &l.start, &scratch_why));
    assert_int_equal(l.n, l.start.last_index - l.start.trimmed_index);
    assert_int_equal(l.start.last_index, logdb_last_index(db));
    assert_int_equal(l.start.trimmed_index, logdb_trimmed_index(db));
    return l;
}

/* Close and open again, then load. */
static struct loaded reload(struct logdb **db)
{
    logdb_close(*db);
    *db = open_log();
    return load(*db);
}

static void a_new_log_is_empty(void **state)
{
    (void)state;
    struct logdb *db = open_log();
    struct loaded l = load(db);
    static const struct logdb_start empty;
    assert_memory_equal(&l.start, &empty, sizeof empty);
    logdb_close(db);
}

static void appends_last(void **state)
{
    (void)state;
    struct logdb *db = open_log();
    append(db, 1, 3, 1);
    append(db, 4, 30, 2);
    OK(logdb_set_identity(db, UINT64_MAX, 0x8e9e05c52164694d, &scratch_why));
    struct loaded l = reload(&db);
    assert_int_equal(l.start.last_index, 30);
    assert_int_equal(l.last_term, 2);
    assert_int_equal(l.start.hard_state.term, 2);
    assert_int_equal(l.start.hard_state.vote, UINT64_MAX - 1);
    assert_int_equal(l.start.hard_state.commit, 3);
    assert_true(l.start.cluster_id == UINT64_MAX && l.start.member_id == 0x8e9e05c52164694d);
    struct raft_hard_state hs = {.term = 7, .vote = 1, .commit = 30};
    OK(logdb_append(db, &hs, NULL, 0, &scratch_why));
    l = reload(&db);
    assert_int_equal(l.start.hard_state.term, 7);
    assert_int_equal(l.start.last_index, 30);
    logdb_close(db);
}

static void a_conflict_replaces_the_rest(void **state)
{
    (void)state;
    struct logdb *db = open_log();
    append(db, 1, 20, 1);
    append(db, 11, 12, 2);
    struct loaded l = reload(&db);
    assert_int_equal(l.start.last_index, 12);
    assert_int_equal(l.last_term, 2);
    append(db, 1, 1, 3);
    assert_int_equal(reload(&db).start.last_index, 1);
    logdb_close(db);
}

static void trimming_is_done_by_appends(void **state)
{
    (void)state;
    struct logdb *db = open_log();
    append(db, 1, 1000, 1);
    logdb_trim(db, 900);
    logdb_trim(db, 5);
    assert_int_equal(logdb_trimmed_index(db), 0);
    raft_index next = 1001, before = 0;
    while (logdb_trimmed_index(db) + 64 <= 900) {
        append(db, next, next, 2);
        next++;
        raft_index trimmed = logdb_trimmed_index(db);
        assert_true(trimmed > before && trimmed <= before + 100); /* bounded */
        before = trimmed;
    }
    struct loaded l = reload(&db);
    assert_int_equal(l.start.trimmed_index, before);
    assert_int_equal(l.start.trimmed_term, 1);
    assert_int_equal(l.start.last_index, next - 1);
    append(db, before + 1, before + 1, 3); /* all that is left may be replaced */
    assert_int_equal(reload(&db).n, 1);
    logdb_close(db);
}

static void a_commit_behind_the_trimmed_index_is_raised(void **state)
{
    (void)state;
    struct logdb *db = open_log();
    append(db, 1, 200, 1);
    logdb_trim(db, 150);
    struct raft_entry e = {.index = 201, .term = 1, .data = blob_dup(slice_str("1.201"))};
    for (int i = 0; i < 2; i++)
        OK(logdb_append(db, NULL, &e, 1, &scratch_why));
    blob_unref(e.data);
    raft_index trimmed = logdb_trimmed_index(db);
    assert_true(trimmed > 100);
    assert_int_equal(reload(&db).start.hard_state.commit, trimmed);
    logdb_close(db);
}

static void a_reset_begins_behind_a_snapshot(void **state)
{
    (void)state;
    struct logdb *db = open_log();
    append(db, 1, 100, 1);
    struct raft_hard_state hs = {.term = 5, .vote = 0, .commit = 5000};
    OK(logdb_reset(db, &hs, 5000, 4, &scratch_why));
    struct loaded l = reload(&db);
    assert_int_equal(l.n, 0);
    assert_int_equal(l.start.trimmed_index, 5000);
    assert_int_equal(l.start.trimmed_term, 4);
    assert_int_equal(l.start.hard_state.commit, 5000);
    append(db, 5001, 5001, 5);
    assert_int_equal(reload(&db).start.last_index, 5001);
    logdb_close(db);
}

/* What came behind the snapshot in the meantime is committed, and not stored yet: a crash. */
static void a_reset_promises_nothing_behind_its_snapshot(void **state)
{
    (void)state;
    struct logdb *db = open_log();
    append(db, 1, 30, 1);
    struct raft_hard_state hs = {.term = 5, .vote = 2, .commit = 67};
    OK(logdb_reset(db, &hs, 62, 4, &scratch_why));
    struct loaded l = reload(&db);
    assert_int_equal(l.start.last_index, 62);
    assert_int_equal(l.start.hard_state.term, 5);
    assert_int_equal(l.start.hard_state.vote, 2);
    assert_int_equal(l.start.hard_state.commit, 62);
    logdb_close(db);
}

static void the_journal_stays_small(void **state)
{
    (void)state;
    struct logdb *db = open_log();
    struct stat before, after;
    append(db, 1, 10, 1);
    assert_int_equal(stat(scratch_path("log.db-wal"), &before), 0);
    for (raft_index i = 11; i < 300; i++)
        append(db, i, i, 1);
    assert_int_equal(stat(scratch_path("log.db-wal"), &after), 0);
    assert_true(before.st_size >= 64 * 1024); /* made at its full length */
    assert_true(after.st_size <= before.st_size + 8 * 4120);
    logdb_close(db);
}

/* ---- damage --------------------------------------------------------------------------------- */

static void execute(const char *sql)
{
    sqlite3 *h;
    char *error = NULL;
    assert_int_equal(sqlite3_open(scratch_path("log.db"), &h), SQLITE_OK);
    if (sqlite3_exec(h, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", sql, error);
    sqlite3_close(h);
}

static void damaged_logs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *says;
    } cases[] = {
        {"DELETE FROM entry WHERE idx = 7", "missing"},
        {"DELETE FROM entry WHERE idx = 1", "missing"},
        {"DELETE FROM entry WHERE idx = 20", "committed entries are missing"},
        {"UPDATE entry SET term = 9, crc = NULL WHERE idx = 7", "terms"},
        {"UPDATE entry SET term = 0, crc = NULL WHERE idx = 1", "terms"},
        {"UPDATE entry SET type = 3, crc = NULL WHERE idx = 7", "type"},
        {"UPDATE entry SET data = 'text', crc = NULL WHERE idx = 7", "bytes"},
        {"UPDATE state SET commit_index = 21, crc = NULL", "committed entries are missing"},
        {"UPDATE state SET term = 0, crc = NULL", "older"},
        {"UPDATE state SET trimmed_index = 3, crc = NULL", "sense"},
        {"UPDATE state SET trimmed_index = -1, trimmed_term = 1, crc = NULL", "sense"},
        {"UPDATE state SET trimmed_index = 3, trimmed_term = 1, crc = NULL", "missing"},
        {"UPDATE entry SET term = 1, data = '1.8' WHERE idx = 7", "checksum of an entry is wrong (index 7)"},
        {"UPDATE entry SET term = 2 WHERE idx = 20", "checksum of an entry is wrong (index 20)"},
        {"UPDATE entry SET type = 1 WHERE idx = 1", "checksum of an entry is wrong (index 1)"},
        {"UPDATE entry SET data = NULL WHERE idx = 3", "checksum of an entry is wrong (index 3)"},
        {"UPDATE entry SET data = x'' WHERE idx = 10", "checksum of an entry is wrong (index 10)"},
        {"UPDATE entry SET crc = crc + 1 WHERE idx = 7", "checksum of an entry is wrong (index 7)"},
        {"UPDATE entry SET crc = crc + (1 << 32) WHERE idx = 7", "checksum of an entry is wrong"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct logdb *db = open_log();
        struct raft_hard_state hs = {.term = 1, .commit = 20};
        append(db, 1, 20, 1);
        OK(logdb_append(db, &hs, NULL, 0, &scratch_why));
        logdb_close(db);
        execute(cases[i].sql);
        db = open_log();
        struct logdb_start start;
        assert_int_equal(logdb_load(db, NULL, NULL, &start, &scratch_why), ERR_DAMAGED);
        if (strstr(scratch_why.text, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].sql, scratch_why.text);
        logdb_close(db);
        unlink(scratch_path("log.db"));
        unlink(scratch_path("log.db-wal"));
    }
}

/* A vote that is another one, a term, a mark: each number of the state. */
static void a_damaged_state_is_refused(void **state)
{
    (void)state;
    static const char *const numbers[] = {"term",         "vote",    "commit_index", "trimmed_index",
                                          "trimmed_term", "cluster", "member",       "crc"};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct logdb *db = open_log();
        OK(logdb_set_identity(db, 5, 6, &scratch_why));
        append(db, 1, 20, 3);
        logdb_close(db);
        char sql[100];
        snprintf(sql, sizeof sql, "UPDATE state SET %s = %s + 1", numbers[i], numbers[i]);
        execute(sql);
        struct logdb_options o = {.create = true};
        db = NULL;
        assert_int_equal(logdb_open(scratch_path("log.db"), &o, &db, &scratch_why), ERR_DAMAGED);
        assert_non_null(strstr(scratch_why.text, "log.db' is damaged: the checksum of its state"));
        unlink(scratch_path("log.db"));
        unlink(scratch_path("log.db-wal"));
    }
}

/* Make it what schema 1 would have left. */
static void make_old(void)
{
    execute("ALTER TABLE entry DROP COLUMN crc;ALTER TABLE state DROP COLUMN crc;"
            "PRAGMA user_version=1");
}

static void a_log_of_the_schema_before_is_brought_up(void **state)
{
    (void)state;
    struct logdb *db = open_log();
    OK(logdb_set_identity(db, 5, 6, &scratch_why));
    append(db, 1, 300, 3);
    logdb_close(db);
    make_old();
    db = open_log();
    struct loaded l = load(db);
    assert_int_equal(l.n, 300);
    assert_int_equal(l.start.hard_state.term, 3);
    assert_true(l.start.cluster_id == 5 && l.start.member_id == 6);
    append(db, 300, 310, 4); /* the first of these replaces one without a checksum */
    logdb_trim(db, 290);
    append(db, 311, 311, 4);
    assert_int_equal(reload(&db).start.last_index, 311);
    logdb_close(db);
    execute("UPDATE entry SET data = '4.309' WHERE idx = 308");
    db = open_log();
    assert_int_equal(logdb_load(db, NULL, NULL, &l.start, &scratch_why), ERR_DAMAGED);
    logdb_close(db);
}

/* The entry that the log will begin behind is read while others are appended. */
static void a_damaged_entry_is_not_trimmed_away(void **state)
{
    (void)state;
    struct logdb *db = open_log();
    append(db, 1, 100, 1);
    logdb_close(db);
    execute("UPDATE entry SET term = 2 WHERE idx = 66");
    db = open_log();
    logdb_trim(db, 100);
    struct raft_entry e = {.index = 101, .term = 1};
    for (int i = 0; i < 2; i++)
        assert_int_equal(logdb_append(db, NULL, &e, 1, &scratch_why), ERR_DAMAGED);
    assert_non_null(strstr(scratch_why.text, "(index 66)"));
    logdb_close(db);
}

static void flip(const char *path, off_t at, int bit)
{
    int fd = open(path, O_RDWR);
    uint8_t b;
    assert_int_equal(pread(fd, &b, 1, at), 1);
    b = (uint8_t)(b ^ 1 << bit);
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    close(fd);
}

static void copy(const char *from, const char *to)
{
    static uint8_t b[2 << 20];
    int in = open(scratch_path(from), O_RDONLY);
    ssize_t n = read(in, b, sizeof b);
    close(in);
    int out = open(scratch_path(to), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(in != -1 && out != -1 && n >= 0 && n < (ssize_t)sizeof b);
    assert_int_equal(write(out, b, (size_t)n), n);
    close(out);
}

enum { ROT_FIRST = 540, ROT_ENTRIES = 600 }; /* some pages */

/* Many entries in one transaction, then one each; keep a copy of the files, as a crash would. */
static void write_and_keep(bool in_one_file)
{
    struct logdb *db;
    struct logdb_options o = {.create = true, .checkpoint_size = 600 * 1024};
    OK(logdb_open(scratch_path("log.db"), &o, &db, &scratch_why));
    append(db, 1, ROT_FIRST, 1);
    for (raft_index i = ROT_FIRST + 1; i <= ROT_ENTRIES; i++)
        append(db, i, i, 1);
    if (in_one_file)
        OK(logdb_gather(db, &scratch_why));
    copy("log.db", "kept");
    copy("log.db-wal", "kept-wal");
    logdb_close(db);
}

/* Open the copy with one bit flipped in `file`: refused, or all is there but for `lost` entries. */
static void rot(const char *file, off_t at, int bit, raft_index lost)
{
    struct logdb *db = NULL;
    struct logdb_options o = {.no_sync = true};
    struct loaded l = {.n = 0};
    copy("kept", "log.db");
    copy("kept-wal", "log.db-wal");
    unlink(scratch_path("log.db-shm"));
    flip(scratch_path(file), at, bit);
    enum err e = logdb_open(scratch_path("log.db"), &o, &db, &scratch_why);
    if (e == ERR_OK)
        e = logdb_check(db, &scratch_why);
    if (e == ERR_OK)
        e = logdb_load(db, see, &l, &l.start, &scratch_why);
    if (e == ERR_OK && (l.n < ROT_ENTRIES - lost || l.start.hard_state.commit < l.n - 1 ||
                        l.start.hard_state.vote != UINT64_MAX - 1))
        fail_msg("bit %d at %ld of %s: %zu entries", bit, (long)at, file, l.n);
    if (e != ERR_OK && strstr(scratch_why.text, "log.db") == NULL)
        fail_msg("bit %d at %ld of %s: %s", bit, (long)at, file, scratch_why.text);
    logdb_close(db);
}

/* Every page and each part of it; the pages are few. */
static void rot_in_the_file_is_seen(void **state)
{
    (void)state;
    write_and_keep(true);
    struct stat st;
    assert_int_equal(stat(scratch_path("kept"), &st), 0);
    for (off_t at = 0; at < st.st_size; at += at % 4096 < 128 ? 1 : 61)
        rot("log.db", at, (int)(at % 8), 0);
}

static void rot_in_the_journal_is_seen(void **state)
{
    (void)state;
    write_and_keep(false);
    for (off_t at = 0; at < 32 + 2 * (ROT_ENTRIES - ROT_FIRST) * 4120; at += at % 4120 < 64 ? 9 : 1021)
        rot("log.db-wal", at, (int)(at % 8), 2);
}

static void a_log_without_its_state_is_refused(void **state)
{
    (void)state;
    logdb_close(open_log());
    execute("DELETE FROM state");
    struct logdb *db = NULL;
    struct logdb_options o = {.create = true};
    assert_int_equal(logdb_open(scratch_path("log.db"), &o, &db, &scratch_why), ERR_DAMAGED);
}

static void a_key_database_is_not_a_log(void **state)
{
    (void)state;
    struct logdb *db = NULL;
    struct logdb_options o = {.create = true};
    kvdb_close(scratch_kvdb("log.db"));
    assert_int_equal(logdb_open(scratch_path("log.db"), &o, &db, &scratch_why), ERR_FOREIGN_DATA);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_log_is_empty),
        TEST(appends_last),
        TEST(a_conflict_replaces_the_rest),
        TEST(trimming_is_done_by_appends),
        TEST(a_commit_behind_the_trimmed_index_is_raised),
        TEST(a_reset_begins_behind_a_snapshot),
        TEST(a_reset_promises_nothing_behind_its_snapshot),
        TEST(the_journal_stays_small),
        TEST(damaged_logs_are_refused),
        TEST(a_damaged_state_is_refused),
        TEST(a_log_of_the_schema_before_is_brought_up),
        TEST(a_damaged_entry_is_not_trimmed_away),
        TEST(rot_in_the_file_is_seen),
        TEST(rot_in_the_journal_is_seen),
        TEST(a_log_without_its_state_is_refused),
        TEST(a_key_database_is_not_a_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
