/* tests/unit/http/h2_far.c -- see h2_far.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/http/h2_far.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/http/app.h"

struct far far;

/* ---- what came --------------------------------------------------------------------------- */

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void far_parse(void)
{
    if (!far.magic && far.in.n >= 24) {
        assert_memory_equal(far.in.p, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
        buf_consume(&far.in, 24);
        far.magic = true;
    }
    while (far.magic && far.in.n >= 9) {
        const uint8_t *p = far.in.p;
        size_t n = be32(p) >> 8;
        if (far.in.n < 9 + n)
            return;
        assert_true(far.frame_n < FRAMES_MAX);
        far.frames[far.frame_n++] =
            (struct frame){p[3], p[4], be32(p + 5), n >= 4 ? be32(p + 9) : 0, n};
        far.body_n += p[3] == NGHTTP2_DATA ? n : 0;
        buf_consume(&far.in, 9 + n);
    }
}

static void far_turn(void *arg)
{
    uint8_t p[65536];
    ssize_t n;
    int fd =
        far.listen_fd != -1 ? accept4(far.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
    if (fd != -1) {
        if (far.serve)
            http_server_adopt(far.rig.server, fd, NULL, NULL);
        else
            far.fd = fd;
    }
    while (far.fd != -1 && !far.deaf && (n = recv(far.fd, p, sizeof p, MSG_DONTWAIT)) >= 0) {
        if (n == 0)
            break;
        far.reads++;
        buf_add(&far.in, p, (size_t)n);
    }
    far_parse();
}

void say(const void *p, size_t n)
{
    assert_int_equal(send(far.fd, p, n, MSG_NOSIGNAL), n);
}

void say_frame(uint8_t type, uint8_t flags, uint32_t id, const void *payload, size_t n)
{
    AUTO(buf) struct buf b = BUF_INIT;
    const uint8_t head[9] = {
        (uint8_t)(n >> 16),  (uint8_t)(n >> 8),   (uint8_t)n,         type,       flags,
        (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    buf_add(&b, head, 9);
    buf_add(&b, payload, n);
    say(b.p, b.n);
}

void say_code(uint8_t type, uint32_t id, uint32_t code)
{
    const uint32_t be = htonl(code);
    say_frame(type, 0, id, &be, 4);
}

void say_settings(void)
{
    say_frame(NGHTTP2_SETTINGS, 0, 0, "", 0);
}

void say_streams_max(uint32_t n)
{
    const uint8_t p[6] = {0,         3, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
                          (uint8_t)n};
    say_frame(NGHTTP2_SETTINGS, 0, 0, p, 6);
    say_frame(NGHTTP2_PING, 0, 0, "12345678", 8);
    hear(NGHTTP2_PING, 0);
}

void say_goaway(uint32_t last, uint32_t code, const char *words)
{
    AUTO(buf) struct buf b = BUF_INIT;
    const uint32_t be[2] = {htonl(last), htonl(code)};
    buf_add(&b, be, 8);
    buf_add_str(&b, words);
    say_frame(NGHTTP2_GOAWAY, 0, 0, b.p, b.n);
}

void add_field(struct buf *b, const char *name, const char *value)
{
    buf_add_byte(b, 0);
    buf_add_byte(b, (uint8_t)strlen(name));
    buf_add_str(b, name);
    buf_add_byte(b, (uint8_t)strlen(value));
    buf_add_str(b, value);
}

void say_headers(uint32_t id, const char *status, bool end)
{
    AUTO(buf) struct buf b = BUF_INIT;
    add_field(&b, ":status", status);
    add_field(&b, "x-a", "1");
    say_frame(NGHTTP2_HEADERS, end ? 5 : 4, id, b.p, b.n);
}

void say_data(uint32_t id, const char *text, bool end)
{
    say_frame(NGHTTP2_DATA, end, id, text, strlen(text));
}

const struct frame *far_find(uint8_t type, uint32_t id)
{
    for (size_t i = far.frame_n; i-- > 0;)
        if (far.frames[i].type == type && far.frames[i].id == id)
            return &far.frames[i];
    return NULL;
}

static bool has_frame(void *arg)
{
    const struct frame *f = arg;
    return far_find(f->type, f->id) != NULL;
}

const struct frame *hear(uint8_t type, uint32_t id)
{
    struct frame f = {.type = type, .id = id};
    rig_until(&far.rig, has_frame, &f);
    return far_find(type, id);
}

/* ---- start and stop ---------------------------------------------------------------------- */

void far_listen(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof in;
    far.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(far.listen_fd, (struct sockaddr *)&in, n), 0);
    assert_int_equal(listen(far.listen_fd, 16), 0);
    getsockname(far.listen_fd, (struct sockaddr *)&in, &n);
    snprintf(far.port, sizeof far.port, "%u", ntohs(in.sin_port));
}

void far_start(void)
{
    far = (struct far){.fd = -1, .listen_fd = -1};
    app_start(&far.rig);
    loop_on_round_end(far.rig.loop, far_turn, NULL);
    far_listen();
}

void far_hang_up(void)
{
    if (far.fd != -1)
        close(far.fd);
    far.fd = -1;
    far.magic = false;
    far.frame_n = 0;
    buf_clear(&far.in);
}

void far_stop(void)
{
    rig_fini(&far.rig);
    far_hang_up();
    if (far.listen_fd != -1)
        close(far.listen_fd);
    buf_fini(&far.in);
}
