/* tests/fuzz/grpc_client_fuzz.c -- any answer to a gRPC call of ours.
 *
 * The HTTP/2 stream is played here: the input says its status, headers, end, and the pieces in
 * which its bytes come. A call that ends twice, never, or is told something afterwards is a
 * finding.
 *
 *   flags (FUZZ_ below), end, status, n, n bytes of grpc-status, m, m bytes of grpc-message, then
 *   pieces: a length and as many bytes each
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "grpc/client.h"

#define INPUT_MAX 65536
#define RECV_MAX  300

enum {
    FUZZ_ONE = 1,      /* one answer */
    FUZZ_CANCEL = 2,   /* at the first message */
    FUZZ_NO_TYPE = 4,  /* no content-type */
    FUZZ_HTML = 8,     /* another one */
    FUZZ_NO_CODE = 16, /* no grpc-status */
    FUZZ_AGAIN = 32,   /* call again when it is over */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct {
    uint8_t flags;
    struct h2_stream *stream; /* open */
    struct slice code, text;
    bool over, again;
    struct grpc_rpc rpc;
} fuzz;

/* ---- the stream -------------------------------------------------------------------------- */

void h2_stream_open(struct h2_client *c, struct h2_stream *s, bool end)
{
    (void)c;
    (void)end;
    fuzz.stream = s;
}

void h2_stream_send(struct h2_stream *s, struct slice data)
{
    if (s != fuzz.stream || data.n == 0)
        abort();
}

void h2_stream_end(struct h2_stream *s)
{
    if (s != fuzz.stream)
        abort();
}

size_t h2_stream_pending(const struct h2_stream *s)
{
    (void)s;
    return 0;
}

void h2_stream_cancel(struct h2_stream *s)
{
    if (s == fuzz.stream)
        fuzz.stream = NULL;
}

struct slice h2_stream_header(const struct h2_stream *s, const char *name)
{
    (void)s;
    if (strcmp(name, "content-type") == 0 && !(fuzz.flags & FUZZ_NO_TYPE))
        return slice_str(fuzz.flags & FUZZ_HTML ? "text/html" : "application/grpc+proto");
    if (strcmp(name, "grpc-status") == 0 && !(fuzz.flags & FUZZ_NO_CODE))
        return fuzz.code;
    if (strcmp(name, "grpc-message") == 0)
        return fuzz.text;
    return slice_make(NULL, 0);
}

/* ---- the call ---------------------------------------------------------------------------- */

static void fuzz_start(void)
{
    fuzz.over = false;
    grpc_rpc_start(&fuzz.rpc, NULL);
    grpc_rpc_send(&fuzz.rpc, slice_str("request"), true);
}

static void fuzz_message(struct grpc_rpc *r, struct slice msg)
{
    if (fuzz.over || msg.n > RECV_MAX)
        abort();
    if (fuzz.flags & FUZZ_CANCEL) {
        grpc_rpc_cancel(r);
        fuzz.over = true;
    }
}

static void fuzz_done(struct grpc_rpc *r, const struct grpc_status *st)
{
    (void)r;
    if (fuzz.over || st->code > GRPC_UNAUTHENTICATED || strlen(st->text) > GRPC_STATUS_TEXT_MAX)
        abort();
    fuzz.over = true;
    if ((fuzz.flags & FUZZ_AGAIN) && !fuzz.again) {
        fuzz.again = true;
        fuzz_start();
    }
}

/* ---- the input --------------------------------------------------------------------------- */

static struct slice take(struct slice *in)
{
    size_t n = in->n != 0 ? in->p[0] : 0;
    if (in->n != 0)
        *in = slice_make(in->p + 1, in->n - 1);
    n = n < in->n ? n : in->n;
    struct slice s = slice_make(in->p, n);
    *in = slice_make(in->p + n, in->n - n);
    return s;
}

static void play(unsigned status, enum err end, uint32_t reset, struct slice in)
{
    struct h2_stream *s = fuzz.stream;
    s->status = status;
    s->headers_done(s);
    while (in.n != 0 && fuzz.stream != NULL && !fuzz.over) {
        struct slice piece = take(&in);
        if (piece.n != 0)
            s->data(s, piece);
    }
    if (fuzz.stream == NULL || fuzz.over)
        return;
    fuzz.stream = NULL;
    s->reset_code = reset;
    s->done(s, end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const enum err ends[] = {ERR_OK,        ERR_OK,        ERR_CLOSED, ERR_CLOSED,
                                    ERR_MALFORMED, ERR_TOO_LARGE, ERR_BUSY};
    static const unsigned statuses[] = {200, 200, 200, 400, 401, 403, 404, 429, 503, 999};
    if (n < 3 || n > INPUT_MAX)
        return -1;
    struct slice in = slice_make(data + 3, n - 3);
    fuzz.flags = data[0];
    fuzz.again = false;
    fuzz.code = take(&in);
    fuzz.text = take(&in);
    fuzz.rpc = (struct grpc_rpc){.path = "/t.S/M",
                                 .headers = grpc_base_headers,
                                 .n_headers = GRPC_BASE_HEADERS,
                                 .recv_max = RECV_MAX,
                                 .one_answer = fuzz.flags & FUZZ_ONE,
                                 .message = fuzz_message,
                                 .done = fuzz_done};
    size_t end = data[1] % ARRAY_LEN(ends);
    fuzz_start();
    do
        play(statuses[data[2] % ARRAY_LEN(statuses)], ends[end],
             end == 2 ? UINT32_MAX : data[1] / 16, in);
    while (!fuzz.over);
    return 0;
}
