/* tests/unit/raft/datadriven_test.c -- upstream's scenarios, from the folder named by RAFT_TESTDATA
 * (which holds testdata, quorum/testdata and confchange/testdata). Skipped when it is not set.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "dd.h"

enum { EXIT_SKIP = 77 };

int main(void)
{
    static const char *const folders[] = {"testdata", "quorum/testdata", "confchange/testdata"};
    const char *root = getenv("RAFT_TESTDATA");
    if (root == NULL) {
        puts("RAFT_TESTDATA is not set");
        return EXIT_SKIP;
    }
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        char *path = xasprintf("%s/%s", root, folders[i]);
        int f = dd_run_folder(path);
        if (f < 0)
            printf("%s: no such folder\n", path);
        failed += f != 0;
        free(path);
    }
    return failed != 0;
}
