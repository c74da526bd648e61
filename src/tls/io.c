/* tls/io.c -- see io.h.
 *
 * OpenSSL moves its bytes through a BIO of ours, which writes without raising SIGPIPE.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tls/io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

struct tls_io {
    SSL *ssl; /* NULL: the context could not make one; `why` */
    int fd;
    char *name, *alpn;
    struct why why; /* what is wrong; empty: errno says it */
};

/* ---- the socket -------------------------------------------------------------------------- */

static int socket_result(BIO *b, ssize_t n, int retry_flags)
{
    BIO_clear_retry_flags(b);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_flags(b, retry_flags | BIO_FLAGS_SHOULD_RETRY);
    return (int)n;
}

static int socket_write(BIO *b, const char *p, int n)
{
    const struct tls_io *io = BIO_get_data(b);
    return socket_result(b, send(io->fd, p, (size_t)n, MSG_NOSIGNAL), BIO_FLAGS_WRITE);
}

static int socket_read(BIO *b, char *p, int n)
{
    const struct tls_io *io = BIO_get_data(b);
    ssize_t got = recv(io->fd, p, (size_t)n, 0);
    if (got == 0)
        BIO_set_flags(b, BIO_FLAGS_IN_EOF);
    return socket_result(b, got, BIO_FLAGS_READ);
}

static long socket_ctrl(BIO *b, int cmd, long larg, void *parg)
{
    (void)larg;
    (void)parg;
    if (cmd == BIO_CTRL_EOF)
        return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
    return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *socket_method;

static void make_socket_method(void)
{
    socket_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    invariant(socket_method != NULL);
    BIO_meth_set_write(socket_method, socket_write);
    BIO_meth_set_read(socket_method, socket_read);
    BIO_meth_set_ctrl(socket_method, socket_ctrl);
}

static BIO *socket_bio(struct tls_io *io)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_socket_method);
    BIO *b = BIO_new(socket_method);
    invariant(b != NULL);
    BIO_set_data(b, io);
    BIO_set_init(b, 1);
    return b;
}

/* ---- words ------------------------------------------------------------------------------- */

static void note_verify(struct tls_io *io, long result)
{
    switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        why_set(&io->why, ERR_CLOSED, "TLS handshake: the certificate is not valid for %s",
                io->name);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        why_set(&io->why, ERR_CLOSED,
                "TLS handshake: the certificate is signed by an unknown authority (%s)",
                X509_verify_cert_error_string(result));
        break;
    default:
        why_set(&io->why, ERR_CLOSED, "TLS handshake: the certificate is not accepted: %s",
                X509_verify_cert_error_string(result));
    }
}

/* `text` is "tlsv13 alert certificate required", and of many a version. */
static void note_alert(struct tls_io *io, const char *text)
{
    const char *words = text != NULL ? strstr(text, "alert ") : NULL;
    why_set(&io->why, ERR_CLOSED, "the peer sent a TLS alert: %s",
            words != NULL ? words + strlen("alert ") : "unknown");
}

/* OpenSSL's own trouble: what the peer did wrong, or an alert that it sent. */
static void note_queued(struct tls_io *io)
{
    unsigned long e = ERR_peek_error();
    int reason = ERR_GET_REASON(e);
    long verify = SSL_get_verify_result(io->ssl);
    bool ssl = ERR_GET_LIB(e) == ERR_LIB_SSL;
    if (ssl && reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK)
        note_verify(io, verify);
    else if (ssl && reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
        note_alert(io, ERR_reason_error_string(e));
    else if (ssl && reason == SSL_R_WRONG_VERSION_NUMBER)
        why_set(&io->why, ERR_CLOSED, "TLS handshake: the peer does not speak TLS");
    else if (ssl && reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        why_set(&io->why, ERR_CLOSED, "%sunexpected EOF",
                SSL_is_init_finished(io->ssl) ? "" : "TLS handshake: ");
    else
        why_set(&io->why, ERR_CLOSED, "TLS: %s", tls_error_text());
}

/* ---- moving bytes ------------------------------------------------------------------------ */

/* Turn the result of an SSL_ function that moved nothing into a code; errno is what it left. */
static ssize_t io_code(struct tls_io *io, int rc)
{
    int number = errno;
    switch (SSL_get_error(io->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return HTTP_IO_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return HTTP_IO_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return HTTP_IO_EOF;
    case SSL_ERROR_SSL:
        note_queued(io);
        break;
    default:
        break;
    }
    ERR_clear_error();
    errno = number;
    return HTTP_IO_FAILED;
}

static ssize_t io_read(void *arg, uint8_t *p, size_t n)
{
    struct tls_io *io = arg;
    size_t got;
    ERR_clear_error();
    return SSL_read_ex(io->ssl, p, n, &got) == 1 ? (ssize_t)got : io_code(io, 0);
}

static ssize_t io_writev(void *arg, const struct iovec *iov, int n)
{
    struct tls_io *io = arg;
    size_t sent;
    while (n > 0 && iov->iov_len == 0) {
        iov++;
        n--;
    }
    invariant(n > 0);
    ERR_clear_error();
    if (SSL_write_ex(io->ssl, iov->iov_base, iov->iov_len, &sent) == 1)
        return (ssize_t)sent;
    ssize_t code = io_code(io, 0);
    return code == HTTP_IO_EOF ? HTTP_IO_FAILED : code;
}

/* ---- the handshake ----------------------------------------------------------------------- */

/* Without ALPN an HTTP/1.1 server is as good. */
static bool alpn_is_good(struct tls_io *io)
{
    const uint8_t *p;
    unsigned n;
    SSL_get0_alpn_selected(io->ssl, &p, &n);
    if (n == 0 ? strcmp(io->alpn, "http/1.1") == 0 : slice_is(slice_make(p, n), io->alpn))
        return true;
    why_set(&io->why, ERR_CLOSED, "TLS handshake: the server does not agree to \"%s\" (ALPN)",
            io->alpn);
    return false;
}

static ssize_t io_handshake(void *arg)
{
    struct tls_io *io = arg;
    if (io->why.text[0] != '\0')
        return HTTP_IO_FAILED;
    ERR_clear_error();
    int rc = SSL_do_handshake(io->ssl);
    if (rc != 1) {
        ssize_t code = io_code(io, rc);
        return code == HTTP_IO_EOF ? HTTP_IO_FAILED : code;
    }
    return alpn_is_good(io) ? 1 : HTTP_IO_FAILED;
}

/* Without the dot that ends an absolute name, which is in no certificate. */
static size_t name_length(const char *name)
{
    size_t n = strlen(name);
    return n > 1 && name[n - 1] == '.' ? n - 1 : n;
}

static bool is_ip(const char *name)
{
    uint8_t address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* Say whom we want to talk to. Without a good name anybody's certificate would do, so that fails;
 * to OpenSSL a dot at the front is anybody below it. */
static bool set_name(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (is_ip(name))
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
    return name[0] != '\0' && name[0] != '.' && SSL_set_tlsext_host_name(ssl, name) == 1 &&
           X509_VERIFY_PARAM_set1_host(param, name, 0) == 1;
}

static void *client_open(void *arg, int fd)
{
    const struct tls_server *to = arg;
    struct tls_io *io = xcalloc(1, sizeof *io);
    io->fd = fd;
    io->name = xstrndup(to->name, name_length(to->name));
    io->alpn = xstrdup(tls_context_alpn(to->context));
    io->ssl = tls_context_open(to->context, &io->why);
    if (io->ssl == NULL)
        return io;
    BIO *b = socket_bio(io);
    SSL_set_bio(io->ssl, b, b);
    SSL_set_connect_state(io->ssl);
    if (!set_name(io->ssl, io->name) && SSL_get_verify_mode(io->ssl) != SSL_VERIFY_NONE)
        why_set(&io->why, ERR_CLOSED, "TLS handshake: \"%s\" is no name of a server", io->name);
    return io;
}

static const char *io_trouble(void *arg)
{
    const struct tls_io *io = arg;
    return io->why.text[0] != '\0' ? io->why.text : NULL;
}

/* Say farewell if the socket takes it, and only on a connection that was good. */
static void io_close(void *arg)
{
    struct tls_io *io = arg;
    if (io->ssl != NULL && SSL_is_init_finished(io->ssl) && io->why.text[0] == '\0')
        SSL_shutdown(io->ssl);
    ERR_clear_error();
    SSL_free(io->ssl);
    close(io->fd);
    free(io->name);
    free(io->alpn);
    free(io);
}

const struct http_io_ops tls_client_io = {
    .open = client_open,
    .read = io_read,
    .writev = io_writev,
    .handshake = io_handshake,
    .trouble = io_trouble,
    .close = io_close,
};
