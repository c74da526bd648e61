/* cli/quote.h -- texts and numbers as Go's fmt and strconv print and read them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_QUOTE_H
#define CLI_QUOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

/* Append `s` as %q prints it: in double quotes, \n, \x00, \u00ad; what can be printed as it is. */
void quote_add(struct buf *b, struct slice s);
/* Read a quoted text at the start of `s` ("..." with escapes, or `raw`). Return how many bytes it
 * took, 0: it is none. */
size_t quote_read(struct slice s, struct buf *ret_text);

/* Append each byte as \xNN. */
void quote_add_hex(struct buf *b, struct slice s);

/* Read a number as strconv.ParseInt(s, base, bits) does (base 10 or 16; 0: by its prefix 0x, 0o,
 * 0b, with underscores). On failure append Go's sentence: strconv.ParseInt: parsing "x": invalid
 * syntax. */
MUST_USE bool number_parse_int(const char *s, int base, int bits, int64_t *ret,
                               struct buf *problem);
MUST_USE bool number_parse_uint(const char *s, int base, int bits, uint64_t *ret,
                                struct buf *problem);
MUST_USE bool number_parse_bool(const char *s, bool *ret, struct buf *problem);
MUST_USE bool number_parse_float(const char *s, double *ret, struct buf *problem);
/* As time.ParseDuration: nanoseconds; or its sentence: time: invalid duration "x". */
MUST_USE bool number_parse_duration(const char *s, int64_t *ret_ns, struct buf *problem);

/* Append bytes in decimal units: "20 kB", "2.1 MB". */
void number_add_bytes(struct buf *b, uint64_t bytes);

#endif
