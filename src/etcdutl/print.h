/* etcdutl/print.h -- a record of named values, in each of the formats.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_PRINT_H
#define ETCDUTL_PRINT_H

#include "etcdutl/utl.h"

struct print_field {
    const char *json, *field, *head; /* its name in each format */
    bool is_text;
    char text[96];  /* as json, fields and simple have it */
    char cell[96];  /* in place of `text` in simple and table; "" if it is the same */
};

/* Print one record to stdout. */
void print_record(enum utl_format format, const struct print_field *fields, size_t n);

#endif
