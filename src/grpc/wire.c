/* grpc/wire.c -- grpc-timeout, grpc-message, the names of codes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "grpc/wire.h"

#define TIMEOUT_DIGITS_MAX 8

static bool unit_ns(uint8_t unit, int64_t *ret_ns)
{
    switch (unit) {
    case 'H':
        *ret_ns = 3600LL * 1000000000;
        return true;
    case 'M':
        *ret_ns = 60LL * 1000000000;
        return true;
    case 'S':
        *ret_ns = 1000000000;
        return true;
    case 'm':
        *ret_ns = 1000000;
        return true;
    case 'u':
        *ret_ns = 1000;
        return true;
    case 'n':
        *ret_ns = 1;
        return true;
    default:
        return false;
    }
}

bool grpc_timeout_parse(struct slice s, msec *ret_ms)
{
    if (s.n < 2 || s.n > TIMEOUT_DIGITS_MAX + 1)
        return false;
    int64_t v = 0, ns;
    for (size_t i = 0; i + 1 < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (s.p[i] - '0');
    }
    if (!unit_ns(s.p[s.n - 1], &ns))
        return false;
    /* 10^8 hours are more nanoseconds than 64 bits hold */
    *ret_ms = ns >= 1000000 ? v * (ns / 1000000) : (v * ns + 999999) / 1000000;
    return true;
}

void grpc_message_encode(struct buf *b, struct slice s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c >= 0x20 && c <= 0x7e && c != '%') {
            buf_add_byte(b, c);
        } else {
            const char text[3] = {'%', hex[c >> 4], hex[c & 15]};
            buf_add(b, text, sizeof text);
        }
    }
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void grpc_message_decode(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        int high = s.n - i > 2 && s.p[i] == '%' ? hex_digit(s.p[i + 1]) : -1;
        int low = high != -1 ? hex_digit(s.p[i + 2]) : -1;
        if (low == -1) {
            buf_add_byte(b, s.p[i]);
        } else {
            buf_add_byte(b, (uint8_t)(high << 4 | low));
            i += 2;
        }
    }
}

const char *grpc_code_name(enum grpc_code code)
{
    static const char *const names[] = {
        [GRPC_OK] = "OK",
        [GRPC_CANCELED] = "Canceled",
        [GRPC_UNKNOWN] = "Unknown",
        [GRPC_INVALID_ARGUMENT] = "InvalidArgument",
        [GRPC_DEADLINE_EXCEEDED] = "DeadlineExceeded",
        [GRPC_NOT_FOUND] = "NotFound",
        [GRPC_ALREADY_EXISTS] = "AlreadyExists",
        [GRPC_PERMISSION_DENIED] = "PermissionDenied",
        [GRPC_RESOURCE_EXHAUSTED] = "ResourceExhausted",
        [GRPC_FAILED_PRECONDITION] = "FailedPrecondition",
        [GRPC_ABORTED] = "Aborted",
        [GRPC_OUT_OF_RANGE] = "OutOfRange",
        [GRPC_UNIMPLEMENTED] = "Unimplemented",
        [GRPC_INTERNAL] = "Internal",
        [GRPC_UNAVAILABLE] = "Unavailable",
        [GRPC_DATA_LOSS] = "DataLoss",
        [GRPC_UNAUTHENTICATED] = "Unauthenticated",
    };
    return names[(size_t)code < ARRAY_LEN(names) ? code : GRPC_UNKNOWN];
}
