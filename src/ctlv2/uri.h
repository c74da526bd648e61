/* ctlv2/uri.h -- URLs as Go's net/url reads and prints them, for endpoints that people type.
 *
 * Trouble is worded as there: parse "http://%zz": invalid URL escape "%zz".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_URI_H
#define CTLV2_URI_H

#include "base/err.h"
#include "base/mem.h"
#include "base/why.h"

enum { URI_LEN_MAX = 64 * 1024 };

struct uri {
    char *scheme; /* lower case; "": none was given */
    char *opaque; /* what stands behind the scheme of "localhost:1"; NULL: it has parts */
    char *user;   /* as written, without the @; NULL: none */
    char *host;   /* "10.0.0.1:2379", "[::1]:80"; perhaps "" */
    char *path;   /* unescaped */
    char *query;  /* as written; NULL: none */
};

MUST_USE enum err uri_parse(const char *text, struct uri *ret_uri, struct why *why);
void uri_fini(struct uri *u);
static inline void uri_auto(struct uri *u)
{
    uri_fini(u);
}

/* Append the URL; escaped anew where that is needed. */
void uri_format(const struct uri *u, struct buf *b);
/* Append what a request line names: path and query. */
void uri_format_target(const struct uri *u, struct buf *b);

/* Return the name (without brackets) and the port of `host`, both owned; a port that is not given
 * is the scheme's. */
void uri_address(const struct uri *u, char **ret_name, char **ret_port);

/* Append "user:password", unescaped. False if there is no user, or no good one. */
MUST_USE bool uri_credentials(const struct uri *u, struct buf *b);

/* Return "/a/b" for "//a/./c/../b/", owned; with `keep_slash` a slash at the end stays. */
char *uri_clean_path(const char *path, bool keep_slash);

/* Append "name=value", escaped for a query or a form, with & before all but the first. */
void uri_add_param(struct buf *b, const char *name, struct slice value);

#endif
