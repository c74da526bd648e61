/* tests/unit/raft/scenario_test.c -- our own scenarios, in tests/unit/raft/testdata.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "dd.h"

int main(void)
{
    static const char *const folders[] = {"", "/quorum", "/confchange"};
    const char *srcdir = getenv("srcdir");
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        char *path =
            xasprintf("%s/tests/unit/raft/testdata%s", srcdir ? srcdir : ".", folders[i]);
        int f = dd_run_folder(path);
        if (f < 0)
            printf("%s: no such folder\n", path);
        failed += f != 0;
        free(path);
    }
    return failed != 0;
}
