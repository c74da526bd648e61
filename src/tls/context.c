/* tls/context.c -- see context.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tls/context.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"

enum { TLS_CERT, TLS_KEY, TLS_CA, TLS_FILES };

/* How a file looked; another look means that it is to be read again. */
struct look {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
};

struct tls_context {
    char *files[TLS_FILES]; /* NULL: none */
    struct look looks[TLS_FILES];
    bool skip_verify;
    char *alpn;
    SSL_CTX *ctx;
};

/* ---- words ------------------------------------------------------------------------------- */

const char *tls_error_text(void)
{
    unsigned long e = ERR_peek_error();
    ERR_clear_error();
    if (ERR_SYSTEM_ERROR(e))
        return strerror(ERR_GET_REASON(e));
    const char *text = ERR_reason_error_string(e);
    return text != NULL ? text : "unknown error";
}

static enum err file_trouble(struct why *why, const char *what, const char *file)
{
    return why_set(why, ERR_INVALID, "%s '%s': %s", what, file, tls_error_text());
}

/* ---- files ------------------------------------------------------------------------------- */

static struct look look_at(const char *file)
{
    struct stat st;
    struct look l;
    memset(&l, 0, sizeof l); /* it is compared by bytes */
    if (file == NULL || stat(file, &st) != 0)
        return l;
    l.dev = st.st_dev;
    l.ino = st.st_ino;
    l.size = st.st_size;
    l.mtime = st.st_mtim;
    l.ctime = st.st_ctim;
    return l;
}

/* A key under a password is of no use: there is nobody to ask. */
static int no_password(char *p, int n, int writing, void *arg)
{
    (void)p;
    (void)n;
    (void)writing;
    (void)arg;
    return -1;
}

static enum err load_own(SSL_CTX *ctx, const char *cert, const char *key, struct why *why)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return file_trouble(why, "certificate", cert);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return file_trouble(why, "key", key);
    return ERR_OK;
}

static enum err load_trusted(SSL_CTX *ctx, const char *ca, struct why *why)
{
    if (ca == NULL)
        SSL_CTX_set_default_verify_paths(ctx);
    else if (SSL_CTX_load_verify_file(ctx, ca) != 1)
        return file_trouble(why, "CA certificates", ca);
    return ERR_OK;
}

static enum err load_files(const struct tls_context *c, SSL_CTX *ctx, struct why *why)
{
    enum err e = ERR_OK;
    if (c->files[TLS_CERT] != NULL)
        e = load_own(ctx, c->files[TLS_CERT], c->files[TLS_KEY], why);
    return e == ERR_OK ? load_trusted(ctx, c->files[TLS_CA], why) : e;
}

/* ---- contexts ---------------------------------------------------------------------------- */

/* Whom Go's crypto/tls would trust: each certificate of the CA file by itself, also one between a
 * root and a server. */
static void set_rules(const struct tls_context *c, SSL_CTX *ctx)
{
    uint8_t alpn[32];
    size_t n = strlen(c->alpn);
    invariant(n < sizeof alpn);
    alpn[0] = (uint8_t)n;
    memcpy(alpn + 1, c->alpn, n);
    SSL_CTX_set_alpn_protos(ctx, alpn, (unsigned)n + 1);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    SSL_CTX_set_verify(ctx, c->skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
}

/* Have a context that holds the files as they are; after a failure the next call tries again. */
static enum err refresh(struct tls_context *c, struct why *why)
{
    struct look looks[TLS_FILES];
    for (int i = 0; i < TLS_FILES; i++)
        looks[i] = look_at(c->files[i]);
    if (c->ctx != NULL && memcmp(looks, c->looks, sizeof looks) == 0)
        return ERR_OK;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    invariant(ctx != NULL);
    set_rules(c, ctx);
    ERR_clear_error();
    enum err e = load_files(c, ctx, why);
    if (e != ERR_OK) {
        SSL_CTX_free(ctx);
        return e;
    }
    SSL_CTX_free(c->ctx);
    c->ctx = ctx;
    memcpy(c->looks, looks, sizeof looks);
    return ERR_OK;
}

static char *copy_or_null(const char *s)
{
    return s != NULL && s[0] != '\0' ? xstrdup(s) : NULL;
}

enum err tls_context_new(const struct tls_config *config, struct tls_context **ret_context,
                         struct why *why)
{
    struct tls_context *c = xcalloc(1, sizeof *c);
    c->files[TLS_CERT] = copy_or_null(config->cert_file);
    c->files[TLS_KEY] = copy_or_null(config->key_file);
    c->files[TLS_CA] = copy_or_null(config->ca_file);
    c->skip_verify = config->skip_verify;
    c->alpn = xstrdup(config->alpn);
    const char *cert = c->files[TLS_CERT], *key = c->files[TLS_KEY];
    enum err e;
    if ((cert == NULL) != (key == NULL))
        e = why_set(why, ERR_INVALID,
                    "KeyFile and CertFile must both be present[key: %s, cert: %s]",
                    key != NULL ? key : "", cert != NULL ? cert : "");
    else
        e = refresh(c, why);
    if (e != ERR_OK)
        tls_context_free(c);
    else
        *ret_context = c;
    return e;
}

void tls_context_free(struct tls_context *c)
{
    if (c == NULL)
        return;
    SSL_CTX_free(c->ctx);
    for (int i = 0; i < TLS_FILES; i++)
        free(c->files[i]);
    free(c->alpn);
    free(c);
}

SSL *tls_context_open(struct tls_context *c, struct why *why)
{
    if (refresh(c, why) != ERR_OK)
        return NULL;
    SSL *ssl = SSL_new(c->ctx);
    invariant(ssl != NULL);
    return ssl;
}

const char *tls_context_alpn(const struct tls_context *c)
{
    return c->alpn;
}
