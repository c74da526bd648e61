/* config/validate.c -- what the values must be among each other, in etcd's own words and order.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "config/loader.h"
#include "config/text.h"

enum {
    ELECTION_MS_MAX = 50000,
};

/* Fail for the value of this option. */
#define FAIL(option, ...) return l->blame = (option), why_set(&l->why, ERR_INVALID, __VA_ARGS__)

static bool str_list_contains(const struct str_list *list, const char *s)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i], s) == 0)
            return true;
    }
    return false;
}

static enum err check_log(struct loader *l)
{
    const struct config *c = l->cfg;
    enum log_level level;
    if (strcmp(c->logger, "capnslog") == 0)
        note_add(l, LOG_WARN_,
                 "--logger=capnslog is removed in v3.5; the log is written as by zap");
    else if (strcmp(c->logger, "zap") != 0)
        FAIL("logger", "unknown logger option \"%.256s\"", c->logger);
    if (c->log_outputs.n > 1 && str_list_contains(&c->log_outputs, "default"))
        FAIL("log-outputs", "multi logoutput for \"default\" is not supported yet");
    if (c->log_outputs.n > 1 && str_list_contains(&c->log_outputs, "systemd/journal"))
        FAIL("log-outputs",
             "running with systemd/journal but other '--log-outputs' values are configured");
    if (!log_level_parse(c->log_level, &level))
        FAIL("log-level", "unrecognized level: \"%.256s\"", c->log_level);
    if (*c->log_format && strcmp(c->log_format, "json") != 0 &&
        strcmp(c->log_format, "console") != 0)
        FAIL("log-format", "unknown log format: %.256s, supported values json, console",
             c->log_format);
    return ERR_OK;
}

static enum err check_bind(struct loader *l)
{
    const struct config *c = l->cfg;
    const struct {
        const char *option;
        const struct url_list *urls;
    } lists[] = {
        {"listen-peer-urls", &c->listen_peer_urls},
        {"listen-client-urls", &c->listen_client_urls},
        {"listen-client-http-urls", &c->listen_client_http_urls},
        {"listen-metrics-urls", &c->listen_metrics_urls},
    };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct why reason;
        if (url_list_check_bind(lists[i].urls, &reason) != ERR_OK)
            FAIL(lists[i].option, "%s", reason.text);
    }
    return ERR_OK;
}

static enum err check_advertise(struct loader *l)
{
    const struct config *c = l->cfg;
    struct why reason;
    AUTO(buf) struct buf urls = BUF_INIT;
    if (url_list_check_host(&c->initial_advertise_peer_urls, &reason) != ERR_OK) {
        url_list_format(&urls, &c->initial_advertise_peer_urls);
        FAIL("initial-advertise-peer-urls",
             "--initial-advertise-peer-urls \"%s\" must be \"host:port\" (%s)", buf_cstr(&urls),
             reason.text);
    }
    if (url_list_check_host(&c->advertise_client_urls, &reason) != ERR_OK) {
        url_list_format(&urls, &c->advertise_client_urls);
        FAIL("advertise-client-urls",
             "--advertise-client-urls \"%s\" must be in the format \"host:port\", "
             "\"unix:/path/to/socket\" or \"unixs:/path/to/socket\" (%s)",
             buf_cstr(&urls), reason.text);
    }
    return ERR_OK;
}

static enum err check_bootstrap_flags(struct loader *l)
{
    const struct config *c = l->cfg;
    bool cluster = !setting_is_default(l, "initial-cluster") && *c->initial_cluster;
    bool v3 = c->discovery_endpoints.n > 0;
    int n = cluster + (*c->discovery != '\0') + (*c->discovery_srv != '\0') + v3;
    if (n > 1)
        FAIL("initial-cluster",
             "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", "
             "\"%s\" or \"discovery-srv\"",
             *c->discovery ? "discovery" : "discovery-endpoints");
    if ((*c->discovery_token != '\0') != v3)
        FAIL("discovery-token", "both --discovery-token and --discovery-endpoints must be set");
    if (strcmp(c->discovery_fallback, "proxy") == 0) {
        if (setting_source(l, "discovery-fallback") == SRC_FLAG)
            FAIL("discovery-fallback",
                 "v2 proxy is deprecated, and --discovery-fallback can't be configured as "
                 "\"proxy\"");
        note_add(l, LOG_WARN_, "discovery-fallback \"proxy\" has no effect here");
    }
    return ERR_OK;
}

static enum err check_ticks(struct loader *l)
{
    const struct config *c = l->cfg;
    uint64_t beat = c->heartbeat_interval_ms, election = c->election_timeout_ms;
    if (beat == 0)
        FAIL("heartbeat-interval", "--heartbeat-interval must be >0 (set to %" PRIu64 "ms)", beat);
    if (election == 0)
        FAIL("election-timeout", "--election-timeout must be >0 (set to %" PRIu64 "ms)", election);
    if (beat > election / 5)
        FAIL("election-timeout",
             "--election-timeout[%" PRIu64 "ms] should be at least as 5 times as "
             "--heartbeat-interval[%" PRIu64 "ms]",
             election, beat);
    if (election > ELECTION_MS_MAX)
        FAIL("election-timeout",
             "--election-timeout[%" PRIu64 "ms] is too long, and should be set less than %dms",
             election, ELECTION_MS_MAX);
    return ERR_OK;
}

/* A file keeps the default beside its own listen URLs; the other sources do not. */
static enum err check_client_urls(struct loader *l)
{
    enum config_source listen = setting_source(l, "listen-client-urls");
    if (listen != SRC_DEFAULT && listen != SRC_YAML &&
        setting_is_default(l, "advertise-client-urls"))
        FAIL("listen-client-urls",
             "--advertise-client-urls is required when --listen-client-urls is set explicitly");
    return ERR_OK;
}

static enum err check_behaviour(struct loader *l)
{
    const struct config *c = l->cfg;
    const struct config_feature_gates *g = &c->gates;
    const char *mode = c->auto_compaction_mode;
    if (*mode == '\0')
        FAIL("auto-compaction-mode", "undefined auto-compaction-mode");
    if (strcmp(mode, "periodic") != 0 && strcmp(mode, "revision") != 0)
        FAIL("auto-compaction-mode", "unknown auto-compaction-mode \"%.256s\"", mode);
    if (g->lease_checkpoint_persist && !g->lease_checkpoint)
        FAIL("feature-gates",
             "enabling feature gate LeaseCheckpointPersist requires enabling feature gate "
             "LeaseCheckpoint");
    if (g->lease_checkpoint && !g->lease_checkpoint_persist)
        note_add(l, LOG_WARN_,
                 "Detected that checkpointing is enabled without persistence. Consider enabling "
                 "feature gate LeaseCheckpointPersist");
    if (c->compact_hash_check_time <= 0) {
        AUTO(buf) struct buf b = BUF_INIT;
        duration_format(&b, c->compact_hash_check_time);
        FAIL("compact-hash-check-time", "--compact-hash-check-time must be >0 (set to %s)",
             buf_cstr(&b));
    }
    if (c->client_threads > CONFIG_CLIENT_THREADS_MAX)
        FAIL("client-threads", "--client-threads must be between 0 and %d (set to %" PRIu64 ")",
             CONFIG_CLIENT_THREADS_MAX, c->client_threads);
    if (strcmp(c->name, "default") == 0)
        note_add(l, LOG_WARN_,
                 "it isn't recommended to use default name, please set a value for --name");
    return ERR_OK;
}

static enum err check_not_negative(struct loader *l)
{
    const struct config *c = l->cfg;
    const struct {
        const char *name;
        int64_t value;
    } values[] = {
        {"backend-batch-interval", c->backend_batch_interval},
        {"backend-batch-limit", c->backend_batch_limit},
        {"grpc-keepalive-min-time", c->grpc_keepalive_min_time},
        {"grpc-keepalive-interval", c->grpc_keepalive_interval},
        {"grpc-keepalive-timeout", c->grpc_keepalive_timeout},
        {"corrupt-check-time", c->corrupt_check_time},
        {"compaction-batch-limit", c->compaction_batch_limit},
        {"compaction-sleep-interval", c->compaction_sleep_interval},
        {"watch-progress-notify-interval", c->watch_progress_notify_interval},
        {"warning-apply-duration", c->warning_apply_duration},
        {"warning-unary-request-duration", c->warning_unary_request_duration},
        {"downgrade-check-time", c->downgrade_check_time},
    };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        if (values[i].value < 0)
            FAIL(values[i].name, "--%s must not be negative", values[i].name);
    }
    return ERR_OK;
}

/* 0 is "not said", -1 none of them. */
static int tls_version(const char *s)
{
    if (*s == '\0')
        return 0;
    return strcmp(s, "TLS1.2") == 0 ? 12 : strcmp(s, "TLS1.3") == 0 ? 13 : -1;
}

static enum err check_tls(struct loader *l)
{
    const struct config *c = l->cfg;
    int low = tls_version(c->tls_min_version), high = tls_version(c->tls_max_version);
    if (low < 0 || high < 0)
        FAIL(low < 0 ? "tls-min-version" : "tls-max-version",
             "unexpected TLS version \"%.256s\" (must be one of: TLS1.2, TLS1.3)",
             low < 0 ? c->tls_min_version : c->tls_max_version);
    if (high != 0 && low > high)
        FAIL("tls-min-version", "min version (%s) is greater than max version (%s)",
             c->tls_min_version, c->tls_max_version);
    if (low == 13 && c->cipher_suites.n > 0)
        FAIL("cipher-suites", "cipher suites cannot be configured when only TLS1.3 is enabled");
    if (c->peer_tls.allowed_cn.n > 0 && c->peer_tls.allowed_hostname.n > 0)
        FAIL("peer-cert-allowed-cn",
             "--peer-cert-allowed-cn and --peer-cert-allowed-hostname cannot both be set");
    return ERR_OK;
}

static enum err check_auth(struct loader *l)
{
    struct slice type, rest;
    slice_cut(slice_str(l->cfg->auth_token), ',', &type, &rest);
    if (!slice_is(type, "simple") && !slice_is(type, "jwt"))
        FAIL("auth-token", "auth: invalid auth options: \"%.256s\"", l->cfg->auth_token);
    return ERR_OK;
}

enum err config_validate(struct loader *l)
{
    static enum err (*const checks[])(struct loader *) = {
        check_log,   check_bind,        check_advertise, check_bootstrap_flags,
        check_ticks, check_client_urls, check_behaviour, check_not_negative,
        check_tls,   check_auth,
    };
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        enum err e = checks[i](l);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}
