/* cli/env.c -- flags from the environment.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/env.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/json_text.h"

void env_add_name(struct buf *b, const char *prefix, const char *flag)
{
    buf_addf(b, "%s_", prefix);
    for (const char *c = flag; *c; c++)
        buf_add_byte(b, *c == '-' ? '_' : (uint8_t)toupper((unsigned char)*c));
}

static bool is_flag(const struct cli_flag *f, const char *prefix, struct slice name)
{
    for (; f && f->name; f++) {
        AUTO(buf) struct buf b = BUF_INIT;
        env_add_name(&b, prefix, f->name);
        if (slice_eq(buf_slice(&b), name))
            return true;
    }
    return false;
}

static bool is_known(const char *const *known, struct slice name)
{
    for (; known && *known; known++) {
        if (slice_is(name, *known))
            return true;
    }
    return false;
}

/* The line that upstream's logger writes. */
static void warn_unknown(const char *setting)
{
    struct timespec now;
    struct tm tm;
    char time_text[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S", &tm);
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b, "{\"level\":\"warn\",\"ts\":\"%s.%06ldZ\",\"caller\":\"flags/flag.go:94\","
                 "\"msg\":\"unrecognized environment variable\",\"environment-variable\":",
             time_text, now.tv_nsec / 1000);
    json_add_string(&b, setting, strlen(setting));
    buf_add_str(&b, "}\n");
    fwrite(b.p, 1, b.n, stderr);
}

static void set_from_env(struct cli_flag *f, const char *prefix)
{
    AUTO(buf) struct buf name = BUF_INIT;
    AUTO(buf) struct buf problem = BUF_INIT;
    env_add_name(&name, prefix, f->name);
    const char *value = getenv(buf_cstr(&name));
    if (!value || !*value || f->changed)
        return;
    if (!cli_set(f, value, &problem))
        fprintf(stderr, "Warning: %s is not used: %s\n", buf_cstr(&name), buf_cstr(&problem));
}

void env_apply(struct cli_program *p, const char *prefix, const char *const *known)
{
    struct cli_flag *flags = p->root->persistent;
    for (struct cli_flag *f = flags; f && f->name; f++)
        set_from_env(f, prefix);
    size_t n = strlen(prefix);
    for (char **e = environ; *e; e++) {
        if (strncmp(*e, prefix, n) != 0 || (*e)[n] != '_')
            continue;
        struct slice name = slice_make(*e, strcspn(*e, "="));
        if (!is_flag(flags, prefix, name) && !is_known(known, name))
            warn_unknown(*e);
    }
}
