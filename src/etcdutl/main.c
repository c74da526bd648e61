/* etcdutl/main.c -- work on etcd's files, with no etcd running.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/completion.h"
#include "etcdutl/utl.h"

static struct {
    int64_t timeout_ns;
    const char *write_out;
} global;

static const char *const formats[] = {"fields", "json", "protobuf", "simple", "table", NULL};

static struct cli_flag global_flags[] = {
    {"timeout", .type = CLI_DURATION, .value = &global.timeout_ns, .def = "10s",
     .usage = "time to wait to obtain a file lock on db file, 0 to block indefinitely"},
    {"write-out", 'w', CLI_STRING, .value = &global.write_out, .def = "simple", .values = formats,
     .usage = "set the output format (fields, json, protobuf, simple, table)"},
    {0},
};

/* ---- what the commands share ---------------------------------------------------------------- */

msec utl_lock_wait(void)
{
    if (global.timeout_ns == 0)
        return -1;
    return global.timeout_ns > 0 ? global.timeout_ns / 1000000 : 0;
}

int utl_format(enum utl_format *ret)
{
    static const struct {
        const char *word;
        enum utl_format format;
    } words[] = {{"simple", UTL_SIMPLE}, {"json", UTL_JSON}, {"fields", UTL_FIELDS},
                 {"table", UTL_TABLE}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(global.write_out, words[i].word) == 0) {
            *ret = words[i].format;
            return CLI_OK;
        }
    }
    if (strcmp(global.write_out, "protobuf") == 0)
        return cli_fail(CLI_BAD_FEATURE, "protobuf not supported as output format");
    return cli_fail(CLI_BAD_FEATURE, "unsupported output format");
}

int utl_fail(enum err e, const struct why *why)
{
    return cli_fail(CLI_ERROR, "%s", why->text[0] != '\0' ? why->text : err_text(e));
}

bool utl_lacks(struct cli_command *cmd, const char *flag)
{
    if (cli_changed(cmd, flag))
        return false;
    (void)cli_fail(CLI_ERROR, "required flag(s) \"%s\" not set", flag);
    return true;
}

/* ---- version -------------------------------------------------------------------------------- */

static int version_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)cmd;
    (void)argc;
    (void)argv;
    const char *minor = strchr(ETCD_API_VERSION, '.') + 1;
    printf("etcdutl version: %s\n", ETCD_API_VERSION);
    printf("API version: %.*s\n", (int)(strchr(minor, '.') - ETCD_API_VERSION), ETCD_API_VERSION);
    return CLI_OK;
}

static struct cli_command version_command = {
    .use = "version", .summary = "Prints the version of etcdutl", .run = version_run};

/* ---- the tree ------------------------------------------------------------------------------- */

static struct cli_command *const commands[] = {
    &utl_backup, &utl_check,  &cli_completion_command, &utl_defrag,  &utl_export,
    &utl_hashkv, &utl_import, &utl_migrate,            &utl_recover, &utl_snapshot,
    &version_command, NULL,
};

static const char *const suggest_for[] = {"etcdutl", NULL};

static struct cli_command root = {
    .use = "etcdutl",
    .summary = "An administrative command line tool for etcd3.",
    .suggest_for = suggest_for,
    .persistent = global_flags,
    .commands = commands,
};

int main(int argc, char **argv)
{
    static struct cli_program program = {.root = &root, .help_is_usage = true};
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of the write */
    return cli_main(&program, argc, argv);
}
