/* server/peer_port.c -- the listeners of the peer URLs, on the member's own loop.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

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

static enum err listen_on(struct server *s, const struct url *u, struct why *why)
{
    int fd = -1;
    enum err e = url_is_unix(u)
                     ? listener_bind_unix(u->path, &fd, why)
                     : listener_bind_tcp(url_bind_host(u), (uint16_t)strtoul(u->port, NULL, 10),
                                         &fd, why);
    if (e != ERR_OK)
        return e;
    struct acceptor *a = acceptor_new(s->loop, fd, NULL, NULL);
    acceptor_add(a, s->peer_port);
    s->acceptors[s->n_acceptors++] = a;
    log_info("serving peer traffic", LOG_STR("address", u->text));
    return ERR_OK;
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
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < s->cfg->listen_peer_urls.n; i++)
        e = listen_on(s, &s->cfg->listen_peer_urls.items[i], why);
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
