/* Fuzz target: any bytes as upstream's raft snapshot; the checksum is made right.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"
#include "membership/v2_tree.h"
#include "upstream/snap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_one(struct slice bytes)
{
    struct snap s;
    struct why why;
    bool has_user_keys = false;
    if (snap_read(bytes, &s, &why) != ERR_OK)
        return;
    struct cluster *c = cluster_new(1);
    enum err e = cluster_load_v2_json(c, s.tree, &has_user_keys, &why);
    (void)e;
    cluster_check(c);
    cluster_free(c);
    snap_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf bytes = BUF_INIT;
    read_one(slice_make(data, size));
    proto_add_number(&bytes, 1, crc32c(0, data, size));
    proto_add_bytes(&bytes, 2, slice_make(data, size));
    read_one(buf_slice(&bytes));
    return 0;
}
