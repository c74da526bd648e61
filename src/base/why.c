/* base/why.c
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/why.h"

#include <stdarg.h>
#include <stdio.h>

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
