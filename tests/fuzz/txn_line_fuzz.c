/* Fuzz target: a line that is typed into `etcdctl txn` or `watch -i`, as words and as a condition. A
 * quoted text that is read back must be what was quoted; a list of a flag is read within its bounds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"
#include "cli/quote.h"
#include "etcdctl/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_list(const char *text)
{
    static struct cli_strings list;
    static struct cli_flag flags[] = {
        {"list", .type = CLI_STRINGS, .value = &list, .usage = "list"}, {0}};
    AUTO(buf) struct buf problem = BUF_INIT;
    struct cli_command cmd = {.use = "x", .summary = "x", .flags = flags};
    struct cli_program p = {.root = &cmd};
    cli_tie(&p);
    cli_reset(&cmd);
    (void)cli_set(&flags[0], text, &problem);
    cli_reset(&cmd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new();
    struct slice line = slice_make(data, size);
    struct words words;
    Etcdserverpb__Compare compare;
    AUTO(buf) struct buf problem = BUF_INIT;
    AUTO(buf) struct buf quoted = BUF_INIT;
    AUTO(buf) struct buf back = BUF_INIT;
    AUTO(buf) struct buf text = BUF_INIT;
    if (words_cut(a, line, &words)) {
        char **argv = words_argv(a, &words);
        for (int i = 0; i < words.n; i++)
            invariant(slice_eq(words_find(&words, argv[i]), words.v[i]));
    }
    (void)compare_parse(a, line, &compare, &problem);
    quote_add(&quoted, line);
    invariant(quote_read(buf_slice(&quoted), &back) == quoted.n);
    invariant(slice_eq(buf_slice(&back), line));
    buf_add_slice(&text, line);
    read_list(buf_cstr(&text));
    arena_free(a);
    return 0;
}
