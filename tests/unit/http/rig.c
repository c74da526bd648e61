/* tests/unit/http/rig.c -- see rig.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/http/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop/clock.h"

#define TICK_MS 1

/* ---- raw bytes --------------------------------------------------------------------------- */

static void client_write_out(struct client *c)
{
    while (c->out.n != 0 && c->fd != -1) {
        ssize_t n = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0)
            return;
        buf_consume(&c->out, (size_t)n);
    }
}

static void client_take(struct client *c, const uint8_t *p, size_t n)
{
    if (c->h2 == NULL)
        buf_add(&c->in, p, n);
    else if (!c->eof && nghttp2_session_mem_recv(c->h2, p, n) < 0)
        c->eof = true;
}

static void client_read_in(struct client *c)
{
    uint8_t p[65536];
    while (c->fd != -1 && !c->stop_reading) {
        ssize_t n = recv(c->fd, p, sizeof p, MSG_DONTWAIT);
        if (n > 0) {
            client_take(c, p, (size_t)n);
            continue;
        }
        c->eof = c->eof || n == 0 || (errno != EAGAIN && errno != EINTR);
        return;
    }
}

static void client_turn(struct client *c)
{
    client_read_in(c);
    while (c->h2 != NULL) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(c->h2, &p);
        if (n <= 0)
            break;
        buf_add(&c->out, p, (size_t)n);
    }
    client_write_out(c);
}

void client_send(struct client *c, const void *p, size_t n)
{
    buf_add(&c->out, p, n);
    client_write_out(c);
}

void client_send_str(struct client *c, const char *s)
{
    client_send(c, s, strlen(s));
}

void client_close(struct client *c)
{
    if (c->fd != -1)
        close(c->fd);
    c->fd = -1;
}

struct client *rig_client(struct rig *r)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct client *c = xcalloc(1, sizeof *c);
    c->fd = fds[0];
    assert_true(r->client_n < RIG_CLIENTS_MAX);
    r->clients[r->client_n++] = c;
    http_server_adopt(r->server, fds[1], NULL, NULL);
    return c;
}

static void client_free(struct client *c)
{
    client_close(c);
    for (size_t i = 0; i < c->stream_n; i++) {
        buf_fini(&c->streams[i].headers);
        buf_fini(&c->streams[i].body);
        buf_fini(&c->streams[i].trailers);
        buf_fini(&c->streams[i].request);
    }
    nghttp2_session_del(c->h2);
    buf_fini(&c->in);
    buf_fini(&c->out);
    free(c);
}

/* ---- the loop ---------------------------------------------------------------------------- */

static void on_round(void *arg)
{
    struct rig *r = arg;
    for (size_t i = 0; i < r->client_n; i++)
        client_turn(r->clients[i]);
    r->met = r->cond != NULL && r->cond(r->cond_arg);
    if (r->met || loop_now(r->loop) >= r->give_up)
        loop_stop(r->loop);
}

static void on_tick(struct loop_timer *t)
{
    loop_timer_set(t, TICK_MS);
}

void rig_init(struct rig *r, const struct http_config *config)
{
    *r = (struct rig){.loop = loop_new()};
    r->server = http_server_new(r->loop, config);
    loop_on_round_end(r->loop, on_round, r);
    loop_timer_init(&r->tick, r->loop, on_tick);
    loop_timer_set(&r->tick, TICK_MS);
}

void rig_fini(struct rig *r)
{
    http_server_free(r->server);
    for (size_t i = 0; i < r->client_n; i++)
        client_free(r->clients[i]);
    loop_timer_fini(&r->tick);
    loop_free(r->loop);
}

void rig_until(struct rig *r, bool (*cond)(void *arg), void *arg)
{
    r->cond = cond;
    r->cond_arg = arg;
    r->give_up = clock_now_ms() + RIG_PATIENCE_MS;
    loop_run(r->loop);
    r->cond = NULL;
    assert_true(r->met);
}

bool buf_has(const struct buf *b, const char *text)
{
    return b->n != 0 && memmem(b->p, b->n, text, strlen(text)) != NULL;
}

struct text_cond {
    struct client *c;
    const char *text;
};

static bool text_came(void *arg)
{
    struct text_cond *t = arg;
    return buf_has(&t->c->in, t->text);
}

void rig_until_text(struct rig *r, struct client *c, const char *text)
{
    struct text_cond t = {c, text};
    rig_until(r, text_came, &t);
}

static bool eof_came(void *arg)
{
    return ((struct client *)arg)->eof;
}

void rig_until_eof(struct rig *r, struct client *c)
{
    rig_until(r, eof_came, c);
}

/* ---- HTTP/2 ------------------------------------------------------------------------------ */

static int h2c_on_header(nghttp2_session *ses, const nghttp2_frame *frame, const uint8_t *name,
                         size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags,
                         void *arg)
{
    struct h2c_stream *s = nghttp2_session_get_stream_user_data(ses, frame->hd.stream_id);
    if (s == NULL)
        return 0;
    struct buf *b = s->got_headers ? &s->trailers : &s->headers;
    buf_add(b, name, name_n);
    buf_add_str(b, ": ");
    buf_add(b, value, value_n);
    buf_add_byte(b, '\n');
    return 0;
}

static int h2c_on_frame(nghttp2_session *ses, const nghttp2_frame *frame, void *arg)
{
    struct client *c = arg;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        struct h2c_stream *s = nghttp2_session_get_stream_user_data(ses, frame->hd.stream_id);
        if (s != NULL)
            s->got_headers = true;
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        size_t n = frame->goaway.opaque_data_len;
        c->goaway = true;
        c->goaway_code = frame->goaway.error_code;
        assert_true(n < sizeof c->goaway_text);
        if (n != 0)
            memcpy(c->goaway_text, frame->goaway.opaque_data, n);
        c->goaway_text[n] = '\0';
    } else if (frame->hd.type == NGHTTP2_PING) {
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
            c->ping_acks++;
        else
            c->pings++;
    }
    return 0;
}

static int h2c_on_chunk(nghttp2_session *ses, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                        void *arg)
{
    struct client *c = arg;
    struct h2c_stream *s = nghttp2_session_get_stream_user_data(ses, id);
    if (s != NULL)
        buf_add(&s->body, p, n);
    if (!c->no_consume)
        nghttp2_session_consume(ses, id, n);
    return 0;
}

static int h2c_on_close(nghttp2_session *ses, int32_t id, uint32_t code, void *arg)
{
    struct h2c_stream *s = nghttp2_session_get_stream_user_data(ses, id);
    if (s != NULL) {
        s->closed = true;
        s->error_code = code;
    }
    return 0;
}

struct client *rig_h2_client(struct rig *r)
{
    struct client *c = rig_client(r);
    nghttp2_session_callbacks *cb;
    nghttp2_option *opt;
    nghttp2_session_callbacks_new(&cb);
    nghttp2_option_new(&opt);
    nghttp2_option_set_no_auto_window_update(opt, 1);
    nghttp2_session_callbacks_set_on_header_callback(cb, h2c_on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, h2c_on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, h2c_on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, h2c_on_close);
    assert_int_equal(nghttp2_session_client_new2(&c->h2, cb, c, opt), 0);
    nghttp2_session_callbacks_del(cb);
    nghttp2_option_del(opt);
    nghttp2_submit_settings(c->h2, 0, NULL, 0);
    return c;
}

static ssize_t h2c_read(nghttp2_session *ses, int32_t id, uint8_t *p, size_t n, uint32_t *flags,
                        nghttp2_data_source *source, void *arg)
{
    struct h2c_stream *s = source->ptr;
    size_t left = s->request.n - s->request_off;
    size_t part = left < n ? left : n;
    if (part == 0 && !s->request_end) {
        s->request_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (part != 0)
        memcpy(p, s->request.p + s->request_off, part);
    s->request_off += part;
    if (s->request_end && s->request_off == s->request.n)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)part;
}

/* Names are not copied, for nghttp2 would make them lower-case. */
static size_t nv_list(nghttp2_nv nva[H2C_FIELDS_MAX], const char *const *fields)
{
    size_t n = 0;
    for (; fields != NULL && fields[0] != NULL; fields += 2) {
        assert_true(n < H2C_FIELDS_MAX);
        nva[n++] = (nghttp2_nv){(uint8_t *)fields[0], (uint8_t *)fields[1], strlen(fields[0]),
                                strlen(fields[1]), NGHTTP2_NV_FLAG_NO_COPY_NAME};
    }
    return n;
}

struct h2c_stream *h2c_request_raw(struct client *c, const char *const *fields, const void *body,
                                   size_t n, bool end)
{
    assert_true(c->stream_n < H2C_STREAMS_MAX);
    struct h2c_stream *s = &c->streams[c->stream_n++];
    nghttp2_nv nva[H2C_FIELDS_MAX];
    size_t k = nv_list(nva, fields);
    buf_add(&s->request, body, n);
    s->request_end = end;
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = h2c_read};
    bool bare = n == 0 && end;
    s->id = nghttp2_submit_request(c->h2, NULL, nva, k, bare ? NULL : &provider, s);
    assert_true(s->id > 0);
    return s;
}

struct h2c_stream *h2c_request(struct client *c, const char *method, const char *path,
                               const char *const *headers, const void *body, size_t n, bool end)
{
    const char *fields[2 * H2C_FIELDS_MAX + 1] = {":method",    method,   ":scheme", "http",
                                                  ":authority", "test:1", ":path",   path};
    for (size_t k = 8; headers != NULL && *headers != NULL; k++) {
        assert_true(k < 2 * H2C_FIELDS_MAX);
        fields[k] = *headers++;
    }
    return h2c_request_raw(c, fields, body, n, end);
}

void h2c_trailers(struct client *c, struct h2c_stream *s, const char *const *fields, bool end)
{
    nghttp2_nv nva[H2C_FIELDS_MAX];
    size_t n = nv_list(nva, fields);
    uint8_t flags = end ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE;
    assert_int_equal(nghttp2_submit_headers(c->h2, flags, s->id, NULL, nva, n, NULL), 0);
}

void h2c_write(struct client *c, struct h2c_stream *s, const void *body, size_t n, bool end)
{
    buf_add(&s->request, body, n);
    s->request_end = end;
    if (s->request_deferred)
        nghttp2_session_resume_data(c->h2, s->id);
    s->request_deferred = false;
}

static bool stream_closed(void *arg)
{
    return ((struct h2c_stream *)arg)->closed;
}

void rig_until_closed(struct rig *r, struct h2c_stream *s)
{
    rig_until(r, stream_closed, s);
}
