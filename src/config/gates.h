/* config/gates.h -- the feature gates: "NAME=bool,...".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_GATES_H
#define CONFIG_GATES_H

#include "base/err.h"
#include "base/why.h"
#include "config/config.h"

/* X(name, field, default, stage, whether it does anything here) */
#define GATES_TABLE(X)                                                                             \
    X("CompactHashCheck", compact_hash_check, "true", "ALPHA", true)                               \
    X("FastLeaseKeepAlive", fast_lease_keep_alive, "true", "BETA", false)                          \
    X("InitialCorruptCheck", initial_corrupt_check, "true", "ALPHA", true)                         \
    X("LeaseCheckpoint", lease_checkpoint, "false", "ALPHA", true)                                 \
    X("LeaseCheckpointPersist", lease_checkpoint_persist, "false", "ALPHA", true)                  \
    X("PriorityRequest", priority_request, "false", "ALPHA", false)                                \
    X("SetMemberLocalAddr", set_member_local_addr, "false", "ALPHA", false)                        \
    X("StopGRPCServiceOnDefrag", stop_grpc_service_on_defrag, "false", "ALPHA", false)             \
    X("TxnModeWriteWithSharedBuffer", txn_mode_write_with_shared_buffer, "true", "BETA", false)

#define GATES_HELP_LINE_(name, field, def, stage, works)                                           \
    "\n    " name "=true|false (" stage " - default=" def ")"
#define CONFIG_GATES_HELP GATES_TABLE(GATES_HELP_LINE_)

/* Set every gate to its default. */
void gates_init(struct config_feature_gates *g);

/* Return the name of a gate that is not as by default and does nothing here, or NULL; `it` begins at 0. */
const char *gates_next_idle(const struct config_feature_gates *g, size_t *it);

/* Apply `text` to `g`. On a failure `g` is partly changed. */
MUST_USE enum err gates_parse(const char *text, struct config_feature_gates *g, struct why *why);

#endif
