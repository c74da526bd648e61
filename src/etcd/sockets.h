/* etcd/sockets.h -- everything that the daemon listens on.
 *
 * A kind of socket comes from socket units, if they pass any: then the URLs of that kind only say
 * whether it speaks TLS. Else each URL is bound, or found in the service manager's store, where it was put
 * so that no connection is refused while the service restarts.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCD_SOCKETS_H
#define ETCD_SOCKETS_H

#include "api/api.h"
#include "base/err.h"
#include "base/why.h"
#include "http/listener.h"
#include "sysd/passed.h"

struct config;

struct sockets {
    const struct config *cfg;
    struct listen_socket *v[PASSED_KINDS_]; /* addresses are owned, descriptors until they are taken */
    size_t n[PASSED_KINDS_];
    struct passed_sockets passed; /* those not used so far; fd -1: used */
};

/* Open those for clients and for metrics. On failure `why` names the address. `cfg` is lent for their life. */
MUST_USE enum err sockets_open(struct sockets *s, const struct config *cfg, struct why *why);
/* Open those for peers. */
MUST_USE enum err sockets_open_peers(struct sockets *s, struct why *why);
void sockets_fini(struct sockets *s); /* leaves the descriptors alone */

/* Lend those of one kind. */
struct listen_sockets sockets_of(const struct sockets *s, enum passed_kind kind);
struct api_sockets sockets_for_api(const struct sockets *s);

/* Say where clients are served, and which of that is unwise. */
void sockets_say_ready(const struct sockets *s);

#endif
