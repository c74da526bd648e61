/* etcdctl/settings_file.c -- settings that hold for each call on this machine.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/settings_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/envfile.h"
#include "config/file.h"

struct setting {
    struct setting *before;
    char *name, *value;
};

struct settings {
    const char *path;
    struct setting *last;
};

static void warn(const struct settings *s, int line, const char *text)
{
    fprintf(stderr, "Warning: %s:%d: %s\n", s->path, line, text);
}

static enum err on_variable(void *arg, const char *name, const char *value, int line)
{
    struct settings *s = arg;
    if (strncmp(name, "ETCDCTL_", 8) != 0 || strcmp(name, SETTINGS_FILE_VARIABLE) == 0) {
        AUTO(buf) struct buf b = BUF_INIT;
        buf_addf(&b, "%s is no setting of etcdctl; left out", name);
        warn(s, line, buf_cstr(&b));
        return ERR_OK;
    }
    struct setting *new = xmalloc(sizeof(*new));
    *new = (struct setting){s->last, xstrdup(name), xstrdup(value)};
    s->last = new;
    return ERR_OK;
}

static void on_oddity(void *arg, enum envfile_oddity what, int line)
{
    warn(arg, line, envfile_oddity_text(what));
}

/* The last line of a name counts: from the end, the first one does. */
static void join_environment(struct setting *last)
{
    for (struct setting *s = last, *before; s; s = before) {
        before = s->before;
        setenv(s->name, s->value, 0);
        free(s->name);
        free(s->value);
        free(s);
    }
}

void settings_file_apply(void)
{
    const char *named = getenv(SETTINGS_FILE_VARIABLE);
    struct settings s = {.path = named ? named : SETTINGS_FILE_DEFAULT};
    const struct envfile_handler h = {&s, on_variable, on_oddity};
    struct why why = {0};
    AUTO(buf) struct buf b = BUF_INIT;
    if (s.path[0] == '\0')
        return;
    enum err e = file_read(s.path, &b, &why);
    if (e != ERR_OK && e != ERR_TOO_LARGE && !named)
        return; /* not there, or not for the eyes of this user */
    if (e == ERR_OK) {
        e = envfile_parse(buf_slice(&b), &h, &why);
        if (e != ERR_OK)
            fprintf(stderr, "Warning: %s: %s; none of it is used\n", s.path, why.text);
    } else {
        fprintf(stderr, "Warning: %s\n", why.text);
    }
    join_environment(s.last);
}
