/* upstream/wal.c -- see wal.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/wal.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/varint.h"
#include "upstream/wal_format.h"

enum {
    NAME_SIZE = 16 + 1 + 16 + 4, /* SEQ-INDEX.wal */
    FILES_MAX = 64 * 1024,
    SECTOR_SIZE = 512, /* what a disk writes whole */
};

struct wal_file {
    char name[NAME_SIZE + 1];
    uint64_t seq;
    raft_index index;
    const uint8_t *map; /* NULL for an empty file */
    size_t size;
};

struct wal {
    char *dir;
    struct wal_file *files; /* ascending */
    size_t n_files;
    bool has_metadata;
    struct slice metadata;
    uint64_t cluster_id;
    member_id member_id;
    struct raft_hard_state hard_state;
    struct wal_snapshot *snapshots;
    size_t n_snapshots;
    struct wal_entry *entries;
    size_t n_entries, cap_entries;
    size_t torn_size;
};

/* ---- files ---------------------------------------------------------------------------------- */

static bool take_hex(const char **p, uint64_t *ret)
{
    *ret = 0;
    for (int i = 0; i < 16; i++, (*p)++) {
        char c = **p;
        if (c >= '0' && c <= '9')
            *ret = *ret << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *ret = *ret << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    return true;
}

static bool name_parse(const char *name, struct wal_file *ret)
{
    const char *p = name;
    *ret = (struct wal_file){.map = NULL};
    if (strlen(name) != NAME_SIZE || !take_hex(&p, &ret->seq) || *p++ != '-' ||
        !take_hex(&p, &ret->index) || strcmp(p, ".wal") != 0)
        return false;
    memcpy(ret->name, name, NAME_SIZE + 1);
    return true;
}

static int file_cmp(const void *a, const void *b)
{
    const struct wal_file *x = a, *y = b;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

/* Find the files. Other names are passed over: files prepared for later, or put aside. */
static enum err files_find(struct wal *w, struct why *why)
{
    DIR *d = opendir(w->dir);
    if (d == NULL)
        return why_set(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "open '%s': %s", w->dir,
                       strerror(errno));
    struct dirent *ent;
    struct wal_file f;
    while ((ent = readdir(d)) != NULL && w->n_files < FILES_MAX) {
        if (!name_parse(ent->d_name, &f))
            continue;
        w->files = xrealloc(w->files, (w->n_files + 1) * sizeof *w->files);
        w->files[w->n_files++] = f;
    }
    closedir(d);
    if (w->n_files == 0)
        return why_set(why, ERR_NOT_FOUND, "'%s' has no files of a log (*.wal)", w->dir);
    qsort(w->files, w->n_files, sizeof *w->files, file_cmp);
    for (size_t i = 1; i < w->n_files; i++)
        if (w->files[i].seq != w->files[i - 1].seq + 1 || w->files[i].index < w->files[i - 1].index)
            return why_set(why, ERR_DAMAGED, "'%s': files of the log are missing before %s", w->dir,
                           w->files[i].name);
    return ERR_OK;
}

static enum err file_map(const struct wal *w, struct wal_file *f, struct why *why)
{
    char *path = xasprintf("%s/%s", w->dir, f->name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st = {0};
    void *map = NULL;
    if (fd != -1 && fstat(fd, &st) == 0 && st.st_size > 0)
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    enum err e = ERR_OK;
    if (fd == -1 || map == MAP_FAILED)
        e = why_set(why, ERR_IO, "read '%s': %s", path, strerror(errno));
    if (e == ERR_OK && map != NULL) {
        f->map = map;
        f->size = (size_t)st.st_size;
    }
    if (fd != -1)
        close(fd);
    free(path);
    return e;
}

bool wal_is_there(const char *dir)
{
    struct wal w = {.dir = (char *)(uintptr_t)dir};
    enum err e = files_find(&w, NULL);
    free(w.files);
    return e == ERR_OK || e == ERR_DAMAGED;
}

/* ---- frames --------------------------------------------------------------------------------- */

struct record {
    uint64_t type;
    uint32_t crc;
    struct slice data;
};

struct walk {
    const struct wal *w;
    size_t file; /* being read */
    size_t at;   /* in it */
    uint32_t crc;
    size_t torn_size; /* behind `at`, if the log ends in a record that is not whole */
    enum err (*visit)(void *arg, const struct record *r, struct why *why);
    void *arg;
    struct why *why;
};

static enum err damaged(const struct walk *k, const char *what)
{
    const struct wal_file *f = &k->w->files[k->file];
    return why_set(k->why, ERR_DAMAGED, "'%s/%s' is damaged: %s (at byte %zu)", k->w->dir, f->name,
                   what, k->at);
}

static bool record_read(struct slice bytes, struct record *ret)
{
    struct proto_field f;
    *ret = (struct record){.data = slice_make("", 0)};
    while (bytes.n != 0) {
        if (!proto_take(&bytes, &f))
            return false;
        if (f.number == WAL_RECORD_TYPE && f.wire == PROTO_VARINT)
            ret->type = f.value;
        else if (f.number == WAL_RECORD_CRC && f.wire == PROTO_VARINT)
            ret->crc = (uint32_t)f.value;
        else if (f.number == WAL_RECORD_DATA && f.wire == PROTO_BYTES)
            ret->data = f.bytes;
    }
    return true;
}

static bool is_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

/* A record at the end of the log of which the disk did not write all: a sector of it is zero. */
static bool looks_torn(const struct walk *k, const uint8_t *p, size_t n)
{
    if (k->file + 1 != k->w->n_files)
        return false;
    size_t at = k->at + WAL_LENGTH_SIZE;
    for (size_t i = 0; i < n;) {
        size_t part = SECTOR_SIZE - (at + i) % SECTOR_SIZE;
        part = part < n - i ? part : n - i;
        if (is_zero(p + i, part))
            return true;
        i += part;
    }
    return false;
}

static uint64_t length_get(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

/* Could a frame stand here? */
static bool is_frame(const uint8_t *p, size_t left)
{
    struct record r;
    uint64_t length = left > WAL_LENGTH_SIZE ? length_get(p) : 0;
    uint64_t n = length & WAL_LENGTH_MASK, padding = length >> 63 ? length >> 56 & 7 : 0;
    return n != 0 && n + padding <= left - WAL_LENGTH_SIZE && (n + padding) % WAL_ALIGN == 0 &&
           record_read(slice_make(p + WAL_LENGTH_SIZE, (size_t)n), &r) && r.type >= WAL_METADATA &&
           r.type <= WAL_SNAPSHOT;
}

/* What ends here, at its end or in a record that is not whole, has no more records behind. */
static enum err check_end(const struct walk *k)
{
    const struct wal_file *f = &k->w->files[k->file];
    for (size_t at = k->at + WAL_LENGTH_SIZE; at < f->size; at += WAL_ALIGN)
        if (is_frame(f->map + at, f->size - at))
            return damaged(k, "a record is not whole, and others follow it; if the machine lost "
                              "power, start upstream's etcd once, which mends what it can");
    return ERR_OK;
}

static enum err end_torn(struct walk *k)
{
    k->torn_size = k->w->files[k->file].size - k->at;
    enum err e = check_end(k);
    k->at = k->w->files[k->file].size;
    return e;
}

/* Check the record against the running checksum; the ones of type crc set it. */
static bool record_sums(struct walk *k, const struct record *r)
{
    if (r->type == WAL_CRC) {
        bool fits = k->crc == 0 || k->crc == r->crc;
        k->crc = r->crc;
        return fits;
    }
    k->crc = crc32c(k->crc, r->data.p, r->data.n);
    return k->crc == r->crc;
}

/* One frame; *ret_end is set at the end of the file. */
static enum err walk_frame(struct walk *k, bool *ret_end)
{
    const struct wal_file *f = &k->w->files[k->file];
    bool is_last = k->file + 1 == k->w->n_files;
    size_t left = f->size - k->at;
    uint64_t length = left >= WAL_LENGTH_SIZE ? length_get(f->map + k->at) : 0;
    *ret_end = left < WAL_LENGTH_SIZE || length == 0;
    if (*ret_end)
        return check_end(k);
    uint64_t n = length & WAL_LENGTH_MASK;
    uint64_t padding = length >> 63 ? length >> 56 & 7 : 0;
    if ((n + padding) % WAL_ALIGN != 0)
        return damaged(k, "a record has a length that cannot be");
    if (n + padding > left - WAL_LENGTH_SIZE) {
        return is_last ? end_torn(k) : damaged(k, "a record goes beyond the end");
    }
    const uint8_t *p = f->map + k->at + WAL_LENGTH_SIZE;
    struct record r;
    uint32_t crc = k->crc;
    if (!record_read(slice_make(p, (size_t)n), &r) || !record_sums(k, &r)) {
        k->crc = crc;
        return looks_torn(k, p, (size_t)n) ? end_torn(k)
                                           : damaged(k, "a record does not have its checksum");
    }
    enum err e = k->visit(k->arg, &r, k->why);
    if (e != ERR_OK)
        return e == ERR_MALFORMED ? damaged(k, "a record cannot be read") : e;
    k->at += WAL_LENGTH_SIZE + (size_t)(n + padding);
    return ERR_OK;
}

/* Entries that are needed are looked at again, and come back then. */
static void file_let_go(const struct wal_file *f)
{
    if (f->map != NULL)
        (void)madvise((void *)(uintptr_t)f->map, f->size, MADV_DONTNEED);
}

static enum err walk_run(struct walk *k)
{
    enum err e = ERR_OK;
    for (; e == ERR_OK && k->file < k->w->n_files; k->file++) {
        bool is_end = false;
        k->at = 0;
        while (e == ERR_OK && !is_end)
            e = walk_frame(k, &is_end);
        file_let_go(&k->w->files[k->file]);
    }
    return e;
}

/* ---- the first pass ------------------------------------------------------------------------- */

static enum err see_metadata(struct wal *w, struct slice data, struct why *why)
{
    if (w->has_metadata)
        return slice_eq(w->metadata, data)
                   ? ERR_OK
                   : why_set(why, ERR_DAMAGED, "'%s' mixes the logs of two members", w->dir);
    w->has_metadata = true;
    w->metadata = data;
    return wal_metadata_read(data, &w->cluster_id, &w->member_id);
}

static enum err see_record(void *arg, const struct record *r, struct why *why)
{
    struct wal *w = arg;
    struct wal_entry entry;
    struct wal_snapshot s;
    enum err e;
    switch (r->type) {
    case WAL_METADATA:
        return see_metadata(w, r->data, why);
    case WAL_ENTRY:
        return raftpb_entry_read(r->data, &entry);
    case WAL_STATE:
        return raftpb_hard_state_read(r->data, &w->hard_state);
    case WAL_CRC:
        return ERR_OK;
    case WAL_SNAPSHOT:
        e = walpb_snapshot_read(r->data, &s.index, &s.term);
        if (e != ERR_OK)
            return e;
        w->snapshots = xrealloc(w->snapshots, (w->n_snapshots + 1) * sizeof s);
        w->snapshots[w->n_snapshots++] = s;
        return ERR_OK;
    default:
        return ERR_MALFORMED;
    }
}

enum err wal_open(const char *dir, struct wal **ret, struct why *why)
{
    AUTO(wal) struct wal *w = xcalloc(1, sizeof *w);
    w->dir = xstrdup(dir);
    enum err e = files_find(w, why);
    for (size_t i = 0; e == ERR_OK && i < w->n_files; i++)
        e = file_map(w, &w->files[i], why);
    struct walk k = {.w = w, .visit = see_record, .arg = w, .why = why};
    if (e == ERR_OK)
        e = walk_run(&k);
    if (e == ERR_OK && (!w->has_metadata || w->member_id == 0))
        e = why_set(why, ERR_DAMAGED, "'%s' does not say whose log it is", dir);
    if (e != ERR_OK)
        return e;
    w->torn_size = k.torn_size;
    *ret = w;
    w = NULL;
    return ERR_OK;
}

void wal_close(struct wal *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->n_files; i++)
        if (w->files[i].map != NULL)
            munmap((void *)(uintptr_t)w->files[i].map, w->files[i].size);
    free(w->files);
    free(w->snapshots);
    free(w->entries);
    free(w->dir);
    free(w);
}

/* ---- entries -------------------------------------------------------------------------------- */

struct loading {
    struct wal *w;
    struct wal_snapshot start;
    bool is_mentioned; /* the snapshot */
};

static enum err load_entry(struct loading *l, const struct wal_entry *entry, struct why *why)
{
    struct wal *w = l->w;
    if (entry->index <= l->start.index)
        return ERR_OK;
    uint64_t at = entry->index - l->start.index - 1;
    raft_term before = at != 0 && at <= w->n_entries ? w->entries[at - 1].term : l->start.term;
    if (at > w->n_entries)
        return why_set(why, ERR_DAMAGED,
                       "'%s' is damaged: entries %" PRIu64 " to %" PRIu64 " are missing", w->dir,
                       l->start.index + w->n_entries + 1, entry->index - 1);
    if (entry->term == 0 || entry->term < before)
        return why_set(why, ERR_DAMAGED,
                       "'%s' is damaged: the terms of entries go down at %" PRIu64, w->dir,
                       entry->index);
    if (at == w->cap_entries) {
        w->cap_entries = w->cap_entries ? w->cap_entries * 2 : 1024;
        w->entries = xrealloc(w->entries, w->cap_entries * sizeof *w->entries);
    }
    w->entries[at] = *entry;
    w->n_entries = (size_t)at + 1;
    return ERR_OK;
}

static enum err load_record(void *arg, const struct record *r, struct why *why)
{
    struct loading *l = arg;
    struct wal_entry entry;
    struct wal_snapshot s;
    enum err e = ERR_OK;
    if (r->type == WAL_ENTRY) {
        e = raftpb_entry_read(r->data, &entry);
        if (e == ERR_OK)
            e = load_entry(l, &entry, why);
    } else if (r->type == WAL_SNAPSHOT) {
        e = walpb_snapshot_read(r->data, &s.index, &s.term);
        if (e == ERR_OK && s.index == l->start.index)
            l->is_mentioned = l->is_mentioned || s.term == l->start.term;
    }
    return e;
}

/* The last file that begins at or before the entry behind `index`. */
static size_t file_of(const struct wal *w, raft_index index)
{
    size_t i = w->n_files - 1;
    while (i > 0 && w->files[i].index > index)
        i--;
    return i;
}

enum err wal_load(struct wal *w, struct wal_snapshot start, struct why *why)
{
    struct loading l = {.w = w, .start = start, .is_mentioned = start.index == 0};
    size_t first = file_of(w, start.index);
    w->n_entries = 0;
    if (w->files[first].index > start.index)
        return why_set(why, ERR_DAMAGED,
                       "'%s' begins at entry %" PRIu64 ", and there is no snapshot that reaches so "
                       "far",
                       w->dir, w->files[first].index);
    struct walk k = {.w = w, .file = first, .visit = load_record, .arg = &l, .why = why};
    enum err e = walk_run(&k);
    if (e == ERR_OK && !l.is_mentioned)
        e = why_set(why, ERR_DAMAGED, "'%s' does not mention the snapshot at entry %" PRIu64,
                    w->dir, start.index);
    return e;
}

/* ---- what was read -------------------------------------------------------------------------- */

uint64_t wal_cluster_id(const struct wal *w)
{
    return w->cluster_id;
}

member_id wal_member_id(const struct wal *w)
{
    return w->member_id;
}

const struct raft_hard_state *wal_hard_state(const struct wal *w)
{
    return &w->hard_state;
}

const struct wal_snapshot *wal_snapshots(const struct wal *w, size_t *ret_n)
{
    *ret_n = w->n_snapshots;
    return w->snapshots;
}

size_t wal_torn_size(const struct wal *w)
{
    return w->torn_size;
}

const struct wal_entry *wal_entries(const struct wal *w, size_t *ret_n)
{
    *ret_n = w->n_entries;
    return w->entries;
}
