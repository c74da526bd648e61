/* api/web.h -- one HTTP request to this room, and answering it in the manner of Go's net/http.
 *
 * Slices are lent by the stream and live as long as it does.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_WEB_H
#define API_WEB_H

#include "api/api_loop.h"
#include "http/stream.h"

struct web {
    struct api_port *port;
    struct http_stream *stream;
    struct slice method, path, query;
    struct slice origin; /* who may read the answer ("*", or the one); p NULL: nothing is said */
};

enum { WEB_HEADERS_MAX = 8 }; /* headers of a caller; more are added to them */

/* Answer with these headers, those for other origins, and the body. The stream may be gone
 * afterwards. */
void web_reply(const struct web *w, unsigned status, const struct http_header *headers, size_t n,
               struct slice body);
void web_reply_type(const struct web *w, unsigned status, const char *type, struct slice body);
/* Plain text and a newline, as http.Error() writes it. */
void web_error(const struct web *w, unsigned status, struct slice text);
void web_not_found(const struct web *w);
/* True if the method is GET; else the request has been refused with 405. */
bool web_is_get(const struct web *w);
/* Begin an answer whose body follows. */
void web_respond(const struct web *w, unsigned status, const struct http_header *headers, size_t n);

/* Find `name` in the query; step *at through several of the same name. False if there is none. The
 * value is as sent, %-escapes undone into `buf`. */
bool web_query(const struct web *w, const char *name, size_t *at, struct buf *value);

#endif
