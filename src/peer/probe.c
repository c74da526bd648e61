/* peer/probe.c -- GET /raft/probing: how long the way to a peer is, and what its clock says.
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "peer/peer_priv.h"

#define NS_PER_S 1000000000

enum {
    PROBE_TIMEOUT_MS = PEER_PROBE_MS - 500, /* over before the next one */
    PROBE_ANSWER_MAX = 1024,
    DRIFT_MS = 1000,
    DRIFT_REPORT_MS = 60000,
};

/* ---- RFC 3339 ------------------------------------------------------------------------------ */

/* ".123", into nanoseconds; nothing is 0. */
static const char *fraction_parse(const char *p, int64_t *ret_ns)
{
    *ret_ns = 0;
    if (*p != '.')
        return p;
    int64_t unit = NS_PER_S;
    for (p++; isdigit((unsigned char)*p); p++) {
        unit /= 10;
        *ret_ns += (*p - '0') * unit;
    }
    return p;
}

/* "Z", "+08:00", "-07:00" */
static bool zone_parse(const char *p, int *ret_s)
{
    char sign;
    unsigned h, m;
    int end = 0;
    *ret_s = 0;
    if (strcmp(p, "Z") == 0)
        return true;
    if (sscanf(p, "%c%2u:%2u%n", &sign, &h, &m, &end) != 3 || p[end] != '\0')
        return false;
    *ret_s = (int)(h * 60 + m) * (sign == '-' ? -60 : 60);
    return sign == '-' || sign == '+';
}

bool peer_time_parse(struct slice text, int64_t *ret_ns)
{
    char s[48];
    struct tm tm = {0};
    int64_t fraction;
    int zone;
    if (text.n >= sizeof s)
        return false;
    snprintf(s, sizeof s, "%.*s", (int)text.n, (const char *)text.p);
    const char *p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
    if (p == NULL || tm.tm_year > 400)
        return false;
    p = fraction_parse(p, &fraction);
    if (!zone_parse(p, &zone))
        return false;
    *ret_ns = ((int64_t)timegm(&tm) - zone) * NS_PER_S + fraction;
    return true;
}

void peer_time_format(int64_t ns, struct buf *out)
{
    time_t s = (time_t)(ns / NS_PER_S);
    struct tm tm;
    char text[32];
    gmtime_r(&s, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    buf_add_str(out, text);
    int len = snprintf(text, sizeof text, ".%09u", (unsigned)(ns % NS_PER_S));
    while (len > 0 && (text[len - 1] == '0' || text[len - 1] == '.'))
        len--;
    buf_add(out, text, (size_t)len);
    buf_add_byte(out, 'Z');
}

/* ---- the probe ----------------------------------------------------------------------------- */

/* The value of "Now" in {"OK":true,"Now":"..."}. */
static bool answer_time(struct slice body, int64_t *ret_ns)
{
    static const char key[] = "\"Now\":\"";
    const uint8_t *at = body.n != 0 ? memmem(body.p, body.n, key, sizeof key - 1) : NULL;
    if (at == NULL)
        return false;
    at += sizeof key - 1;
    size_t left = (size_t)(body.p + body.n - at);
    const uint8_t *end = memchr(at, '"', left);
    return end != NULL && peer_time_parse(slice_make(at, (size_t)(end - at)), ret_ns);
}

static void probe_compare(struct peer *peer, int64_t theirs)
{
    int64_t ours = peer->probe_sent_ns + (clock_wall_ns() - peer->probe_sent_ns) / 2;
    msec drift = llabs(theirs - ours) / 1000000, now = clock_now_ms();
    if (drift <= DRIFT_MS || (peer->drift_told != 0 && now - peer->drift_told < DRIFT_REPORT_MS))
        return;
    peer->drift_told = now;
    log_warn("prober found high clock drift", LOG_ID("remote-peer-id", peer->id),
             LOG_MS("clock-drift", drift));
}

static void on_done(struct http_request *r, enum err e)
{
    struct peer *peer = CONTAINER_OF(r, struct peer, probe);
    int64_t theirs;
    peer->is_probing = false;
    if (e != ERR_OK || r->status != 200) {
        peer_url_failed(peer, peer->probe_url);
        return;
    }
    double us = (double)(clock_now_us() - peer->probe_sent_us);
    peer_observe(peer, PEER_ROUND_TRIP, us / 1e6);
    if (answer_time(buf_slice(&r->answer), &theirs))
        probe_compare(peer, theirs);
}

void peer_probe(struct peer *peer)
{
    struct http_client *client = peer_client(peer);
    if (client == NULL || peer->is_probing)
        return;
    peer->is_probing = true;
    peer->probe_url = peer->picked;
    peer->probe_sent_us = clock_now_us();
    peer->probe_sent_ns = clock_wall_ns();
    peer->probe = (struct http_request){
        .method = "GET",
        .path = "/raft/probing",
        .idempotent = true,
        .timeout_ms = PROBE_TIMEOUT_MS,
        .body_max = PROBE_ANSWER_MAX,
        .done = on_done,
    };
    http_client_send(client, &peer->probe);
}

void peer_probe_stop(struct peer *peer)
{
    if (peer->is_probing)
        http_request_cancel(&peer->probe);
    peer->is_probing = false;
}
