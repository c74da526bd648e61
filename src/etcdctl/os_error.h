/* etcdctl/os_error.h -- the system's errors as Go words them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_OS_ERROR_H
#define ETCDCTL_OS_ERROR_H

#include <ctype.h>
#include <string.h>

#include "base/mem.h"

/* Return "no such file or directory", owned. */
static inline char *os_error(int number)
{
    char *text = xstrdup(strerror(number));
    text[0] = (char)tolower((unsigned char)text[0]);
    return text;
}

#endif
