/* tls/context.h -- what all TLS connections of one kind share: certificates, whom to trust, rules.
 *
 * TLS 1.2 is the least. The files are PEM; each new connection sees them as they are then: they are
 * read again when they changed. Any thread, one at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include <openssl/types.h>
#include <stdbool.h>

#include "base/check.h"
#include "base/why.h"

struct tls_context;

struct tls_config {
    /* Our certificate (and those between it and its authority) with its key; both or neither. NULL
     * and "" are none. */
    const char *cert_file, *key_file;
    const char *ca_file; /* the authorities to trust; none: the system's */
    bool skip_verify;    /* trust anybody */
    const char *alpn;    /* "h2", which the server must agree to, or "http/1.1" */
};

/* Return the context of a client in *ret_context, owned; everything is copied. Fail when the files
 * are of no use now: with ERR_INVALID, and `why`. */
MUST_USE enum err tls_context_new(const struct tls_config *config, struct tls_context **ret_context,
                                  struct why *why);
void tls_context_free(struct tls_context *c); /* NULL is fine; connections under way go on */

/* Return a new TLS connection, owned, or NULL: the files are of no use (any more). */
SSL *tls_context_open(struct tls_context *c, struct why *why);
const char *tls_context_alpn(const struct tls_context *c);

/* Lend OpenSSL's words for its first trouble that is queued, and empty the queue. */
const char *tls_error_text(void);

#endif
