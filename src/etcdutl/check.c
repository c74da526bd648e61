/* etcdutl/check.c -- see check.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdutl/check.h"

#include "apply/apply.h"
#include "etcdutl/member_dir.h"

/* Leases and alarms as the server would read them at its start. */
static enum err check_buckets(struct member_dir *m, struct why *why)
{
    struct mvcc_store *kv = mvcc_store_new();
    struct lessor *lessor = lessor_new(1);
    const struct applier_stores stores = {
        .kv = kv, .lessor = lessor, .cluster = m->cluster, .writer = kvdb_writer(m->kv)};
    struct applier *a = applier_new(&stores);
    kvdb_begin(m->kv);
    enum err e = applier_load(a, why);
    kvdb_rollback(m->kv);
    applier_free(a);
    lessor_free(lessor);
    mvcc_store_free(kv);
    return e;
}

static enum err check_databases(struct member_dir *m, struct check_report *ret, struct why *why)
{
    struct db_file *f = db_file_of_kvdb(m->reader);
    enum err e = db_file_check(f, why);
    if (e == ERR_OK)
        e = logdb_check(m->log, why);
    if (e == ERR_OK)
        e = check_buckets(m, why);
    if (e == ERR_OK)
        e = hashkv_read(f, 0, &ret->hash, why);
    db_file_close(f);
    return e;
}

enum err check_run(const char *data_dir, const char *wal_dir, msec lock_wait_ms,
                   struct check_report *ret, struct why *why)
{
    AUTO(member_dir) struct member_dir *m = NULL;
    *ret = (struct check_report){0};
    enum err e = member_dir_open(data_dir, wal_dir, lock_wait_ms, &m, why);
    if (e == ERR_OK)
        e = check_databases(m, ret, why);
    if (e != ERR_OK)
        return e;
    ret->cluster_id = m->start.cluster_id;
    ret->member_id = m->start.member_id;
    ret->first = m->start.trimmed_index + 1;
    ret->last = m->start.last_index;
    ret->applied = m->applied;
    ret->committed = m->start.hard_state.commit;
    ret->term = m->start.hard_state.term;
    ret->members = cluster_size(m->cluster);
    return ERR_OK;
}
