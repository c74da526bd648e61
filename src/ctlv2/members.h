/* ctlv2/members.h -- the members of a cluster, as the v2 API lists them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_MEMBERS_H
#define CTLV2_MEMBERS_H

#include "ctlv2/cluster.h"
#include "ctlv2/read_json.h"

struct member {
    struct buf id, name;
    struct texts peer_urls, client_urls;
};

struct members {
    struct member *at;
    size_t n;
};

void members_fini(struct members *m);
static inline void members_auto(struct members *m)
{
    members_fini(m);
}

MUST_USE bool members_list(struct cluster *c, msec deadline, struct members *ret_members,
                           struct trouble *t);

/* Read what /v2/members answered; and one member. For tests, too. */
MUST_USE bool members_read(struct slice body, struct members *ret_members, struct trouble *t);
MUST_USE bool member_read(struct slice body, struct member *ret_member, struct trouble *t);

#endif
