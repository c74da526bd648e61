/* upstream/wal_format.h -- the numbers of wal.h's format, for its reader and its writer.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef UPSTREAM_WAL_FORMAT_H
#define UPSTREAM_WAL_FORMAT_H

#include <stdint.h>

enum { WAL_METADATA = 1, WAL_ENTRY, WAL_STATE, WAL_CRC, WAL_SNAPSHOT };
enum { WAL_RECORD_TYPE = 1, WAL_RECORD_CRC, WAL_RECORD_DATA };
enum { WAL_LENGTH_SIZE = 8, WAL_ALIGN = 8 };

#define WAL_LENGTH_MASK UINT64_C(0x00ffffffffffffff)

#endif
