/* Fuzz target: any bytes as a name server's answer. What is read has names that are complete.
 * SPDX-License-Identifier: Apache-2.0 */
#include "discover/srv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct srv_records r;
    if (size > SRV_ANSWER_MAX || srv_read(slice_make(data, size), &r) != ERR_OK)
        return 0;
    invariant(r.n >= 1 && r.n <= SRV_RECORDS_MAX);
    srv_sort(&r, size);
    for (size_t i = 0; i < r.n; i++) {
        size_t len = strlen(r.at[i].target);
        invariant(len >= 1 && len <= SRV_NAME_MAX && r.at[i].target[len - 1] == '.');
        invariant(i == 0 || r.at[i - 1].priority <= r.at[i].priority);
    }
    srv_records_fini(&r);
    return 0;
}
