/* http/h1_parser.h -- HTTP/1 requests or answers from bytes, whichever parser library the system
 * has.
 *
 * Pieces are handed out as they come; a name, value or target may come in several.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_H1_PARSER_H
#define HTTP_H1_PARSER_H

#include "base/mem.h"

struct h1_parser;

struct h1_events {
    void (*begin)(void *arg);
    void (*target)(void *arg, struct slice piece); /* of requests only */
    void (*field)(void *arg, struct slice piece);
    void (*value)(void *arg, struct slice piece);
    void (*headers_complete)(void *arg);
    void (*body)(void *arg, struct slice piece);
    void (*complete)(void *arg);
};

enum h1_result {
    H1_MORE,     /* all bytes were used, the message goes on */
    H1_COMPLETE, /* a message ended; the bytes after it were not used */
    H1_BAD,      /* not HTTP/1 */
};

struct h1_parser *h1_parser_new(const struct h1_events *events, void *arg);
/* The same for answers. */
struct h1_parser *h1_parser_new_answers(const struct h1_events *events, void *arg);
void h1_parser_free(struct h1_parser *p);
/* Begin the next message. */
void h1_parser_reset(struct h1_parser *p);
enum h1_result h1_parser_feed(struct h1_parser *p, struct slice data, size_t *ret_used);
/* The peer sends no more. H1_COMPLETE: that ended an answer without a length; H1_MORE: nothing had
 * begun; else H1_BAD. */
enum h1_result h1_parser_finish(struct h1_parser *p);
/* The next answer is to HEAD: it ends with its headers. After a reset, before the first byte. */
void h1_parser_expect_no_body(struct h1_parser *p);

/* From headers_complete on: */
const char *h1_parser_method(const struct h1_parser *p);
unsigned h1_parser_status(const struct h1_parser *p);
bool h1_parser_is_1_1(const struct h1_parser *p);
bool h1_parser_keeps_alive(const struct h1_parser *p);
bool h1_parser_has_body(const struct h1_parser *p);

#endif
