/* api/services.h -- the handlers that methods.c puts into its table.
 *
 * Each file named here answers some methods; what a handler may assume is said in methods.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SERVICES_H
#define API_SERVICES_H

#include "api/call.h"

/* unary.c: what the server answers by itself, and what no one answers yet. */
void unary_message(struct call *c, const ProtobufCMessage *req);
void unary_not_enabled(struct call *c, const ProtobufCMessage *req);
void unary_unknown(struct call *c, const ProtobufCMessage *req);

/* range.c, range_stream.c: KV.Range and KV.RangeStream. */
void range_message(struct call *c, const ProtobufCMessage *req);
void range_stream_message(struct call *c, const ProtobufCMessage *req);
void range_stream_drain(struct call *c);
void range_stream_closed(struct call *c);

/* watch_service.c: Watch.Watch. */
void watch_open(struct call *c);
void watch_message(struct call *c, const ProtobufCMessage *req);
void watch_drain(struct call *c);
void watch_closed(struct call *c);

/* keepalive.c: Lease.LeaseKeepAlive. */
void keepalive_open(struct call *c);
void keepalive_message(struct call *c, const ProtobufCMessage *req);
void keepalive_half_close(struct call *c);
void keepalive_drain(struct call *c);

/* snapshot_service.c: Maintenance.Snapshot. */
void snapshot_message(struct call *c, const ProtobufCMessage *req);
void snapshot_drain(struct call *c);
void snapshot_closed(struct call *c);

/* lock_service.c, election_service.c */
void lock_message(struct call *c, const ProtobufCMessage *req);
void unlock_message(struct call *c, const ProtobufCMessage *req);
void campaign_message(struct call *c, const ProtobufCMessage *req);
void proclaim_message(struct call *c, const ProtobufCMessage *req);
void leader_message(struct call *c, const ProtobufCMessage *req);
void observe_message(struct call *c, const ProtobufCMessage *req);
void observe_drain(struct call *c);
void resign_message(struct call *c, const ProtobufCMessage *req);
void contest_closed(struct call *c);

/* health_service.c: grpc.health.v1.Health. */
void health_check_message(struct call *c, const ProtobufCMessage *req);
void health_watch_message(struct call *c, const ProtobufCMessage *req);

#endif
