/* etcdutl/target.h -- a data directory of ours in the making.
 *
 * The databases are made in DIR/member.unfinished, which etcd does not look at; when all is written
 * and synced, one rename makes it DIR/member. Whatever goes wrong before, there is no member: not a
 * half-made one either. With a WAL directory of its own, log.db is made in WALDIR/member.unfinished
 * and goes to WALDIR before that rename; or behind it, where the member takes the place of another
 * one: target_resume() then ends what was interrupted between the two.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_TARGET_H
#define ETCDUTL_TARGET_H

#include <stdbool.h>

#include "base/mem.h"
#include "base/why.h"
#include "storage/kvdb.h"
#include "storage/logdb.h"

#define TARGET_UNFINISHED "member.unfinished"

struct target;

struct target_options {
    const char *data_dir;
    const char *wal_dir;    /* NULL or "": log.db lives in member/ */
    const char *owner_like; /* the files get the owner of this one; NULL: of the data directory */
    bool beside_member;     /* a member is there, and target_finish() is told where it goes */
    const char *vfs;        /* of SQLite, for tests */
};

/* Make the directories. Fail with ERR_LOCKED while another one is made there, and with ERR_EXISTS
 * if the data directory is not empty (but for what an earlier try left, which is removed) or if the
 * WAL directory is there. */
MUST_USE enum err target_begin(const struct target_options *o, struct target **ret,
                               struct why *why);

/* End the run that was interrupted when DIR/member was ours already: move log.db to its place. It
 * must be the log of this member. ERR_NOT_FOUND, ERR_INVALID, ERR_LOCKED. */
MUST_USE enum err target_resume(const char *data_dir, const char *wal_dir, uint64_t cluster_id,
                                member_id id, struct why *why);

/* Make the databases. They are new, and nothing of them is synced: target_finish() does that. The
 * caller closes them (kvdb_bulk_end() and logdb_gather() first). */
MUST_USE enum err target_open_kv(struct target *t, struct kvdb **ret, struct why *why);
MUST_USE enum err target_open_log(struct target *t, struct logdb **ret, struct why *why);

/* Sync everything and give it its name; a member that is there gets the name `old_member` (a path)
 * before. */
MUST_USE enum err target_finish(struct target *t, const char *old_member, struct why *why);

/* Free; what is not finished is removed. NULL is fine. */
void target_free(struct target *t);
static inline void target_auto(struct target **t)
{
    target_free(*t);
}

/* Lend the path of what becomes DIR/member, for files that are made otherwise. */
const char *target_path(const struct target *t);
/* Likewise of the databases in the making. */
const char *target_kv_path(const struct target *t);
const char *target_log_path(const struct target *t);

#endif
