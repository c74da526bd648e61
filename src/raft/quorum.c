/* raft/quorum.c -- counting majorities.
 * SPDX-License-Identifier: Apache-2.0 */
#include "raft/quorum.h"

static size_t quorum_size(const struct raft_ids *ids)
{
    return ids->n / 2 + 1;
}

static size_t count_at_least(const struct raft_ids *ids, uint64_t index, quorum_index_fn *fn,
                             const void *arg)
{
    size_t n = 0;
    for (size_t i = 0; i < ids->n; i++)
        n += fn(arg, ids->v[i]) >= index;
    return n;
}

/* Quadratic, without memory of its own: there are a handful of voters. */
uint64_t quorum_majority_index(const struct raft_ids *ids, quorum_index_fn *fn, const void *arg)
{
    if (ids->n == 0)
        return UINT64_MAX;
    uint64_t best = 0;
    for (size_t i = 0; i < ids->n; i++) {
        uint64_t index = fn(arg, ids->v[i]);
        if (index > best && count_at_least(ids, index, fn, arg) >= quorum_size(ids))
            best = index;
    }
    return best;
}

enum vote_result quorum_majority_vote(const struct raft_ids *ids, quorum_vote_fn *fn,
                                      const void *arg)
{
    if (ids->n == 0)
        return VOTE_WON;
    size_t yes = 0, missing = 0;
    for (size_t i = 0; i < ids->n; i++) {
        enum vote v = fn(arg, ids->v[i]);
        yes += v == VOTE_YES;
        missing += v == VOTE_MISSING;
    }
    if (yes >= quorum_size(ids))
        return VOTE_WON;
    return yes + missing >= quorum_size(ids) ? VOTE_PENDING : VOTE_LOST;
}

uint64_t quorum_joint_index(const struct raft_ids *in, const struct raft_ids *out,
                            quorum_index_fn *fn, const void *arg)
{
    uint64_t a = quorum_majority_index(in, fn, arg);
    uint64_t b = quorum_majority_index(out, fn, arg);
    return a < b ? a : b;
}

enum vote_result quorum_joint_vote(const struct raft_ids *in, const struct raft_ids *out,
                                   quorum_vote_fn *fn, const void *arg)
{
    enum vote_result a = quorum_majority_vote(in, fn, arg);
    enum vote_result b = quorum_majority_vote(out, fn, arg);
    if (a == VOTE_LOST || b == VOTE_LOST)
        return VOTE_LOST;
    return a == VOTE_WON && b == VOTE_WON ? VOTE_WON : VOTE_PENDING;
}
