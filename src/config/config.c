/* config/config.c -- the order in which the sources are read and the whole is checked.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <stdlib.h>

#include "config/gates.h"
#include "config/loader.h"

enum {
    EXIT_PLAIN = 1,
    EXIT_USAGE = 2,
    EXIT_CHECK = 78, /* sysexits' EX_CONFIG */
};

void config_free(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < options_n; i++) {
        if (options[i].offset != OPT_NO_FIELD)
            option_fini(&options[i], c);
    }
    initial_cluster_free(c->members, c->n_members);
    free(c);
}

static struct loader *loader_new(const struct config_input *in, struct config_outcome *out)
{
    struct loader *l = xcalloc(1, sizeof(*l));
    *out = (struct config_outcome){0};
    l->in = in;
    l->out = out;
    l->cfg = xcalloc(1, sizeof(*l->cfg));
    l->env_file = l->config_file = "";
    gates_init(&l->cfg->gates);
    return l;
}

static void loader_free(struct loader *l)
{
    for (int src = 0; src < SRC_COUNT_; src++) {
        for (size_t i = 0; i < options_n; i++)
            free(l->set[src][i].text);
    }
    str_list_fini(&l->file_variables);
    config_free(l->cfg);
    free(l);
}

static void find_env_file(struct loader *l)
{
    const char *path = setting_get(l, SRC_FLAG, "env-file");
    if (!path)
        path = environ_env_file(l);
    if (!path)
        path = l->in->env_file_default;
    l->env_file = path ? path : CONFIG_ENV_FILE_DEFAULT;
}

static void find_config_file(struct loader *l)
{
    for (int src = SRC_FLAG; src > SRC_DEFAULT; src--) {
        const char *path = setting_get(l, (enum config_source)src, "config-file");
        if (path) {
            l->config_file = path;
            return;
        }
    }
}

/* Read what stands below the command line. */
static enum err sources_read(struct loader *l)
{
    find_env_file(l);
    enum err e = env_file_read(l);
    if (e == ERR_OK)
        e = environ_read(l);
    if (e != ERR_OK)
        return e;
    find_config_file(l);
    return *l->config_file ? yaml_read(l, l->config_file) : ERR_OK;
}

static void note_idle_gates(struct loader *l)
{
    const char *name;
    for (size_t it = 0; (name = gates_next_idle(&l->cfg->gates, &it)) != NULL;)
        note_say(l, LOG_WARN_, MSG_SETTING_WITHOUT_EFFECT,
                 "feature gate %s is accepted, but has no effect here", name);
}

static enum err values_check(struct loader *l)
{
    struct config *c = l->cfg;
    settings_resolve(l);
    free(c->env_file);
    c->env_file = xstrdup(l->env_file);
    enum err e = gates_parse(c->feature_gates, &c->gates, &l->why);
    note_idle_gates(l);
    if (e == ERR_OK)
        e = config_validate(l);
    if (e == ERR_OK)
        e = config_derive(l);
    if (e == ERR_OK)
        e = config_check_supported(l);
    if (e != ERR_OK || l->has_data)
        return e;
    l->blame = "initial-cluster";
    return config_check_bootstrap(c, &l->why);
}

/* For --check-config, say as well where the value stands that a check is about. */
static char *error_text(const struct loader *l, bool check)
{
    struct buf b = BUF_INIT;
    buf_add_str(&b, l->why.text);
    if (check && l->blame && !setting_is_default(l, l->blame)) {
        buf_addf(&b, " (%s: ", l->blame);
        setting_add_place_of(l, &b, l->blame);
        buf_add_str(&b, ")");
    }
    return buf_take_cstr(&b);
}

static enum config_result fail(struct loader *l, enum config_result result, int exit_code)
{
    bool check = flags_want_check(l->in);
    l->out->error = error_text(l, check);
    l->out->exit_code = check ? EXIT_CHECK : exit_code;
    return check ? CONFIG_ERROR : result;
}

static enum config_result load(struct loader *l)
{
    enum err e = flags_read(l);
    if (e != ERR_OK)
        return e == ERR_INVALID ? fail(l, CONFIG_USAGE_ERROR, EXIT_USAGE)
                                : fail(l, CONFIG_ERROR, EXIT_PLAIN);
    if (l->want_help || l->want_version)
        return l->want_help ? CONFIG_PRINT_HELP : CONFIG_PRINT_VERSION;
    if (sources_read(l) != ERR_OK || values_check(l) != ERR_OK)
        return fail(l, CONFIG_ERROR, EXIT_PLAIN);
    if (!l->want_check)
        return CONFIG_RUN;
    struct buf report = BUF_INIT;
    config_add_effective(l, &report);
    l->out->report = buf_take_cstr(&report);
    return CONFIG_CHECKED_OK;
}

enum config_result config_load(const struct config_input *in, struct config **ret_cfg,
                               struct config_outcome *out)
{
    struct loader *l = loader_new(in, out);
    enum config_result result = load(l);
    if (result == CONFIG_RUN) {
        *ret_cfg = l->cfg;
        l->cfg = NULL;
    }
    if (!out->error)
        out->error = xstrdup("");
    if (!out->report)
        out->report = xstrdup("");
    loader_free(l);
    return result;
}
