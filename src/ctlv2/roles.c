/* ctlv2/roles.c -- `role`.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/json.h"
#include "ctlv2/auth.h"
#include "ctlv2/read_json.h"

static const char name_wanted[] = "Please provide a role name";

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

static bool ask_for_role(struct auth *a, const char *method, const char *name,
                         const struct buf *body, struct role *r)
{
    AUTO(answer) struct answer answer = {0};
    return auth_do(a, method, "roles", name, body, &answer) &&
           role_read(buf_slice(&answer.body), r, &a->trouble);
}

static void print_paths(const char *title, const struct texts *paths)
{
    printf("%s:\n", title);
    for (size_t i = 0; i < paths->n; i++)
        printf("\t%s\n", paths->at[i]);
}

int run_role_get(const struct context *c)
{
    AUTO(auth) struct auth a;
    AUTO(role) struct role r = {0};
    int status = auth_open(c, 1, name_wanted, &a);
    if (status != 0)
        return status;
    if (!ask_for_role(&a, "GET", c->argv[0], NULL, &r))
        return auth_fail(&a);
    printf("Role: %s\n", buf_cstr(&r.name));
    print_paths("KV Read", &r.read);
    print_paths("KV Write", &r.write);
    return 0;
}

int run_role_list(const struct context *c)
{
    AUTO(auth) struct auth a;
    AUTO(answer) struct answer answer = {0};
    int status = auth_open(c, 0, "No arguments accepted", &a);
    if (status != 0)
        return status;
    if (!auth_ask(&a, "GET", "roles", NULL, NULL, &answer))
        return auth_fail(&a);
    if (answer.status != 200)
        return fail_plain("unexpected status code %u", answer.status);
    return print_name_list(buf_slice(&answer.body), "roles", "role");
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
    AUTO(auth) struct auth a;
    AUTO(role) struct role old = {0};
    AUTO(json) struct json j = JSON_INIT;
    AUTO(answer) struct answer answer = {0};
    int status = auth_open(c, 1, name_wanted, &a);
    if (status != 0)
        return status;
    const char *name = c->argv[0];
    if (ask_for_role(&a, "GET", name, NULL, &old))
        return fail_plain("Role %s already exists", name);
    json_open(&j, NULL);
    json_string(&j, "role", name);
    add_kv(&j, "permissions", "", 0);
    json_close(&j);
    if (!auth_do(&a, "PUT", "roles", name, &j.text, &answer))
        return auth_fail(&a);
    printf("Role %s created\n", name);
    return 0;
}

int run_role_remove(const struct context *c)
{
    AUTO(auth) struct auth a;
    int status = auth_open(c, 1, name_wanted, &a);
    return status != 0 ? status : auth_remove(&a, "roles", c->argv[0], "Role");
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
    AUTO(auth) struct auth a;
    AUTO(role) struct role old = {0}, new = {0};
    AUTO(json) struct json j = JSON_INIT;
    int status = auth_open(c, 1, name_wanted, &a);
    if (status != 0)
        return status;
    const char *name = c->argv[0];
    json_open(&j, NULL);
    json_string(&j, "role", name);
    add_kv(&j, "permissions", "", 0);
    add_kv(&j, grant ? "grant" : "revoke", args_text(c->args, "path"), permission);
    json_close(&j);
    if (!ask_for_role(&a, "GET", name, NULL, &old) || !ask_for_role(&a, "PUT", name, &j.text, &new))
        return auth_fail(&a);
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
