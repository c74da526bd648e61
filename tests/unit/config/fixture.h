/* tests/unit/config/fixture.h -- one load of a configuration in an empty folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_CONFIG_FIXTURE_H
#define TESTS_UNIT_CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

enum { WORDS_MAX = 32 };

/* What a load is given: words and variables are separated by "|". */
struct given {
    const char *args; /* without the program */
    const char *env;
    const char *conf; /* text of etcd.conf; NULL: no such file */
    const char *yaml; /* text of c.yml, which --config-file may name */
    char *host;       /* address of the default route; NULL: none is known */
};

struct loaded {
    enum config_result result;
    struct config *cfg; /* NULL unless CONFIG_RUN */
    struct config_outcome out;
};

static inline void file_write(const char *path, const char *text, size_t n)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Cut `text` in place at each "|"; the last word is followed by NULL. */
static inline int words_split(char *text, char **words)
{
    int n = 0;
    char *rest = text;
    while (rest && *text && n < WORDS_MAX - 1)
        words[n++] = strsep(&rest, "|");
    words[n] = NULL;
    return n;
}

static inline char *given_host(void *arg)
{
    return arg ? xstrdup(arg) : NULL;
}

static inline struct loaded load(struct given g)
{
    char *args = xasprintf("etcd%s%s", g.args && *g.args ? "|" : "", g.args ? g.args : "");
    char *env = xstrdup(g.env ? g.env : "");
    char *argv[WORDS_MAX], *envp[WORDS_MAX];
    struct config_input in = {.argc = words_split(args, argv),
                              .argv = argv,
                              .envp = envp,
                              .env_file_default = "etcd.conf",
                              .default_host = given_host,
                              .default_host_arg = g.host};
    words_split(env, envp);
    unlink("etcd.conf");
    if (g.conf)
        file_write("etcd.conf", g.conf, strlen(g.conf));
    if (g.yaml)
        file_write("c.yml", g.yaml, strlen(g.yaml));
    struct loaded l = {0};
    l.result = config_load(&in, &l.cfg, &l.out);
    assert_int_equal(l.cfg != NULL, l.result == CONFIG_RUN);
    free(args);
    free(env);
    return l;
}

/* A load that must succeed. */
static inline struct loaded load_ok(struct given g)
{
    struct loaded l = load(g);
    if (l.result != CONFIG_RUN)
        fail_msg("[%s] [%s] [%s] [%s]: %s", g.args ? g.args : "", g.env ? g.env : "",
                 g.conf ? g.conf : "", g.yaml ? g.yaml : "", l.out.error);
    return l;
}

/* A load that must fail, just so. */
static inline void load_fails(struct given g, enum config_result result, int exit_code,
                              const char *error)
{
    struct loaded l = load(g);
    assert_string_equal(l.out.error, error);
    assert_int_equal(l.result, result);
    assert_int_equal(l.out.exit_code, exit_code);
    config_outcome_fini(&l.out);
}

static inline void loaded_fini(struct loaded *l)
{
    config_free(l->cfg);
    config_outcome_fini(&l->out);
}

/* True if there is a note of this level that holds `part`. */
static inline bool has_note(const struct loaded *l, enum log_level level, const char *part)
{
    for (size_t i = 0; i < l->out.n_notes; i++) {
        if (l->out.notes[i].level == level && strstr(l->out.notes[i].text, part))
            return true;
    }
    return false;
}

static inline size_t count_notes(const struct loaded *l, enum log_level level)
{
    size_t n = 0;
    for (size_t i = 0; i < l->out.n_notes; i++)
        n += l->out.notes[i].level == level;
    return n;
}

static char fixture_dir[] = "/tmp/etcd-config-test-XXXXXX";

static inline int fixture_setup(void **state)
{
    (void)state;
    return mkdtemp(fixture_dir) && chdir(fixture_dir) == 0 ? 0 : -1;
}

static inline int fixture_teardown(void **state)
{
    (void)state;
    unlink("etcd.conf");
    unlink("c.yml");
    rmdir("d/member");
    rmdir("d");
    return chdir("/") == 0 && rmdir(fixture_dir) == 0 ? 0 : -1;
}

#endif
