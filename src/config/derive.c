/* config/derive.c -- what follows from the values: limits, defaults of defaults, parsed forms.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/loader.h"

#define QUOTA_DEFAULT       ((int64_t)2 << 30)
#define QUOTA_SUGGESTED_MAX ((int64_t)8 << 30)

enum {
    REQUEST_BYTES_SUGGESTED_MAX = 10 << 20,
    REQUEST_BYTES_MAX = 1 << 30, /* frame lengths and their sums stay well inside 32 bits */
    SNAPSHOT_COUNT_DEFAULT = 10000,
    BCRYPT_COST_MIN = 4,
    BCRYPT_COST_MAX = 31,
    BCRYPT_COST_DEFAULT = 10,
};

static void string_replace(char **field, char *taken)
{
    free(*field);
    *field = taken;
}

/* ---- limits ------------------------------------------------------------------------------- */

static void raise_duration(struct loader *l, const char *name, nsec *field, nsec least)
{
    if (*field >= least)
        return;
    *field = least;
    AUTO(buf) struct buf b = BUF_INIT;
    duration_format(&b, least);
    note_add(l, LOG_INFO_, "%s increased to minimum value: %s", name, buf_cstr(&b));
}

static void limit_request_bytes(struct loader *l)
{
    uint64_t *bytes = &l->cfg->max_request_bytes;
    if (*bytes > REQUEST_BYTES_SUGGESTED_MAX)
        note_add(l, LOG_WARN_,
                 "exceeded recommended request limit: --max-request-bytes is %" PRIu64
                 ", recommended are %d at most",
                 *bytes, REQUEST_BYTES_SUGGESTED_MAX);
    if (*bytes > REQUEST_BYTES_MAX) {
        note_add(l, LOG_WARN_, "max-request-bytes decreased to maximum value: %d",
                 REQUEST_BYTES_MAX);
        *bytes = REQUEST_BYTES_MAX;
    }
}

static void limit_quota(struct loader *l)
{
    struct config *c = l->cfg;
    int64_t given = c->quota_backend_bytes;
    c->quota_bytes = given == 0 ? QUOTA_DEFAULT : given < 0 ? 0 : given;
    if (given < 0)
        note_add(l, LOG_INFO_, "disabled backend quota");
    if (given > QUOTA_SUGGESTED_MAX)
        note_add(l, LOG_WARN_,
                 "quota exceeds the maximum value: --quota-backend-bytes is %" PRId64
                 ", suggested are %" PRId64 " at most",
                 given, QUOTA_SUGGESTED_MAX);
}

static void limit_numbers(struct loader *l)
{
    struct config *c = l->cfg;
    raise_duration(l, "raft-read-timeout", &c->raft_read_timeout, 5 * NSEC_S);
    raise_duration(l, "raft-write-timeout", &c->raft_write_timeout, 5 * NSEC_S);
    if (c->watch_progress_notify_interval != 0)
        raise_duration(l, "watch-progress-notify-interval", &c->watch_progress_notify_interval,
                       100 * NSEC_MS);
    if (c->snapshot_count == 0) {
        note_add(l, LOG_INFO_, "set snapshot count to default %d", SNAPSHOT_COUNT_DEFAULT);
        c->snapshot_count = SNAPSHOT_COUNT_DEFAULT;
    }
    if (c->bcrypt_cost < BCRYPT_COST_MIN || c->bcrypt_cost > BCRYPT_COST_MAX) {
        note_add(l, LOG_WARN_, "use default bcrypt cost instead of the invalid given cost %" PRIu64,
                 c->bcrypt_cost);
        c->bcrypt_cost = BCRYPT_COST_DEFAULT;
    }
    if (c->self_signed_cert_validity == 0)
        c->self_signed_cert_validity = 1;
    limit_request_bytes(l);
    limit_quota(l);
}

/* ---- compaction --------------------------------------------------------------------------- */

/* Read a number without a sign. */
static bool is_count(const char *s, int64_t *ret)
{
    char *end;
    if (*s < '0' || *s > '9')
        return false;
    errno = 0;
    *ret = strtoll(s, &end, 10);
    return errno == 0 && *end == '\0';
}

static enum err derive_compaction(struct loader *l)
{
    struct config *c = l->cfg;
    const char *text = c->auto_compaction_retention;
    bool periodic = strcmp(c->auto_compaction_mode, "periodic") == 0;
    int64_t count = 0;
    nsec period = 0;
    bool ok = is_count(text, &count);
    if (ok && periodic)
        ok = !__builtin_mul_overflow(count, NSEC_HOUR, &period);
    else if (!ok && periodic)
        ok = duration_parse(text, &period) && period >= 0;
    if (!ok) {
        l->blame = "auto-compaction-retention";
        return why_set(&l->why, ERR_INVALID,
                       "error parsing CompactionRetention: time: invalid duration \"%.256s\"",
                       text);
    }
    c->compaction_period_ms = duration_ms(period);
    c->compaction_revisions = periodic ? 0 : count;
    if (periodic ? period > 0 : count > 0)
        c->compaction_mode = periodic ? CONFIG_COMPACT_PERIODIC : CONFIG_COMPACT_REVISION;
    return ERR_OK;
}

/* ---- addresses ---------------------------------------------------------------------------- */

/* The host becomes this machine's where everything is listened on and the default advertised. */
static void advertise_host(struct loader *l, const struct url_list *listen,
                           struct url_list *advertise, const char *initial)
{
    bool is_default = advertise->n == 1 && strcmp(advertise->items[0].text, initial) == 0;
    if (!is_default || strcmp(listen->items[0].host, "0.0.0.0") != 0 || !l->in->default_host)
        return;
    char *host = l->in->default_host(l->in->default_host_arg);
    if (!host)
        return;
    AUTO(buf) struct buf b = BUF_INIT;
    struct url_list replaced;
    bool v6 = strchr(host, ':') != NULL;
    buf_addf(&b, "http://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", listen->items[0].port);
    if (url_list_parse(buf_cstr(&b), true, &replaced, NULL) == ERR_OK) {
        note_add(l, LOG_INFO_, "detected default host for advertise: %s", host);
        url_list_fini(advertise);
        *advertise = replaced;
    }
    free(host);
}

/* A name alone is enough: the member is then a cluster of its own. */
static char *cluster_of_self(const struct config *c)
{
    struct buf b = BUF_INIT;
    const struct url_list *urls = &c->initial_advertise_peer_urls;
    for (size_t i = 0; i < urls->n; i++)
        buf_addf(&b, "%s%s=%s", i ? "," : "", *c->name ? c->name : "default", urls->items[i].text);
    return buf_take_cstr(&b);
}

static enum err derive_cluster(struct loader *l)
{
    struct config *c = l->cfg;
    struct why reason;
    bool discovers = *c->discovery || *c->discovery_srv || c->discovery_endpoints.n > 0;
    bool is_default = strcmp(c->initial_cluster, "default=http://localhost:2380") == 0;
    if (discovers && setting_is_default(l, "initial-cluster"))
        string_replace(&c->initial_cluster, xstrdup(""));
    else if (is_default && strcmp(c->name, "default") != 0)
        string_replace(&c->initial_cluster, cluster_of_self(c));
    l->blame = "initial-cluster";
    if (cluster_parse(c->initial_cluster, &c->members, &c->n_members, &reason) == ERR_OK)
        return ERR_OK;
    if (!l->has_data)
        return why_set(&l->why, ERR_INVALID, "error setting up initial cluster: %s", reason.text);
    note_say(l, LOG_WARN_, MSG_CONFIG_IGNORED, "--initial-cluster is ignored, for the member has data: %s",
             reason.text);
    return ERR_OK;
}

/* ---- all ---------------------------------------------------------------------------------- */

static enum err derive_words(struct loader *l)
{
    struct config *c = l->cfg;
    c->metrics_extensive = strcmp(c->metrics, "extensive") == 0;
    c->log_json = strcmp(c->log_format, "console") != 0;
    c->log_format_is_given = !setting_is_default(l, "log-format");
    if (c->log_outputs.n == 0 && str_list_parse("default", &c->log_outputs, &l->why) != ERR_OK)
        return ERR_INVALID;
    if (!log_level_parse(c->log_level, &c->log_level_value))
        return why_set(&l->why, ERR_INVALID, "unrecognized level: \"%.256s\"", c->log_level);
    if (*c->data_dir == '\0') {
        string_replace(&c->data_dir, xasprintf("%s.etcd", c->name));
        note_add(l, LOG_WARN_, "'data-dir' was empty; using default %s", c->data_dir);
    }
    char *member_dir = xasprintf("%s/member", c->data_dir);
    l->has_data = access(member_dir, F_OK) == 0;
    free(member_dir);
    return ERR_OK;
}

enum err config_derive(struct loader *l)
{
    struct config *c = l->cfg;
    enum err e = derive_words(l);
    if (e == ERR_OK)
        e = derive_compaction(l);
    if (e != ERR_OK)
        return e;
    limit_numbers(l);
    advertise_host(l, &c->listen_peer_urls, &c->initial_advertise_peer_urls,
                   "http://localhost:2380");
    advertise_host(l, &c->listen_client_urls, &c->advertise_client_urls, "http://localhost:2379");
    return derive_cluster(l);
}
