/* Tests of the files in etc/: what they name exists, and what they show is the default.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/envfile.h"
#include "config/file.h"
#include "config/options.h"

static char *source_path(const char *path)
{
    const char *dir = getenv("srcdir");
    return xasprintf("%s/%s", dir ? dir : ".", path);
}

/* The file with each "#ETCD_" line made one that counts. */
static void read_uncommented(struct buf *text)
{
    AUTO(buf) struct buf b = BUF_INIT;
    struct why why = {""};
    char *path = source_path("etc/etcd.conf");
    if (file_read(path, &b, &why) != ERR_OK)
        fail_msg("%s", why.text);
    for (size_t i = 0; i < b.n; i++) {
        if (i + 5 >= b.n || memcmp(b.p + i, "#ETCD_", 6) != 0)
            buf_add_byte(text, b.p[i]);
    }
    free(path);
}

struct template {
    struct config *c;
    bool seen[OPTIONS_MAX];
};

static enum err on_variable(void *arg, const char *name, const char *value, int line)
{
    const struct option_alias *alias;
    const struct option *o = option_find_env(slice_str(name), &alias);
    struct template *t = arg;
    struct config *c = t->c;
    struct why why = {""};
    if (!o || alias || option_set(o, c, value, &why) != ERR_OK)
        fail_msg("line %d: %s: %s", line, name, o ? why.text : "not known");
    AUTO(buf) struct buf b = BUF_INIT;
    option_format(o, c, &b);
    if (strcmp(o->name, "data-dir") != 0)
        assert_string_equal(buf_cstr(&b), o->initial);
    option_fini(o, c);
    assert_false(t->seen[o - options]);
    t->seen[o - options] = true;
    return ERR_OK;
}

/* Old names, what does nothing, and what says where settings are, do not belong into the file. */
static bool belongs(const struct option *o)
{
    return o->section != SECT_OLD && o->use != USE_NO_EFFECT && o->kind != OPT_ACTION &&
           strcmp(o->name, "env-file") != 0 && strcmp(o->name, "config-file") != 0;
}

static void on_oddity(void *arg, enum envfile_oddity what, int line)
{
    (void)arg;
    fail_msg("line %d: oddity %d", line, (int)what);
}

static void the_template_shows_all_defaults(void **state)
{
    (void)state;
    AUTO(buf) struct buf text = BUF_INIT;
    struct why why;
    struct template t = {.c = xcalloc(1, sizeof(*t.c))};
    const struct envfile_handler h = {&t, on_variable, on_oddity};
    read_uncommented(&text);
    assert_int_equal(envfile_parse(buf_slice(&text), &h, &why), ERR_OK);
    for (size_t i = 0; i < options_n; i++)
        if (belongs(&options[i]) && !t.seen[i])
            fail_msg("--%s is not in the template", options[i].name);
    free(t.c);
}

static void assert_loads(const char *flag, const char *file)
{
    char *path = source_path(file);
    char *argv[] = {(char[]){"etcd"}, xstrdup(flag), path, NULL};
    struct config_input in = {.argc = 3, .argv = argv, .env_file_default = ""};
    struct config *c = NULL;
    struct config_outcome out;
    if (config_load(&in, &c, &out) != CONFIG_RUN)
        fail_msg("%s", out.error);
    for (size_t i = 0; i < out.n_notes; i++) {
        assert_int_not_equal(out.notes[i].level, LOG_DEBUG_); /* an unknown name */
        assert_null(strstr(out.notes[i].text, "no effect"));
    }
    assert_string_equal(c->name, "default");
    config_free(c);
    config_outcome_fini(&out);
    free(argv[1]);
    free(path);
}

static void both_files_load(void **state)
{
    (void)state;
    assert_loads("--env-file", "etc/etcd.conf");
    assert_loads("--config-file", "etc/etcd.conf.yml.sample");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_template_shows_all_defaults),
        cmocka_unit_test(both_files_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
