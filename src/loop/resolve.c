/* loop/resolve.c -- see resolve.h.
 *
 * A lookup has two references: the owner's and the thread's. Only what stands under `lock` is
 * shared while both live; the thread's answer is written before it signals the owner.
 * SPDX-License-Identifier: Apache-2.0 */
#include "loop/resolve.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/loop.h"

#define RESOLVE_STACK (1024u * 1024)

struct lookup {
    pthread_mutex_t lock;
    unsigned refs;
    int done_fd; /* -1: nobody waits any more */
    char *host, *port;
    struct addresses addresses;
    const char *trouble;
    struct event *done_ev; /* from here on the owner's alone */
    void (*done)(void *arg, const struct addresses *addresses, const char *trouble);
    void *arg;
};

static void addresses_take(struct addresses *a, const struct addrinfo *list)
{
    a->n = 0;
    for (; list != NULL && a->n < ADDRESSES_MAX; list = list->ai_next) {
        if (list->ai_addrlen > sizeof a->at[0].ss)
            continue;
        struct address *to = &a->at[a->n++];
        *to = (struct address){.n = list->ai_addrlen};
        memcpy(&to->ss, list->ai_addr, list->ai_addrlen);
    }
}

/* "localhost" is this machine, whatever /etc/hosts and DNS say (RFC 6761). */
static bool localhost_take(const char *host, const char *port, struct addresses *ret)
{
    char *end;
    unsigned long number = strtoul(port, &end, 10);
    if (strcasecmp(host, "localhost") != 0 || *end != '\0' || number > UINT16_MAX)
        return false;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&ret->at[0].ss;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ret->at[1].ss;
    memset(ret->at, 0, 2 * sizeof ret->at[0]);
    v4->sin_family = AF_INET;
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6->sin6_family = AF_INET6;
    v6->sin6_addr = in6addr_loopback;
    v4->sin_port = v6->sin6_port = htons((uint16_t)number);
    ret->at[0].n = sizeof *v4;
    ret->at[1].n = sizeof *v6;
    ret->n = 2;
    return true;
}

/* Return what getaddrinfo() returns. */
static int resolve_now(const char *host, const char *port, int flags, struct addresses *ret)
{
    struct addrinfo *list = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    int rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0)
        return rc;
    addresses_take(ret, list);
    freeaddrinfo(list);
    return 0;
}

bool resolve_numeric(const char *host, const char *port, struct addresses *ret_addresses)
{
    return localhost_take(host, port, ret_addresses) ||
           resolve_now(host, port, AI_NUMERICHOST, ret_addresses) == 0;
}

bool resolve_unix(const char *path, struct addresses *ret_addresses)
{
    struct address *a = &ret_addresses->at[0];
    struct sockaddr_un *un = (struct sockaddr_un *)&a->ss;
    size_t n = strlen(path);
    if (n >= sizeof un->sun_path)
        return false;
    *a = (struct address){.n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1)};
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n + 1);
    ret_addresses->n = 1;
    return true;
}

void address_text(const struct address *a, char *ret_text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (a->ss.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&a->ss;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(ret_text, size, "%s:%u", host, ntohs(in->sin_port));
    } else if (a->ss.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->ss;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(ret_text, size, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        snprintf(ret_text, size, "%s", ((const struct sockaddr_un *)&a->ss)->sun_path);
    }
}

/* ---- beside the loop --------------------------------------------------------------------- */

static void lookup_unref(struct lookup *k)
{
    pthread_mutex_lock(&k->lock);
    bool last = --k->refs == 0;
    pthread_mutex_unlock(&k->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&k->lock);
    free(k->host);
    free(k->port);
    free(k);
}

static void lookup_signal(struct lookup *k)
{
    uint64_t one = 1;
    pthread_mutex_lock(&k->lock);
    if (k->done_fd != -1) {
        ssize_t n = write(k->done_fd, &one, sizeof one);
        invariant(n == sizeof one);
    }
    pthread_mutex_unlock(&k->lock);
    lookup_unref(k);
}

static void *lookup_main(void *arg)
{
    struct lookup *k = arg;
    int rc = resolve_now(k->host, k->port, 0, &k->addresses);
    if (rc == EAI_NONAME || (rc == 0 && k->addresses.n == 0))
        k->trouble = "no such host";
    else if (rc != 0)
        k->trouble = gai_strerror(rc);
    lookup_signal(k);
    return NULL;
}

/* Signals are for the threads that expect them. */
static bool lookup_start_thread(struct lookup *k)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, old;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, RESOLVE_STACK);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&thread, &attr, lookup_main, k);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return rc == 0;
}

/* ---- the owner --------------------------------------------------------------------------- */

/* After this the thread finds nobody to signal. */
static void lookup_detach(struct lookup *k)
{
    event_free(k->done_ev);
    pthread_mutex_lock(&k->lock);
    close(k->done_fd);
    k->done_fd = -1;
    pthread_mutex_unlock(&k->lock);
}

static void on_lookup_done(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct lookup *k = arg;
    lookup_detach(k);
    k->done(k->arg, &k->addresses, k->trouble);
    lookup_unref(k);
}

struct lookup *lookup_start(struct loop *l, const char *host, const char *port,
                            void (*done)(void *arg, const struct addresses *addresses,
                                         const char *trouble),
                            void *arg)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd == -1)
        return NULL;
    struct lookup *k = xcalloc(1, sizeof *k);
    pthread_mutex_init(&k->lock, NULL);
    k->refs = 2;
    k->host = xstrdup(host);
    k->port = xstrdup(port);
    k->done = done;
    k->arg = arg;
    k->done_fd = fd;
    k->done_ev = event_new(loop_base(l), k->done_fd, EV_READ, on_lookup_done, k);
    invariant(k->done_ev != NULL && event_add(k->done_ev, NULL) == 0);
    if (!lookup_start_thread(k)) {
        k->trouble = "no thread for the lookup";
        lookup_signal(k);
    }
    return k;
}

void lookup_cancel(struct lookup *k)
{
    if (k == NULL)
        return;
    lookup_detach(k);
    lookup_unref(k);
}
