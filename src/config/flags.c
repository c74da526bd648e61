/* config/flags.c -- the command line, by the rules of Go's flag package.
 *
 * "-x" is "--x"; a value stands behind '=' or is the next word; a flag that is true or false takes
 * it behind '=' only; "--" ends the flags.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/loader.h"
#include "config/text.h"

/* Cut the dashes off. False if the word is no flag. */
static bool flag_begins(const char *word, struct slice *ret_name)
{
    size_t dashes = word[0] != '-' ? 0 : word[1] == '-' ? 2 : 1;
    *ret_name = slice_str(word + dashes);
    return dashes == 2 || (dashes == 1 && ret_name->n > 0);
}

static enum err action_put(struct loader *l, const struct option *o, const char *text)
{
    bool on = false;
    enum err e = setting_put(l, SRC_FLAG, o, NULL, text, 0);
    if (e != ERR_OK || !bool_parse(slice_str(text), &on))
        return e;
    if (strcmp(o->name, "version") == 0)
        l->want_version = on;
    else
        l->want_check = on;
    return ERR_OK;
}

/* Read the flag at argv[*i]; step on if its value is the next word. */
static enum err flag_read(struct loader *l, struct slice name, int *i)
{
    const char *word = l->in->argv[*i];
    const struct option_alias *alias;
    struct slice value;
    if (name.n == 0 || name.p[0] == '-' || name.p[0] == '=')
        return why_set(&l->why, ERR_INVALID, "bad flag syntax: %.256s", word);

    bool has_value = slice_cut(name, '=', &name, &value);
    const struct option *o = option_find(name, &alias);
    if (!o && (slice_is(name, "h") || slice_is(name, "help"))) {
        l->want_help = true;
        return ERR_OK;
    }
    if (!o)
        return why_set(&l->why, ERR_INVALID, "flag provided but not defined: -%.*s",
                       SLICE_ARGS(name));

    bool bare = option_is_bare(o) || (alias && alias->turn == TURN_DEBUG);
    const char *text = has_value ? (const char *)value.p : "true";
    if (!has_value && !bare) {
        if (*i + 1 >= l->in->argc)
            return why_set(&l->why, ERR_INVALID, "flag needs an argument: -%.*s", SLICE_ARGS(name));
        text = l->in->argv[++*i];
    }
    if (o->kind == OPT_ACTION)
        return action_put(l, o, text);
    return setting_put(l, SRC_FLAG, o, alias, text, 0);
}

static bool is_program(const char *word)
{
    return strcmp(word, "gateway") == 0 || strcmp(word, "grpc-proxy") == 0;
}

enum err flags_read(struct loader *l)
{
    int i = 1;
    struct slice name;
    if (l->in->argc > 1 && is_program(l->in->argv[1]))
        return why_set(&l->why, ERR_MALFORMED, "\"etcd %s\" is not available in this build yet",
                       l->in->argv[1]);
    for (; i < l->in->argc && flag_begins(l->in->argv[i], &name); i++) {
        if (strcmp(l->in->argv[i], "--") == 0) {
            i++;
            break;
        }
        enum err e = flag_read(l, name, &i);
        if (e != ERR_OK || l->want_help)
            return e;
    }
    if (i < l->in->argc)
        return why_set(&l->why, ERR_MALFORMED, "\"%.256s\" is not a valid flag", l->in->argv[i]);
    return ERR_OK;
}

bool flags_want_check(const struct config_input *in)
{
    for (int i = 1; i < in->argc; i++) {
        struct slice name;
        if (flag_begins(in->argv[i], &name) && slice_is(name, "check-config"))
            return true;
    }
    return false;
}
