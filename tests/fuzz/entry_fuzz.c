/* Fuzz target: entries of the log, read and applied one after another to the same state. An entry
 * stands behind a byte with its length.
 * SPDX-License-Identifier: Apache-2.0 */
#include "apply/apply.h"
#include "apply/entry.h"
#include "tests/lib/mem_backend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void apply(struct applier *a, struct slice bytes)
{
    struct arena *arena = arena_new();
    struct blob *exact = blob_dup(bytes);
    struct entry e;
    struct apply_result r;
    if (entry_decode(blob_slice(exact), arena, &e) == ERR_OK) {
        (void)entry_id(&e);
        if (e.v2 != NULL) {
            applier_apply_v2(a, e.v2, &r);
        } else {
            (void)entry_is_known_to(e.req, 3, 7);
            applier_apply(a, e.req, 0, arena, &r);
        }
    }
    blob_unref(exact);
    arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mem_backend *b = mem_backend_new();
    struct applier_stores st = {mvcc_store_new(), lessor_new(2), cluster_new(1),
                                mem_backend_writer(b)};
    struct applier *a = applier_new(&st);
    mvcc_store_loaded(st.kv, 0, 0);
    while (size > 0) {
        size_t n = data[0] < size ? data[0] : size - 1;
        apply(a, slice_make(data + 1, n));
        data += 1 + n;
        size -= 1 + n;
    }
    mvcc_store_check(st.kv);
    lessor_check(st.lessor);
    cluster_check(st.cluster);
    applier_free(a);
    mvcc_store_free(st.kv);
    lessor_free(st.lessor);
    cluster_free(st.cluster);
    mem_backend_free(b);
    return 0;
}
