/* config/environ.c -- variables: those of the process, and those of etcd.conf.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "config/envfile.h"
#include "config/file.h"
#include "config/loader.h"
#include "config/text.h"

enum { FILE_VARIABLES_MAX = 1024 }; /* that are looked for in the environment */

/* ---- the environment ---------------------------------------------------------------------- */

static bool is_ours(struct slice var)
{
    return slice_starts_with(var, slice_str("ETCD_"));
}

/* Names that mean something, though not to an option. */
static bool is_special(struct loader *l, struct slice var, struct slice value)
{
    if (slice_is(var, "ETCD_VERSION")) {
        if (value.n > 0)
            note_add(l, LOG_WARN_, "cannot set special environment variable ETCD_VERSION");
        return true;
    }
    return slice_is(var, "ETCD_UNSUPPORTED_ARCH") ||
           slice_is(var, "ETCD_OPTS"); /* words that a unit puts behind the program */
}

static bool list_has(const struct str_list *l, struct slice item)
{
    for (size_t i = 0; l != NULL && i < l->n; i++)
        if (slice_is(item, l->items[i]))
            return true;
    return false;
}

/* It was read from etcd.conf: now, or when the program started. */
static bool is_from_file(struct loader *l, const char *line, struct slice var)
{
    if (list_has(l->in->env_passed_over, var))
        return true;
    if (!list_has(&l->file_variables, slice_str(line)))
        return false;
    str_list_add(&l->out->from_file, var);
    return true;
}

static enum err variable_read(struct loader *l, const char *line, size_t *unknown)
{
    struct slice var, value;
    if (!slice_cut(slice_str(line), '=', &var, &value) || !is_ours(var) ||
        is_from_file(l, line, var) || is_special(l, var, value))
        return ERR_OK;
    const struct option_alias *alias;
    const struct option *o = option_find_env(var, &alias);
    if (o)
        return setting_put(l, SRC_ENV, o, alias, (const char *)value.p, 0);
    note_add(l, LOG_DEBUG_, "unrecognized environment variable %.*s", SLICE_ARGS(var));
    ++*unknown;
    return ERR_OK;
}

const char *environ_env_file(const struct loader *l)
{
    static const char name[] = "ETCD_ENV_FILE=";
    for (char *const *p = l->in->envp; p && *p; p++)
        if (strncmp(*p, name, sizeof name - 1) == 0 && (*p)[sizeof name - 1] != '\0')
            return *p + sizeof name - 1;
    return NULL;
}

enum err environ_read(struct loader *l)
{
    size_t unknown = 0;
    for (char *const *p = l->in->envp; p && *p; p++) {
        enum err e = variable_read(l, *p, &unknown);
        if (e != ERR_OK)
            return e;
    }
    if (unknown)
        note_say(l, LOG_INFO_, MSG_VARIABLE_UNKNOWN,
                 "%zu unrecognized environment variable%s beginning with ETCD_ ignored", unknown,
                 unknown == 1 ? "" : "s");
    return ERR_OK;
}

/* ---- etcd.conf ---------------------------------------------------------------------------- */

/* The last one of a name counts. */
static void keep_variable(struct loader *l, const char *name, const char *value)
{
    struct str_list *kept = &l->file_variables;
    size_t n = strlen(name);
    for (size_t i = 0; i < kept->n; i++) {
        if (strncmp(kept->items[i], name, n) != 0 || kept->items[i][n] != '=')
            continue;
        free(kept->items[i]);
        kept->items[i] = xasprintf("%s=%s", name, value);
        return;
    }
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b, "%s=%s", name, value);
    if (kept->n < FILE_VARIABLES_MAX)
        str_list_add(kept, buf_slice(&b));
}

static enum err on_variable(void *arg, const char *name, const char *value, int line)
{
    struct loader *l = arg;
    const struct option_alias *alias;
    struct slice var = slice_str(name);
    if (!is_ours(var)) {
        note_add(l, LOG_DEBUG_, "%s:%d: variable %.256s is not for etcd", l->env_file, line, name);
        return ERR_OK;
    }
    keep_variable(l, name, value);
    if (is_special(l, var, slice_str(value)))
        return ERR_OK;
    const struct option *o = option_find_env(var, &alias);
    if (!o) {
        note_say(l, LOG_WARN_, MSG_VARIABLE_UNKNOWN, "%s:%d: unrecognized variable %.256s", l->env_file, line, name);
        return ERR_OK;
    }
    return setting_put(l, SRC_ENV_FILE, o, alias, value, line);
}

static void on_oddity(void *arg, enum envfile_oddity what, int line)
{
    struct loader *l = arg;
    note_add(l, LOG_WARN_, "%s:%d: %s", l->env_file, line, envfile_oddity_text(what));
}

/* A file that nobody named may be missing, or not for our eyes. */
static enum err absence(struct loader *l, enum err e)
{
    if (setting_get(l, SRC_FLAG, "env-file") || environ_env_file(l))
        return e;
    if (e != ERR_NOT_FOUND)
        note_add(l, LOG_WARN_, "%s", l->why.text);
    return ERR_OK;
}

enum err env_file_read(struct loader *l)
{
    const struct envfile_handler h = {l, on_variable, on_oddity};
    struct why why;
    AUTO(buf) struct buf b = BUF_INIT;
    if (l->env_file[0] == '\0')
        return ERR_OK;
    enum err e = file_read(l->env_file, &b, &l->why);
    if (e == ERR_TOO_LARGE)
        return e;
    if (e != ERR_OK)
        return absence(l, e);
    e = envfile_parse(buf_slice(&b), &h, &why);
    if (e == ERR_MALFORMED)
        return why_set(&l->why, e, "%s: %s", l->env_file, why.text);
    return e;
}
