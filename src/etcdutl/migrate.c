/* etcdutl/migrate.c -- see migrate.h.
 *
 * The version is stored from 3.6 on; data of 3.5 are known by the term in the meta bucket. Between
 * the versions that there are nothing else changes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdutl/migrate.h"

#include <stdio.h>
#include <stdlib.h>

#include "apply/entry.h"
#include "etcdutl/marks.h"
#include "etcdutl/member_dir.h"

enum { MAJOR = 3, MINOR_FIRST = 5, MINOR_STORED = 6, MINOR_LAST = 7 };

struct migrate {
    const struct migrate_options *o;
    struct member_dir *m;
    unsigned major, minor; /* current */
    struct why *why;
};

static void say(const struct migrate *g, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void say(const struct migrate *g, const char *fmt, ...)
{
    AUTO(buf) struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    g->o->say(buf_cstr(&b));
}

static enum err detect(struct migrate *g)
{
    struct slice v;
    enum err e = kvdb_reader_bucket_get(g->m->reader, BUCKET_META, slice_str("storageVersion"), &v);
    if (e == ERR_OK && v.n != 0) {
        char text[CLUSTER_VERSION_MAX];
        snprintf(text, sizeof text, "%.*s", (int)(v.n < 32 ? v.n : 32), (const char *)v.p);
        if (sscanf(text, "%u.%u", &g->major, &g->minor) != 2)
            return why_set(g->why, ERR_DAMAGED, "the storage version \"%s\" cannot be read", text);
        return ERR_OK;
    }
    e = kvdb_reader_bucket_get(g->m->reader, BUCKET_META, slice_str("term"), &v);
    if (e == ERR_OK && v.n == 8 && be64_get(v.p) != 0) {
        g->major = MAJOR;
        g->minor = MINOR_FIRST;
        return ERR_OK;
    }
    say(g, "failed to detect storage version. Please make sure you are using data dir from etcd "
           "v3.5 and older");
    return why_set(g->why, ERR_INVALID, "missing term information");
}

static enum err check_plan(const struct migrate *g)
{
    unsigned target = g->o->minor, top = target > g->minor ? target : g->minor;
    if (g->o->major != g->major)
        return why_set(g->why, ERR_INVALID, "cannot create migration plan: changing major storage "
                                            "version is not supported");
    if (top <= MINOR_LAST)
        return ERR_OK;
    return why_set(g->why, ERR_INVALID,
                   "cannot create migration plan: version \"%u.%u.0\" is not supported", g->major,
                   target > g->minor && g->minor >= MINOR_LAST ? g->minor + 1
                   : target > g->minor                        ? MINOR_LAST + 1
                                                              : g->minor);
}

/* The lowest 3.x that can read what the log has behind the state; it would have to apply that. */
static unsigned log_minor(const struct migrate *g)
{
    unsigned minor = 0;
    struct arena *arena = arena_new();
    for (size_t i = 0; i < g->m->entries.n; i++) {
        const struct raft_entry *e = &g->m->entries.v[i];
        struct entry entry;
        arena_reset(arena);
        if (e->index <= g->m->applied || e->type != RAFT_ENTRY_NORMAL || e->data == NULL ||
            entry_decode(blob_slice(e->data), arena, &entry) != ERR_OK || entry.v2 != NULL)
            continue;
        while (minor < MINOR_LAST && !entry_is_known_to(entry.req, MAJOR, minor))
            minor++;
    }
    arena_free(arena);
    return minor;
}

static enum err check_log(const struct migrate *g)
{
    unsigned minor = log_minor(g);
    if (g->o->minor >= g->minor || minor <= g->o->minor)
        return ERR_OK;
    return why_set(g->why, ERR_INVALID,
                   "cannot downgrade storage, WAL contains newer entries, as the target version "
                   "(%u.%u.0) is lower than the version (%u.%u.0) detected from WAL logs",
                   g->o->major, g->o->minor, MAJOR, minor);
}

static enum err store(struct migrate *g)
{
    char text[32];
    struct kv_writer *w = kvdb_writer(g->m->kv);
    snprintf(text, sizeof text, "%u.%u.0", g->o->major, g->o->minor);
    kvdb_begin(g->m->kv);
    if (version_cmp(text, "3.6") < 0)
        w->ops->bucket_remove(w, BUCKET_META, slice_str("storageVersion"));
    else
        w->ops->bucket_put(w, BUCKET_META, slice_str("storageVersion"), slice_str(text));
    return kvdb_commit(g->m->kv, g->why);
}

static void say_steps(const struct migrate *g)
{
    unsigned at = g->minor;
    while (at != g->o->minor) {
        at = at < g->o->minor ? at + 1 : at - 1;
        say(g, "updated storage version: %u.%u.0", g->major, at);
    }
}

static enum err migrate(struct migrate *g)
{
    enum err e = detect(g);
    if (e != ERR_OK)
        return e;
    if (g->major == g->o->major && g->minor == g->o->minor) {
        say(g, "storage version up-to-date: %u.%u", g->major, g->minor);
        return ERR_OK;
    }
    e = check_plan(g);
    if (e == ERR_OK)
        e = check_log(g);
    if (e != ERR_OK && !g->o->force)
        return e;
    if (e != ERR_OK)
        say(g, "normal migrate failed, trying with force: %s", g->why->text);
    else
        say_steps(g);
    bool forced = e != ERR_OK;
    e = store(g);
    if (e == ERR_OK && forced && g->o->major == MAJOR && g->o->minor < MINOR_STORED)
        say(g, "forcefully cleared storage version");
    else if (e == ERR_OK && forced)
        say(g, "forcefully set storage version: %u.%u", g->o->major, g->o->minor);
    return e;
}

enum err migrate_run(const struct migrate_options *o, struct why *why)
{
    struct migrate g = {.o = o, .why = why};
    enum err e = member_dir_open(o->data_dir, o->wal_dir, o->lock_wait_ms, &g.m, why);
    if (e == ERR_OK)
        e = migrate(&g);
    member_dir_close(g.m);
    return e;
}
