/* api/grpc_port.h -- calls that come by gRPC.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_GRPC_PORT_H
#define API_GRPC_PORT_H

#include "api/api_loop.h"

/* Make the port's gRPC server, with every method of the table. */
void grpc_port_init(struct api_port *p, uint32_t recv_max);
void grpc_port_fini(struct api_port *p); /* after the http_server is freed; without one: does nothing */

#endif
