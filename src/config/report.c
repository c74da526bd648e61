/* config/report.c -- --help, the usage, and the print-out of --check-config.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"
#include "config/loader.h"

/* ---- help --------------------------------------------------------------------------------- */

void config_add_usage(struct buf *b)
{
    buf_add_str(
        b, "Usage:\n"
           "\n"
           "  etcd [flags]\n"
           "    Start an etcd server.\n"
           "\n"
           "  etcd --version\n"
           "    Show the version of etcd.\n"
           "\n"
           "  etcd -h | --help\n"
           "    Show the help information about etcd.\n"
           "\n"
           "  etcd --config-file\n"
           "    Path to the server configuration file, in YAML or JSON.\n"
           "\n"
           "  etcd --check-config [flags]\n"
           "    Show each value and where it comes from, or what is wrong.\n"
           "\n"
           "A value is taken from the command line, else from the configuration file, else\n"
           "from the environment (ETCD_NAME for --name), else from " CONFIG_ENV_FILE_DEFAULT ".\n");
}

static void add_old_names(struct buf *b)
{
    for (size_t i = 0; i < options_n; i++) {
        if (options[i].section == SECT_OLD)
            buf_addf(b, "  --%s\n", options[i].name);
    }
    for (size_t i = 0; i < option_aliases_n; i++)
        buf_addf(b, "  --%s\n    --%s\n", option_aliases[i].name, option_aliases[i].option);
}

static void add_option(struct buf *b, const struct option *o)
{
    if (o->kind == OPT_ACTION)
        buf_addf(b, "  --%s\n    %s\n", o->name, o->help);
    else
        buf_addf(b, "  --%s '%s'\n    %s%s\n", o->name,
                 strcmp(o->name, "data-dir") == 0 ? "${name}.etcd" : o->initial, o->help,
                 o->use == USE_NO_EFFECT ? " Accepted, without effect." : "");
}

void config_add_help(struct buf *b)
{
    for (int section = 0; section < SECT_COUNT_; section++) {
        buf_addf(b, "\n%s:\n", option_section_titles[section]);
        if (section == SECT_OLD)
            add_old_names(b);
        for (size_t i = 0; i < options_n && section != SECT_OLD; i++) {
            if ((int)options[i].section == section)
                add_option(b, &options[i]);
        }
        if (section == SECT_UNSAFE)
            buf_add_str(b, "\nCAUTIOUS with unsafe flag! It may break the guarantees given by the "
                           "consensus protocol!\n");
    }
}

/* ---- effective values --------------------------------------------------------------------- */

static void add_value(const struct loader *l, struct buf *b, const struct option *o,
                      struct slice value)
{
    size_t i = (size_t)(o - options);
    enum config_source src = l->winner[i];
    buf_addf(b, "%s = ", o->name);
    if (o->use == USE_SECRET && value.n > 0)
        value = slice_str("***");
    json_add_string(b, (const char *)value.p, value.n);
    buf_add_str(b, "  # ");
    if (src == SRC_DEFAULT && !slice_is(value, o->initial))
        buf_add_str(b, "follows from other values");
    else
        setting_add_place(l, b, src, l->set[src][i].line);
    buf_add_byte(b, '\n');
}

static void add_notes(const struct loader *l, struct buf *b)
{
    for (size_t i = 0; i < l->out->n_notes; i++) {
        const struct config_note *n = &l->out->notes[i];
        if (n->level > LOG_DEBUG_)
            buf_addf(b, "# %s: %s\n", n->level == LOG_INFO_ ? "note" : "warning", n->text);
    }
}

void config_add_effective(const struct loader *l, struct buf *b)
{
    for (size_t i = 0; i < options_n; i++) {
        const struct option *o = &options[i];
        AUTO(buf) struct buf value = BUF_INIT;
        if (o->offset == OPT_NO_FIELD || (o->section == SECT_OLD && l->winner[i] == SRC_DEFAULT))
            continue;
        option_format(o, l->cfg, &value);
        add_value(l, b, o, buf_slice(&value));
    }
    add_notes(l, b);
}
