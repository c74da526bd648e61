/* upstream/snap.c -- see snap.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/snap.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/varint.h"
#include "upstream/files.h"

enum { SNAP_CRC = 1, SNAP_DATA };
enum { NAME_SIZE = 16 + 1 + 16 + 5, NAMES_MAX = 4096 };

/* ---- one file ------------------------------------------------------------------------------- */

static bool read_envelope(struct slice bytes, uint64_t *ret_crc, struct slice *ret_data)
{
    struct proto_field f;
    *ret_crc = 0;
    *ret_data = slice_make("", 0);
    while (bytes.n != 0) {
        if (!proto_take(&bytes, &f))
            return false;
        if (f.number == SNAP_CRC && f.wire == PROTO_VARINT)
            *ret_crc = f.value;
        else if (f.number == SNAP_DATA && f.wire == PROTO_BYTES)
            *ret_data = f.bytes;
    }
    return true;
}

enum err snap_read(struct slice bytes, struct snap *ret, struct why *why)
{
    uint64_t crc;
    struct slice data;
    *ret = (struct snap){.bytes = BUF_INIT};
    buf_add_slice(&ret->bytes, bytes);
    const char *what = NULL;
    if (!read_envelope(buf_slice(&ret->bytes), &crc, &data) || data.n == 0)
        what = "it is cut off, or none";
    else if (crc != crc32c(0, data.p, data.n))
        what = "it does not have its checksum";
    else if (raftpb_snapshot_read(data, &ret->meta, &ret->tree) != ERR_OK ||
             ret->meta.index == 0 || ret->meta.term == 0)
        what = "it cannot be read";
    if (what == NULL)
        return ERR_OK;
    snap_fini(ret);
    return why_set(why, ERR_DAMAGED, "the snapshot is damaged: %s", what);
}

void snap_fini(struct snap *s)
{
    raft_conf_state_fini(&s->meta.conf_state);
    buf_fini(&s->bytes);
    *s = (struct snap){.bytes = BUF_INIT};
}

/* ---- a folder of them ------------------------------------------------------------------------ */

static int name_cmp_down(const void *a, const void *b)
{
    return strcmp(*(char *const *)b, *(char *const *)a);
}

static bool name_is_snap(const char *name)
{
    return strlen(name) == NAME_SIZE && name[16] == '-' &&
           strspn(name, "0123456789abcdef") == 16 &&
           strspn(name + 17, "0123456789abcdef") == 16 && strcmp(name + 33, ".snap") == 0;
}

/* Return the names, newest first; they are the caller's. */
static char **names_find(const char *dir, size_t *ret_n)
{
    char **names = NULL;
    *ret_n = 0;
    DIR *d = opendir(dir);
    struct dirent *ent;
    while (d != NULL && *ret_n < NAMES_MAX && (ent = readdir(d)) != NULL) {
        if (!name_is_snap(ent->d_name))
            continue;
        names = xrealloc(names, (*ret_n + 1) * sizeof *names);
        names[(*ret_n)++] = xstrdup(ent->d_name);
    }
    if (d != NULL)
        closedir(d);
    if (*ret_n > 1)
        qsort(names, *ret_n, sizeof *names, name_cmp_down);
    return names;
}

static enum err file_load(const char *dir, const char *name, struct snap *ret, struct why *why)
{
    char *path = xasprintf("%s/%s", dir, name);
    AUTO(buf) struct buf bytes = BUF_INIT;
    enum err e = file_read(path, SNAP_SIZE_MAX, &bytes, why);
    if (e == ERR_OK)
        e = snap_read(buf_slice(&bytes), ret, why);
    free(path);
    return e;
}

enum err snap_find(const char *dir, bool (*may)(void *arg, raft_index, raft_term), void *arg,
                   struct snap *ret, struct buf *passed_over, struct why *why)
{
    size_t n;
    char **names = names_find(dir, &n);
    bool is_found = false;
    enum err e = ERR_OK;
    *ret = (struct snap){.bytes = BUF_INIT};
    for (size_t i = 0; i < n && !is_found && e == ERR_OK; i++) {
        e = file_load(dir, names[i], ret, why);
        if (e == ERR_DAMAGED) {
            buf_addf(passed_over, "%s%s", passed_over->n ? ", " : "", names[i]);
            e = ERR_OK;
        } else if (e == ERR_OK) {
            is_found = may(arg, ret->meta.index, ret->meta.term);
            if (!is_found)
                snap_fini(ret);
        }
    }
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return e;
}

/* ---- writing -------------------------------------------------------------------------------- */

void snap_add(struct buf *b, const struct raft_snapshot_meta *meta, struct slice tree)
{
    AUTO(buf) struct buf data = BUF_INIT;
    raftpb_snapshot_add(&data, meta, tree);
    proto_add_number(b, SNAP_CRC, crc32c(0, data.p, data.n));
    proto_add_bytes(b, SNAP_DATA, buf_slice(&data));
}

enum err snap_create(const char *dir, const struct raft_snapshot_meta *meta, struct slice tree,
                     struct why *why)
{
    AUTO(buf) struct buf bytes = BUF_INIT;
    snap_add(&bytes, meta, tree);
    char *path = xasprintf("%s/%016" PRIx64 "-%016" PRIx64 ".snap", dir, meta->term, meta->index);
    enum err e = file_create(path, buf_slice(&bytes), why);
    free(path);
    return e;
}
