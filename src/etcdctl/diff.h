/* etcdctl/diff.h -- what changed between two values, line by line.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_DIFF_H
#define ETCDCTL_DIFF_H

#include "base/mem.h"

/* Append the lines that went with "-" before them, those that came with "+", and those that both have
 * with a blank; in an order that shows few changes. */
void diff_add(struct buf *b, struct slice before, struct slice after);

#endif
