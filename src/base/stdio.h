/* base/stdio.h -- the three standard files of a program.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_STDIO_H
#define BASE_STDIO_H

#include <stdbool.h>

/* Open /dev/null for each of 0, 1 and 2 that is closed. First in main(): else the next file or socket
 * gets such a number, and what is printed lands in it. */
void stdio_open(void);

/* Write out what stdout holds. False if it or anything before it was not written; stderr says why. */
bool stdio_flush(void);

#endif
