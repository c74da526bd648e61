/* config/file.h -- a whole configuration file in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "base/err.h"
#include "base/mem.h"
#include "base/why.h"

/* Append the bytes of the file, CONFIG_FILE_MAX at most. ERR_NOT_FOUND if there is no such file. */
MUST_USE enum err file_read(const char *path, struct buf *b, struct why *why);

#endif
