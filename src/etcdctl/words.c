/* etcdctl/words.c -- cutting lines into words.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/words.h"

#include "cli/quote.h"

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The end of a word that begins at s.p[0]; 0: none begins here. */
static size_t word_len(struct slice s)
{
    size_t i = 1;
    if (s.p[0] == '\'') {
        const uint8_t *end = memchr(s.p + 1, '\'', s.n - 1);
        return end ? (size_t)(end - s.p) + 1 : 0;
    }
    if (s.p[0] == '"') {
        for (; i < s.n && s.p[i] != '"'; i++)
            i += s.p[i] == '\\';
        return i < s.n ? i + 1 : 0;
    }
    while (i < s.n && !is_space(s.p[i]))
        i++;
    return is_space(s.p[0]) ? 0 : i;
}

static bool words_add(struct arena *a, struct words *w, struct slice word)
{
    AUTO(buf) struct buf text = BUF_INIT;
    if (word.p[0] == '\'')
        word = slice_make(word.p + 1, word.n - 2);
    else if (word.p[0] == '"') {
        if (quote_read(word, &text) == 0)
            return false;
        word = buf_slice(&text);
    }
    uint8_t *copy = arena_alloc(a, word.n + 1);
    if (word.n)
        memcpy(copy, word.p, word.n);
    copy[word.n] = '\0';
    w->v[w->n++] = slice_make(copy, word.n);
    return true;
}

bool words_cut(struct arena *a, struct slice line, struct words *ret)
{
    *ret = (struct words){arena_alloc(a, (line.n + 1) * sizeof(*ret->v)), 0};
    for (size_t i = 0; i < line.n;) {
        size_t n = word_len(slice_make(line.p + i, line.n - i));
        if (n > 0 && !words_add(a, ret, slice_make(line.p + i, n)))
            return false;
        i += n ? n : 1;
    }
    return true;
}

char **words_argv(struct arena *a, const struct words *w)
{
    char **argv = arena_calloc(a, ((size_t)w->n + 1) * sizeof(*argv));
    for (int i = 0; i < w->n; i++)
        argv[i] = (char *)(uintptr_t)w->v[i].p;
    return argv;
}

struct slice words_find(const struct words *w, const char *arg)
{
    for (int i = 0; i < w->n; i++) {
        if (w->v[i].p == (const uint8_t *)arg)
            return w->v[i];
    }
    return slice_str(arg);
}
