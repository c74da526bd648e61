/* server/peer_port.c -- the listeners of the peer URLs, on the member's own loop.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "peer/peers.h"
#include "server/server_priv.h"

enum {
    CONNS_MAX = 1024, /* peers need five or so each */
    SEND_BUFFER = 1024 * 1024,
};

static void on_request(struct http_stream *stream, void *arg)
{
    struct server *s = arg;
    peers_handle(s->peers, stream);
}

void peer_port_new(struct server *s)
{
    struct http_config config = {
        .request = on_request,
        .arg = s,
        .conn_max = CONNS_MAX,
        .send_buffer_max = SEND_BUFFER,
    };
    s->peer_port = http_server_new(s->loop, &config);
}

enum err peer_port_listen(struct server *s, struct why *why)
{
    struct listen_sockets sockets = {NULL, 0};
    enum err e = ERR_OK;
    if (s->events.peer_sockets != NULL)
        e = s->events.peer_sockets(s->events.arg, &sockets, why);
    for (size_t i = 0; e == ERR_OK && i < sockets.n; i++) {
        struct acceptor *a = acceptor_new(s->loop, sockets.v[i].fd, NULL, NULL);
        acceptor_add(a, s->peer_port);
        invariant(s->n_acceptors < ARRAY_LEN(s->acceptors));
        s->acceptors[s->n_acceptors++] = a;
        log_info("serving peer traffic", LOG_STR("address", sockets.v[i].address));
    }
    return e;
}

void peer_port_free(struct server *s)
{
    for (size_t i = 0; i < s->n_acceptors; i++)
        acceptor_free(s->acceptors[i]);
    s->n_acceptors = 0;
    http_server_free(s->peer_port);
    s->peer_port = NULL;
}
