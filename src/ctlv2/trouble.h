/* ctlv2/trouble.h -- what went wrong with a request, as it is printed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_TROUBLE_H
#define CTLV2_TROUBLE_H

#include <stdio.h>

#include "base/mem.h"

enum trouble_kind {
    TROUBLE_PLAIN,
    TROUBLE_CLUSTER, /* every endpoint failed; the text numbers what each of them said */
    TROUBLE_NO_ENDPOINTS,
    TROUBLE_EMPTY,       /* an answer without a body */
    TROUBLE_INTERRUPTED, /* by SIGINT; there is nothing to print */
};

struct trouble {
    enum trouble_kind kind;
    bool connection; /* nobody could be reached, or not in time */
    struct buf text;
    struct buf detail; /* of TROUBLE_CLUSTER: one line an endpoint */
};

#define TROUBLE_INIT ((struct trouble){.kind = TROUBLE_PLAIN})
#define TROUBLE_INVALID_JSON                                                                       \
    "client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint"

void trouble_fini(struct trouble *t);
static inline void trouble_auto(struct trouble *t)
{
    trouble_fini(t);
}

/* Set the text in place of any before. Return false, for `return trouble_set(...)`. */
bool trouble_set(struct trouble *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Print the bytes, whatever they are. */
void print_bytes(FILE *f, const struct buf *b);

/* Print "Error:  TEXT", with the details, to stderr. Return `status`. */
int trouble_fail(struct trouble *t, int status);
/* Print the text alone to stderr. Return EXIT_BAD_ARGS. */
int trouble_fail_plain(struct trouble *t);
/* The same for a text. */
int fail_error(int status, const char *text);
int fail_plain(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
