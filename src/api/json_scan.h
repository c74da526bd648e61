/* api/json_scan.h -- where one JSON object ends and the next begins, in text that comes in pieces.
 *
 * Only braces, brackets and strings are looked at: what lies between is the parser's business.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_JSON_SCAN_H
#define API_JSON_SCAN_H

#include <stdbool.h>

#include "base/mem.h"

struct json_scan {
    size_t at; /* bytes looked at */
    size_t depth;
    bool begun, in_string, escaped;
};

/* Look at more of `text`, which begins where the value is expected and has grown since the last call.
 * Return true when a value is complete: it is the first `at` bytes. Zero the scan before the next. */
bool json_scan_value(struct json_scan *s, struct slice text);

/* True if there is nothing but white space. */
bool json_is_blank(struct slice text);

#endif
