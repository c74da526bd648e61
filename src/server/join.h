/* server/join.h -- what the other members say before this one runs: into which cluster it goes.
 *
 * Nothing here is of use once raft runs. All of it blocks on the network.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_JOIN_H
#define SERVER_JOIN_H

#include "base/why.h"
#include "config/url.h"
#include "membership/member.h"

struct server;

/* An owned list of owned members, and the id of their cluster. */
struct members {
    struct member **v;
    size_t n;
    uint64_t cluster_id;
};
void members_auto(struct members *l);

/* Return the URLs of a member, sorted, owned; what cannot be read is left out. */
struct url_list member_peer_urls(const struct member *m);
static inline void url_list_auto(struct url_list *l)
{
    url_list_fini(l);
}

/* Do --initial-cluster and --initial-advertise-peer-urls say the same of this member, once their
 * names are resolved? ERR_INVALID. */
MUST_USE enum err join_check_advertised(struct server *s, struct why *why);

/* Do both lead to the same places, once their names are resolved? Each name is asked for once;
 * `*asks` becomes false where that took long, and then none is. */
bool join_same_places(const struct url_list *a, const struct url_list *b, bool *asks);

/* Ask all of --initial-cluster that answer quickly. Fail with ERR_EXISTS if their cluster runs with
 * the member s->id in it, which thus has lost its data. */
MUST_USE enum err join_check_new(struct server *s, struct why *why);

/* Find the cluster that the others of --initial-cluster are in, and ourselves in it; set s->id,
 * s->cluster_id, s->remotes and s->joined_version, and write the ids to the log. Fail if nobody
 * answers within 30 seconds, if the members are not those of --initial-cluster, or if the cluster
 * needs another version of the program. */
MUST_USE enum err join_cluster(struct server *s, struct why *why);

#endif
