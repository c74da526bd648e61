/* ctlv2/proxy.h -- the HTTP proxy that the environment puts before a URL.
 *
 * As Go's net/http has it: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, or their names in small letters.
 * What is on this machine is asked without one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_PROXY_H
#define CTLV2_PROXY_H

#include "ctlv2/trouble.h"
#include "ctlv2/uri.h"

/* Return the proxy in *ret_proxy; its host is NULL if there is none. False, and `t`, if there is
 * one that cannot be used. */
MUST_USE bool proxy_find(const struct uri *u, struct uri *ret_proxy, struct trouble *t);

/* True if the server is to be asked without a proxy. `list` is NO_PROXY's value: names with all
 * below them (".name": only that), addresses, each perhaps with a port; networks; "*". */
bool proxy_is_passed_by(const char *list, const char *host, const char *port);

#endif
