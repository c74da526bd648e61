/* etcdutl/replay.c -- see replay.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdutl/replay.h"

#include <inttypes.h>

#include "apply/apply.h"
#include "apply/entry.h"
#include "membership/v2_tree.h"
#include "base/varint.h"
#include "raft/conf_codec.h"
#include "upstream/v2.h"

struct replay {
    struct cluster *c;
    struct kv_writer *w;
    struct applier *applier; /* over an empty store: only requests about members reach it */
    struct arena *arena;
};

static enum err start_from_snapshot(const struct upstream_dir *d, struct cluster *c,
                                    struct kv_writer *w, struct why *why)
{
    bool has_user_keys; /* the caller has looked */
    enum err e = cluster_load(c, w, why);
    if (e != ERR_OK || d->snap.tree.n == 0)
        return e;
    e = cluster_load_v2_json(c, d->snap.tree, &has_user_keys, why);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* A change that the cluster refused when it was applied is refused again, and has no effect. */
static void replay_change(struct replay *r, const struct wal_entry *e)
{
    struct raft_conf_change cc;
    if (raft_conf_change_decode(e->type, e->data, &cc) != ERR_OK)
        return;
    enum err refused = cluster_apply_change(r->c, &cc, r->w);
    (void)refused;
    raft_conf_change_fini(&cc);
}

/* Most entries do not, and need not be unpacked. */
static bool concerns_members(struct slice data)
{
    enum { VERSION_SET = 1300, ATTRIBUTES_SET, DOWNGRADE_SET };
    struct v2_request v2;
    struct proto_field f;
    if (v2_request_find(data, &v2))
        return true;
    while (data.n != 0 && proto_take(&data, &f))
        if (f.number >= VERSION_SET && f.number <= DOWNGRADE_SET)
            return true;
    return false;
}

static void replay_request(struct replay *r, const struct wal_entry *e)
{
    struct entry entry;
    struct apply_result result;
    arena_reset(r->arena);
    if (!concerns_members(e->data) || entry_decode(e->data, r->arena, &entry) != ERR_OK)
        return;
    if (entry.v2 != NULL)
        applier_apply_v2(r->applier, entry.v2, &result);
    else if (entry.req->cluster_member_attr_set != NULL ||
             entry.req->cluster_version_set != NULL || entry.req->downgrade_info_set != NULL)
        applier_apply(r->applier, entry.req, 0, r->arena, &result);
}

static void replay_entries(const struct upstream_dir *d, struct replay *r)
{
    size_t n;
    const struct wal_entry *e = wal_entries(d->wal, &n);
    for (size_t i = 0; i < n && e[i].index <= d->applied; i++) {
        if (e[i].type == RAFT_ENTRY_NORMAL)
            replay_request(r, &e[i]);
        else
            replay_change(r, &e[i]);
    }
}

enum err replay_members(const struct upstream_dir *d, struct cluster *c, struct kv_writer *w,
                        struct why *why)
{
    enum err e = start_from_snapshot(d, c, w, why);
    if (e != ERR_OK)
        return e;
    struct mvcc_store *kv = mvcc_store_new();
    struct lessor *lessor = lessor_new(1);
    const struct applier_stores stores = {.kv = kv, .lessor = lessor, .cluster = c, .writer = w};
    struct replay r = {
        .c = c, .w = w, .applier = applier_new(&stores), .arena = arena_new()};
    replay_entries(d, &r);
    applier_free(r.applier);
    lessor_free(lessor);
    mvcc_store_free(kv);
    arena_free(r.arena);
    return ERR_OK;
}
