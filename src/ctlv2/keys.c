/* ctlv2/keys.c -- the commands that read and write keys.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/terminal.h"
#include "ctlv2/keys.h"

/* ---- requests ---------------------------------------------------------------------------- */

int keys_open(const struct context *c, struct cluster **ret_cluster)
{
    int status = v2_session_open(c, ret_cluster);
    return status == 0 && c->argc == 0 ? fail_error(EXIT_BAD_ARGS, "key required") : status;
}

void keys_path(const char *key, struct buf *path)
{
    buf_addf(path, "/v2/keys%s%s", key[0] != '\0' && key[0] != '/' ? "/" : "", key);
}

void add_text(struct buf *b, const char *name, const char *value)
{
    uri_add_param(b, name, slice_str(value));
}

void add_uint(struct buf *b, const char *name, uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    add_text(b, name, digits);
}

static void add_bool(struct buf *b, const char *name, bool value)
{
    add_text(b, name, value ? "true" : "false");
}

struct request {
    const char *method, *key;
    struct buf query, form;
    bool has_form, once;
};

static bool request_send(struct request *r, struct cluster *cluster, msec deadline,
                         struct reply *ret_reply, struct trouble *t)
{
    AUTO(buf) struct buf path = BUF_INIT;
    AUTO(answer) struct answer answer = {0};
    keys_path(r->key, &path);
    const struct action a = {
        .method = r->method,
        .path = buf_cstr(&path),
        .keep_slash = true,
        .query = r->query.n != 0 ? buf_cstr(&r->query) : NULL,
        .content_type = strcmp(r->method, "GET") != 0 ? "application/x-www-form-urlencoded" : NULL,
        .body = r->has_form ? &r->form : NULL,
        .once = r->once,
    };
    return v2_cluster_do(cluster, &a, deadline, &answer, t) && reply_read(&answer, ret_reply, t);
}

/* Send it and have the answer printed by `print`. */
static int request_run(struct request *r, const struct context *c, struct cluster *cluster,
                       int (*print)(const struct context *c, const struct reply *reply))
{
    AUTO(reply) struct reply reply = {0};
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    int status = request_send(r, cluster, v2_session_deadline(c), &reply, &t)
                     ? print(c, &reply)
                     : trouble_fail(&t, EXIT_SERVER);
    buf_fini(&r->query);
    buf_fini(&r->form);
    return status;
}

/* ---- what is printed --------------------------------------------------------------------- */

static const char *output(const struct context *c)
{
    return args_text(c->globals, "output");
}

static bool output_is_simple(const struct context *c)
{
    return strcmp(output(c), "simple") == 0;
}

static int print_reply(const struct context *c, const struct reply *r)
{
    reply_print(r, output(c));
    return 0;
}

static int print_unless_simple(const struct context *c, const struct reply *r)
{
    return output_is_simple(c) ? 0 : print_reply(c, r);
}

static int print_unless_dir(const struct context *c, const struct reply *r)
{
    return r->node.dir ? print_unless_simple(c, r) : print_reply(c, r);
}

static int print_value(const struct context *c, const struct reply *r)
{
    if (!r->node.dir)
        return print_reply(c, r);
    print_bytes(stderr, &r->node.key);
    fprintf(stderr, ": is a directory\n");
    return EXIT_BAD_ARGS;
}

static int print_paths(const struct context *c, const struct reply *r)
{
    if (!output_is_simple(c))
        return print_reply(c, r);
    reply_print_paths(r, args_bool(c->args, "p"));
    return 0;
}

/* ---- reading ----------------------------------------------------------------------------- */

static int get(const struct context *c, struct cluster *cluster, const char *key, bool recursive,
               int (*print)(const struct context *c, const struct reply *reply))
{
    struct request r = {.method = "GET", .key = key};
    add_bool(&r.query, "quorum", args_bool(c->args, "quorum"));
    add_bool(&r.query, "recursive", recursive);
    add_bool(&r.query, "sorted", args_bool(c->args, "sort"));
    return request_run(&r, c, cluster, print);
}

int run_get(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    int status = keys_open(c, &cluster);
    if (status != 0)
        return status;
    return get(c, cluster, c->argv[0], false, print_value);
}

int run_ls(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    int status = v2_session_open(c, &cluster);
    if (status != 0)
        return status;
    return get(c, cluster, c->argc != 0 ? c->argv[0] : "/", args_bool(c->args, "recursive"),
               print_paths);
}

/* ---- writing ----------------------------------------------------------------------------- */

static void add_ttl(struct request *r, const struct context *c)
{
    int64_t ttl = args_number(c->args, "ttl");
    if (ttl > 0)
        add_uint(&r->form, "ttl", (uint64_t)ttl);
}

/* Take the value from the operands or from standard input. */
static bool take_value(const struct context *c, struct buf *value)
{
    if (c->argc > 1) {
        buf_add_str(value, c->argv[1]);
        return true;
    }
    return terminal_read_all(STDIN_FILENO, value) && value->n != 0;
}

enum writing { WRITE_ANY, WRITE_NEW, WRITE_OLD, WRITE_IN_ORDER };

static int write_key(const struct context *c, enum writing how, const char *prev_value,
                     int64_t prev_index)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(buf) struct buf value = BUF_INIT;
    int status = keys_open(c, &cluster);
    if (status != 0)
        return status;
    if (!take_value(c, &value))
        return fail_error(EXIT_BAD_ARGS, "value required");
    struct request r = {.method = how == WRITE_IN_ORDER ? "POST" : "PUT",
                        .key = c->argv[0],
                        .has_form = true,
                        .once = how == WRITE_NEW};
    if (how == WRITE_NEW || how == WRITE_OLD)
        add_bool(&r.query, "prevExist", how == WRITE_OLD);
    if (prev_index != 0)
        add_uint(&r.query, "prevIndex", (uint64_t)prev_index);
    if (prev_value[0] != '\0')
        add_text(&r.query, "prevValue", prev_value);
    add_ttl(&r, c);
    uri_add_param(&r.form, "value", buf_slice(&value));
    return request_run(&r, c, cluster, print_reply);
}

int run_set(const struct context *c)
{
    return write_key(c, WRITE_ANY, args_text(c->args, "swap-with-value"),
                     args_number(c->args, "swap-with-index"));
}

int run_mk(const struct context *c)
{
    return write_key(c, args_bool(c->args, "in-order") ? WRITE_IN_ORDER : WRITE_NEW, "", 0);
}

int run_update(const struct context *c)
{
    return write_key(c, WRITE_OLD, "", 0);
}

static int write_dir(const struct context *c, enum writing how)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    int status = keys_open(c, &cluster);
    if (status != 0)
        return status;
    struct request r = {
        .method = "PUT", .key = c->argv[0], .has_form = true, .once = how == WRITE_NEW};
    add_bool(&r.query, "dir", true);
    if (how != WRITE_ANY)
        add_bool(&r.query, "prevExist", how == WRITE_OLD);
    add_ttl(&r, c);
    return request_run(&r, c, cluster, print_unless_simple);
}

int run_mkdir(const struct context *c)
{
    return write_dir(c, WRITE_NEW);
}

int run_setdir(const struct context *c)
{
    return write_dir(c, WRITE_ANY);
}

int run_updatedir(const struct context *c)
{
    return write_dir(c, WRITE_OLD);
}

/* ---- removing ---------------------------------------------------------------------------- */

struct removal {
    bool dir, recursive;
    const char *prev_value;
    int64_t prev_index;
};

static int remove_key(const struct context *c, const struct removal *how)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    int status = keys_open(c, &cluster);
    if (status != 0)
        return status;
    struct request r = {.method = "DELETE", .key = c->argv[0], .once = true};
    if (how->dir)
        add_bool(&r.query, "dir", true);
    if (how->prev_index != 0)
        add_uint(&r.query, "prevIndex", (uint64_t)how->prev_index);
    if (how->prev_value[0] != '\0')
        add_text(&r.query, "prevValue", how->prev_value);
    if (how->recursive)
        add_bool(&r.query, "recursive", true);
    return request_run(&r, c, cluster, print_unless_dir);
}

int run_rm(const struct context *c)
{
    const struct removal how = {args_bool(c->args, "dir"), args_bool(c->args, "recursive"),
                                args_text(c->args, "with-value"),
                                args_number(c->args, "with-index")};
    return remove_key(c, &how);
}

int run_rmdir(const struct context *c)
{
    return remove_key(c, &(struct removal){.dir = true, .prev_value = ""});
}
