/* etcd/supervise.c -- readiness, the status line, the watchdog.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcd/supervise.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/log.h"
#include "base/mem.h"
#include "etcd/sockets.h"
#include "loop/clock.h"
#include "server/server.h"
#include "sysd/notify.h"

enum {
    GRACE_MS = 5000,    /* without a quorum until the service counts as ready */
    EXTEND_S = 60,      /* for the next step of starting */
    PERIOD_MS = 1000,
    JOIN_PERIOD_MS = 100, /* until the member has joined */
};

#define MIB (1024.0 * 1024.0)

/* ---- starting ---------------------------------------------------------------------------------- */

void supervise_progress(struct supervision *v, const char *doing, uint64_t done)
{
    msec now = clock_now_ms(), before = v->progress_at;
    if (now - before < PERIOD_MS || !atomic_compare_exchange_strong(&v->progress_at, &before, now))
        return;
    char text[STATUS_MAX];
    snprintf(text, sizeof text, "%s %" PRIu64, doing, done);
    notify_extend(EXTEND_S);
    notify_status(text);
}

void supervise_begin(struct supervision *v, struct server *s, struct api *a,
                     const struct sockets *sockets, msec tick_ms)
{
    msec now = clock_now_ms();
    v->server = s;
    v->api = a;
    v->sockets = sockets;
    v->progress_at = now;
    v->life = (struct signs_of_life){.clients = now, .tick = now, .tick_ms = tick_ms};
    watchdog_init(&v->watchdog, now);
}

/* ---- the status line ---------------------------------------------------------------------------- */

static void add_role(struct buf *b, const struct server_summary *s)
{
    if (s->restoring)
        buf_add_str(b, "loading a snapshot, ");
    if (s->leader == 0 && s->connected <= s->voters / 2)
        buf_addf(b, "no quorum: %u of %u%s%s", s->connected, s->voters,
                 s->missing[0] != '\0' ? ", waiting for " : "", s->missing);
    else if (s->leader == 0)
        buf_addf(b, "no leader yet: %u of %u members connected", s->connected, s->voters);
    else if (s->leads)
        buf_addf(b, "leader term %" PRIu64 ", %u/%u voters", s->term, s->connected, s->voters);
    else
        buf_addf(b, "%s of %s term %" PRIu64 ", %u/%u voters", s->is_learner ? "learner" : "follower",
                 s->leader_name[0] != '\0' ? s->leader_name : "?", s->term, s->connected, s->voters);
    if (s->leader != 0 && s->missing[0] != '\0')
        buf_addf(b, " (without %s)", s->missing);
}

void status_line(const struct server_summary *s, char ret[STATUS_MAX])
{
    AUTO(buf) struct buf b = BUF_INIT;
    if (s->voters == 0) { /* the member has not made its first round */
        snprintf(ret, STATUS_MAX, "starting");
        return;
    }
    add_role(&b, s);
    if (s->applied < s->committed)
        buf_addf(&b, ", applying entry %" PRIu64 " of %" PRIu64, s->applied, s->committed);
    buf_addf(&b, ", rev %" PRId64 ", db %.1f", s->rev, (double)s->db_in_use / MIB);
    if (s->quota > 0)
        buf_addf(&b, "/%.0f", (double)s->quota / MIB);
    buf_add_str(&b, " MiB");
    if (s->fsync_p99 != 0)
        buf_addf(&b, ", fsync p99 %" PRId64 " ms", s->fsync_p99);
    if (s->alarms & BIT(1))
        buf_add_str(&b, ", NOSPACE");
    if (s->alarms & BIT(2))
        buf_add_str(&b, ", CORRUPT");
    snprintf(ret, STATUS_MAX, "%s", buf_cstr(&b));
}

/* ---- each second --------------------------------------------------------------------------------- */

static void run_readiness(struct supervision *v, const char *status, msec now)
{
    bool late = now - v->progress_at >= GRACE_MS;
    if (v->ready_said || (!v->joined && !late))
        return;
    v->ready_said = true;
    if (v->joined)
        log_info("the member is ready", LOG_MESSAGE(MSG_READY), LOG_STR("status", status));
    else
        log_warn("this member serves, but its cluster has no majority yet",
                 LOG_MESSAGE(MSG_READY_WITHOUT_QUORUM), LOG_STR("status", status));
    sockets_say_ready(v->sockets);
    notify_ready(status);
}

static void run_watchdog(struct supervision *v, msec now)
{
    struct server_pulse pulse;
    if (v->watchdog.allowed == 0)
        return;
    if (api_has_turned(v->api))
        v->life.clients = now;
    server_pulse(v->server, &pulse);
    if (pulse.tick != 0)
        v->life.tick = pulse.tick;
    v->life.log_since = pulse.log_since;
    const char *trouble = watchdog_trouble(&v->watchdog, &v->life, now);
    if (trouble != NULL && !v->trouble_said)
        log_error("a part of the program does not move: the watchdog is not told that all is well",
                  LOG_MESSAGE(MSG_WATCHDOG_HELD_BACK), LOG_STR("part", trouble));
    v->trouble_said = trouble != NULL;
    if (watchdog_is_due(&v->watchdog, &v->life, now))
        notify_alive();
}

static int period(const struct supervision *v)
{
    msec watch = v->watchdog.allowed != 0 ? v->watchdog.allowed / 8 + 1 : PERIOD_MS;
    if (!v->ready_said)
        return JOIN_PERIOD_MS;
    if (!notify_is_wanted())
        return -1; /* nobody wants to know */
    return watch < PERIOD_MS ? (int)watch : PERIOD_MS;
}

int supervise_run(struct supervision *v)
{
    msec now = clock_now_ms();
    struct server_summary summary;
    char status[STATUS_MAX];
    server_summary(v->server, &summary);
    status_line(&summary, status);
    run_readiness(v, status, now);
    run_watchdog(v, now);
    if (strcmp(status, v->status) != 0 && now - v->status_at >= PERIOD_MS) {
        memcpy(v->status, status, sizeof status);
        v->status_at = now;
        notify_status(status);
    }
    return period(v);
}
