/* ctlv2/keys.h -- what requests for keys are made of.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_KEYS_H
#define CTLV2_KEYS_H

#include "ctlv2/node.h"
#include "ctlv2/session.h"

/* Open the cluster for a command that takes a key. Return the status to exit with, or 0. */
MUST_USE int keys_open(const struct context *c, struct cluster **ret_cluster);
/* Append the path of a key. */
void keys_path(const char *key, struct buf *path);
void add_text(struct buf *b, const char *name, const char *value);
void add_uint(struct buf *b, const char *name, uint64_t value);

#endif
