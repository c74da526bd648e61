/* etcd/reload.h -- SIGHUP: the configuration is read again, from the same places in the same order.
 *
 * What can change while the member runs is in force at once; what needs a restart is named and
 * stays as it is; a mistake anywhere changes nothing. Log files are opened anew, for they may have
 * been rotated.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCD_RELOAD_H
#define ETCD_RELOAD_H

#include <stddef.h>

#include "config/config.h"

struct api;
struct server;

/* Every configuration that was ever in force: other threads may still read an old one. */
struct configs {
    struct config_input input; /* as at the start, but for what came from etcd.conf by the environment */
    const struct config_outcome *first; /* what was said at the start: it is not said again */
    struct config **v;         /* the last one is in force */
    size_t n;
};

/* Begin with `cfg` (taken), which config_load(in) gave together with `out` (lent). */
void configs_init(struct configs *c, const struct config_input *in, struct config *cfg,
                  const struct config_outcome *out);
void configs_fini(struct configs *c); /* nothing reads them any more */

/* Read it again and apply what can be applied. */
void configs_reload(struct configs *c, struct server *s, struct api *a);

#endif
