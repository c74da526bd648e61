/* api/health_service.c -- grpc.health.v1.Health: the service "" is served as long as anything is.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/services.h"
#include "pb/health.pb-c.h"

typedef Grpc__Health__V1__HealthCheckResponse health_response;

static bool service_is_known(const ProtobufCMessage *req)
{
    return *((const Grpc__Health__V1__HealthCheckRequest *)req)->service == '\0';
}

void health_check_message(struct call *c, const ProtobufCMessage *req)
{
    if (!service_is_known(req)) {
        call_finish(c, GRPC_NOT_FOUND, "unknown service");
        return;
    }
    health_response r = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    r.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    call_reply_msg(c, &r.base);
}

/* The stream stays open; there is nothing to tell it that changes while the process lives. */
void health_watch_message(struct call *c, const ProtobufCMessage *req)
{
    uint8_t wire[8];
    health_response r = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    r.status = service_is_known(req)
                   ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                   : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
    call_send(c, slice_make(wire, protobuf_c_message_pack(&r.base, wire)));
    call_set_waiting(c, true);
}
