/* tests/unit/raft/dd_file.c -- reading and comparing scenario files.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dd.h"

/* ---- lines ------------------------------------------------------------------------------- */

struct reader {
    FILE *f;
    char *line;
    size_t cap;
    int number;
};

/* Read a line without its end; false at the end of the file. */
static bool next_line(struct reader *r)
{
    ssize_t n = getline(&r->line, &r->cap, r->f);
    if (n < 0)
        return false;
    r->number++;
    if (n > 0 && r->line[n - 1] == '\n')
        r->line[n - 1] = '\0';
    return true;
}

static bool is_separator(const char *line)
{
    return strcmp(line, "----") == 0;
}

static void add_line(struct buf *b, const char *line)
{
    buf_add_str(b, line);
    buf_add_byte(b, '\n');
}

/* ---- arguments --------------------------------------------------------------------------- */

static void arg_add_value(struct dd_arg *a, const char *p, size_t n)
{
    while (n > 0 && *p == ' ') {
        p++;
        n--;
    }
    while (n > 0 && p[n - 1] == ' ')
        n--;
    if (n != 0) {
        invariant(a->n < DD_VALUES_MAX);
        a->values[a->n++] = xstrndup(p, n);
    }
}

/* "(1, 2)" or "x" */
static const char *parse_value(struct dd_arg *a, const char *s)
{
    if (*s != '(') {
        size_t n = strcspn(s, " ");
        arg_add_value(a, s, n);
        return s + n;
    }
    const char *end = strchr(s, ')');
    invariant(end != NULL);
    for (s++; s < end;) {
        size_t n = strcspn(s, ",)");
        arg_add_value(a, s, n);
        s += n + 1;
    }
    return end + 1;
}

static const char *parse_arg(struct dd_case *c, const char *s)
{
    invariant(c->n_args < DD_ARGS_MAX);
    struct dd_arg *a = &c->args[c->n_args++];
    size_t n = strcspn(s, " =");
    *a = (struct dd_arg){.key = xstrndup(s, n)};
    s += n;
    return *s == '=' ? parse_value(a, s + 1) : s;
}

static void parse_directive(struct dd_case *c, const char *s)
{
    size_t n = strcspn(s, " ");
    c->cmd = xstrndup(s, n);
    for (s += n; *s != '\0';) {
        if (*s == ' ')
            s++;
        else
            s = parse_arg(c, s);
    }
}

const struct dd_arg *dd_arg(const struct dd_case *c, const char *key)
{
    for (size_t i = 0; i < c->n_args; i++) {
        if (strcmp(c->args[i].key, key) == 0)
            return &c->args[i];
    }
    return NULL;
}

uint64_t dd_number(const struct dd_case *c, const char *key, uint64_t otherwise)
{
    const struct dd_arg *a = dd_arg(c, key);
    return a != NULL && a->n == 1 ? strtoull(a->values[0], NULL, 10) : otherwise;
}

bool dd_bool(const struct dd_case *c, const char *key)
{
    const struct dd_arg *a = dd_arg(c, key);
    return a != NULL && a->n == 1 && strcmp(a->values[0], "true") == 0;
}

static enum raft_conf_change_type change_type(char c)
{
    switch (c) {
    case 'v':
        return RAFT_CONF_ADD_NODE;
    case 'l':
        return RAFT_CONF_ADD_LEARNER;
    case 'r':
        return RAFT_CONF_REMOVE_NODE;
    default:
        invariant(c == 'u');
        return RAFT_CONF_UPDATE_NODE;
    }
}

void dd_parse_changes(const char *s, struct raft_conf_change *ret_cc)
{
    *ret_cc = (struct raft_conf_change){0};
    for (s += strspn(s, " \n"); *s != '\0'; s += strspn(s, " \n")) {
        ret_cc->changes =
            xrealloc(ret_cc->changes, (ret_cc->n_changes + 1) * sizeof *ret_cc->changes);
        ret_cc->changes[ret_cc->n_changes++] =
            (struct raft_conf_change_single){change_type(*s), strtoull(s + 1, NULL, 10)};
        s += strcspn(s, " \n");
    }
}

/* ---- cases ------------------------------------------------------------------------------- */

static void case_fini(struct dd_case *c)
{
    for (size_t i = 0; i < c->n_args; i++) {
        free(c->args[i].key);
        for (size_t k = 0; k < c->args[i].n; k++)
            free(c->args[i].values[k]);
    }
    free(c->cmd);
    free(c->input);
    free(c->expected);
}

static void read_input(struct reader *r, struct dd_case *c)
{
    struct buf b = BUF_INIT;
    while (next_line(r) && !is_separator(r->line)) {
        if (b.n != 0)
            buf_add_byte(&b, '\n');
        buf_add_str(&b, r->line);
    }
    c->input = buf_take_cstr(&b);
}

/* After a second separator the output may have empty lines, and ends at two separators. */
static void read_expected(struct reader *r, struct dd_case *c)
{
    struct buf b = BUF_INIT;
    bool more = next_line(r);
    bool with_blanks = more && is_separator(r->line);
    if (with_blanks)
        more = next_line(r);
    for (; more; more = next_line(r)) {
        if (with_blanks ? is_separator(r->line) : r->line[0] == '\0')
            break;
        add_line(&b, r->line);
    }
    if (with_blanks)
        (void)next_line(r);
    c->expected = buf_take_cstr(&b);
}

/* Join lines that end with a backslash. */
static char *read_directive(struct reader *r)
{
    struct buf b = BUF_INIT;
    for (;;) {
        size_t n = strlen(r->line);
        bool more = n > 0 && r->line[n - 1] == '\\';
        buf_add(&b, r->line, more ? n - 1 : n);
        if (!more || !next_line(r))
            return buf_take_cstr(&b);
    }
}

static bool read_case(struct reader *r, struct dd_case *c)
{
    do {
        if (!next_line(r))
            return false;
    } while (r->line[0] == '\0' || r->line[0] == '#');
    c->line = r->number;
    char *directive = read_directive(r);
    parse_directive(c, directive);
    free(directive);
    read_input(r, c);
    read_expected(r, c);
    return true;
}

/* ---- comparing --------------------------------------------------------------------------- */

static bool is_log_line(const char *s)
{
    static const char *const levels[] = {"DEBUG ", "INFO ", "WARN ", "ERROR ", "FATAL "};
    s += strspn(s, " ");
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (strncmp(s, levels[i], strlen(levels[i])) == 0)
            return true;
    }
    return false;
}

/* Return the text without its log lines; a command that said nothing else said "ok". */
static char *strip_log(const char *s)
{
    struct buf b = BUF_INIT;
    while (*s != '\0') {
        size_t n = strcspn(s, "\n");
        if (!is_log_line(s)) {
            buf_add(&b, s, n);
            buf_add_byte(&b, '\n');
        }
        s += s[n] == '\n' ? n + 1 : n;
    }
    if (b.n == 0)
        buf_add_str(&b, "ok\n");
    return buf_take_cstr(&b);
}

static int run_case(const struct dd_case *c, dd_handler *handler, void *env)
{
    struct buf out = BUF_INIT;
    handler(env, c, &out);
    char *actual = strip_log(buf_cstr(&out));
    char *expected = strip_log(c->expected);
    int differs = strcmp(actual, expected) != 0;
    if (differs)
        printf("%s:%d: %s\n--- expected\n%s--- actual\n%s", c->path, c->line, c->cmd, expected,
               actual);
    free(actual);
    free(expected);
    buf_fini(&out);
    return differs;
}

int dd_run_file(const char *path, dd_handler *handler, void *env)
{
    struct reader r = {.f = fopen(path, "re")};
    if (r.f == NULL) {
        printf("%s: %s\n", path, strerror(errno));
        return 1;
    }
    int failed = 0;
    for (;;) {
        struct dd_case c = {.path = path};
        if (!read_case(&r, &c))
            break;
        failed += run_case(&c, handler, env);
        case_fini(&c);
    }
    free(r.line);
    fclose(r.f);
    return failed;
}

/* ---- folders ----------------------------------------------------------------------------- */

/* The kind of a file is told by its folder. */
static int run_any(const char *path, const char *folder)
{
    int failed;
    if (strstr(folder, "quorum") != NULL)
        return dd_run_file(path, dd_quorum_handle, NULL);
    if (strstr(folder, "confchange") != NULL) {
        struct dd_conf *conf = dd_conf_new();
        failed = dd_run_file(path, dd_conf_handle, conf);
        dd_conf_free(conf);
        return failed;
    }
    struct dd_env *env = dd_env_new();
    failed = dd_run_file(path, dd_env_handle, env);
    dd_env_free(env);
    return failed;
}

/* Scenarios of a kind of storage that our core has not: upstream's append and apply threads are
 * messages that the core sends to itself. The same ground is covered by fuzz_test and
 * replication_test. */
static bool is_skipped(const char *name)
{
    return strncmp(name, "async_storage_writes", strlen("async_storage_writes")) == 0;
}

int dd_run_folder(const char *folder)
{
    struct dirent **names;
    int n = scandir(folder, &names, NULL, alphasort);
    if (n < 0)
        return -1;
    int failed = 0;
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        size_t len = strlen(name);
        if (len > 4 && strcmp(name + len - 4, ".txt") == 0) {
            char *path = xasprintf("%s/%s", folder, name);
            int f = is_skipped(name) ? 0 : run_any(path, folder);
            printf("%s %s\n", is_skipped(name) ? "SKIP" : f == 0 ? "PASS" : "FAIL", path);
            failed += f;
            free(path);
        }
        free(names[i]);
    }
    free(names);
    return failed;
}
