/* api/http_port.h -- requests on the client port that are not gRPC.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_HTTP_PORT_H
#define API_HTTP_PORT_H

#include "api/api_loop.h"

/* Answer the request now, or see to it that it is answered later. From within `request`. */
void http_port_request(struct api_port *p, struct http_stream *s);

#endif
