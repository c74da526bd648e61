/* ctlv2/auth.c -- see auth.h; and `auth` itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/auth.h"

#include <stdio.h>

#include "ctlv2/session.h"

int auth_open(const struct context *c, int argc, const char *usage, struct auth *ret_auth)
{
    *ret_auth = (struct auth){.trouble = TROUBLE_INIT};
    int status = v2_session_open_for(c, argc, usage, &ret_auth->cluster);
    if (status != 0)
        return status;
    v2_session_print_endpoints(c, ret_auth->cluster);
    ret_auth->deadline = v2_session_deadline(c);
    return 0;
}

void auth_auto(struct auth *a)
{
    v2_cluster_free(a->cluster);
    trouble_fini(&a->trouble);
}

bool auth_ask(struct auth *a, const char *method, const char *kind, const char *name,
              const struct buf *body, struct answer *ret_answer)
{
    AUTO(buf) struct buf path = BUF_INIT;
    buf_addf(&path, "/v2/auth/%s", kind);
    if (name != NULL && name[0] != '\0')
        buf_addf(&path, "/%s", name);
    return rest_do(a->cluster, method, buf_cstr(&path), body, a->deadline, ret_answer, &a->trouble);
}

bool auth_do(struct auth *a, const char *method, const char *kind, const char *name,
             const struct buf *body, struct answer *ret_answer)
{
    return auth_ask(a, method, kind, name, body, ret_answer) &&
           (ret_answer->status == 200 || ret_answer->status == 201 ||
            rest_fail(ret_answer, &a->trouble));
}

int auth_remove(struct auth *a, const char *kind, const char *name, const char *what)
{
    AUTO(answer) struct answer answer = {0};
    if (!auth_do(a, "DELETE", kind, name, NULL, &answer))
        return auth_fail(a);
    printf("%s %s removed\n", what, name);
    return 0;
}

int auth_fail(struct auth *a)
{
    return trouble_fail_plain(&a->trouble);
}

/* ---- auth -------------------------------------------------------------------------------- */

static int switch_auth(const struct context *c, const char *method, const char *done)
{
    AUTO(auth) struct auth a;
    AUTO(answer) struct answer answer = {0};
    int status = auth_open(c, 0, "No arguments accepted", &a);
    if (status != 0)
        return status;
    if (!auth_do(&a, method, "enable", NULL, NULL, &answer))
        return auth_fail(&a);
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
