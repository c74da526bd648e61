/* etcdctl/ls.c -- etcdctl ls, tree: keys as a file system, whose separator is the delimiter.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/quote.h"
#include "etcdctl/commands.h"
#include "etcdctl/keys.h"

static const char *delimiter;

static struct cli_flag flags[] = {
    {"delimiter", .type = CLI_STRING, .value = &delimiter, .def = "/",
     .usage = "what separates the parts of a key"},
    {0},
};

/* Where the delimiter next stands in `s`, at or behind `from`; s.n: nowhere. */
static size_t find_delimiter(struct slice s, size_t from)
{
    const uint8_t *at =
        from < s.n ? memmem(s.p + from, s.n - from, delimiter, strlen(delimiter)) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

static int check(int argc, const char *command)
{
    if (argc > 1)
        return cli_fail(CLI_BAD_ARGS, "%s command accepts one argument, the beginning of the keys",
                        command);
    if (*delimiter == '\0')
        return cli_fail(CLI_BAD_ARGS, "empty string is passed to --delimiter option");
    return CLI_OK;
}

/* ---- ls: the next part only ---------------------------------------------------------------------- */

struct listing {
    struct slice prefix;
    struct chosen *c;
};

static void list_key(void *arg, const Mvccpb__KeyValue *kv, struct buf *skip)
{
    const struct listing *l = arg;
    struct slice key = slice_make(kv->key.data, kv->key.len);
    /* What begins with the delimiter, as "/a" does, is listed by the part behind it. */
    size_t at = find_delimiter(key, l->prefix.n + (l->prefix.n == 0 && find_delimiter(key, 0) == 0));
    if (at == key.n) {
        chosen_add(l->c, key, kv);
        return;
    }
    struct slice folder = slice_make(key.p, at + strlen(delimiter));
    chosen_add(l->c, folder, NULL);
    buf_clear(skip);
    buf_add_slice(skip, folder);
    while (skip->n && skip->p[skip->n - 1] == 0xff)
        skip->n--;
    if (skip->n)
        skip->p[skip->n - 1]++;
}

static int ls_run(struct cli_command *cmd, int argc, char **argv)
{
    int code = check(argc, "ls");
    if (code != CLI_OK)
        return code;
    AUTO(session) struct session s;
    AUTO(chosen) struct chosen c;
    chosen_init(&c);
    code = session_open(&s, cmd);
    if (code != CLI_OK)
        return code;
    struct listing l = {slice_str(argc ? argv[0] : ""), &c};
    code = keys_walk(&(struct keys_walk){&s, l.prefix, list_key, &l}, &c);
    return code == CLI_OK ? chosen_print(&c, &s.printer) : code;
}

/* ---- tree: all parts, indented ------------------------------------------------------------------- */

static void tree_key(void *arg, const Mvccpb__KeyValue *kv, struct buf *skip)
{
    (void)skip;
    chosen_add(arg, slice_make(kv->key.data, kv->key.len), kv);
}

/* How far two keys are the same, to the last delimiter that they share; not before `from`. */
static size_t shared_parts(struct slice a, struct slice b, size_t from)
{
    size_t shared = from;
    for (size_t at = find_delimiter(a, from); at < a.n; at = find_delimiter(a, shared)) {
        size_t end = at + strlen(delimiter);
        if (b.n < end || memcmp(a.p, b.p, end) != 0)
            break;
        shared = end;
    }
    return shared;
}

static void put_part(struct printer *p, struct slice part, size_t depth)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b, "%*s", (int)(2 * depth), "");
    if (p->hex)
        quote_add_hex(&b, part);
    else
        buf_add_slice(&b, part);
    buf_add_byte(&b, '\n');
    fwrite(b.p, 1, b.n, p->out);
}

static void print_tree(struct printer *p, struct slice prefix, const Etcdserverpb__RangeResponse *r)
{
    struct slice last = slice_make(NULL, 0);
    for (size_t i = 0; i < r->n_kvs; i++) {
        struct slice key = slice_make(r->kvs[i]->key.data, r->kvs[i]->key.len);
        size_t at = i ? shared_parts(key, last, prefix.n) : prefix.n;
        size_t depth = 0;
        for (size_t d = find_delimiter(key, prefix.n); d < at;
             d = find_delimiter(key, d + strlen(delimiter)))
            depth++;
        do {
            size_t d = find_delimiter(key, at);
            size_t end = d < key.n ? d + strlen(delimiter) : key.n;
            put_part(p, slice_make(key.p + at, end - at), depth++);
            at = end;
        } while (at < key.n);
        last = key;
    }
}

static int tree_run(struct cli_command *cmd, int argc, char **argv)
{
    int code = check(argc, "tree");
    if (code != CLI_OK)
        return code;
    AUTO(session) struct session s;
    AUTO(chosen) struct chosen c;
    chosen_init(&c);
    code = session_open(&s, cmd);
    if (code != CLI_OK)
        return code;
    struct slice prefix = slice_str(argc ? argv[0] : "");
    code = keys_walk(&(struct keys_walk){&s, prefix, tree_key, &c}, &c);
    if (code != CLI_OK)
        return code;
    if (!printer_is_simple(&s.printer))
        return chosen_print(&c, &s.printer);
    print_tree(&s.printer, prefix, &c.all);
    return CLI_OK;
}

struct cli_command cmd_ls = {
    .use = "ls [options] [prefix]",
    .summary = "Lists keys and directories, to the next delimiter",
    .details = "Lists the keys that begin with <prefix> up to the next delimiter: what has more parts is "
               "shown as a directory,\nwith the delimiter at its end.\n",
    .group = GROUP_KV,
    .addition = true,
    .flags = flags,
    .run = ls_run,
};

struct cli_command cmd_tree = {
    .use = "tree [options] [prefix]",
    .summary = "Shows keys as a tree of their parts",
    .group = GROUP_KV,
    .addition = true,
    .flags = flags,
    .run = tree_run,
};
