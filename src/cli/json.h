/* cli/json.h -- JSON as Go's encoding/json writes it: no blanks, < > & escaped, bytes in base64.
 *
 * The caller opens and closes; commas are put by themselves. A key of NULL is for array elements
 * and for the outermost value.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

struct json {
    struct buf text;
    bool comma; /* the next value needs one before it */
};

#define JSON_INIT ((struct json){BUF_INIT, false})

static inline void json_fini(struct json *j)
{
    buf_fini(&j->text);
}
static inline void json_auto(struct json *j)
{
    json_fini(j);
}

void json_open(struct json *j, const char *key); /* { */
void json_close(struct json *j);
void json_open_array(struct json *j, const char *key); /* [ */
void json_close_array(struct json *j);
void json_text(struct json *j, const char *key, struct slice s); /* not UTF-8: U+FFFD */
void json_base64(struct json *j, const char *key, struct slice s);
void json_int(struct json *j, const char *key, int64_t v);
void json_uint(struct json *j, const char *key, uint64_t v);
void json_bool(struct json *j, const char *key, bool v);
void json_word(struct json *j, const char *key, const char *word); /* as it stands: null */

/* Not functions of the library, for jansson has some by these names, which it calls itself. */
static inline void json_string(struct json *j, const char *key, const char *s)
{
    json_text(j, key, slice_str(s));
}
static inline void json_null(struct json *j, const char *key)
{
    json_word(j, key, "null");
}

#endif
