/* config/supported.c -- what is understood and checked, but not there yet.
 *
 * Each line goes when what it names works.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/loader.h"
#include "config/text.h"

/* Options that may only have the value that means "not wanted". */
static const struct absent {
    const char *option;
    const char *unwanted;
    const char *what;
} absents[] = {
    {"cert-file", "", "TLS"},
    {"key-file", "", "TLS"},
    {"client-cert-file", "", "TLS"},
    {"client-key-file", "", "TLS"},
    {"client-cert-auth", "false", "TLS"},
    {"client-crl-file", "", "TLS"},
    {"client-cert-allowed-hostname", "", "TLS"},
    {"trusted-ca-file", "", "TLS"},
    {"auto-tls", "false", "TLS"},
    {"peer-cert-file", "", "TLS"},
    {"peer-key-file", "", "TLS"},
    {"peer-client-cert-file", "", "TLS"},
    {"peer-client-key-file", "", "TLS"},
    {"peer-client-cert-auth", "false", "TLS"},
    {"peer-crl-file", "", "TLS"},
    {"peer-cert-allowed-cn", "", "TLS"},
    {"peer-cert-allowed-hostname", "", "TLS"},
    {"peer-trusted-ca-file", "", "TLS"},
    {"peer-auto-tls", "false", "TLS"},
    {"discovery", "", "Discovery"},
    {"discovery-token", "", "Discovery"},
    {"discovery-endpoints", "", "Discovery"},
    {"discovery-srv", "", "Discovery"},
    {"discovery-proxy", "", "Discovery"},
    {"proxy", "off", "The v2 proxy"},
};

static enum err refuse(struct why *why, const char *what, const char *option, const char *value)
{
    return why_set(why, ERR_INVALID, "%s is not available in this build yet: --%s=%.256s", what,
                   option, value);
}

static enum err check_absent(struct loader *l, const struct absent *a)
{
    l->blame = a->option;
    const struct option_alias *alias;
    const struct option *o = option_find(slice_str(a->option), &alias);
    invariant(o != NULL);
    AUTO(buf) struct buf b = BUF_INIT;
    option_format(o, l->cfg, &b);
    return slice_is(buf_slice(&b), a->unwanted) ? ERR_OK
                                                : refuse(&l->why, a->what, a->option, buf_cstr(&b));
}

static enum err check_urls(const char *option, const struct url_list *urls, struct why *why)
{
    for (size_t i = 0; i < urls->n; i++) {
        if (url_is_tls(&urls->items[i]))
            return refuse(why, "TLS", option, urls->items[i].text);
    }
    return ERR_OK;
}

enum err members_check_supported(const struct config *c, struct why *why)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < c->n_members && e == ERR_OK; i++)
        e = check_urls("initial-cluster", &c->members[i].peer_urls, why);
    return e;
}

static enum err check_schemes(struct loader *l)
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
        {"initial-advertise-peer-urls", &c->initial_advertise_peer_urls},
        {"advertise-client-urls", &c->advertise_client_urls},
    };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        l->blame = lists[i].option;
        enum err e = check_urls(l->blame, lists[i].urls, &l->why);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

enum err config_check_supported(struct loader *l)
{
    const struct config *c = l->cfg;
    for (size_t i = 0; i < ARRAY_LEN(absents); i++) {
        enum err e = check_absent(l, &absents[i]);
        if (e != ERR_OK)
            return e;
    }
    if (c->enable_v2) /* old files have it, and newer releases pass over it as well */
        note_say(l, LOG_WARN_, MSG_SETTING_WITHOUT_EFFECT,
                 "the v2 API is not served by this build: --enable-v2 has no effect");
    l->blame = "auth-token";
    if (strcmp(c->auth_token, "jwt") == 0 ||
        slice_starts_with(slice_str(c->auth_token), slice_str("jwt,")))
        return refuse(&l->why, "JWT", l->blame, c->auth_token);
    return check_schemes(l);
}
