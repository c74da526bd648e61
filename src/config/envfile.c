/* config/envfile.c -- one state machine over the bytes of the file.
 *
 *   START -> NAME -> BEFORE -> BARE                    -> START
 *     |               |  ^---> SINGLE, DOUBLE (quotes)
 *     +-> COMMENT     +-> TAIL_COMMENT
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/envfile.h"

#include <ctype.h>

#include "config/text.h"

enum state {
    START,
    COMMENT,
    COMMENT_ESCAPE,
    NAME,
    BEFORE, /* behind '=', or behind a closing quote */
    BARE,
    BARE_ESCAPE,
    SINGLE,
    DOUBLE,
    DOUBLE_ESCAPE,
    TAIL_COMMENT,
};

struct reader {
    const struct envfile_handler *h;
    enum state state;
    struct buf name, value;
    size_t value_end; /* length of the value without the blanks at its end */
    int line;         /* of the byte at hand */
    int name_line;    /* on which the variable began */
    bool quoted;      /* a quoted part was read */
    bool blank;       /* the last byte of the value was a blank */
};

const char *envfile_oddity_text(enum envfile_oddity what)
{
    static const char *const texts[] = {
        [ENVFILE_COMMENT_DROPPED] =
            "a comment behind a quoted value is left out; systemd would make it a part of the value",
        [ENVFILE_COMMENT_IN_VALUE] =
            "\"#\" does not begin a comment here; it is a part of the value",
        [ENVFILE_COMMENT_CONTINUED] =
            "a comment ends in a backslash; systemd before 254 leaves out the next line as well",
        [ENVFILE_CR_CONTINUED] = "a backslash before CR LF does not join the lines",
        [ENVFILE_BAD_NAME] = "what stands before \"=\" is not the name of a variable; left out",
        [ENVFILE_OPEN_QUOTE] = "a quote that opens here is not closed",
        [ENVFILE_NO_VARIABLE] = "this line is no NAME=VALUE; left out",
    };
    return texts[what];
}

static bool is_newline(uint8_t c)
{
    return c == '\n' || c == '\r';
}

static void oddity(struct reader *r, enum envfile_oddity what)
{
    r->h->on_oddity(r->h->arg, what, r->line);
}

static bool name_is_valid(const char *name)
{
    if (isdigit((unsigned char)*name))
        return false;
    for (const char *p = name; *p; p++) {
        if (!isalnum((unsigned char)*p) && *p != '_')
            return false;
    }
    return *name != '\0';
}

/* End the variable and hand it out. */
static enum err variable_end(struct reader *r)
{
    while (r->name.n > 0 && char_is_blank(r->name.p[r->name.n - 1]))
        r->name.n--;
    r->value.n = r->value_end;
    r->state = START;
    const char *name = buf_cstr(&r->name);
    if (name_is_valid(name))
        return r->h->on_variable(r->h->arg, name, buf_cstr(&r->value), r->name_line);
    r->h->on_oddity(r->h->arg, ENVFILE_BAD_NAME, r->name_line);
    return ERR_OK;
}

/* Add a byte that counts, even if it is a blank. */
static void value_add(struct reader *r, uint8_t c)
{
    buf_add_byte(&r->value, c);
    r->value_end = r->value.n;
    r->blank = false;
}

static void name_begin(struct reader *r, uint8_t c)
{
    buf_clear(&r->name);
    buf_clear(&r->value);
    buf_add_byte(&r->name, c);
    r->value_end = 0;
    r->quoted = r->blank = false;
    r->name_line = r->line;
    r->state = NAME;
}

static enum err on_before(struct reader *r, uint8_t c)
{
    if (is_newline(c))
        return variable_end(r);
    if (c == '\'' || c == '"') {
        r->quoted = true;
        r->blank = false;
        r->state = c == '"' ? DOUBLE : SINGLE;
    } else if (c == '\\') {
        r->state = BARE_ESCAPE;
    } else if (char_is_blank(c)) {
        r->blank = true;
    } else if (c == '#' && r->quoted && r->blank) {
        oddity(r, ENVFILE_COMMENT_DROPPED);
        r->state = TAIL_COMMENT;
    } else {
        r->state = BARE;
        value_add(r, c);
    }
    return ERR_OK;
}

static enum err on_bare(struct reader *r, uint8_t c)
{
    if (is_newline(c))
        return variable_end(r);
    if (c == '\\') {
        r->state = BARE_ESCAPE;
        r->value_end = r->value.n;
    } else if (char_is_blank(c)) {
        buf_add_byte(&r->value, c);
        r->blank = true;
    } else {
        if (c == '#' && r->blank)
            oddity(r, ENVFILE_COMMENT_IN_VALUE);
        value_add(r, c);
    }
    return ERR_OK;
}

static void on_bare_escape(struct reader *r, uint8_t c)
{
    if (c == '\r')
        oddity(r, ENVFILE_CR_CONTINUED);
    if (!is_newline(c))
        value_add(r, c);
    r->state = BARE;
}

static void on_double_escape(struct reader *r, uint8_t c)
{
    if (c != '\n' && !strchr("\"\\`$", c))
        value_add(r, '\\');
    if (c != '\n')
        value_add(r, c);
    r->state = DOUBLE;
}

static void on_quoted(struct reader *r, uint8_t c)
{
    uint8_t end = r->state == DOUBLE ? '"' : '\'';
    if (c == end)
        r->state = BEFORE;
    else if (c == '\\' && r->state == DOUBLE)
        r->state = DOUBLE_ESCAPE;
    else
        value_add(r, c);
}

static void on_comment(struct reader *r, uint8_t c)
{
    if (r->state == COMMENT_ESCAPE && is_newline(c))
        oddity(r, ENVFILE_COMMENT_CONTINUED);
    if (is_newline(c))
        r->state = START;
    else
        r->state = c == '\\' && r->state == COMMENT ? COMMENT_ESCAPE : COMMENT;
}

static void line_is_nothing(struct reader *r)
{
    if (r->name.p[0] != '[')
        r->h->on_oddity(r->h->arg, ENVFILE_NO_VARIABLE, r->name_line);
    r->state = START;
}

static void on_name(struct reader *r, uint8_t c)
{
    if (is_newline(c))
        line_is_nothing(r);
    else if (c == '=')
        r->state = BEFORE;
    else
        buf_add_byte(&r->name, c);
}

static void on_start(struct reader *r, uint8_t c)
{
    if (c == '#' || c == ';')
        r->state = COMMENT;
    else if (!char_is_blank(c))
        name_begin(r, c);
}

static enum err on_byte(struct reader *r, uint8_t c)
{
    switch (r->state) {
    case START:
        on_start(r, c);
        break;
    case COMMENT:
    case COMMENT_ESCAPE:
        on_comment(r, c);
        break;
    case NAME:
        on_name(r, c);
        break;
    case BEFORE:
        return on_before(r, c);
    case BARE:
        return on_bare(r, c);
    case BARE_ESCAPE:
        on_bare_escape(r, c);
        break;
    case SINGLE:
    case DOUBLE:
        on_quoted(r, c);
        break;
    case DOUBLE_ESCAPE:
        on_double_escape(r, c);
        break;
    case TAIL_COMMENT:
        return is_newline(c) ? variable_end(r) : ERR_OK;
    }
    return ERR_OK;
}

static enum err end_of_file(struct reader *r)
{
    if (r->state == SINGLE || r->state == DOUBLE || r->state == DOUBLE_ESCAPE)
        r->h->on_oddity(r->h->arg, ENVFILE_OPEN_QUOTE, r->name_line);
    if (r->state == NAME)
        line_is_nothing(r);
    if (r->state == START || r->state == COMMENT || r->state == COMMENT_ESCAPE)
        return ERR_OK;
    return variable_end(r);
}

/* Return the length of the UTF-8 sequence at `s`, or 0 if there is none. */
static size_t utf8_len(struct slice s)
{
    uint8_t c = s.p[0];
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : 4;
    if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || n > s.n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s.p[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

static enum err text_check(struct slice text, struct why *why)
{
    int line = 1;
    for (size_t i = 0, n; i < text.n; i += n) {
        n = utf8_len(slice_make(text.p + i, text.n - i));
        if (n == 0 || text.p[i] == '\0')
            return why_set(why, ERR_MALFORMED, "line %d: the file is not UTF-8 text", line);
        line += text.p[i] == '\n';
    }
    return ERR_OK;
}

static void reader_auto(struct reader *r)
{
    buf_fini(&r->name);
    buf_fini(&r->value);
}

enum err envfile_parse(struct slice text, const struct envfile_handler *h, struct why *why)
{
    AUTO(reader) struct reader r = {.h = h, .line = 1};
    enum err e = text_check(text, why);
    for (size_t i = 0; e == ERR_OK && i < text.n; i++) {
        e = on_byte(&r, text.p[i]);
        r.line += text.p[i] == '\n';
    }
    return e == ERR_OK ? end_of_file(&r) : e;
}
