/* etcdctl/ops.c -- ranges of keys, shared by the commands that take them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/ops.h"

#include "cli/command.h"

/* The least key, and as an end: no end. */
static uint8_t zero_byte[1] = {0};

struct slice *args_as_slices(struct arena *a, char **argv, int argc)
{
    struct slice *args = arena_alloc(a, ((size_t)argc + 1) * sizeof(*args));
    for (int i = 0; i < argc; i++)
        args[i] = slice_str(argv[i]);
    return args;
}

void range_from(struct slice key, ProtobufCBinaryData *ret_key, ProtobufCBinaryData *ret_end)
{
    *ret_key = key.n ? pb_bytes(key) : (ProtobufCBinaryData){1, zero_byte};
    *ret_end = (ProtobufCBinaryData){1, zero_byte};
}

void range_of_prefix(struct arena *a, struct slice key, ProtobufCBinaryData *ret_key,
                     ProtobufCBinaryData *ret_end)
{
    size_t n = key.n;
    while (n > 0 && key.p[n - 1] == 0xff)
        n--;
    range_from(key, ret_key, ret_end);
    if (n == 0)
        return;
    uint8_t *end = arena_dup(a, key.p, n);
    end[n - 1]++;
    *ret_end = (ProtobufCBinaryData){n, end};
}

int read_consistency(const char *flag, protobuf_c_boolean *ret_serializable)
{
    *ret_serializable = strcmp(flag, "s") == 0;
    if (*ret_serializable || strcmp(flag, "l") == 0)
        return CLI_OK;
    return cli_fail(CLI_BAD_FEATURE, "unknown consistency flag \"%s\"", flag);
}
