/* config/resolve.c -- the layers become one configuration.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/loader.h"

/* Say that the value of `loser` lost, unless it was the same. */
static void note_loser(struct loader *l, size_t i, enum config_source loser)
{
    const struct option *o = &options[i];
    const struct setting *lost = &l->set[loser][i], *won = &l->set[l->winner[i]][i];
    if (strcmp(lost->text, won->text) == 0)
        return;
    AUTO(buf) struct buf b = BUF_INIT;
    setting_add_name(&b, loser, o, lost->alias);
    buf_add_str(&b, " (");
    setting_add_place(l, &b, loser, lost->line);
    buf_add_str(&b, ") is overridden by ");
    setting_add_name(&b, l->winner[i], o, won->alias);
    buf_add_str(&b, " (");
    setting_add_place(l, &b, l->winner[i], won->line);
    buf_add_str(&b, ")");
    note_say(l, LOG_INFO_, MSG_SETTING_OVERRIDDEN, "%s", buf_cstr(&b));
}

/* Warn once about an option that is old or does nothing. */
static void note_use(struct loader *l, size_t i)
{
    const struct option *o = &options[i];
    const struct setting *s = &l->set[l->winner[i]][i];
    AUTO(buf) struct buf name = BUF_INIT;
    setting_add_name(&name, l->winner[i], o, s->alias);
    const char *spelled = buf_cstr(&name);
    if (o->kind == OPT_BARE)
        note_say(l, LOG_WARN_, MSG_SETTING_WITHOUT_EFFECT, "flag \"-%s\" is no longer supported - ignoring.", o->name);
    else if (o->use == USE_NO_EFFECT)
        note_say(l, LOG_WARN_, MSG_SETTING_WITHOUT_EFFECT, "%s is accepted, but has no effect here", spelled);
    else if (s->alias)
        note_add(l, LOG_WARN_, "%s is an old name; use --%s", spelled, o->name);
    else if (o->section == SECT_OLD)
        note_add(l, LOG_WARN_, "%s is an old name; use --feature-gates", spelled);
}

static enum config_source find_winner(const struct loader *l, size_t i)
{
    int src = SRC_FLAG;
    while (src > SRC_DEFAULT && !l->set[src][i].text)
        src--;
    return (enum config_source)src;
}

/* Other releases read nothing but the file of --config-file, if there is one. */
static void note_layers(struct loader *l)
{
    AUTO(buf) struct buf names = BUF_INIT;
    for (size_t i = 0; *l->config_file && i < options_n; i++) {
        enum config_source win = l->winner[i];
        bool is_place = strcmp(options[i].name, "config-file") == 0 ||
                        strcmp(options[i].name, "env-file") == 0;
        if ((win != SRC_ENV && win != SRC_ENV_FILE) || is_place)
            continue;
        buf_add_str(&names, names.n != 0 ? ", " : "");
        setting_add_name(&names, win, &options[i], l->set[win][i].alias);
    }
    if (names.n != 0)
        note_say(l, LOG_WARN_, MSG_SETTING_OVERRIDDEN,
                 "variables count as well where %s says nothing: %s", l->config_file,
                 buf_cstr(&names));
}

void settings_resolve(struct loader *l)
{
    for (size_t i = 0; i < options_n; i++) {
        const struct option *o = &options[i];
        enum config_source win = l->winner[i] = find_winner(l, i);
        const char *text = win == SRC_DEFAULT ? o->initial : l->set[win][i].text;
        if (o->offset != OPT_NO_FIELD) {
            enum err e = option_set(o, l->cfg, text, &l->why);
            invariant(e == ERR_OK); /* checked when it came in */
        }
        if (win == SRC_DEFAULT)
            continue;
        note_use(l, i);
        for (int src = (int)win - 1; src > SRC_DEFAULT; src--) {
            if (l->set[src][i].text)
                note_loser(l, i, (enum config_source)src);
        }
    }
    note_layers(l);
}
