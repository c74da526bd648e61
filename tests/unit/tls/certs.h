/* tests/unit/tls/certs.h -- keys and certificates, made by the test, in PEM files.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_TLS_CERTS_H
#define TESTS_UNIT_TLS_CERTS_H

#include <openssl/types.h>
#include <stdbool.h>

struct cert {
    X509 *x509;
    EVP_PKEY *key;
};

struct cert_spec {
    const char *name;          /* subject */
    const char *san;           /* "DNS:a.test,IP:127.0.0.1"; NULL: none */
    bool ca;                   /* may sign others */
    int from_s, until_s;       /* from now on, in seconds */
    const struct cert *issuer; /* NULL: signs itself */
};

struct cert cert_make(const struct cert_spec *spec);
void cert_free(struct cert *c);
/* Write a PEM file. */
void cert_write(const struct cert *c, const char *path);
void cert_write_key(const struct cert *c, const char *path, const char *password);

#endif
