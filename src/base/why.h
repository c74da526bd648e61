/* base/why.h -- the sentence an operator reads beside an error.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_WHY_H
#define BASE_WHY_H

#include "base/check.h"
#include "base/err.h"

struct why {
    char text[1024]; /* cut where it does not fit */
};

/* Write the sentence (in place of any before) and return `e`. `why` may be NULL. */
enum err why_set(struct why *why, enum err e, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* What strerror() says, beginning small, as other releases' sentences have it. */
struct errno_text {
    char text[64];
};
struct errno_text errno_text(int number);

#endif
