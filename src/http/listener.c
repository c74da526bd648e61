/* http/listener.c -- bind, accept, and deal connections out.
 *
 * A connection for a server of another thread travels as a loop message.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/server.h"

#define BACKLOG 4096
#define ACCEPTS_PER_ROUND 64
#define PAUSE_MS 100 /* when the process has no descriptor left */
#define TCP_KEEPALIVE_S 30

/* ---- binding ----------------------------------------------------------------------------- */

static int listen_on(int family, const struct sockaddr *addr, socklen_t len, bool shared)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return -1;
    int one = 1;
    if (family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (bind(fd, addr, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static enum err bind_tcp(const char *host, uint16_t port, bool shared, int *ret_fd,
                         struct why *why)
{
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags =
            AI_PASSIVE | AI_NUMERICSERV | (strcmp(host, "localhost") == 0 ? 0 : AI_NUMERICHOST),
    };
    struct addrinfo *list = NULL;
    const char *name = host[0] != '\0' ? host : "::";
    int rc = getaddrinfo(name, service, &hints, &list);
    if (rc != 0)
        return why_set(why, ERR_MALFORMED, "listen tcp %s:%u: %s", host, port, gai_strerror(rc));
    int fd = -1;
    for (struct addrinfo *a = list; a != NULL && fd == -1; a = a->ai_next)
        fd = listen_on(a->ai_family, a->ai_addr, a->ai_addrlen, shared);
    int saved = errno;
    freeaddrinfo(list);
    if (fd == -1 && host[0] == '\0') /* no IPv6 here */
        return bind_tcp("0.0.0.0", port, shared, ret_fd, why);
    if (fd == -1)
        return why_set(why, ERR_IO, "listen tcp %s:%u: bind: %s", host, port,
                       errno_text(saved).text);
    *ret_fd = fd;
    return ERR_OK;
}

enum err listener_bind_tcp(const char *host, uint16_t port, int *ret_fd, struct why *why)
{
    return bind_tcp(host, port, false, ret_fd, why);
}

enum err listener_bind_tcp_shared(const char *host, uint16_t port, int *ret_fd, struct why *why)
{
    return bind_tcp(host, port, true, ret_fd, why);
}

/* Remove the socket file of a program that is no more. */
static void unlink_stale(const struct sockaddr_un *addr)
{
    struct stat st;
    if (lstat(addr->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return;
    if (connect(fd, (const struct sockaddr *)addr, sizeof *addr) != 0 && errno == ECONNREFUSED)
        unlink(addr->sun_path);
    close(fd);
}

enum err listener_bind_unix(const char *path, int *ret_fd, struct why *why)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof addr.sun_path)
        return why_set(why, ERR_MALFORMED, "listen unix %s: bad length of path", path);
    memcpy(addr.sun_path, path, n);
    unlink_stale(&addr);
    int fd = listen_on(AF_UNIX, (const struct sockaddr *)&addr, sizeof addr, false);
    if (fd == -1)
        return why_set(why, ERR_IO, "listen unix %s: bind: %s", path,
                       errno_text(errno).text);
    *ret_fd = fd;
    return ERR_OK;
}

uint16_t listener_port(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
        return 0;
    if (ss.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&ss)->sin_port);
    if (ss.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&ss)->sin6_port);
    return 0;
}

/* ---- where a socket is bound --------------------------------------------------------------- */

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage room;
};

static bool address_of(int fd, union address *ret)
{
    socklen_t len = sizeof *ret;
    *ret = (union address){0};
    return getsockname(fd, &ret->any, &len) == 0;
}

/* All addresses of IPv6 are those of IPv4 as well. */
static bool is_any(const union address *a)
{
    if (a->any.sa_family == AF_INET)
        return a->in.sin_addr.s_addr == htonl(INADDR_ANY);
    return a->any.sa_family == AF_INET6 &&
           memcmp(&a->in6.sin6_addr, &in6addr_any, sizeof in6addr_any) == 0;
}

bool listener_is_at_tcp(int fd, const char *host, uint16_t port)
{
    union address a, want = {0};
    if (!address_of(fd, &a) || listener_port(fd) != port)
        return false;
    if (inet_pton(AF_INET, host, &want.in.sin_addr) == 1)
        return a.any.sa_family == AF_INET && a.in.sin_addr.s_addr == want.in.sin_addr.s_addr;
    if (inet_pton(AF_INET6, host, &want.in6.sin6_addr) == 1)
        return a.any.sa_family == AF_INET6 &&
               memcmp(&a.in6.sin6_addr, &want.in6.sin6_addr, sizeof in6addr_any) == 0;
    return host[0] == '\0' && is_any(&a);
}

bool listener_is_at_unix(int fd, const char *path)
{
    union address a;
    return address_of(fd, &a) && a.any.sa_family == AF_UNIX &&
           strncmp(a.un.sun_path, path, sizeof a.un.sun_path) == 0;
}

bool listener_is_local(int fd)
{
    union address a;
    if (!address_of(fd, &a))
        return false;
    if (a.any.sa_family == AF_INET)
        return ntohl(a.in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    if (a.any.sa_family == AF_INET6)
        return memcmp(&a.in6.sin6_addr, &in6addr_loopback, sizeof in6addr_loopback) == 0;
    return a.any.sa_family == AF_UNIX;
}

char *listener_url(int fd, bool tls)
{
    union address a;
    char host[INET6_ADDRSTRLEN] = "?";
    bool known = address_of(fd, &a);
    if (known && a.any.sa_family == AF_UNIX)
        return xasprintf("%s://%.*s", tls ? "unixs" : "unix", (int)sizeof a.un.sun_path,
                         a.un.sun_path);
    bool v6 = known && a.any.sa_family == AF_INET6;
    if (v6)
        (void)inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof host);
    else if (known && a.any.sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof host);
    return xasprintf("%s://%s%s%s:%u", tls ? "https" : "http", v6 ? "[" : "", host, v6 ? "]" : "",
                     listener_port(fd));
}

/* ---- accepting --------------------------------------------------------------------------- */

struct acceptor {
    struct loop *loop;
    int fd;
    struct event *ev;
    struct loop_timer resume;
    const struct http_io_ops *ops;
    void *io_arg;
    struct http_server **servers;
    size_t server_n, next;
};

struct handover {
    struct loop_msg msg;
    struct http_server *server;
    int fd;
    const struct http_io_ops *ops;
    void *io_arg;
};

static void handover_run(struct loop_msg *m)
{
    struct handover *h = CONTAINER_OF(m, struct handover, msg);
    http_server_adopt(h->server, h->fd, h->ops, h->io_arg);
    free(h);
}

static void set_tcp_keepalive(int fd)
{
    int one = 1, s = TCP_KEEPALIVE_S;
    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one) != 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &s, sizeof s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &s, sizeof s);
}

static void acceptor_deal(struct acceptor *a, int fd)
{
    struct http_server *sv = a->servers[a->next++ % a->server_n];
    set_tcp_keepalive(fd);
    if (http_server_loop(sv) == a->loop) {
        http_server_adopt(sv, fd, a->ops, a->io_arg);
        return;
    }
    struct handover *h = xcalloc(1, sizeof *h);
    *h = (struct handover){
        .msg.run = handover_run, .server = sv, .fd = fd, .ops = a->ops, .io_arg = a->io_arg};
    loop_post(http_server_loop(sv), &h->msg);
}

static bool is_exhausted(int e)
{
    return e == EMFILE || e == ENFILE || e == ENOBUFS || e == ENOMEM;
}

static void on_acceptable(evutil_socket_t listen_fd, short what, void *arg)
{
    (void)what;
    struct acceptor *a = arg;
    for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd != -1) {
            acceptor_deal(a, fd);
        } else if (is_exhausted(errno)) {
            event_del(a->ev);
            loop_timer_set(&a->resume, PAUSE_MS);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

static void on_resume(struct loop_timer *t)
{
    struct acceptor *a = CONTAINER_OF(t, struct acceptor, resume);
    event_add(a->ev, NULL);
}

struct acceptor *acceptor_new(struct loop *l, int fd, const struct http_io_ops *ops, void *io_arg)
{
    struct acceptor *a = xcalloc(1, sizeof *a);
    a->loop = l;
    a->fd = fd;
    a->ops = ops;
    a->io_arg = io_arg;
    evutil_make_socket_nonblocking(fd); /* it may have been inherited */
    a->ev = event_new(loop_base(l), fd, EV_READ | EV_PERSIST, on_acceptable, a);
    invariant(a->ev != NULL);
    loop_timer_init(&a->resume, l, on_resume);
    return a;
}

void acceptor_add(struct acceptor *a, struct http_server *s)
{
    a->servers = xrealloc(a->servers, (a->server_n + 1) * sizeof(struct http_server *));
    a->servers[a->server_n++] = s;
    if (a->server_n == 1)
        event_add(a->ev, NULL);
}

void acceptor_free(struct acceptor *a)
{
    if (a == NULL)
        return;
    event_free(a->ev);
    loop_timer_fini(&a->resume);
    close(a->fd);
    free(a->servers);
    free(a);
}
