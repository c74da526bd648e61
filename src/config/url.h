/* config/url.h -- the URLs of members and clients.
 *
 * A URL list is read by etcd's rules: comma separated, each `http`, `https`, `unix` or `unixs`; the
 * first two with "host:port" and nothing behind it. A list is sorted by its text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_URL_H
#define CONFIG_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/why.h"

enum {
    URL_LEN_MAX = 4096,  /* bytes of one URL */
    URL_LIST_MAX = 1024, /* URLs of one list */
};

enum url_scheme { URL_HTTP, URL_HTTPS, URL_UNIX, URL_UNIXS };

struct url {
    enum url_scheme scheme;
    char *host; /* without the brackets of an IPv6 address; "" for unix and where none was given */
    char *port; /* digits as written, perhaps none; "" for unix */
    char *path; /* of the socket, for unix; else "" */
    char *text; /* the whole URL, as it is printed */
};

struct url_list {
    struct url *items;
    size_t n;
};

/* Read one URL. On a failure `why` holds etcd's own sentence. */
MUST_USE enum err url_parse(struct slice text, struct url *ret_url, struct why *why);
void url_fini(struct url *u);

/* Read a comma separated list; blanks around an item are dropped. The result is sorted. With
 * `unique` a URL given twice is kept once. On a failure the list is empty. */
MUST_USE enum err url_list_parse(const char *text, bool unique, struct url_list *ret_list,
                                 struct why *why);
/* Add one URL at the end. */
MUST_USE enum err url_list_add(struct url_list *l, struct slice text, struct why *why);
void url_list_sort(struct url_list *l);
void url_list_fini(struct url_list *l);
void url_list_copy(struct url_list *to, const struct url_list *from);
bool url_list_eq(const struct url_list *a, const struct url_list *b);
/* Append the URLs, separated by commas. */
void url_list_format(struct buf *b, const struct url_list *l);

bool url_is_unix(const struct url *u); /* unix or unixs */
bool url_is_tls(const struct url *u);  /* https or unixs */

/* Return the IP address to bind or connect to without asking a resolver: "127.0.0.1" for
 * "localhost", which must work where neither /etc/hosts nor DNS knows it; else the host itself. */
const char *url_bind_host(const struct url *u);

/* True if the two lead to the same place as far as can be told without a resolver: the same text,
 * or scheme, address and port. */
bool url_same_place(const struct url *a, const struct url *b);
/* The same, or it may turn out so when a resolver is asked. */
bool url_may_be_same_place(const struct url *a, const struct url *b);
bool url_list_has_place(const struct url_list *l, const struct url *u);
bool url_list_same_places(const struct url_list *a, const struct url_list *b);

/* Return the port as a number, or -1 if it is none. */
int url_port(const struct url *u);

/* Set `why` and fail if a URL cannot be listened on, because its host is a DNS name. */
MUST_USE enum err url_list_check_bind(const struct url_list *l, struct why *why);

/* Set `why` and fail if a URL cannot be advertised, because it has no host. */
MUST_USE enum err url_list_check_host(const struct url_list *l, struct why *why);

#endif
