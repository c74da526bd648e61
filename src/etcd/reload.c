/* etcd/reload.c -- SIGHUP: the configuration is read again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcd/reload.h"

#include <stdlib.h>

#include "api/api.h"
#include "base/log.h"
#include "config/reload.h"
#include "server/server.h"

static void add(struct configs *c, struct config *cfg)
{
    c->v = xrealloc(c->v, (c->n + 1) * sizeof *c->v);
    c->v[c->n++] = cfg;
}

void configs_init(struct configs *c, const struct config_input *in, struct config *cfg,
                  const struct config_outcome *out)
{
    *c = (struct configs){.input = *in, .first = out};
    c->input.env_passed_over = &out->from_file;
    add(c, cfg);
}

void configs_fini(struct configs *c)
{
    for (size_t i = 0; i < c->n; i++)
        config_free(c->v[i]);
    free(c->v);
}

static bool was_said(const struct configs *c, const char *text)
{
    for (size_t i = 0; i < c->first->n_notes; i++)
        if (strcmp(c->first->notes[i].text, text) == 0)
            return true;
    return false;
}

struct tally {
    size_t at_once, later;
};

static void on_difference(void *arg, const struct config_difference *d)
{
    struct tally *t = arg;
    if (d->at_once) {
        t->at_once++;
        log_info("a setting has changed", LOG_STR("setting", d->option),
                 LOG_STR("before", d->before), LOG_STR("after", d->after));
    } else {
        t->later++;
        log_warn("a setting has changed in the configuration, but needs a restart",
                 LOG_STR("setting", d->option), LOG_STR("in-force", d->before),
                 LOG_STR("configured", d->after));
    }
}

/* Whoever rotates log files moves them away and reloads. */
static void reopen_log(void)
{
    struct why why;
    if (log_reopen(&why) != ERR_OK)
        log_error("a log file could not be opened anew", LOG_STR("error", why.text));
}

static void put_in_force(struct configs *c, struct config *cfg, struct server *s, struct api *a)
{
    add(c, cfg);
    log_set_level(cfg->log_level_value);
    server_reconfigure(s, cfg);
    api_reconfigure(a, cfg);
}

void configs_reload(struct configs *c, struct server *s, struct api *a)
{
    struct config *fresh = NULL;
    struct config_outcome out = {0};
    struct tally tally = {0};
    reopen_log();
    if (config_load(&c->input, &fresh, &out) != CONFIG_RUN) {
        log_error("the configuration was not read again; nothing has changed",
                  LOG_MESSAGE(MSG_RELOAD_FAILED), LOG_STR("error", out.error));
        config_outcome_fini(&out);
        return;
    }
    for (size_t i = 0; i < out.n_notes; i++)
        if (!was_said(c, out.notes[i].text))
            LOG_AT(out.notes[i].level, out.notes[i].text, LOG_MESSAGE(out.notes[i].message));
    config_outcome_fini(&out);
    fresh = config_merge(c->v[c->n - 1], fresh, on_difference, &tally);
    if (tally.at_once != 0)
        put_in_force(c, fresh, s, a);
    else
        config_free(fresh); /* it is the same: whoever rotates logs each hour adds nothing */
    log_info("the configuration was read again", LOG_MESSAGE(MSG_RELOADED),
             LOG_UINT("changed", tally.at_once), LOG_UINT("need-a-restart", tally.later));
}
