/* base/err.c -- the tables behind base/err.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include "base/check.h"

static const struct {
    enum grpc_code code;
    const char *text;
} table[] = {
#define X(name, code, text) [name] = {code, text},
    ERR_TABLE(X)
#undef X
};

const char *err_text(enum err e)
{
    invariant(e >= 0 && e < ERR_COUNT_);
    return table[e].text;
}

enum grpc_code err_grpc_code(enum err e)
{
    invariant(e >= 0 && e < ERR_COUNT_);
    return table[e].code;
}
