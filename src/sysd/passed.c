/* sysd/passed.c -- sd_listen_fds(3).
 * SPDX-License-Identifier: Apache-2.0 */
#include "sysd/passed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define STORED "stored-"

static const char *const stored_names[PASSED_KINDS_] = {
    [PASSED_CLIENT] = STORED "client",
    [PASSED_CLIENT_HTTP] = STORED "client-http",
    [PASSED_METRICS] = STORED "metrics",
    [PASSED_PEER] = STORED "peer",
};

const char *passed_stored_name(enum passed_kind kind)
{
    return stored_names[kind];
}

/* "etcd-peer.socket", "etcd-peer@a.socket" */
static bool is_unit(struct slice name, const char *stem)
{
    struct slice suffix = slice_str(".socket");
    size_t n = strlen(stem);
    return name.n >= n + suffix.n && slice_starts_with(name, slice_str(stem)) &&
           (name.p[n] == '@' || name.p[n] == '.') &&
           slice_eq(slice_make(name.p + name.n - suffix.n, suffix.n), suffix);
}

bool passed_name_read(const char *name, enum passed_kind *ret_kind, bool *ret_stored)
{
    struct slice s = slice_str(name);
    *ret_stored = slice_starts_with(s, slice_str(STORED));
    for (int i = 0; i < PASSED_KINDS_; i++) {
        const char *stored = stored_names[i];
        if (slice_is(s, stored) || slice_is(s, stored + strlen(STORED))) {
            *ret_kind = (enum passed_kind)i;
            return true;
        }
    }
    *ret_kind = is_unit(s, "etcd-peer") ? PASSED_PEER : PASSED_CLIENT;
    return is_unit(s, "etcd-peer") || is_unit(s, "etcd");
}

static void take(struct passed_sockets *to, int fd, const char *name)
{
    struct passed_socket s = {.fd = fd};
    const char *trouble = NULL;
    if (!passed_name_read(name, &s.kind, &s.stored))
        trouble = "a socket of an unknown name was passed; it is not used";
    else if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
        trouble = "what was passed is no listening stream socket; it is not used";
    else if (to->n == PASSED_MAX)
        trouble = "too many sockets were passed; one is not used";
    if (trouble == NULL) {
        to->v[to->n++] = s;
        return;
    }
    log_warn(trouble, LOG_STR("socket", name),
             LOG_STR("expected", "client, peer, client-http or metrics in FileDescriptorName="));
    close(fd);
}

void passed_sockets_take(struct passed_sockets *ret)
{
    char **names = NULL;
    ret->n = 0;
    int n = sd_listen_fds_with_names(1, &names);
    if (n < 0)
        log_warn("the sockets that were passed cannot be used: LISTEN_FDS or LISTEN_FDNAMES is wrong",
                 LOG_STR("error", strerror(-n)));
    for (int i = 0; i < n; i++) {
        take(ret, SD_LISTEN_FDS_START + i, names[i]);
        free(names[i]);
    }
    free(names);
}
