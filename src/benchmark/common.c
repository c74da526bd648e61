/* benchmark/common.c -- what several sub-commands do; see globals.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/varint.h"
#include "benchmark/globals.h"
#include "cli/usage.h"

uint8_t *random_bytes(size_t n)
{
    uint8_t *p = xmalloc(n + 1);
    for (size_t got = 0; got < n;) {
        ssize_t k = getrandom(p + got, n - got, 0);
        if (k > 0)
            got += (size_t)k;
        else
            invariant(errno == EINTR);
    }
    return p;
}

void key_fill(uint8_t *key, size_t n, uint64_t i)
{
    uint64_t zigzag = i << 1;
    memset(key, 0, n);
    invariant(varint_size(zigzag) <= n);
    varint_put(key, zigzag);
}

int check_at_least(const char *flag, int64_t value, int64_t least)
{
    if (value >= least)
        return CLI_OK;
    fprintf(stderr, "expected %s --%s, got (%lld)\n", least > 0 ? "positive" : "non-negative", flag,
            (long long)value);
    return CLI_ERROR;
}

int check_keys(int key_size, int key_space_size)
{
    if (check_at_least("key-space-size", key_space_size, 1) != CLI_OK)
        return CLI_ERROR;
    size_t least = varint_size((uint64_t)(key_space_size - 1) << 1);
    if (key_size >= (int)least && key_size <= KEY_SIZE_MAX)
        return CLI_OK;
    fprintf(stderr, "expected --key-size between %zu and %d for --key-space-size %d, got (%d)\n",
            least, KEY_SIZE_MAX, key_space_size, key_size);
    return CLI_ERROR;
}

int check_value_size(const char *flag, int size)
{
    if (size >= 0 && size <= VALUE_SIZE_MAX)
        return CLI_OK;
    fprintf(stderr, "expected --%s between 0 and %d, got (%d)\n", flag, VALUE_SIZE_MAX, size);
    return CLI_ERROR;
}

int fail_with_usage(struct cli_command *cmd, const char *fmt, ...)
{
    AUTO(buf) struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    buf_add_byte(&b, '\n');
    usage_add(&b, cmd);
    return cli_fail(CLI_ERROR, "%s", buf_cstr(&b));
}

int read_consistency(struct cli_command *cmd, const char *text, bool *ret_serializable)
{
    bool s = strcmp(text, "s") == 0;
    if (!s && strcmp(text, "l") != 0)
        return fail_with_usage(cmd, "expected l or s as --consistency, got (%s)", text);
    printf("bench with %s range\n", s ? "serializable" : "linearizable");
    *ret_serializable = s;
    return CLI_OK;
}
