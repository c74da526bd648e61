/* config/gates.h -- the feature gates: "NAME=bool,...".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_GATES_H
#define CONFIG_GATES_H

#include "base/err.h"
#include "base/why.h"
#include "config/config.h"

/* X(name, field, default, stage) */
#define GATES_TABLE(X)                                                                             \
    X("CompactHashCheck", compact_hash_check, "true", "ALPHA")                                     \
    X("FastLeaseKeepAlive", fast_lease_keep_alive, "true", "BETA")                                 \
    X("InitialCorruptCheck", initial_corrupt_check, "true", "ALPHA")                               \
    X("LeaseCheckpoint", lease_checkpoint, "false", "ALPHA")                                       \
    X("LeaseCheckpointPersist", lease_checkpoint_persist, "false", "ALPHA")                        \
    X("PriorityRequest", priority_request, "false", "ALPHA")                                       \
    X("SetMemberLocalAddr", set_member_local_addr, "false", "ALPHA")                               \
    X("StopGRPCServiceOnDefrag", stop_grpc_service_on_defrag, "false", "ALPHA")                    \
    X("TxnModeWriteWithSharedBuffer", txn_mode_write_with_shared_buffer, "true", "BETA")

#define GATES_HELP_LINE_(name, field, def, stage)                                                  \
    "\n    " name "=true|false (" stage " - default=" def ")"
#define CONFIG_GATES_HELP GATES_TABLE(GATES_HELP_LINE_)

/* Set every gate to its default. */
void gates_init(struct config_feature_gates *g);

/* Apply `text` to `g`. On a failure `g` is partly changed. */
MUST_USE enum err gates_parse(const char *text, struct config_feature_gates *g, struct why *why);

#endif
