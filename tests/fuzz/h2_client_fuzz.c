/* tests/fuzz/h2_client_fuzz.c -- any bytes as what an HTTP/2 server says to requests of ours.
 *
 * The first byte says what the caller does (FUZZ_ below), the second where the rest is cut in two;
 * the second part is sent once the first was read, then the server closes. A connection that does
 * not end within ROUNDS_MAX rounds of the loop is a finding, and so is a stream that ends twice, or
 * never.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/far.h"
#include "http/h2_client.h"

#define INPUT_MAX   65536
#define ROUNDS_MAX  10000
#define HEADERS_MAX 4096
#define STREAMS     3

enum {
    FUZZ_BODY = 1,           /* the requests have bodies */
    FUZZ_CANCEL_HEADERS = 4, /* cancel in headers_done */
    FUZZ_CANCEL_DATA = 8,    /* cancel in data */
    FUZZ_AGAIN = 16,         /* open a stream again when it ends, once each */
    FUZZ_FREE_HEADERS = 32,  /* free the client in headers_done */
    FUZZ_FREE_DONE = 64,     /* free the client in done */
    FUZZ_CANCEL_OTHER = 128, /* cancel the next stream in done */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct {
    struct loop *loop;
    struct h2_client *client;
    uint8_t what;
    bool ready, lost;
    struct fuzz_stream {
        struct h2_stream s;
        bool open, again;
    } streams[STREAMS];
} fuzz;

static void fuzz_free(void)
{
    struct h2_client *c = fuzz.client;
    fuzz.client = NULL;
    fuzz.lost = true;
    h2_client_free(c);
}

static void fuzz_cancel(struct fuzz_stream *f)
{
    f->open = false;
    h2_stream_cancel(&f->s);
}

static struct fuzz_stream *fuzz_of(struct h2_stream *s)
{
    struct fuzz_stream *f = CONTAINER_OF(s, struct fuzz_stream, s);
    if (!f->open)
        abort();
    return f;
}

static void fuzz_headers(struct h2_stream *s)
{
    struct fuzz_stream *f = fuzz_of(s);
    if (s->status < 200 || s->status > 999 || h2_stream_header(s, "grpc-status").n > HEADERS_MAX)
        abort();
    if (fuzz.what & FUZZ_CANCEL_HEADERS)
        fuzz_cancel(f);
    else if (fuzz.what & FUZZ_FREE_HEADERS)
        fuzz_free();
}

static void fuzz_data(struct h2_stream *s, struct slice data)
{
    struct fuzz_stream *f = fuzz_of(s);
    if (data.n == 0 || data.n > INPUT_MAX)
        abort();
    if (fuzz.what & FUZZ_CANCEL_DATA)
        fuzz_cancel(f);
}

static void fuzz_open(struct fuzz_stream *f)
{
    f->open = true;
    h2_stream_open(fuzz.client, &f->s, !(fuzz.what & FUZZ_BODY));
    if (fuzz.what & FUZZ_BODY)
        h2_stream_send(&f->s, slice_str("body"));
}

static void fuzz_drain(struct h2_stream *s)
{
    fuzz_of(s);
    if (h2_stream_pending(s) != 0)
        abort();
    h2_stream_end(s);
}

static void fuzz_done(struct h2_stream *s, enum err e)
{
    struct fuzz_stream *f = fuzz_of(s);
    if ((e != ERR_OK) != (s->why.text[0] != '\0') || s->client != NULL)
        abort();
    h2_stream_header(s, "grpc-message");
    f->open = false;
    if ((fuzz.what & FUZZ_AGAIN) && fuzz.client != NULL && !f->again) {
        f->again = true;
        fuzz_open(f);
    }
    if (fuzz.what & FUZZ_CANCEL_OTHER)
        fuzz_cancel(&fuzz.streams[(size_t)(f - fuzz.streams + 1) % STREAMS]);
    if ((fuzz.what & FUZZ_FREE_DONE) && fuzz.client != NULL)
        fuzz_free();
}

static void fuzz_changed(struct h2_client *c, void *arg, enum h2_client_state state,
                         const struct why *why)
{
    (void)c;
    (void)arg;
    if (fuzz.lost || (state == H2_CLIENT_IDLE && why->text[0] == '\0') ||
        (state == H2_CLIENT_READY && fuzz.ready))
        abort();
    fuzz.ready = state == H2_CLIENT_READY;
    fuzz.lost = state == H2_CLIENT_IDLE;
    for (size_t i = 0; fuzz.ready && i < STREAMS; i++)
        fuzz_open(&fuzz.streams[i]);
}

static bool fuzz_is_over(void)
{
    bool over = fuzz.lost;
    for (size_t i = 0; i < STREAMS; i++)
        over = over && !fuzz.streams[i].open;
    return over;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 3 || n > INPUT_MAX)
        return -1;
    if (fuzz.loop == NULL) {
        far_start("h2_client_fuzz");
        fuzz.loop = loop_new();
    }
    far_set(data + 2, n - 2, data[1] * (n - 2) / 256);
    fuzz.what = data[0];
    fuzz.ready = fuzz.lost = false;
    for (size_t i = 0; i < STREAMS; i++)
        fuzz.streams[i] = (struct fuzz_stream){.s = {.method = "POST",
                                                     .path = "/",
                                                     .headers_done = fuzz_headers,
                                                     .data = fuzz_data,
                                                     .drain = fuzz_drain,
                                                     .done = fuzz_done}};
    const struct h2_client_config config = {.host = far.path,
                                            .scheme = "http",
                                            .authority = "fuzz",
                                            .headers_max = HEADERS_MAX,
                                            .stream_window = 65535,
                                            .conn_window = 65535,
                                            .changed = fuzz_changed};
    fuzz.client = h2_client_new(fuzz.loop, &config);
    h2_client_connect(fuzz.client);
    for (unsigned rounds = 0; !fuzz_is_over(); rounds++) {
        far_turn();
        loop_round(fuzz.loop, 0);
        if (rounds > ROUNDS_MAX)
            abort();
    }
    h2_client_free(fuzz.client);
    far_clear();
    return 0;
}
