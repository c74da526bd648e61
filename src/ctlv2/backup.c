/* ctlv2/backup.c -- `backup`: a member's data directory as the seed of another cluster.
 *
 * Snapshot, log and key database are copied without what ties them to their cluster: the log gets
 * new IDs, its changes of members and what members say of themselves are left out (the entries
 * behind them move up), and so are the members in the database. It is started with
 * --force-new-cluster. The keys of version 3 come along with --with-v3; the database is locked
 * then, which waits for an etcd that has it. SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/varint.h"
#include "cli/quote.h"
#include "ctlv2/command.h"
#include "storage/snapshot_file.h"
#include "upstream/dir.h"
#include "upstream/files.h"
#include "upstream/v2.h"
#include "upstream/wal_writer.h"

enum {
    LOCK_PATIENCE_MS = 1000, /* before it is said what is waited for */
    HEADER_FIELD = 100,      /* of InternalRaftRequest: it is one of version 3 */
    MEMBER_ID_DIGITS = 16,
};

struct backup {
    const char *data_dir, *wal_dir; /* wal_dir "": in data_dir */
    bool with_v3;
    char *from_snap, *from_wal, *to_snap, *to_wal;
    struct upstream_dir *from;
    struct wal_entry *entries; /* what is kept; data lent by `from` */
    size_t entry_n;
    uint64_t removed; /* entries that are left out */
    struct why why;
};

/* ---- what is said ------------------------------------------------------------------------ */

static void PRINTF_LIKE(1, 2) say(const char *fmt, ...)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct timespec now;
    struct tm local;
    char date[32] = "";
    va_list ap;
    clock_gettime(CLOCK_REALTIME, &now);
    if (localtime_r(&now.tv_sec, &local) != NULL)
        strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &local);
    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s.%06ld I | %s\n", date, now.tv_nsec / 1000, buf_cstr(&text));
}

static bool fail_errno(struct backup *b, const char *doing, const char *path)
{
    AUTO(buf) struct buf reason = BUF_INIT;
    buf_add_str(&reason, strerror(errno));
    reason.p[0] = (uint8_t)(reason.p[0] | 0x20);
    why_set(&b->why, ERR_IO, "%s %s: %s", doing, path, buf_cstr(&reason));
    return false;
}

/* ---- directories ------------------------------------------------------------------------- */

static bool directory_is_there(struct backup *b, const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return fail_errno(b, "open", path);
    closedir(dir);
    return true;
}

static bool make_directories(struct backup *b, const char *path)
{
    AUTO(buf) struct buf part = BUF_INIT;
    for (const char *p = path; *p != '\0';) {
        size_t n = strspn(p, "/");
        n += strcspn(p + n, "/");
        buf_add(&part, p, n);
        p += n;
        if (mkdir(buf_cstr(&part), 0700) != 0 && errno != EEXIST)
            return fail_errno(b, "mkdir", buf_cstr(&part));
    }
    return true;
}

/* Make the folder for snapshots, which must be empty. */
static bool make_target(struct backup *b)
{
    AUTO(buf) struct buf names = BUF_INIT, quoted = BUF_INIT;
    struct dirent **entries = NULL;
    char *problem = xasprintf("failed creating backup snapshot dir %s: ", b->to_snap);
    bool ok = make_directories(b, b->to_snap);
    int n = ok ? scandir(b->to_snap, &entries, NULL, alphasort) : 0;
    for (int i = 0; i < n; i++) {
        bool dots = strcmp(entries[i]->d_name, ".") == 0 || strcmp(entries[i]->d_name, "..") == 0;
        if (!dots) {
            buf_add_str(&names, names.n != 0 ? " " : "");
            quote_add(&names, slice_str(entries[i]->d_name));
        }
        free(entries[i]);
    }
    free(entries);
    if (names.n != 0) {
        quote_add(&quoted, slice_str(b->to_snap));
        why_set(&b->why, ERR_IO, "expected %s to be empty, got [%s]", buf_cstr(&quoted),
                buf_cstr(&names));
        ok = false;
    }
    if (!ok) {
        struct why inner = b->why;
        why_set(&b->why, ERR_IO, "%s%.800s", problem, inner.text);
    }
    free(problem);
    return ok;
}

/* ---- the log ----------------------------------------------------------------------------- */

/* True if /0/members/ID/attributes stands in the path. */
static bool names_member_attributes(struct slice path)
{
    static const char before[] = "/0/members/", behind[] = "/attributes";
    for (size_t i = 0; i + sizeof before - 1 <= path.n; i++) {
        struct slice rest = slice_make(path.p + i, path.n - i);
        size_t digits = 0;
        if (!slice_starts_with(rest, slice_str(before)))
            continue;
        rest = slice_make(rest.p + sizeof before - 1, rest.n - (sizeof before - 1));
        while (digits < rest.n && rest.p[digits] != '\0' &&
               strchr("0123456789abcdefABCDEF", rest.p[digits]) != NULL)
            digits++;
        rest = slice_make(rest.p + digits, rest.n - digits);
        if (digits >= 1 && digits <= MEMBER_ID_DIGITS && slice_starts_with(rest, slice_str(behind)))
            return true;
    }
    return false;
}

static bool has_v3_header(struct slice data)
{
    struct proto_field f;
    bool found = false;
    while (data.n != 0 && proto_take(&data, &f))
        found = found || f.number == HEADER_FIELD;
    return found;
}

/* Return whether the entry belongs into the backup; say so if not. */
static bool entry_is_kept(const struct backup *b, const struct wal_entry *e)
{
    struct v2_request r;
    if (e->type == RAFT_ENTRY_CONF_CHANGE) {
        say("ignoring EntryConfChange raft entry");
        return false;
    }
    if (v2_request_find(e->data, &r)) {
        bool of_member = slice_is(r.method, "PUT") && names_member_attributes(r.path);
        if (of_member)
            say("ignoring member attribute update on %.*s", (int)r.path.n, (const char *)r.path.p);
        return !of_member;
    }
    if (b->with_v3 || !has_v3_header(e->data))
        return true;
    say("ignoring v3 raft entry");
    return false;
}

static uint64_t new_id(void)
{
    uint64_t id = 0;
    while (id == 0 && getrandom(&id, sizeof id, 0) != sizeof id)
        ;
    return id;
}

static raft_index backup_commit(const struct backup *b)
{
    raft_index commit = wal_hard_state(b->from->wal)->commit;
    return commit > b->removed ? commit - b->removed : 0;
}

/* Take over what belongs into the backup; what stands behind something else moves up. */
static void choose_entries(struct backup *b)
{
    size_t n;
    const struct wal_entry *entries = wal_entries(b->from->wal, &n);
    b->entries = xcalloc(n + 1, sizeof *b->entries);
    for (size_t i = 0; i < n; i++) {
        if (!entry_is_kept(b, &entries[i])) {
            b->removed++;
            continue;
        }
        b->entries[b->entry_n] = entries[i];
        b->entries[b->entry_n++].index -= b->removed;
    }
}

static bool write_log(struct backup *b)
{
    struct wal_writer *w;
    struct raft_hard_state state = *wal_hard_state(b->from->wal);
    if (wal_is_there(b->to_wal))
        return why_set(&b->why, ERR_IO, "file already exists") == ERR_OK;
    if (!make_directories(b, b->to_wal) ||
        wal_writer_open(b->to_wal, new_id(), new_id(), &w, &b->why) != ERR_OK)
        return false;
    wal_writer_snapshot(w, &b->from->snap.meta);
    for (size_t i = 0; i < b->entry_n; i++)
        wal_writer_entry(w, &b->entries[i]);
    state.commit = backup_commit(b);
    wal_writer_state(w, &state);
    return wal_writer_finish(w, &b->why) == ERR_OK;
}

/* ---- the database ------------------------------------------------------------------------ */

/* Lock it, saying so if that takes long. */
static bool lock_database(struct backup *b, const char *path, int *ret_fd)
{
    enum err e = upstream_lock_file(path, LOCK_PATIENCE_MS, ret_fd, &b->why);
    if (e == ERR_LOCKED) {
        say("waiting to acquire lock on %s", path);
        e = upstream_lock_file(path, UPSTREAM_WAIT_FOR_EVER, ret_fd, &b->why);
    }
    return e == ERR_OK;
}

/* Fill `db` with what the source's database has. */
static bool load_database(struct backup *b, struct kvdb *db)
{
    static const struct snapshot_restore how = {0};
    AUTO(snapshot_reader) struct snapshot_reader *reader = NULL;
    struct stat st;
    int fd = -1;
    char *path = xasprintf("%s/db", b->from_snap);
    bool ok = lock_database(b, path, &fd) && (fstat(fd, &st) == 0 || fail_errno(b, "stat", path)) &&
              snapshot_reader_open(fd, (uint64_t)st.st_size, &reader, &b->why) == ERR_OK &&
              snapshot_restore(reader, db, &how, &b->why) == ERR_OK;
    if (fd != -1)
        close(fd);
    free(path);
    return ok;
}

/* Let `db` stand at the end of the log, without any key. */
static bool make_empty_database(struct backup *b, struct kvdb *db)
{
    AUTO(buf) struct buf index = BUF_INIT;
    buf_add_be64(&index, backup_commit(b));
    kvdb_begin(db);
    struct kv_writer *w = kvdb_writer(db);
    w->ops->bucket_put(w, BUCKET_META, slice_str("consistent_index"), buf_slice(&index));
    return kvdb_commit(db, &b->why) == ERR_OK;
}

static bool row_is_kept(void *arg, const char *bucket, struct slice key, struct slice *value)
{
    (void)arg;
    (void)key;
    (void)value;
    return strcmp(bucket, BUCKET_MEMBERS) != 0 && strcmp(bucket, BUCKET_MEMBERS_REMOVED) != 0 &&
           strcmp(bucket, BUCKET_CLUSTER) != 0;
}

static bool write_database(struct backup *b, struct kvdb *db)
{
    static const struct snapshot_filter filter = {.row = row_is_kept};
    AUTO(kvdb_reader) struct kvdb_reader *reader = NULL;
    uint64_t size;
    char *path = xasprintf("%s/db", b->to_snap);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    bool ok = (fd != -1 || fail_errno(b, "open", path)) &&
              kvdb_reader_open(db, &reader, &b->why) == ERR_OK &&
              kvdb_reader_begin(reader, &b->why) == ERR_OK &&
              snapshot_file_write_filtered(reader, fd, &filter, &size, &b->why) == ERR_OK &&
              (fsync(fd) == 0 || fail_errno(b, "fsync", path));
    if (fd != -1)
        close(fd);
    free(path);
    return ok;
}

/* Through a database of ours, which is gone afterwards. */
static bool copy_database(struct backup *b)
{
    static const struct kvdb_options options = {.create = true, .no_sync = true};
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char *path = xasprintf("%s/backup.tmp", b->to_snap);
    struct kvdb *db = NULL;
    bool ok = kvdb_open(path, &options, &db, &b->why) == ERR_OK &&
              (b->with_v3 ? load_database(b, db) : make_empty_database(b, db)) &&
              write_database(b, db);
    kvdb_close(db);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char *file = xasprintf("%s%s", path, suffixes[i]);
        unlink(file);
        free(file);
    }
    free(path);
    return ok;
}

/* ---- all of it --------------------------------------------------------------------------- */

static bool open_source(struct backup *b)
{
    const struct upstream_options o = {.path = b->data_dir, .wal_dir = b->wal_dir};
    return directory_is_there(b, b->from_snap) && directory_is_there(b, b->from_wal) &&
           upstream_dir_open_log(&o, &b->from, &b->why) == ERR_OK;
}

static bool copy_snapshot(struct backup *b)
{
    const struct snap *s = &b->from->snap;
    return s->meta.index == 0 || snap_create(b->to_snap, &s->meta, s->tree, &b->why) == ERR_OK;
}

static char *path_below(const char *dir, const char *rest)
{
    return xasprintf("%s%s%s", dir, dir[0] != '\0' ? "/" : "", rest);
}

static void backup_fini(struct backup *b)
{
    upstream_dir_close(b->from);
    free(b->entries);
    free(b->from_snap);
    free(b->from_wal);
    free(b->to_snap);
    free(b->to_wal);
}

int run_backup(const struct context *c)
{
    const char *data_dir = args_text(c->args, "data-dir");
    const char *wal_dir = args_text(c->args, "wal-dir");
    const char *to = args_text(c->args, "backup-dir");
    const char *to_wal = args_text(c->args, "backup-wal-dir");
    struct backup b = {
        .data_dir = data_dir[0] != '\0' ? data_dir : ".",
        .wal_dir = wal_dir,
        .with_v3 = args_bool(c->args, "with-v3"),
        .from_snap = path_below(data_dir, "member/snap"),
        .from_wal = wal_dir[0] != '\0' ? xstrdup(wal_dir) : path_below(data_dir, "member/wal"),
        .to_snap = path_below(to, "member/snap"),
        .to_wal = to_wal[0] != '\0' ? xstrdup(to_wal) : path_below(to, "member/wal"),
    };
    bool ok = make_target(&b) && open_source(&b) && copy_snapshot(&b);
    if (ok)
        choose_entries(&b);
    ok = ok && write_log(&b) && copy_database(&b);
    if (!ok)
        say("%s", b.why.text);
    backup_fini(&b);
    return ok ? 0 : EXIT_BAD_ARGS;
}
