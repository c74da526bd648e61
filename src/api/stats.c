/* api/stats.c -- the counters of calls, by method and code, and of probes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/stats.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CODES_N = GRPC_UNAUTHENTICATED + 1,
    CLIENT_VERSIONS_MAX = 32,   /* distinct client_api_version labels; later ones count as "other" */
    CLIENT_VERSION_LEN_MAX = 32,
};

static struct metric started =
    METRIC_COUNTER_VEC("grpc_server_started_total", "Total number of RPCs started on the server.",
                       "grpc_method", "grpc_service", "grpc_type");
static struct metric handled = METRIC_COUNTER_VEC(
    "grpc_server_handled_total",
    "Total number of RPCs completed on the server, regardless of success or failure.", "grpc_code",
    "grpc_method", "grpc_service", "grpc_type");
static struct metric msg_received = METRIC_COUNTER_VEC(
    "grpc_server_msg_received_total",
    "Total number of RPC stream messages received on the server.", "grpc_method", "grpc_service",
    "grpc_type");
static struct metric msg_sent =
    METRIC_COUNTER_VEC("grpc_server_msg_sent_total",
                       "Total number of gRPC stream messages sent by the server.", "grpc_method",
                       "grpc_service", "grpc_type");
static const double handling_bounds[] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
static struct metric handling = METRIC_HISTOGRAM_VEC(
    "grpc_server_handling_seconds",
    "Histogram of response latency (seconds) of gRPC that had been application-level handled by "
    "the server.",
    handling_bounds, ARRAY_LEN(handling_bounds), "grpc_method", "grpc_service", "grpc_type");
static struct metric sent_bytes =
    METRIC_COUNTER("etcd_network_client_grpc_sent_bytes_total",
                   "The total number of bytes sent to grpc clients.");
static struct metric received_bytes =
    METRIC_COUNTER("etcd_network_client_grpc_received_bytes_total",
                   "The total number of bytes received from grpc clients.");
static struct metric client_requests = METRIC_COUNTER_VEC(
    "etcd_server_client_requests_total",
    "The total number of client requests per client version.", "client_api_version", "type");
static struct metric health_success = METRIC_COUNTER(
    "etcd_server_health_success", "The total number of successful health checks");
static struct metric health_failures =
    METRIC_COUNTER("etcd_server_health_failures", "The total number of failed health checks");
static struct metric checks = METRIC_GAUGE_VEC(
    "etcd_server_healthcheck", "The result of each kind of healthcheck.", "name", "type");
static struct metric checks_total =
    METRIC_COUNTER_VEC("etcd_server_healthchecks_total",
                       "The total number of each kind of healthcheck.", "name", "status", "type");

static struct metric *const families[] = {
    &started,       &handled,        &msg_received,    &msg_sent,       &sent_bytes,
    &received_bytes, &client_requests, &health_success, &health_failures, &checks,
    &checks_total,
};
static struct metric *const extensive_families[] = {&handling};

struct method_series {
    struct metric_series *started, *received, *sent, *handling;
    struct metric_series *handled[CODES_N];
};

/* The series of one client_api_version. */
struct version_series {
    char version[CLIENT_VERSION_LEN_MAX + 1];
    struct metric_series *unary, *stream;
};

static struct method_series *by_method;
static bool timed;
static struct version_series versions[CLIENT_VERSIONS_MAX];
static _Atomic unsigned versions_n;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of making versions */

static const char *code_name(unsigned code)
{
    static const char *const names[CODES_N] = {
        "OK",           "Canceled",           "Unknown",           "InvalidArgument",
        "DeadlineExceeded", "NotFound",       "AlreadyExists",     "PermissionDenied",
        "ResourceExhausted", "FailedPrecondition", "Aborted",      "OutOfRange",
        "Unimplemented", "Internal",          "Unavailable",       "DataLoss",
        "Unauthenticated",
    };
    return names[code];
}

static void method_series_init(struct method_series *s, const struct api_method *m, bool extensive)
{
    static const char *const types[] = {"unary", "server_stream", "bidi_stream"};
    const char *type = types[m->kind];
    s->started = metric_labels(&started, m->name, m->service, type);
    s->received = metric_labels(&msg_received, m->name, m->service, type);
    s->sent = metric_labels(&msg_sent, m->name, m->service, type);
    s->handling = extensive ? metric_labels(&handling, m->name, m->service, type) : NULL;
    for (unsigned i = 0; i < CODES_N; i++)
        s->handled[i] = metric_labels(&handled, code_name(i), m->name, m->service, type);
}

void stats_init(struct server *s, bool extensive)
{
    server_metrics_add(s, families, ARRAY_LEN(families));
    if (extensive)
        server_metrics_add(s, extensive_families, ARRAY_LEN(extensive_families));
    timed = extensive;
    if (by_method == NULL)
        by_method = xcalloc(api_methods_n, sizeof *by_method);
    for (size_t i = 0; i < api_methods_n; i++)
        method_series_init(&by_method[i], &api_methods[i], extensive);
}

bool stats_are_timed(void)
{
    return timed;
}

void stats_started(const struct api_method *m)
{
    series_add(by_method[method_index(m)].started, 1);
}

void stats_handled(const struct api_method *m, enum grpc_code code, double seconds)
{
    struct method_series *s = &by_method[method_index(m)];
    series_add(s->handled[(unsigned)code < CODES_N ? (unsigned)code : GRPC_UNKNOWN], 1);
    if (s->handling != NULL)
        series_observe(s->handling, seconds);
}

void stats_received(const struct api_method *m, size_t n)
{
    series_add(by_method[method_index(m)].received, 1);
    metric_add(&received_bytes, (int64_t)n);
}

void stats_sent(const struct api_method *m, size_t n)
{
    series_add(by_method[method_index(m)].sent, 1);
    metric_add(&sent_bytes, (int64_t)n);
}

/* Return the version's series, made at its first sight; "other" when there are too many. */
static struct version_series *version_make(const char *version)
{
    pthread_mutex_lock(&lock);
    unsigned n = versions_n;
    struct version_series *v = NULL;
    for (unsigned i = 0; i < n && v == NULL; i++)
        if (strcmp(versions[i].version, version) == 0)
            v = &versions[i];
    if (v == NULL && n < CLIENT_VERSIONS_MAX) {
        const char *label = n == CLIENT_VERSIONS_MAX - 1 ? "other" : version;
        v = &versions[n];
        snprintf(v->version, sizeof v->version, "%s", label);
        v->unary = metric_labels(&client_requests, v->version, "unary");
        v->stream = metric_labels(&client_requests, v->version, "stream");
        versions_n = n + 1;
    }
    pthread_mutex_unlock(&lock);
    return v != NULL ? v : &versions[CLIENT_VERSIONS_MAX - 1];
}

void stats_client_request(const struct api_method *m, struct slice version)
{
    char text[CLIENT_VERSION_LEN_MAX + 1] = "unknown";
    if (version.p != NULL && version.n <= CLIENT_VERSION_LEN_MAX) {
        memcpy(text, version.p, version.n);
        text[version.n] = '\0';
    } else if (version.p != NULL) {
        memcpy(text, "other", sizeof "other");
    }
    struct version_series *v = NULL;
    unsigned n = versions_n;
    for (unsigned i = 0; i < n && v == NULL; i++)
        if (strcmp(versions[i].version, text) == 0)
            v = &versions[i];
    if (v == NULL)
        v = version_make(text);
    series_add(m->kind == METHOD_UNARY ? v->unary : v->stream, 1);
}

void stats_health(bool healthy)
{
    metric_add(healthy ? &health_success : &health_failures, 1);
}

void stats_check(const char *type, const char *name, bool ok)
{
    series_set(metric_labels(&checks, name, type), ok);
    series_add(metric_labels(&checks_total, name, ok ? "success" : "error", type), 1);
}
