/* ctlv2/users.c -- `user` and `auth`.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/json.h"
#include "ctlv2/read_json.h"
#include "ctlv2/rest.h"
#include "ctlv2/session.h"

static void users_path(const char *name, struct buf *b)
{
    buf_addf(b, "/v2/auth/users%s%s", name[0] != '\0' ? "/" : "", name);
}

/* Open the cluster for a command that takes one user's name. */
static int open_for_name(const struct context *c, struct cluster **ret_cluster)
{
    if (c->argc != 1)
        return fail_plain("Please provide a username");
    int status = v2_session_open(c, ret_cluster);
    if (status == 0)
        v2_session_print_endpoints(c, *ret_cluster);
    return status;
}

/* ---- what is sent ------------------------------------------------------------------------ */

struct user_change {
    const char *password;                      /* NULL or "": not set */
    const struct option_value *grant, *revoke; /* lists of roles; NULL: none */
};

static void add_roles(struct json *j, const char *key, const struct option_value *roles)
{
    if (roles == NULL)
        return;
    json_open_array(j, key);
    for (size_t i = 0; i < roles->text_n; i++)
        json_string(j, NULL, roles->texts[i]);
    json_close_array(j);
}

static void change_json(const char *name, const struct user_change *change, struct json *j)
{
    json_open(j, NULL);
    json_string(j, "user", name);
    if (change->password != NULL && change->password[0] != '\0')
        json_string(j, "password", change->password);
    json_null(j, "roles");
    add_roles(j, "grant", change->grant);
    add_roles(j, "revoke", change->revoke);
    json_close(j);
}

static bool put_user(struct cluster *c, const char *name, const struct user_change *change,
                     msec deadline, struct trouble *t)
{
    AUTO(json) struct json j = JSON_INIT;
    AUTO(buf) struct buf path = BUF_INIT;
    AUTO(answer) struct answer a = {0};
    change_json(name, change, &j);
    users_path(name, &path);
    if (!rest_do(c, "PUT", buf_cstr(&path), &j.text, deadline, &a, t))
        return false;
    return a.status == 200 || a.status == 201 || rest_fail(&a, t);
}

/* ---- reading ----------------------------------------------------------------------------- */

/* Roles are names, or objects with a name (which is how 3.x answers a question for one user). */
static bool read_role_names(const struct json_t *user, struct texts *ret)
{
    const struct json_t *roles = read_field(user, "roles");
    if (!read_is_array(roles) || !read_is_object(read_item(roles, 0)))
        return read_texts(user, "roles", ret);
    /* Such roles were always printed behind as many empty names; scripts cut the line by that. */
    ret->at = xcalloc(2 * read_count(roles), sizeof *ret->at);
    for (size_t i = 0; i < read_count(roles); i++)
        ret->at[ret->n++] = xstrdup("");
    for (size_t i = 0; i < read_count(roles); i++) {
        AUTO(buf) struct buf name = BUF_INIT;
        if (!read_is_object(read_item(roles, i)) || !read_text(read_item(roles, i), "role", &name))
            return false;
        ret->at[ret->n++] = buf_take_cstr(&name);
    }
    return true;
}

static int print_user(struct slice body)
{
    AUTO(json_ref) struct json_t *user = read_json(body);
    AUTO(buf) struct buf name = BUF_INIT, joined = BUF_INIT;
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    struct texts roles = {0};
    bool ok =
        read_is_object(user) && read_text(user, "user", &name) && read_role_names(user, &roles);
    texts_join(&roles, " ", &joined);
    texts_fini(&roles);
    if (!ok) {
        rest_fail_json(body, &t);
        return trouble_fail_plain(&t);
    }
    printf("User: %s\nRoles: %s\n", buf_cstr(&name), buf_cstr(&joined));
    return 0;
}

int run_user_get(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(answer) struct answer a = {0};
    AUTO(buf) struct buf path = BUF_INIT;
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    int status = open_for_name(c, &cluster);
    if (status != 0)
        return status;
    users_path(c->argv[0], &path);
    if (!rest_do(cluster, "GET", buf_cstr(&path), NULL, v2_session_deadline(c), &a, &t) ||
        (a.status != 200 && !rest_fail(&a, &t)))
        return trouble_fail_plain(&t);
    return print_user(buf_slice(&a.body));
}

int run_user_list(const struct context *c)
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
        .method = "GET", .path = "/v2/auth/users", .content_type = "application/json"};
    if (!v2_cluster_do(cluster, &list, v2_session_deadline(c), &a, &t) ||
        (a.status != 200 && !rest_fail(&a, &t)))
        return trouble_fail_plain(&t);
    return print_name_list(buf_slice(&a.body), "users", "user");
}

/* ---- changing ---------------------------------------------------------------------------- */

int run_user_add(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    int status = open_for_name(c, &cluster);
    if (status != 0)
        return status;
    char *name, *password;
    msec deadline = v2_session_deadline(c);
    v2_session_split_user(c->argv[0], "New password: ", &name, &password);
    if (put_user(cluster, name, &(struct user_change){.password = password}, deadline, &t))
        printf("User %s created\n", name);
    else
        status = trouble_fail_plain(&t);
    free(name);
    free(password);
    return status;
}

int run_user_passwd(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    int status = open_for_name(c, &cluster);
    if (status != 0)
        return status;
    msec deadline = v2_session_deadline(c);
    char *password = v2_session_ask_password("New password: ");
    if (put_user(cluster, c->argv[0], &(struct user_change){.password = password}, deadline, &t))
        printf("Password updated\n");
    else
        status = trouble_fail_plain(&t);
    free(password);
    return status;
}

int run_user_remove(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(answer) struct answer a = {0};
    AUTO(buf) struct buf path = BUF_INIT;
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    int status = open_for_name(c, &cluster);
    if (status != 0)
        return status;
    users_path(c->argv[0], &path);
    if (!rest_do(cluster, "DELETE", buf_cstr(&path), NULL, v2_session_deadline(c), &a, &t) ||
        (a.status != 200 && a.status != 201 && !rest_fail(&a, &t)))
        return trouble_fail_plain(&t);
    printf("User %s removed\n", c->argv[0]);
    return 0;
}

static int change_roles(const struct context *c, bool grant)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    const struct option_value *roles = args_value(c->args, "roles");
    if (roles->text_n == 0)
        return fail_plain("No roles specified; please use `--roles`");
    msec deadline = v2_session_deadline(c);
    int status = open_for_name(c, &cluster);
    if (status != 0)
        return status;
    const struct user_change change = {.grant = grant ? roles : NULL,
                                       .revoke = grant ? NULL : roles};
    if (!put_user(cluster, c->argv[0], &change, deadline, &t))
        return trouble_fail_plain(&t);
    printf("User %s updated\n", c->argv[0]);
    return 0;
}

int run_user_grant(const struct context *c)
{
    return change_roles(c, true);
}

int run_user_revoke(const struct context *c)
{
    return change_roles(c, false);
}

/* ---- auth -------------------------------------------------------------------------------- */

static int switch_auth(const struct context *c, const char *method, const char *done)
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
    if (!rest_do(cluster, method, "/v2/auth/enable", NULL, v2_session_deadline(c), &a, &t) ||
        (a.status != 200 && a.status != 201 && !rest_fail(&a, &t)))
        return trouble_fail_plain(&t);
    printf("Authentication %s\n", done);
    return 0;
}

int run_auth_enable(const struct context *c)
{
    return switch_auth(c, "PUT", "Enabled");
}

int run_auth_disable(const struct context *c)
{
    return switch_auth(c, "DELETE", "Disabled");
}
