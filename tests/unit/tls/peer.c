/* tests/unit/tls/peer.c -- see peer.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/tls/peer.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int select_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_n,
                       const unsigned char *in, unsigned n, void *arg)
{
    const struct peer *p = arg;
    for (unsigned i = 0; i < n; i += 1u + in[i])
        if (in[i] == strlen(p->alpn) && memcmp(in + i + 1, p->alpn, in[i]) == 0) {
            *ret = in + i + 1;
            *ret_n = in[i];
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_NOACK;
}

static void *peer_open(void *arg, int fd)
{
    struct peer *p = arg;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(ctx, p->cert->x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, p->cert->key), 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (p->client_ca != NULL) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), p->client_ca->x509);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    if (p->alpn != NULL)
        SSL_CTX_set_alpn_select_cb(ctx, select_alpn, p);
    if (p->version_max != 0)
        SSL_CTX_set_max_proto_version(ctx, p->version_max);
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    SSL_set_fd(ssl, fd);
    SSL_set_accept_state(ssl);
    SSL_set_app_data(ssl, p);
    return ssl;
}

static ssize_t code(SSL *ssl, int rc)
{
    int e = SSL_get_error(ssl, rc);
    ERR_clear_error();
    return e == SSL_ERROR_WANT_READ     ? HTTP_IO_WANT_READ
           : e == SSL_ERROR_WANT_WRITE  ? HTTP_IO_WANT_WRITE
           : e == SSL_ERROR_ZERO_RETURN ? HTTP_IO_EOF
                                        : HTTP_IO_FAILED;
}

static ssize_t peer_read(void *io, uint8_t *p, size_t n)
{
    int rc = SSL_read(io, p, (int)n);
    return rc > 0 ? rc : code(io, rc);
}

static ssize_t peer_writev(void *io, const struct iovec *iov, int n)
{
    int rc = SSL_write(io, iov[0].iov_base, (int)iov[0].iov_len);
    return rc > 0 ? rc : code(io, rc);
}

static ssize_t peer_handshake(void *io)
{
    struct peer *p = SSL_get_app_data(io);
    int rc = SSL_do_handshake(io);
    if (rc != 1)
        return code(io, rc);
    const char *sni = SSL_get_servername(io, TLSEXT_NAMETYPE_host_name);
    snprintf(p->sni, sizeof p->sni, "%s", sni != NULL ? sni : "-");
    X509 *x = SSL_get1_peer_certificate(io);
    p->client_certs += x != NULL;
    X509_free(x);
    return 1;
}

static void peer_close(void *io)
{
    int fd = SSL_get_fd(io);
    SSL_shutdown(io);
    ERR_clear_error();
    SSL_free(io);
    close(fd);
}

const struct http_io_ops peer_io = {
    .open = peer_open,
    .read = peer_read,
    .writev = peer_writev,
    .handshake = peer_handshake,
    .close = peer_close,
};
