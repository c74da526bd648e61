/* tests/fuzz/h1_client_fuzz.c -- any bytes as the answer to a request of ours.
 *
 * The first byte says what the caller does (FUZZ_ below), the second where the rest is cut in two;
 * the second part is sent once the first was read, then the server closes. A request that does not
 * end within ROUNDS_MAX rounds of the loop is a finding.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/far.h"
#include "http/client.h"

#define INPUT_MAX  65536
#define ROUNDS_MAX 10000

enum {
    FUZZ_STREAM = 1,         /* the answer is not collected */
    FUZZ_HEAD = 2,           /* the method */
    FUZZ_POST = 4,           /* the method, with a body */
    FUZZ_CANCEL_HEADERS = 8, /* cancel in headers_done */
    FUZZ_CANCEL_DATA = 16,   /* cancel in data */
    FUZZ_AGAIN = 32,         /* send the request a second time */
    FUZZ_FREE = 64,          /* free the client in headers_done */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct {
    struct loop *loop;
    struct http_client *client;
    uint8_t what;
    bool over;
} fuzz;

static void fuzz_headers(struct http_request *r)
{
    if (http_request_header(r, "content-length").n > HTTP_RESPONSE_HEADERS_MAX)
        abort();
    if (fuzz.what & FUZZ_CANCEL_HEADERS) {
        http_request_cancel(r);
        fuzz.over = true;
    } else if (fuzz.what & FUZZ_FREE) {
        struct http_client *c = fuzz.client;
        fuzz.client = NULL;
        http_client_free(c);
    }
}

static void fuzz_data(struct http_request *r, struct slice data)
{
    if (data.n == 0 || data.n > INPUT_MAX)
        abort();
    if (fuzz.what & FUZZ_CANCEL_DATA) {
        http_request_cancel(r);
        fuzz.over = true;
    }
}

static void fuzz_done(struct http_request *r, enum err e)
{
    if (r->answer.n > r->body_max || (e != ERR_OK) != (r->why.text[0] != '\0'))
        abort();
    http_request_header(r, "content-type");
    fuzz.over = !(fuzz.what & FUZZ_AGAIN) || fuzz.client == NULL;
    fuzz.what &= (uint8_t)~FUZZ_AGAIN;
    if (!fuzz.over)
        http_client_send(fuzz.client, r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 3 || n > INPUT_MAX)
        return -1;
    if (fuzz.loop == NULL) {
        far_start("h1_client_fuzz");
        fuzz.loop = loop_new();
    }
    far_set(data + 2, n - 2, data[1] * (n - 2) / 256);
    fuzz.what = data[0];
    fuzz.over = false;
    const struct http_client_config config = {.host = far.path, .authority = "fuzz"};
    fuzz.client = http_client_new(fuzz.loop, &config);
    struct http_request r = {
        .method = fuzz.what & FUZZ_HEAD   ? "HEAD"
                  : fuzz.what & FUZZ_POST ? "POST"
                                          : "GET",
        .path = "/",
        .body = slice_str(fuzz.what & FUZZ_POST ? "body" : ""),
        .idempotent = true,
        .body_max = 1000,
        .headers_done = fuzz_headers,
        .data = fuzz.what & FUZZ_STREAM ? fuzz_data : NULL,
        .done = fuzz_done,
    };
    http_client_send(fuzz.client, &r);
    for (unsigned rounds = 0; !fuzz.over; rounds++) {
        far_turn();
        loop_round(fuzz.loop, 0);
        if (rounds > ROUNDS_MAX)
            abort();
    }
    http_client_free(fuzz.client);
    far_clear();
    return 0;
}
