/* api/gateway.h -- the JSON gateway: RPCs as POST requests under /v3/.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_GATEWAY_H
#define API_GATEWAY_H

#include "api/web.h"

/* True if the path lies under /v3/, or under /v3beta/ which means the same. */
bool gateway_owns(struct slice path);
void gateway_request(const struct web *w);

/* Return the HTTP status of an RPC's end. */
unsigned gateway_http_status(enum grpc_code code);

#endif
