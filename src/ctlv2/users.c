/* ctlv2/users.c -- `user`.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/json.h"
#include "ctlv2/auth.h"
#include "ctlv2/read_json.h"
#include "ctlv2/session.h"

static const char name_wanted[] = "Please provide a username";

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

static bool put_user(struct auth *a, const char *name, const struct user_change *change)
{
    AUTO(json) struct json j = JSON_INIT;
    AUTO(answer) struct answer answer = {0};
    change_json(name, change, &j);
    return auth_do(a, "PUT", "users", name, &j.text, &answer);
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
    AUTO(auth) struct auth a;
    AUTO(answer) struct answer answer = {0};
    int status = auth_open(c, 1, name_wanted, &a);
    if (status != 0)
        return status;
    if (!auth_do(&a, "GET", "users", c->argv[0], NULL, &answer))
        return auth_fail(&a);
    return print_user(buf_slice(&answer.body));
}

int run_user_list(const struct context *c)
{
    AUTO(auth) struct auth a;
    AUTO(answer) struct answer answer = {0};
    int status = auth_open(c, 0, "No arguments accepted", &a);
    if (status != 0)
        return status;
    if (!auth_do(&a, "GET", "users", NULL, NULL, &answer))
        return auth_fail(&a);
    return print_name_list(buf_slice(&answer.body), "users", "user");
}

/* ---- changing ---------------------------------------------------------------------------- */

int run_user_add(const struct context *c)
{
    AUTO(auth) struct auth a;
    int status = auth_open(c, 1, name_wanted, &a);
    if (status != 0)
        return status;
    char *name, *password;
    v2_session_split_user(c->argv[0], "New password: ", &name, &password);
    if (put_user(&a, name, &(struct user_change){.password = password}))
        printf("User %s created\n", name);
    else
        status = auth_fail(&a);
    free(name);
    free(password);
    return status;
}

int run_user_passwd(const struct context *c)
{
    AUTO(auth) struct auth a;
    int status = auth_open(c, 1, name_wanted, &a);
    if (status != 0)
        return status;
    char *password = v2_session_ask_password("New password: ");
    if (put_user(&a, c->argv[0], &(struct user_change){.password = password}))
        printf("Password updated\n");
    else
        status = auth_fail(&a);
    free(password);
    return status;
}

int run_user_remove(const struct context *c)
{
    AUTO(auth) struct auth a;
    int status = auth_open(c, 1, name_wanted, &a);
    return status != 0 ? status : auth_remove(&a, "users", c->argv[0], "User");
}

static int change_roles(const struct context *c, bool grant)
{
    AUTO(auth) struct auth a = {.trouble = TROUBLE_INIT};
    const struct option_value *roles = args_value(c->args, "roles");
    if (roles->text_n == 0)
        return fail_plain("No roles specified; please use `--roles`");
    int status = auth_open(c, 1, name_wanted, &a);
    if (status != 0)
        return status;
    const struct user_change change = {.grant = grant ? roles : NULL,
                                       .revoke = grant ? NULL : roles};
    if (!put_user(&a, c->argv[0], &change))
        return auth_fail(&a);
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
