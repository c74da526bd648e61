/* base/json_text.h -- what the rooms that read JSON need beside their parser.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_TEXT_H
#define BASE_JSON_TEXT_H

#include "base/mem.h"

/* True if the bytes are UTF-8 without surrogates, overlong forms or numbers above U+10FFFF. */
bool utf8_is_valid(struct slice s);

/* Append `text` with quotes around each integer that may not fit 63 bits, which a parser without
 * unsigned numbers refuses. The rest stays byte for byte, well-formed or not. */
void json_quote_wide_integers(struct slice text, struct buf *out);

/* Append `s` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void json_add_string(struct buf *b, const char *s, size_t n);

#endif
