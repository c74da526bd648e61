/* http/upgrade.c -- a stream whose HTTP/1 connection becomes a WebSocket.
 *
 * After 101 the connection's bytes come here and leave the stream as messages. The frames to be
 * sent stand in the stream's queue like any body, so the limits and pauses of a body hold for them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "http/priv.h"

#define CLOSE_WAIT_MS 5000 /* to take what is queued, for a peer that closes */

/* ---- the handshake ----------------------------------------------------------------------- */

static struct slice trim(struct slice s)
{
    while (s.n != 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = slice_make(s.p + 1, s.n - 1);
    while (s.n != 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static bool is_token(struct slice s, const char *token)
{
    return s.n == strlen(token) && strncasecmp((const char *)s.p, token, s.n) == 0;
}

static bool list_has(struct slice list, const char *token)
{
    while (list.n != 0) {
        const uint8_t *comma = memchr(list.p, ',', list.n);
        size_t n = comma != NULL ? (size_t)(comma - list.p) : list.n;
        if (is_token(trim(slice_make(list.p, n)), token))
            return true;
        n += comma != NULL;
        list = slice_make(list.p + n, list.n - n);
    }
    return false;
}

/* True if one of the headers `name` lists `token`. */
static bool header_lists(const struct http_stream *s, const char *name, const char *token)
{
    struct slice n, v;
    for (size_t i = 0; http_stream_header_at(s, i, &n, &v); i++)
        if (slice_is(n, name) && list_has(v, token))
            return true;
    return false;
}

bool http_stream_asks_websocket(const struct http_stream *s)
{
    return !http_stream_is_http2(s) && header_lists(s, "connection", "upgrade") &&
           header_lists(s, "upgrade", "websocket");
}

enum err http_stream_accept_websocket(struct http_stream *s, struct slice protocol)
{
    struct slice key = http_stream_header(s, "sec-websocket-key");
    if (!http_stream_asks_websocket(s) || !slice_is(s->method, "GET") || !s->body_is_empty ||
        !slice_is(http_stream_header(s, "sec-websocket-version"), "13") ||
        !websocket_key_is_valid(key))
        return ERR_MALFORMED;
    invariant(s->answer == ANSWER_NONE);
    char accept[WEBSOCKET_ACCEPT_N + 1];
    AUTO(buf) struct buf b = BUF_INIT;
    websocket_accept(key, accept);
    buf_addf(&b,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n",
             accept);
    if (protocol.n != 0) {
        buf_add_str(&b, "Sec-WebSocket-Protocol: ");
        buf_add_slice(&b, protocol);
        buf_add_str(&b, "\r\n");
    }
    buf_add_str(&b, "\r\n");
    s->websocket = websocket_new(s->body_max);
    s->answer = ANSWER_OPEN;
    h1_switch(s, buf_slice(&b));
    return ERR_OK;
}

/* ---- frames ------------------------------------------------------------------------------ */

static void deliver(struct http_stream *s, struct slice msg)
{
    const struct http_handler *h = s->handler;
    s->unconsumed += msg.n;
    if (h != NULL && h->data != NULL)
        h->data(s, msg, false);
    else
        http_stream_consume(s, msg.n);
}

/* Say the last frame. */
static void end_with(struct http_stream *s, struct slice payload)
{
    struct http_server *sv = s->conn->server;
    stream_queue_frame(s, WEBSOCKET_CLOSE, payload);
    s->answer = ANSWER_ENDED;
    s->conn->deadline = loop_now(sv->loop) + CLOSE_WAIT_MS;
}

void upgraded_input(struct http_stream *s, struct slice data)
{
    enum websocket_event e = WEBSOCKET_GOT_MESSAGE;
    while (e != WEBSOCKET_GOT_NOTHING && stream_is_live(s)) {
        struct slice payload;
        e = websocket_read(s->websocket, &data, &payload);
        if (e == WEBSOCKET_GOT_MESSAGE)
            deliver(s, payload);
        else if (e == WEBSOCKET_GOT_PING)
            stream_queue_frame(s, WEBSOCKET_PONG, payload);
        else if (e == WEBSOCKET_GOT_CLOSE)
            end_with(s, payload);
    }
}
