/* config/loader.c -- notes, and the settings of one layer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/loader.h"

#include <stdarg.h>
#include <stdlib.h>

/* ---- notes -------------------------------------------------------------------------------- */

void note_say(struct loader *l, enum log_level level, enum message message, const char *fmt, ...)
{
    struct config_outcome *out = l->out;
    if (out->n_notes == CONFIG_NOTES_MAX) {
        out->n_notes_dropped++;
        return;
    }
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    out->notes = xrealloc(out->notes, (out->n_notes + 1) * sizeof(out->notes[0]));
    out->notes[out->n_notes++] = (struct config_note){level, message, buf_take_cstr(&b)};
}

void config_outcome_fini(struct config_outcome *out)
{
    for (size_t i = 0; i < out->n_notes; i++)
        free(out->notes[i].text);
    free(out->notes);
    str_list_fini(&out->from_file);
    free(out->error);
    free(out->report);
    *out = (struct config_outcome){0};
}

/* ---- names and places --------------------------------------------------------------------- */

void setting_add_name(struct buf *b, enum config_source src, const struct option *o,
                      const struct option_alias *alias)
{
    const char *name = alias ? alias->name : o->name;
    if (src == SRC_ENV || src == SRC_ENV_FILE) {
        char *var = option_env_name(name);
        buf_add_str(b, var);
        free(var);
    } else if (src == SRC_YAML) {
        const char *path = alias ? alias->yaml : o->yaml;
        buf_add_str(b, path ? path : name);
    } else {
        buf_addf(b, "--%s", name);
    }
}

void setting_add_place(const struct loader *l, struct buf *b, enum config_source src, int line)
{
    switch (src) {
    case SRC_ENV_FILE:
        buf_addf(b, "%s:%d", l->env_file, line);
        break;
    case SRC_YAML:
        buf_addf(b, "%s:%d", l->config_file, line);
        break;
    case SRC_ENV:
        buf_add_str(b, "environment");
        break;
    case SRC_FLAG:
        buf_add_str(b, "command line");
        break;
    default:
        buf_add_str(b, "default");
        break;
    }
}

/* ---- settings ----------------------------------------------------------------------------- */

static const char *go_type(const struct option *o)
{
    switch (o->kind) {
    case OPT_BOOL:
        return "bool";
    case OPT_INT:
        return "int";
    case OPT_UINT:
        return "uint";
    case OPT_UINT32:
        return "uint32";
    case OPT_DURATION:
        return "time.Duration";
    default:
        return NULL;
    }
}

/* Say in the words of each source what is wrong with `text`. */
static enum err setting_refuse(struct loader *l, enum config_source src, const struct option *o,
                               const struct option_alias *alias, const char *text, int line,
                               const struct why *reason)
{
    const char *name = alias ? alias->name : o->name;
    AUTO(buf) struct buf var = BUF_INIT;
    setting_add_name(&var, src, o, alias);
    const char *spelled = buf_cstr(&var);

    switch (src) {
    case SRC_FLAG:
        if (o->kind == OPT_BOOL || o->kind == OPT_ACTION)
            return why_set(&l->why, ERR_INVALID, "invalid boolean value \"%.256s\" for -%s: %s",
                           text, name, reason->text);
        return why_set(&l->why, ERR_INVALID, "invalid value \"%.256s\" for flag -%s: %s", text,
                       name, reason->text);
    case SRC_ENV_FILE:
        return why_set(&l->why, ERR_INVALID, "%.256s:%d: invalid value \"%.256s\" for %s: %s",
                       l->env_file, line, text, spelled, reason->text);
    case SRC_YAML:
        if (go_type(o))
            return why_set(&l->why, ERR_INVALID,
                           "%.256s:%d: error unmarshaling JSON: while decoding JSON: json: cannot "
                           "unmarshal string into Go struct field configYAML.%s of type %s",
                           l->config_file, line, spelled, go_type(o));
        if (o->kind == OPT_URLS)
            return why_set(&l->why, ERR_INVALID, "%.256s:%d: unexpected error setting up %s: %s",
                           l->config_file, line, spelled, reason->text);
        return why_set(&l->why, ERR_INVALID, "%.256s:%d: invalid value \"%.256s\" for %s: %s",
                       l->config_file, line, text, spelled, reason->text);
    default:
        return why_set(&l->why, ERR_INVALID, "invalid value \"%.256s\" for %s: %s", text, spelled,
                       reason->text);
    }
}

/* Return the text for the option itself, owned; NULL if it says nothing. */
static char *alias_turn(const struct option_alias *alias, const char *text)
{
    bool debug;
    switch (alias->turn) {
    case TURN_DEBUG:
        if (!bool_parse_quoted(text, &debug))
            return xstrdup(text);
        return debug ? xstrdup("debug") : NULL;
    case TURN_HOST_TO_URL:
        return xasprintf("http://%s", text);
    default:
        return xstrdup(text);
    }
}

/* An old name does not replace the value that the new one has, except on the command line, where
 * the later flag wins. */
static bool setting_yields(const struct setting *s, enum config_source src,
                           const struct option_alias *alias)
{
    return s->text && !s->alias && alias && src != SRC_FLAG;
}

enum err setting_put(struct loader *l, enum config_source src, const struct option *o,
                     const struct option_alias *alias, const char *text, int line)
{
    struct setting *s = &l->set[src][o - options];
    struct why reason;
    if ((src == SRC_ENV || src == SRC_ENV_FILE) && *text == '\0')
        return ERR_OK;
    char *turned = alias ? alias_turn(alias, text) : xstrdup(text);
    if (!turned)
        return ERR_OK;
    if (option_check(o, turned, &reason) != ERR_OK) {
        free(turned);
        return setting_refuse(l, src, o, alias, text, line, &reason);
    }
    if (setting_yields(s, src, alias)) {
        free(turned);
        return ERR_OK;
    }
    free(s->text);
    *s = (struct setting){turned, alias, line};
    return ERR_OK;
}

static size_t option_index(const char *name)
{
    const struct option_alias *alias;
    const struct option *o = option_find(slice_str(name), &alias);
    invariant(o != NULL && alias == NULL);
    return (size_t)(o - options);
}

const char *setting_get(const struct loader *l, enum config_source src, const char *name)
{
    return l->set[src][option_index(name)].text;
}

enum config_source setting_source(const struct loader *l, const char *name)
{
    return l->winner[option_index(name)];
}

void setting_add_place_of(const struct loader *l, struct buf *b, const char *name)
{
    size_t i = option_index(name);
    setting_add_place(l, b, l->winner[i], l->set[l->winner[i]][i].line);
}
