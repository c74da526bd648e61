/* Fuzz target: any bytes as what a server answers to the v2 commands, and as an endpoint.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "ctlv2/members.h"
#include "ctlv2/node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_reply(const uint8_t *data, size_t size, unsigned status)
{
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    AUTO(reply) struct reply r = {0};
    struct answer a = {.status = status};
    buf_add(&a.body, data, size);
    bool ok = reply_read(&a, &r, &t);
    invariant(ok || t.text.n != 0);
    invariant(!ok || status == 200);
    answer_fini(&a);
}

static void check_members(struct slice body)
{
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    AUTO(members) struct members m = {0};
    bool ok = members_read(body, &m, &t);
    invariant(ok || t.text.n != 0);
}

/* A URL that is read prints as one that is read as the same. */
static void check_uri(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf once = BUF_INIT, twice = BUF_INIT;
    char *text = xstrndup(size != 0 ? (const char *)data : "", size);
    struct uri u;
    if (uri_parse(text, &u, NULL) == ERR_OK) {
        uri_format(&u, &once);
        uri_fini(&u);
        if (uri_parse(buf_cstr(&once), &u, NULL) == ERR_OK) {
            uri_format(&u, &twice);
            invariant(slice_eq(buf_slice(&once), buf_slice(&twice)));
            uri_fini(&u);
        }
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_reply(data, size, 200);
    check_reply(data, size, 404);
    check_members(slice_make(data, size));
    check_uri(data, size);
    return 0;
}
