/* membership/member.h -- one member of the cluster, how its id is made, and its JSON.
 *
 * The JSON is the one of the members bucket, of the change entries in the log and of the peer
 * port's /members: {"id":N,"peerURLs":[..],"isLearner":true,"name":"..","clientURLs":[..]}, where
 * the last three are left out when false or empty. The id is a number up to 2^64-1. URLs are text
 * here and kept exactly as given.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMBERSHIP_MEMBER_H
#define MEMBERSHIP_MEMBER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/types.h"
#include "iface/hasher.h"

enum {
    MEMBER_URLS_MAX = 64,         /* of one kind, of one member */
    MEMBER_TEXT_MAX = 4096,       /* bytes of a name or a URL */
    MEMBER_JSON_MAX = 1024 * 1024 /* bytes of the JSON of a member, or of a list of them */
};

/* An owned list of owned strings. */
struct urls {
    char **v;
    size_t n;
};

/* Return a copy of `n` strings. */
struct urls urls_dup(const char *const *v, size_t n);
void urls_fini(struct urls *u);
static inline const char *const *urls_view(const struct urls *u)
{
    return (const char *const *)u->v;
}

struct member {
    member_id id;
    char *name; /* never NULL; empty until the member has published itself */
    struct urls peer_urls;
    struct urls client_urls;
    bool is_learner;
};

/* Return an unpublished member with copies of `n` URLs, owned. */
struct member *member_new(member_id id, const char *const *peer_urls, size_t n, bool is_learner);
struct member *member_dup(const struct member *m);
void member_free(struct member *m); /* NULL is fine */
static inline bool member_is_started(const struct member *m)
{
    return m->name[0] != '\0';
}

/* Return the id of a member: the first 8 bytes of the SHA-1 of the sorted URLs, the token, and the
 * decimal time unless it is 0. At bootstrap: the initial cluster token and 0. For a member that is
 * added later: "" and the time in Unix seconds. */
member_id member_id_make(sha1_fn sha1, const char *const *peer_urls, size_t n, const char *token,
                         int64_t unix_seconds);

/* Return the id of a cluster that starts with these members, in any order. */
uint64_t cluster_id_make(sha1_fn sha1, const member_id *ids, size_t n);

enum { MEMBER_HEX_SIZE = 17 }; /* with its NUL */

/* Write the id as lower-case hex without leading zeros, and lend it. */
struct slice member_id_hex(member_id id, char hex[MEMBER_HEX_SIZE]);
/* Read such an id; false if it is none or 0. */
bool member_id_from_hex(struct slice text, member_id *ret);

/* Append the JSON of `m`. */
void member_add_json(const struct member *m, struct buf *out);

/* The two halves of it that upstream keeps apart: {"name":..,"clientURLs":[..]}, what the member
 * publishes itself, and {"peerURLs":[..],"isLearner":true}, what the cluster decides. Reading
 * replaces these fields of `m`; ERR_MALFORMED as below, with `m` to be thrown away. */
void member_add_attributes(const char *name, const char *const *client_urls, size_t n_urls,
                           struct buf *out);
void member_add_raft_attributes(const struct member *m, struct buf *out);
MUST_USE enum err member_read_attributes(struct member *m, struct slice json);
MUST_USE enum err member_read_raft_attributes(struct member *m, struct slice json);

/* Read the JSON of a member, owned. Unknown names are ignored. Fail with ERR_MALFORMED, also when
 * one of the limits above is passed or the id is missing or 0. */
MUST_USE enum err member_from_json(struct slice text, struct member **ret);

/* The same for the context of a change entry, which may also say that a learner is promoted. */
MUST_USE enum err member_change_from_json(struct slice text, struct member **ret,
                                          bool *ret_promote);

/* Read the JSON of a list of members (what a peer's /members answers), at most `max`: an owned
 * array of owned members. Fail with ERR_MALFORMED. */
MUST_USE enum err members_from_json(struct slice text, size_t max, struct member ***ret,
                                    size_t *ret_n);

#endif
