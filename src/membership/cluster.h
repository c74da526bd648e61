/* membership/cluster.h -- who is in the cluster, who was, and the version they agreed on.
 *
 * Pure: it is changed by applied log entries only, and writes what changed through the kv_writer of
 * the same batch, so that the buckets and this object never differ. Reconfiguration is checked in
 * two steps: the caller asks before it proposes (and, if reconfiguration is strict, about the
 * quorum), and the same check runs again when the entry is applied, where it decides.
 *
 * Buckets: "members" (hex id -> JSON of the member), "members_removed" (hex id -> "removed"),
 * "cluster" ("clusterVersion" -> "3.7.0", "downgrade" -> JSON).
 *
 * Invariants: members ascend by id without doubles; no member is in the list of the removed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMBERSHIP_CLUSTER_H
#define MEMBERSHIP_CLUSTER_H

#include "base/why.h"
#include "iface/backend.h"
#include "iface/raft.h"
#include "membership/member.h"

enum {
    CLUSTER_MEMBERS_MAX = 1024,
    CLUSTER_VERSION_MAX = 64 /* bytes of a version's text with its NUL */
};

struct cluster; /* opaque: fields live in cluster.c */

/* Return an empty cluster with the id `id` (0: not known yet) that allows one learner. */
struct cluster *cluster_new(uint64_t id);
void cluster_free(struct cluster *c); /* NULL is fine */
/* Assert all that the cluster believes of itself. */
void cluster_check(const struct cluster *c);

/* Replace members, removed ids, version and downgrade by what the buckets hold; the cluster id
 * and the number of learners allowed stay. On ERR_DAMAGED nothing changes and `why` names the row.
 */
MUST_USE enum err cluster_load(struct cluster *c, struct kv_writer *w, struct why *why);
/* Make the buckets hold exactly this: rows of other members are removed. */
void cluster_save(const struct cluster *c, struct kv_writer *w);

/* ---- what is known --------------------------------------------------------------------------- */

uint64_t cluster_id(const struct cluster *c);
void cluster_set_id(struct cluster *c, uint64_t id);
void cluster_set_learners_max(struct cluster *c, size_t n);

/* Members by ascending id; lent until the next change. */
size_t cluster_size(const struct cluster *c);
const struct member *cluster_at(const struct cluster *c, size_t i);
/* Return the member, or NULL. */
const struct member *cluster_find(const struct cluster *c, member_id id);
bool cluster_is_removed(const struct cluster *c, member_id id);
/* Removed ids, ascending; lent. */
const member_id *cluster_removed(const struct cluster *c, size_t *ret_n);

size_t cluster_n_voters(const struct cluster *c);
size_t cluster_n_learners(const struct cluster *c);

/* Return the cluster version ("3.7.0"), or NULL while it is not decided. Lent. */
const char *cluster_version(const struct cluster *c);
/* True if the cluster version is decided and at least major.minor. */
bool cluster_version_reached(const struct cluster *c, unsigned major, unsigned minor);
/* Return the target of the downgrade under way, or NULL if there is none. Lent. */
const char *cluster_downgrade_target(const struct cluster *c);
static inline bool cluster_downgrade_enabled(const struct cluster *c)
{
    return cluster_downgrade_target(c) != NULL;
}

/* Append the JSON array of all members, by ascending id. */
void cluster_add_json(const struct cluster *c, struct buf *out);

/* ---- reconfiguration ------------------------------------------------------------------------- */

/* Fill `ret_cc`, owned, with the change to propose; `change_id` is the proposer's number of it. */
void cluster_change_add(uint64_t change_id, const struct member *m,
                        struct raft_conf_change *ret_cc);
void cluster_change_promote(uint64_t change_id, member_id id, struct raft_conf_change *ret_cc);
void cluster_change_update(uint64_t change_id, member_id id, const char *const *peer_urls,
                           size_t n_urls, struct raft_conf_change *ret_cc);
void cluster_change_remove(uint64_t change_id, member_id id, struct raft_conf_change *ret_cc);

/* Would this change be applied? Fail with ERR_MEMBER_EXISTS, ERR_PEER_URL_EXISTS,
 * ERR_MEMBER_NOT_FOUND (also for a removed id), ERR_MEMBER_NOT_LEARNER, ERR_TOO_MANY_LEARNERS,
 * ERR_TOO_LARGE at CLUSTER_MEMBERS_MAX, or ERR_MALFORMED for one that no member proposes. */
MUST_USE enum err cluster_check_change(const struct cluster *c, const struct raft_conf_change *cc);

/* Apply a committed change. An update replaces the peer URLs, and below cluster version 3.5 also
 * makes a voter of a learner in this list (not in raft), as 3.4 does. If cluster_check_change
 * refuses it, return its error, unchanged: the entry then has no effect in raft either. Else write
 * what changed to `w`. */
MUST_USE enum err cluster_apply_change(struct cluster *c, const struct raft_conf_change *cc,
                                       struct kv_writer *w);

/* Strict reconfiguration: would the started voters still be a quorum? Fail with
 * ERR_MEMBER_NOT_ENOUGH_STARTED. Adding a second voter to a lone started one is allowed. A change
 * that leaves the voters as they are is fine. The change passed cluster_check_change. */
MUST_USE enum err cluster_check_quorum(const struct cluster *c, const struct raft_conf_change *cc);

/* ---- other applied entries ------------------------------------------------------------------- */

/* A member published its name and client URLs. ERR_MEMBER_NOT_FOUND, unchanged, if it is not (or no
 * longer) a member; ERR_MALFORMED beyond the limits of member.h. */
MUST_USE enum err cluster_set_attributes(struct cluster *c, member_id id, const char *name,
                                         const char *const *client_urls, size_t n_urls,
                                         struct kv_writer *w);

/* The same from the JSON {"name":"..","clientURLs":[..]}; ERR_MALFORMED if it cannot be read. */
MUST_USE enum err cluster_set_attributes_json(struct cluster *c, member_id id, struct slice json,
                                              struct kv_writer *w);

/* The cluster agreed on a version: "major.minor.patch" in digits, else ERR_MALFORMED. It may be
 * lower than before: that is how a downgrade goes on, and whether it may is the proposer's to say.
 */
MUST_USE enum err cluster_set_version(struct cluster *c, const char *version, struct kv_writer *w);

/* A downgrade to `target` began, or with NULL ended. The target is a version as above. */
MUST_USE enum err cluster_set_downgrade(struct cluster *c, const char *target, struct kv_writer *w);

#endif
