/* server/bootstrap.h -- who this member is: of a new cluster, of an existing one, or as its data
 * say.
 *
 * Called by boot.c, before any thread runs; everything here may block on the network for a while.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_BOOTSTRAP_H
#define SERVER_BOOTSTRAP_H

#include <stdbool.h>

#include "base/why.h"
#include "storage/logdb.h"

struct server;

/* The log is empty. Checks the configuration once more, as config_check_bootstrap(). With
 * --initial-cluster-state=new: sets s->id and s->cluster_id by the configuration, and writes them
 * and the entries that bring in all members to the log; fail with ERR_EXISTS if the cluster runs
 * with this member already. With existing: asks the other members, sets the ids as they say, writes
 * them, and leaves in s->remotes (owned) whom to talk to until the log or a snapshot tells, in
 * s->joined_version what they agreed on; the log stays empty. */
MUST_USE enum err bootstrap_new(struct server *s, struct why *why);

/* There is a log: s->id, s->cluster_id, s->cluster, s->applied_index are loaded. Says in the
 * journal where the configuration differs from the data, which hold. Fail with ERR_REMOVED if this
 * member was removed, with ERR_NEWER_SCHEMA if the cluster's version is above ours.
 *
 * With --force-new-cluster, unless the member is alone already: drops what is not committed, and
 * appends committed entries that remove all other members; *ret_reload is then set: the log is to
 * be loaded again. Fail with ERR_INVALID if the data end before this member came into the
 * cluster. */
MUST_USE enum err bootstrap_restart(struct server *s, const struct logdb_start *start,
                                    bool *ret_reload, struct why *why);

/* True if the data never took a write (no leader was ever elected), and the configuration describes
 * another new cluster than they do: the files are to be made anew. Needs s->cluster and s->kv. */
bool bootstrap_is_stale(struct server *s, const struct logdb_start *start);

#endif
