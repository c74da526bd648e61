/* client/error.c -- see client_priv.h.
 *
 * Upstream's client knows the server's errors by their words and prints those alone; what it does
 * not know it prints as "rpc error: code = Unavailable desc = ...".
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "client/client_priv.h"
#include "grpc/wire.h"

void error_set(struct etcd_error *e, enum etcd_code code, const char *fmt, ...)
{
    *e = (struct etcd_error){.code = code};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
}

void error_of_deadline(struct etcd_error *e)
{
    error_set(e, ETCD_DEADLINE_EXCEEDED, "context deadline exceeded");
}

/* Return the error whose words are `text` among those that clients know, ERR_OK if there is none.
 */
static enum err known_error(const char *text)
{
    if (strncmp(text, "etcdserver: ", 12) != 0)
        return ERR_OK;
    for (enum err e = ERR_OK; e < ERR_COUNT_; e++)
        if (err_grpc_code(e) != GRPC_UNKNOWN && strcmp(text, err_text(e)) == 0)
            return e;
    return ERR_OK;
}

void error_of_status(struct etcd_error *e, const struct grpc_status *st)
{
    enum err known = known_error(st->text);
    if (known != ERR_OK)
        error_set(e, (enum etcd_code)err_grpc_code(known), "%s", st->text);
    else if (st->code == GRPC_DEADLINE_EXCEEDED)
        error_of_deadline(e);
    else
        error_set(e, (enum etcd_code)st->code, "rpc error: code = %s desc = %s",
                  grpc_code_name(st->code), st->text);
    e->from_server = st->from_server;
}

bool error_is(const struct etcd_error *e, enum err which)
{
    return e->from_server && strcmp(e->text, err_text(which)) == 0;
}

bool error_is_final(const struct etcd_error *e)
{
    /* a stream has no deadline: it was Authenticate that nobody answered */
    if (e->code == ETCD_DEADLINE_EXCEEDED && !e->from_server)
        return false;
    return e->code != ETCD_OK && e->code != ETCD_UNAVAILABLE && e->code != ETCD_INTERNAL;
}
