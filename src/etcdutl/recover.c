/* etcdutl/recover.c -- see recover.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdutl/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "etcdutl/member_dir.h"
#include "etcdutl/target.h"
#include "raft/conf_codec.h"
#include "upstream/dir.h"
#include "upstream/files.h"

/* ---- looking -------------------------------------------------------------------------------- */

static raft_term last_term(const struct member_dir *m)
{
    return m->entries.n != 0 ? m->entries.v[m->entries.n - 1].term : m->start.trimmed_term;
}

static enum err open_member(const char *path, const char *wal_dir, msec lock_wait_ms,
                            struct member_dir **ret, struct why *why)
{
    if (upstream_dir_is(path, wal_dir))
        return why_set(why, ERR_FOREIGN_DATA,
                       "'%s' was written by upstream's etcd; import it first: etcdutl import "
                       "--from %s --data-dir NEW",
                       path, path);
    return member_dir_open(path, wal_dir, lock_wait_ms, ret, why);
}

enum err recover_look(const char *path, const char *wal_dir, msec lock_wait_ms,
                      struct recover_member *ret, struct why *why)
{
    AUTO(member_dir) struct member_dir *m = NULL;
    enum err e = open_member(path, wal_dir, lock_wait_ms, &m, why);
    if (e != ERR_OK)
        return e;
    const struct member *self = cluster_find(m->cluster, m->start.member_id);
    *ret = (struct recover_member){
        .path = path,
        .wal_dir = wal_dir,
        .cluster_id = m->start.cluster_id,
        .id = m->start.member_id,
        .last_term = last_term(m),
        .last = m->start.last_index,
        .committed = m->start.hard_state.commit,
        .applied = m->applied,
    };
    if (self != NULL)
        snprintf(ret->name, sizeof ret->name, "%s", self->name);
    struct db_file *f = db_file_of_kvdb(m->reader);
    e = hashkv_read(f, 0, &ret->hash, why);
    db_file_close(f);
    return e;
}

static bool is_newer(const struct recover_member *a, const struct recover_member *b)
{
    if (a->last_term != b->last_term)
        return a->last_term > b->last_term;
    if (a->last != b->last)
        return a->last > b->last;
    return a->applied > b->applied;
}

enum err recover_choose(const struct recover_member *m, size_t n, size_t *ret_newest,
                        struct why *why)
{
    *ret_newest = 0;
    for (size_t i = 1; i < n; i++) {
        if (m[i].cluster_id != m[0].cluster_id)
            return why_set(why, ERR_INVALID,
                           "'%s' is of cluster %" PRIx64 ", '%s' of cluster %" PRIx64, m[0].path,
                           m[0].cluster_id, m[i].path, m[i].cluster_id);
        for (size_t k = 0; k < i; k++)
            if (m[k].id == m[i].id)
                return why_set(why, ERR_INVALID, "'%s' and '%s' are both of member %" PRIx64,
                               m[k].path, m[i].path, m[i].id);
        if (is_newer(&m[i], &m[*ret_newest]))
            *ret_newest = i;
    }
    return ERR_OK;
}

/* ---- copying -------------------------------------------------------------------------------- */

static enum err copy_file(const char *from, const char *to, struct why *why)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in == -1)
        return file_fail(why, "open", from, errno);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum err e = out == -1 ? file_fail(why, "create", to, errno) : ERR_OK;
    for (ssize_t n = 1; e == ERR_OK && n != 0;) {
        n = sendfile(out, in, NULL, 1 << 30);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            e = file_fail(why, "copy to", to, errno);
    }
    close(in);
    if (out != -1)
        close(out);
    return e;
}

/* A database that nobody has open, with what SQLite keeps beside it. */
static enum err copy_database(const char *from, const char *to, struct why *why)
{
    char *from_wal = xasprintf("%s-wal", from), *to_wal = xasprintf("%s-wal", to);
    enum err e = copy_file(from, to, why);
    if (e == ERR_OK && access(from_wal, F_OK) == 0)
        e = copy_file(from_wal, to_wal, why);
    free(from_wal);
    free(to_wal);
    return e;
}

/* The databases are closed, and the lock is kept. */
static enum err copy_member(const struct data_dir *from, struct target *t, struct why *why)
{
    enum err e = copy_database(data_dir_kv_path(from), target_kv_path(t), why);
    return e == ERR_OK ? copy_database(data_dir_log_path(from), target_log_path(t), why) : e;
}

/* ---- a cluster of one ----------------------------------------------------------------------- */

struct forcing {
    struct cluster *c; /* as it will be when all entries are applied */
    struct kv_writer *w;
    struct raft_entries entries; /* to be added */
    raft_index last;
    raft_term term;
};

static void force(struct forcing *f, struct raft_conf_change *cc)
{
    struct raft_entry e = {.index = f->last + f->entries.n + 1,
                           .term = f->term,
                           .type = RAFT_ENTRY_CONF_CHANGE,
                           .data = raft_conf_change_encode(cc, true)};
    raft_entries_add(&f->entries, &e, 1);
    blob_unref(e.data);
    raft_conf_change_fini(cc);
}

/* What the entries behind the applied one change. */
static void follow_log(struct forcing *f, const struct member_dir *m)
{
    struct raft_conf_change cc;
    for (size_t i = 0; i < m->entries.n; i++) {
        const struct raft_entry *e = &m->entries.v[i];
        if (e->index <= m->applied || !raft_entry_is_conf_change(e) ||
            raft_conf_change_decode(e->type, blob_slice(e->data), &cc) != ERR_OK)
            continue;
        enum err refused = cluster_apply_change(f->c, &cc, f->w);
        (void)refused;
        raft_conf_change_fini(&cc);
    }
}

static void keep_others(const struct cluster *c, member_id self, struct member ***ret,
                        size_t *ret_n)
{
    *ret = xcalloc(cluster_size(c) + 1, sizeof **ret);
    *ret_n = 0;
    for (size_t i = 0; i < cluster_size(c); i++)
        if (cluster_at(c, i)->id != self)
            (*ret)[(*ret_n)++] = member_dup(cluster_at(c, i));
}

/* A voter must be left at each step, so the one that stays becomes one before the others go. */
static enum err force_one(struct forcing *f, member_id self, struct member **ret_self,
                          struct member ***ret_others, size_t *ret_n, struct why *why)
{
    struct raft_conf_change cc;
    const struct member *m = cluster_find(f->c, self);
    if (m == NULL)
        return why_set(why, ERR_INVALID,
                       "the data of member %" PRIx64 " end before it came into the cluster, or "
                       "after it was removed: take those of another one, or a backup",
                       self);
    if (m->is_learner) {
        cluster_change_promote(0, self, &cc);
        force(f, &cc);
    }
    *ret_self = member_dup(m);
    keep_others(f->c, self, ret_others, ret_n);
    for (size_t i = 0; i < *ret_n; i++) {
        cluster_change_remove(0, (*ret_others)[i]->id, &cc);
        force(f, &cc);
    }
    return ERR_OK;
}

static enum err append_forced(struct forcing *f, const struct member_dir *m, struct target *t,
                              struct why *why)
{
    AUTO(logdb) struct logdb *log = NULL;
    struct raft_hard_state hs = m->start.hard_state;
    hs.commit = f->last + f->entries.n;
    enum err e = target_open_log(t, &log, why);
    if (e == ERR_OK)
        e = logdb_append(log, &hs, f->entries.v, f->entries.n, why);
    return e == ERR_OK ? logdb_gather(log, why) : e;
}

enum err recover_make(const struct recover_options *o, struct member **ret_self,
                      struct member ***ret_others, size_t *ret_n, struct why *why)
{
    AUTO(member_dir) struct member_dir *m = NULL;
    AUTO(target) struct target *t = NULL;
    struct target_options target = {
        .data_dir = o->to_data_dir, .wal_dir = o->to_wal_dir, .owner_like = o->data_dir};
    *ret_self = NULL;
    *ret_others = NULL;
    *ret_n = 0;
    enum err e = open_member(o->data_dir, o->wal_dir, o->lock_wait_ms, &m, why);
    if (e == ERR_OK)
        e = target_begin(&target, &t, why);
    if (e != ERR_OK)
        return e;
    struct forcing f = {.c = m->cluster,
                        .w = kvdb_writer(m->kv),
                        .last = m->start.last_index,
                        .term = m->start.hard_state.term};
    kvdb_begin(m->kv);
    follow_log(&f, m);
    e = force_one(&f, m->start.member_id, ret_self, ret_others, ret_n, why);
    kvdb_rollback(m->kv);
    if (e == ERR_OK) {
        member_dir_close_databases(m); /* so that the files are whole */
        e = copy_member(m->dir, t, why);
    }
    if (e == ERR_OK)
        e = append_forced(&f, m, t, why);
    if (e == ERR_OK)
        e = target_finish(t, NULL, why);
    raft_entries_fini(&f.entries);
    return e;
}
