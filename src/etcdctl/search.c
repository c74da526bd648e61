/* etcdctl/search.c -- etcdctl search TEXT: keys that have it in their name.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/commands.h"
#include "etcdctl/keys.h"

static const char *prefix;

static struct cli_flag flags[] = {
    {"prefix", .type = CLI_STRING, .value = &prefix,
     .usage = "look only at keys that begin so"},
    {0},
};

struct searching {
    const char *text;
    struct chosen *c;
};

static void search_key(void *arg, const Mvccpb__KeyValue *kv, struct buf *skip)
{
    (void)skip;
    const struct searching *s = arg;
    if (memmem(kv->key.data, kv->key.len, s->text, strlen(s->text)))
        chosen_add(s->c, slice_make(kv->key.data, kv->key.len), kv);
}

static int run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 1 || *argv[0] == '\0')
        return cli_fail(CLI_BAD_ARGS, "search command needs one argument, the text to look for");
    AUTO(session) struct session s;
    AUTO(chosen) struct chosen c;
    chosen_init(&c);
    int code = session_open(&s, cmd);
    if (code != CLI_OK)
        return code;
    struct searching searching = {argv[0], &c};
    code = keys_walk(&(struct keys_walk){&s, slice_str(prefix), search_key, &searching}, &c);
    return code == CLI_OK ? chosen_print(&c, &s.printer) : code;
}

struct cli_command cmd_search = {
    .use = "search [options] <text>",
    .summary = "Finds the keys whose name has the text in it",
    .group = GROUP_KV,
    .addition = true,
    .flags = flags,
    .run = run,
};
