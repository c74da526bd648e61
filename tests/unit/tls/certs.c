/* tests/unit/tls/certs.c -- see certs.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/tls/certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(x, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

struct cert cert_make(const struct cert_spec *spec)
{
    static long serial;
    struct cert c = {.x509 = X509_new(), .key = EVP_EC_gen("P-256")};
    const struct cert *issuer = spec->issuer != NULL ? spec->issuer : &c;
    assert_true(c.x509 != NULL && c.key != NULL);
    X509_set_version(c.x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(c.x509), spec->from_s);
    X509_gmtime_adj(X509_getm_notAfter(c.x509), spec->until_s);
    X509_set_pubkey(c.x509, c.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c.x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)spec->name, -1, -1, 0);
    X509_set_issuer_name(c.x509, X509_get_subject_name(issuer->x509));
    extend(c.x509, issuer->x509, NID_basic_constraints,
           spec->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (spec->san != NULL)
        extend(c.x509, issuer->x509, NID_subject_alt_name, spec->san);
    assert_true(X509_sign(c.x509, issuer->key, EVP_sha256()) > 0);
    return c;
}

void cert_free(struct cert *c)
{
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
    *c = (struct cert){NULL, NULL};
}

void cert_write(const struct cert *c, const char *path)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, c->x509), 1);
    assert_int_equal(fclose(f), 0);
}

void cert_write_key(const struct cert *c, const char *path, const char *password)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, c->key, password != NULL ? EVP_aes_128_cbc() : NULL,
                                          (const unsigned char *)password,
                                          password != NULL ? (int)strlen(password) : 0, NULL, NULL),
                     1);
    assert_int_equal(fclose(f), 0);
}
