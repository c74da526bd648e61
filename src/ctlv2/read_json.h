/* ctlv2/read_json.h -- the JSON of servers' answers, which may be anything.
 *
 * A value of the wrong type is an error, an absent one (or null) is the type's zero, a field that
 * nobody knows is passed over: as Go's decoder has it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_READ_JSON_H
#define CTLV2_READ_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

struct json_t; /* jansson's; only read_json.c knows more of it */

/* Return the document, owned, or NULL. */
struct json_t *read_json(struct slice text);
void read_json_free(struct json_t *j); /* NULL is fine */
static inline void json_ref_auto(struct json_t **j)
{
    read_json_free(*j);
}
/* Return a copy, owned; NULL of NULL. */
struct json_t *read_json_copy(const struct json_t *j);
bool read_json_equal(const struct json_t *a, const struct json_t *b);

/* NULL is none of them. */
bool read_is_object(const struct json_t *j);
bool read_is_array(const struct json_t *j);
/* Lend a field of `object`, which may be anything; NULL: it is absent, or null. */
const struct json_t *read_field(const struct json_t *object, const char *name);
size_t read_count(const struct json_t *array);
const struct json_t *read_item(const struct json_t *array, size_t i);

struct texts {
    char **at;
    size_t n;
};

void texts_fini(struct texts *t);
/* Append them with `separator` between two. */
void texts_join(const struct texts *t, const char *separator, struct buf *b);

/* Fields of `object`. False: it is there, and something else. */
MUST_USE bool read_text(const struct json_t *object, const char *name, struct buf *ret);
MUST_USE bool read_texts(const struct json_t *object, const char *name, struct texts *ret);
MUST_USE bool read_uint(const struct json_t *object, const char *name, uint64_t *ret);
MUST_USE bool read_int(const struct json_t *object, const char *name, int64_t *ret);
MUST_USE bool read_bool(const struct json_t *object, const char *name, bool *ret);

/* Say in Go's words why `text` is no JSON document. */
void read_json_complain(struct slice text, struct buf *ret);

#endif
