/* api/stats.h -- what this room counts for /metrics.
 *
 * The families belong to the process. Counting is lock-free from any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_STATS_H
#define API_STATS_H

#include "api/methods.h"
#include "metrics/metrics.h"

/* Make every series of every method, so that all are 0 from the start, and have the server write them
 * out. With `extensive` the times of calls are kept too. Before the client threads start. */
void stats_init(struct server *s, bool extensive);

/* True if the times of calls are kept; else `seconds` below does not matter. */
bool stats_are_timed(void);

/* A call began; it ended with `code` after `seconds`. */
void stats_started(const struct api_method *m);
void stats_handled(const struct api_method *m, enum grpc_code code, double seconds);
/* A message of `n` encoded bytes came or went. */
void stats_received(const struct api_method *m, size_t n);
void stats_sent(const struct api_method *m, size_t n);
/* A call of a client that says it speaks `version` (p NULL: it does not say). */
void stats_client_request(const struct api_method *m, struct slice version);

void stats_health(bool healthy);
/* `type` is "livez" or "readyz", `name` the check. Static strings. */
void stats_check(const char *type, const char *name, bool ok);

#endif
