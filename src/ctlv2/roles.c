/* ctlv2/roles.c -- `role`.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/json.h"
#include "ctlv2/read_json.h"
#include "ctlv2/rest.h"
#include "ctlv2/session.h"

static int open_for_name(const struct context *c, struct cluster **ret_cluster)
{
    if (c->argc != 1)
        return fail_plain("Please provide a role name");
    int status = v2_session_open(c, ret_cluster);
    if (status == 0)
        v2_session_print_endpoints(c, *ret_cluster);
    return status;
}

static bool role_do(struct cluster *c, const char *method, const char *name, const struct buf *body,
                    msec deadline, struct answer *ret_answer, struct trouble *t)
{
    AUTO(buf) struct buf path = BUF_INIT;
    buf_addf(&path, "/v2/auth/roles%s%s", name[0] != '\0' ? "/" : "", name);
    return rest_do(c, method, buf_cstr(&path), body, deadline, ret_answer, t);
}

/* ---- reading ----------------------------------------------------------------------------- */

struct role {
    struct buf name;
    struct texts read, write;
    struct json_t *permissions; /* as they came */
};

static void role_auto(struct role *r)
{
    buf_fini(&r->name);
    texts_fini(&r->read);
    texts_fini(&r->write);
    read_json_free(r->permissions);
}

static const struct json_t *object_or_nothing(const struct json_t *object, const char *name,
                                              bool *ok)
{
    const struct json_t *v = read_field(object, name);
    *ok = *ok && (v == NULL || read_is_object(v));
    return v;
}

static bool role_read(struct slice body, struct role *r, struct trouble *t)
{
    AUTO(json_ref) struct json_t *object = read_json(body);
    bool ok = read_is_object(object);
    const struct json_t *permissions = object_or_nothing(object, "permissions", &ok);
    const struct json_t *kv = object_or_nothing(permissions, "kv", &ok);
    if (!ok || !read_text(object, "role", &r->name) || !read_texts(kv, "read", &r->read) ||
        !read_texts(kv, "write", &r->write))
        return rest_fail_json(body, t);
    r->permissions = read_json_copy(permissions);
    return true;
}

static bool ask_for_role(struct cluster *c, const char *method, const char *name,
                         const struct buf *body, msec deadline, struct role *r, struct trouble *t)
{
    AUTO(answer) struct answer a = {0};
    if (!role_do(c, method, name, body, deadline, &a, t))
        return false;
    return a.status == 200 ? role_read(buf_slice(&a.body), r, t) : rest_fail(&a, t);
}

static void print_paths(const char *title, const struct texts *paths)
{
    printf("%s:\n", title);
    for (size_t i = 0; i < paths->n; i++)
        printf("\t%s\n", paths->at[i]);
}

int run_role_get(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(role) struct role r = {0};
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    int status = open_for_name(c, &cluster);
    if (status != 0)
        return status;
    if (!ask_for_role(cluster, "GET", c->argv[0], NULL, v2_session_deadline(c), &r, &t))
        return trouble_fail_plain(&t);
    printf("Role: %s\n", buf_cstr(&r.name));
    print_paths("KV Read", &r.read);
    print_paths("KV Write", &r.write);
    return 0;
}

int run_role_list(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(answer) struct answer a = {0};
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    if (c->argc != 0)
        return fail_plain("No arguments accepted");
    int status = v2_session_open(c, &cluster);
    if (status != 0)
        return status;
    v2_session_print_endpoints(c, cluster);
    const struct action list = {
        .method = "GET", .path = "/v2/auth/roles", .content_type = "application/json"};
    if (!v2_cluster_do(cluster, &list, v2_session_deadline(c), &a, &t))
        return trouble_fail_plain(&t);
    if (a.status != 200)
        return fail_plain("unexpected status code %u", a.status);
    return print_name_list(buf_slice(&a.body), "roles", "role");
}

/* ---- changing ---------------------------------------------------------------------------- */

enum permission { PERMIT_READ = 1, PERMIT_WRITE = 2 };

static void add_kv(struct json *j, const char *key, const char *path, unsigned permission)
{
    static const char *const names[] = {"read", "write"};
    json_open(j, key);
    json_open(j, "kv");
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if ((permission & BIT(i)) == 0) {
            json_null(j, names[i]);
            continue;
        }
        json_open_array(j, names[i]);
        json_string(j, NULL, path);
        json_close_array(j);
    }
    json_close(j);
    json_close(j);
}

int run_role_add(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(role) struct role old = {0};
    AUTO(json) struct json j = JSON_INIT;
    AUTO(answer) struct answer a = {0};
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    int status = open_for_name(c, &cluster);
    if (status != 0)
        return status;
    const char *name = c->argv[0];
    msec deadline = v2_session_deadline(c);
    if (ask_for_role(cluster, "GET", name, NULL, deadline, &old, &t))
        return fail_plain("Role %s already exists", name);
    json_open(&j, NULL);
    json_string(&j, "role", name);
    add_kv(&j, "permissions", "", 0);
    json_close(&j);
    if (!role_do(cluster, "PUT", name, &j.text, deadline, &a, &t) ||
        (a.status != 200 && a.status != 201 && !rest_fail(&a, &t)))
        return trouble_fail_plain(&t);
    printf("Role %s created\n", name);
    return 0;
}

int run_role_remove(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(answer) struct answer a = {0};
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    int status = open_for_name(c, &cluster);
    if (status != 0)
        return status;
    if (!role_do(cluster, "DELETE", c->argv[0], NULL, v2_session_deadline(c), &a, &t) ||
        (a.status != 200 && a.status != 201 && !rest_fail(&a, &t)))
        return trouble_fail_plain(&t);
    printf("Role %s removed\n", c->argv[0]);
    return 0;
}

/* Return the permission that the options name, or 0: not exactly one. */
static unsigned permission_option(const struct context *c)
{
    const struct {
        const char *name;
        unsigned permission;
    } options[] = {
        {"read", PERMIT_READ}, {"write", PERMIT_WRITE}, {"readwrite", PERMIT_READ | PERMIT_WRITE}};
    unsigned n = 0, found = 0;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (args_bool(c->args, options[i].name)) {
            found = options[i].permission;
            n++;
        }
    }
    return n == 1 ? found : 0;
}

/* Return 0 if --path has the form that servers keep. */
static int check_path(const char *path)
{
    if (path[0] == '\0')
        return fail_plain("No path specified; please use `--path`");
    AUTO(buf) struct buf rooted = BUF_INIT;
    buf_addf(&rooted, "%s%s", path[0] != '/' ? "/" : "", path);
    char *clean = uri_clean_path(buf_cstr(&rooted), true);
    int status = strcmp(clean, path) == 0
                     ? 0
                     : fail_plain("Not canonical path; please use `--path=%s`", clean);
    free(clean);
    return status;
}

static int change_permission(const struct context *c, bool grant, unsigned permission)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(role) struct role old = {0}, new = {0};
    AUTO(json) struct json j = JSON_INIT;
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    int status = open_for_name(c, &cluster);
    if (status != 0)
        return status;
    const char *name = c->argv[0];
    msec deadline = v2_session_deadline(c);
    json_open(&j, NULL);
    json_string(&j, "role", name);
    add_kv(&j, "permissions", "", 0);
    add_kv(&j, grant ? "grant" : "revoke", args_text(c->args, "path"), permission);
    json_close(&j);
    if (!ask_for_role(cluster, "GET", name, NULL, deadline, &old, &t) ||
        !ask_for_role(cluster, "PUT", name, &j.text, deadline, &new, &t))
        return trouble_fail_plain(&t);
    if (read_json_equal(old.permissions, new.permissions))
        printf("Role unchanged; already %s", grant ? "granted" : "revoked");
    printf("Role %s updated\n", name);
    return 0;
}

static int grant_or_revoke(const struct context *c, bool grant)
{
    int status = check_path(args_text(c->args, "path"));
    if (status != 0)
        return status;
    unsigned permission = permission_option(c);
    if (permission == 0)
        return fail_plain("Please specify exactly one of --read, --write or --readwrite");
    return change_permission(c, grant, permission);
}

int run_role_grant(const struct context *c)
{
    return grant_or_revoke(c, true);
}

int run_role_revoke(const struct context *c)
{
    return grant_or_revoke(c, false);
}
