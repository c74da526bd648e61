/* api/health.c -- is this member alive, can it serve, and what does a probe get to read.
 *
 * /health answers for the whole; /livez and /readyz are lists of named checks that run one after the
 * other, each also to be had alone under its own path.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/health.h"

#include <stdio.h>

#include "api/errand.h"
#include "api/stats.h"
#include "base/json_text.h"
#include "base/log.h"

/* Read a key as a client would that does not care how old the answer is. */
static enum err local_read(struct api_loop *l, struct arena *a)
{
    static const uint8_t key = 0;
    struct range_req q = {.key = slice_make(&key, 1), .limit = 1, .keys_only = true};
    struct range_plan *plan;
    enum err e = server_range_plan(l->client, &q, a, &plan);
    if (e == ERR_OK)
        range_plan_free(plan);
    return e;
}

static bool query_is(const struct web *w, const char *name, const char *value)
{
    AUTO(buf) struct buf b = BUF_INIT;
    size_t at = 0;
    return web_query(w, name, &at, &b) && slice_is(buf_slice(&b), value);
}

/* True if one of the query's `exclude` values is `name`. */
static bool is_excluded(const struct web *w, const char *name)
{
    AUTO(buf) struct buf b = BUF_INIT;
    size_t at = 0;
    while (web_query(w, "exclude", &at, &b))
        if (slice_is(buf_slice(&b), name))
            return true;
    return false;
}

/* ---- /health --------------------------------------------------------------------------------- */

static void health_reply(const struct web *w, const char *reason)
{
    AUTO(buf) struct buf b = BUF_INIT;
    bool healthy = *reason == '\0';
    buf_addf(&b, "{\"health\":\"%s\",\"reason\":", healthy ? "true" : "false");
    json_add_string(&b, reason, strlen(reason));
    buf_add_byte(&b, '}');
    stats_health(healthy);
    if (healthy) {
        web_reply_type(w, 200, "text/plain; charset=utf-8", buf_slice(&b));
        return;
    }
    log_warn("/health error", LOG_STR("output", buf_cstr(&b)), LOG_INT("status-code", 503));
    web_error(w, 503, buf_slice(&b));
}

static void health_read(const struct web *w, struct arena *a, enum err asked)
{
    char reason[256] = "";
    enum err e = asked != ERR_OK ? asked : local_read(w->port->loop, a);
    if (e != ERR_OK)
        snprintf(reason, sizeof reason, "RANGE ERROR:%s", err_text(e));
    health_reply(w, reason);
}

static void on_health_index(struct errand *e)
{
    struct web w = errand_web(e);
    health_read(&w, e->arena, e->server.err);
    errand_end(e);
}

static const char *alarm_reason(const struct web *w)
{
    unsigned alarms = server_alarms(w->port->loop->server);
    if (alarms & BIT(ETCDSERVERPB__ALARM_TYPE__NOSPACE) && !is_excluded(w, "NOSPACE"))
        return "ALARM NOSPACE";
    if (alarms & BIT(ETCDSERVERPB__ALARM_TYPE__CORRUPT) && !is_excluded(w, "CORRUPT"))
        return "ALARM CORRUPT";
    return "";
}

void health_page(const struct web *w)
{
    if (!web_is_get(w))
        return;
    struct api_loop *l = w->port->loop;
    bool serializable = query_is(w, "serializable", "true");
    const char *reason = alarm_reason(w);
    if (*reason == '\0' && !serializable && !server_has_leader(l->server))
        reason = "RAFT NO LEADER";
    struct errand *e;
    if (*reason != '\0') {
        health_reply(w, reason);
    } else {
        e = errand_new(w);
        if (serializable)
            on_health_index(e);
        else
            errand_read_index(e, on_health_index);
    }
}

/* ---- the named checks ------------------------------------------------------------------------ */

enum check {
    CHECK_DATA_CORRUPTION,
    CHECK_SERIALIZABLE_READ,
    CHECK_LINEARIZABLE_READ,
    CHECK_NON_LEARNER,
    CHECK_COUNT_,
};

static const char *const check_names[CHECK_COUNT_] = {
    "data_corruption",
    "serializable_read",
    "linearizable_read",
    "non_learner",
};

/* One run of some checks, in the order of the enum; kept in the errand's arena. */
struct checkup {
    const char *type;  /* "livez" or "readyz" */
    unsigned to_do;    /* bits */
    enum check now;
    bool failed, verbose;
    size_t n;
    char text[1024]; /* a line for each check */
};

static void checkup_next(struct errand *e);

static void checkup_result(struct errand *e, const char *trouble)
{
    struct checkup *c = e->user;
    const char *name = check_names[c->now];
    char *end = c->text + c->n;
    size_t room = sizeof c->text - c->n;
    stats_check(c->type, name, trouble == NULL);
    if (trouble == NULL) {
        snprintf(end, room, "[+]%s ok\n", name);
    } else {
        snprintf(end, room, "[-]%s failed: %s\n", name, trouble);
        c->failed = true;
    }
    c->n += strlen(end);
    c->to_do &= ~BIT(c->now);
    checkup_next(e);
}

static void checkup_read(struct errand *e, enum err asked)
{
    enum err err = asked != ERR_OK ? asked : local_read(e->web.port->loop, e->arena);
    checkup_result(e, err == ERR_OK ? NULL : err_text(err));
}

static void on_check_index(struct errand *e)
{
    checkup_read(e, e->server.err);
}

static void on_check_status(struct errand *e)
{
    bool learner = e->status != NULL && e->status->islearner;
    checkup_result(e, learner ? "not supported for learner" : NULL);
}

static void checkup_corruption(struct errand *e)
{
    bool corrupt = server_alarms(e->web.port->loop->server) &
                   BIT(ETCDSERVERPB__ALARM_TYPE__CORRUPT);
    checkup_result(e, corrupt ? "alarm activated: CORRUPT" : NULL);
}

static void checkup_end(struct errand *e)
{
    struct checkup *c = e->user;
    struct web w = errand_web(e);
    if (c->failed) {
        log_error("Health check error", LOG_STR("path", c->type),
                  LOG_STR("reason", c->text), LOG_INT("status-code", 503));
        web_error(&w, 503, slice_str(c->text));
    } else {
        static const struct http_header headers[] = {
            HTTP_HEADER("content-type", "text/plain; charset=utf-8"),
            HTTP_HEADER("x-content-type-options", "nosniff"),
        };
        const char *body = arena_printf(e->arena, "%sok\n", c->verbose ? c->text : "");
        web_reply(&w, 200, headers, 2, slice_str(body));
    }
    errand_end(e);
}

static void checkup_next(struct errand *e)
{
    struct checkup *c = e->user;
    if (c->to_do == 0) {
        checkup_end(e);
        return;
    }
    c->now = (enum check)__builtin_ctz(c->to_do);
    switch (c->now) {
    case CHECK_DATA_CORRUPTION:
        checkup_corruption(e);
        break;
    case CHECK_SERIALIZABLE_READ:
        checkup_read(e, ERR_OK);
        break;
    case CHECK_LINEARIZABLE_READ:
        errand_read_index(e, on_check_index);
        break;
    default:
        errand_status(e, on_check_status);
        break;
    }
}

/* Return the checks that the path and the query ask for; 0 if the path names none of `checks`. */
static unsigned checks_asked(const struct web *w, const char *type, unsigned checks)
{
    size_t root = strlen(type) + 1;
    struct slice sub = slice_make(w->path.p + root, w->path.n - root);
    unsigned asked = 0;
    for (unsigned i = 0; i < CHECK_COUNT_; i++) {
        bool wanted = sub.n == 0 ? !is_excluded(w, check_names[i])
                                 : slice_is(slice_make(sub.p + 1, sub.n - 1), check_names[i]);
        if (checks & BIT(i) && wanted)
            asked |= BIT(i);
    }
    return asked;
}

static void checkup_page(const struct web *w, const char *type, unsigned checks)
{
    unsigned asked = checks_asked(w, type, checks);
    if (asked == 0 && w->path.n > strlen(type) + 1) {
        web_not_found(w);
        return;
    }
    if (!web_is_get(w))
        return;
    struct errand *e = errand_new(w);
    struct checkup *c = arena_calloc(e->arena, sizeof *c);
    AUTO(buf) struct buf value = BUF_INIT;
    size_t at = 0;
    c->type = type;
    c->to_do = asked;
    c->verbose = web_query(w, "verbose", &at, &value);
    e->user = c;
    checkup_next(e);
}

void livez_page(const struct web *w)
{
    checkup_page(w, "livez", BIT(CHECK_SERIALIZABLE_READ));
}

void readyz_page(const struct web *w)
{
    checkup_page(w, "readyz", BIT(CHECK_COUNT_) - 1);
}
