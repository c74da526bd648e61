/* base/check.h -- what we believe about our own code, and small compiler helpers.
 *
 * invariant() stays on in release builds and aborts with the place and the words of the
 * belief that failed. It is never used on bytes from a peer, a file or a user.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1u << (n))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

/* Cleanup on leaving the scope: AUTO(buf) struct buf b; calls buf_auto(&b). */
#define AUTO(kind) __attribute__((cleanup(kind##_auto)))

_Noreturn void invariant_failed(const char *what, const char *file, int line);

#define invariant(cond)                                                                            \
    do {                                                                                           \
        if (UNLIKELY(!(cond)))                                                                     \
            invariant_failed(#cond, __FILE__, __LINE__);                                           \
    } while (0)

#ifdef DEBUG_CHECKS
#define invariant_slow(cond) invariant(cond)
#else
#define invariant_slow(cond) ((void)sizeof((cond) ? 1 : 0))
#endif

/* Return `arg` as a `type *` after its magic number was checked. */
#define CAST_OBJ(type, arg, magic_value)                                                           \
    ({                                                                                             \
        type *obj_ = (arg);                                                                        \
        invariant(obj_ != NULL && obj_->magic == (magic_value));                                   \
        obj_;                                                                                      \
    })

#endif
