/* base/why.c
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/why.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum err why_set(struct why *why, enum err e, const char *fmt, ...)
{
    if (why == NULL)
        return e;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
    return e;
}

struct errno_text errno_text(int number)
{
    struct errno_text t;
    snprintf(t.text, sizeof t.text, "%s", strerror(number));
    t.text[0] = (char)tolower((unsigned char)t.text[0]);
    return t;
}
