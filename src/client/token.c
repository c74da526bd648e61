/* client/token.c -- see client_priv.h.
 *
 * A password is sent once for each token. The calls that need one wait meanwhile; if it cannot be
 * got they fail with what Authenticate said. A server without authentication needs none.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "client/client_priv.h"

enum { TOKEN_FRESH_MS = 60 * 1000 }; /* so old may a token be when a stream begins with it */

static char *dup_or_null(const char *s)
{
    return s != NULL && s[0] != '\0' ? xstrdup(s) : NULL;
}

void token_init(struct etcd_client *c, const struct etcd_client_config *config)
{
    struct token *t = &c->token;
    t->user = dup_or_null(config->user);
    t->password = dup_or_null(config->password);
    if (config->token != NULL && config->token[0] != '\0') {
        t->bytes = blob_dup(slice_str(config->token));
        t->fixed = true;
        t->state = TOKEN_HELD;
    } else if (t->user != NULL && t->password != NULL) {
        t->state = TOKEN_MISSING;
    }
}

static void forget_password(char *p)
{
    if (p != NULL)
        explicit_bzero(p, strlen(p));
    free(p);
}

void token_fini(struct etcd_client *c)
{
    free(c->token.user);
    forget_password(c->token.password);
    blob_unref(c->token.bytes);
}

static void token_set(struct etcd_client *c, struct slice bytes)
{
    struct token *t = &c->token;
    blob_unref(t->bytes);
    t->bytes = bytes.n != 0 ? blob_dup(bytes) : NULL;
    t->state = TOKEN_HELD;
    t->no++;
    t->got_at = loop_now(c->loop);
    attempts_go(c);
}

static void on_authenticated(void *arg, const void *response, const struct etcd_error *error)
{
    struct etcd_client *c = arg;
    const Etcdserverpb__AuthenticateResponse *r = response;
    c->token.call = NULL;
    if (r != NULL) {
        token_set(c, slice_str(r->token));
    } else if (error_is(error, ERR_AUTH_NOT_ENABLED)) {
        token_set(c, slice_make(NULL, 0));
    } else {
        client_debug(c, "authenticate: %s", error->text);
        c->token.state = TOKEN_MISSING;
        if (c->token.error != NULL)
            *c->token.error = *error;
        attempts_fail(c, error);
    }
}

bool token_is_ready(struct etcd_client *c)
{
    struct token *t = &c->token;
    if (t->state == TOKEN_MISSING) {
        Etcdserverpb__AuthenticateRequest rq = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
        rq.name = t->user;
        rq.password = t->password;
        t->state = TOKEN_ASKED;
        t->call = call_start(c, SIZE_MAX, &etcd_rpc_authenticate, &rq, c->cfg.dial_timeout_ms,
                             on_authenticated, c);
    }
    return t->state != TOKEN_ASKED;
}

bool token_is_to_blame(struct attempt *a, const struct etcd_error *e)
{
    struct token *t = &a->client->token;
    bool old = error_is(e, ERR_INVALID_AUTH_TOKEN) || error_is(e, ERR_AUTH_OLD_REVISION);
    bool none = error_is(e, ERR_USER_EMPTY) && t->user != NULL && !a->without_token;
    if (t->fixed || t->state == TOKEN_NONE || !(old || none))
        return false;
    if (t->state == TOKEN_HELD && t->no == a->token_no)
        t->state = TOKEN_MISSING;
    return true;
}

void token_freshen(struct etcd_client *c)
{
    struct token *t = &c->token;
    if (t->state == TOKEN_HELD && !t->fixed && loop_now(c->loop) - t->got_at > TOKEN_FRESH_MS)
        t->state = TOKEN_MISSING;
}

bool etcd_client_login(struct etcd_client *c, struct etcd_error *ret_error)
{
    struct token *t = &c->token;
    if (!client_may_wait(c, ret_error))
        return false;
    ret_error->code = ETCD_OK;
    if (t->state == TOKEN_HELD && !t->fixed)
        t->state = TOKEN_MISSING;
    t->error = ret_error;
    while (ret_error->code == ETCD_OK && !token_is_ready(c))
        if (!etcd_client_poll(c, -1))
            error_set(ret_error, ETCD_CANCELED, "context canceled");
    t->error = NULL;
    return ret_error->code == ETCD_OK;
}
