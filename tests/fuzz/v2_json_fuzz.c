/* Fuzz target: the JSON tree of a raft snapshot. What is accepted is written and read again, to the
 * same members and the same bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "membership/v2_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf once = BUF_INIT;
    AUTO(buf) struct buf twice = BUF_INIT;
    struct cluster *c = cluster_new(1), *d = cluster_new(1);
    struct why why;
    bool user_keys;
    if (cluster_load_v2_json(c, slice_make(data, size), &user_keys, &why) == ERR_OK) {
        cluster_add_v2_json(c, &once);
        invariant(cluster_load_v2_json(d, buf_slice(&once), &user_keys, &why) == ERR_OK);
        invariant(!user_keys);
        cluster_add_v2_json(d, &twice);
        invariant(slice_eq(buf_slice(&once), buf_slice(&twice)));
    }
    cluster_check(c);
    cluster_check(d);
    cluster_free(c);
    cluster_free(d);
    return 0;
}
