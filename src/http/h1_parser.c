/* http/h1_parser.c -- llhttp where the system has it, else its ancestor http-parser.
 *
 * They share the shape of their callbacks; the differences are the few functions under #ifdef.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h1_parser.h"

#include <pthread.h>
#include <stdlib.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef HAVE_LLHTTP
#include <llhttp.h>
typedef llhttp_t parser_t;
typedef llhttp_settings_t settings_t;
#else
#include <http_parser.h>
typedef http_parser parser_t;
typedef http_parser_settings settings_t;
#endif

struct h1_parser {
    parser_t lib;
    settings_t settings;
    const struct h1_events *events;
    void *arg;
    bool complete;
    bool has_body;
    bool answers; /* parse answers, not requests */
    bool no_body; /* the answer has none, whatever its headers say */
};

static struct h1_parser *self(parser_t *lib)
{
    return lib->data;
}

static int on_begin(parser_t *lib)
{
    self(lib)->events->begin(self(lib)->arg);
    return 0;
}

static int on_url(parser_t *lib, const char *p, size_t n)
{
    self(lib)->events->target(self(lib)->arg, slice_make(p, n));
    return 0;
}

static int on_field(parser_t *lib, const char *p, size_t n)
{
    self(lib)->events->field(self(lib)->arg, slice_make(p, n));
    return 0;
}

static int on_value(parser_t *lib, const char *p, size_t n)
{
    self(lib)->events->value(self(lib)->arg, slice_make(p, n));
    return 0;
}

static int on_body(parser_t *lib, const char *p, size_t n)
{
    self(lib)->events->body(self(lib)->arg, slice_make(p, n));
    return 0;
}

/* Return 1 where the libraries shall not look for a body. */
static int on_headers_complete(parser_t *lib)
{
    struct h1_parser *p = self(lib);
    bool length_given = lib->content_length != 0 && lib->content_length != UINT64_MAX;
    p->has_body = length_given || (lib->flags & F_CHUNKED);
    lib->upgrade = 0; /* never offered, so the message goes on as HTTP/1 */
    p->events->headers_complete(p->arg);
    unsigned status = p->answers ? lib->status_code : 0;
    return p->no_body || status / 100 == 1 || status == 204 || status == 304;
}

#ifdef HAVE_LLHTTP

static int on_complete(parser_t *lib)
{
    self(lib)->complete = true;
    self(lib)->events->complete(self(lib)->arg);
    return HPE_PAUSED;
}

static void lib_init(parser_t *lib, settings_t *settings, bool answers)
{
    llhttp_init(lib, answers ? HTTP_RESPONSE : HTTP_REQUEST, settings);
}

static bool lib_feed(struct h1_parser *p, struct slice data, size_t *ret_used)
{
    enum llhttp_errno e = llhttp_execute(&p->lib, (const char *)data.p, data.n);
    *ret_used = data.n;
    if (e == HPE_OK)
        return true;
    *ret_used = (size_t)(llhttp_get_error_pos(&p->lib) - (const char *)data.p);
    return p->complete;
}

static bool lib_finish(struct h1_parser *p)
{
    return llhttp_finish(&p->lib) == HPE_OK || p->complete;
}

static const char *lib_method(const parser_t *lib)
{
    return llhttp_method_name((llhttp_method_t)lib->method);
}

static bool lib_keeps_alive(const parser_t *lib)
{
    return llhttp_should_keep_alive(lib) != 0;
}

#else

static int on_complete(parser_t *lib)
{
    self(lib)->complete = true;
    self(lib)->events->complete(self(lib)->arg);
    http_parser_pause(lib, 1);
    return 0;
}

/* The caller has a limit of its own for each connection; the library's is one for the process. */
static void lift_header_limit(void)
{
    http_parser_set_max_header_size(UINT32_MAX / 2);
}

static void lib_init(parser_t *lib, settings_t *settings, bool answers)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)settings;
    pthread_once(&once, lift_header_limit);
    http_parser_init(lib, answers ? HTTP_RESPONSE : HTTP_REQUEST);
}

static bool lib_feed(struct h1_parser *p, struct slice data, size_t *ret_used)
{
    *ret_used = http_parser_execute(&p->lib, &p->settings, (const char *)data.p, data.n);
    return p->complete || HTTP_PARSER_ERRNO(&p->lib) == HPE_OK;
}

static bool lib_finish(struct h1_parser *p)
{
    http_parser_execute(&p->lib, &p->settings, "", 0);
    return p->complete || HTTP_PARSER_ERRNO(&p->lib) == HPE_OK;
}

static const char *lib_method(const parser_t *lib)
{
    return http_method_str((enum http_method)lib->method);
}

static bool lib_keeps_alive(const parser_t *lib)
{
    return http_should_keep_alive(lib) != 0;
}

#endif

static struct h1_parser *parser_new(const struct h1_events *events, void *arg, bool answers)
{
    struct h1_parser *p = xcalloc(1, sizeof *p);
    p->answers = answers;
    p->events = events;
    p->arg = arg;
    p->settings = (settings_t){
        .on_message_begin = on_begin,
        .on_url = on_url,
        .on_header_field = on_field,
        .on_header_value = on_value,
        .on_headers_complete = on_headers_complete,
        .on_body = on_body,
        .on_message_complete = on_complete,
    };
    h1_parser_reset(p);
    return p;
}

struct h1_parser *h1_parser_new(const struct h1_events *events, void *arg)
{
    return parser_new(events, arg, false);
}

struct h1_parser *h1_parser_new_answers(const struct h1_events *events, void *arg)
{
    return parser_new(events, arg, true);
}

void h1_parser_free(struct h1_parser *p)
{
    free(p);
}

void h1_parser_reset(struct h1_parser *p)
{
    lib_init(&p->lib, &p->settings, p->answers);
    p->lib.data = p;
    p->complete = false;
    p->has_body = false;
    p->no_body = false;
}

enum h1_result h1_parser_feed(struct h1_parser *p, struct slice data, size_t *ret_used)
{
    if (!lib_feed(p, data, ret_used))
        return H1_BAD;
    return p->complete ? H1_COMPLETE : H1_MORE;
}

enum h1_result h1_parser_finish(struct h1_parser *p)
{
    if (!lib_finish(p))
        return H1_BAD;
    return p->complete ? H1_COMPLETE : H1_MORE;
}

void h1_parser_expect_no_body(struct h1_parser *p)
{
    p->no_body = true;
}

const char *h1_parser_method(const struct h1_parser *p)
{
    return lib_method(&p->lib);
}

unsigned h1_parser_status(const struct h1_parser *p)
{
    return p->lib.status_code;
}

bool h1_parser_is_1_1(const struct h1_parser *p)
{
    return p->lib.http_major > 1 || (p->lib.http_major == 1 && p->lib.http_minor >= 1);
}

bool h1_parser_keeps_alive(const struct h1_parser *p)
{
    return lib_keeps_alive(&p->lib);
}

bool h1_parser_has_body(const struct h1_parser *p)
{
    return p->has_body;
}
