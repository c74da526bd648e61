/* base/log.h -- where the program's sentences go.
 *
 * One line a record: a JSON object with the names that etcd's own log has (level, ts, caller,
 * msg, then the fields), or plain text. Only programs, `server` and `api` log; a room below them
 * returns what is to be said. Any thread may log. A record is written with one write(2) to each
 * output before the call returns, so the last words before a crash are not lost. One place in the
 * code that says more than LOG_BURST records in ten seconds is silent for the rest of them, and says so.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/messages.h"
#include "base/why.h"

enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARN_, LOG_ERROR_, LOG_PANIC_, LOG_FATAL_ };

enum { LOG_BURST = 200 };

enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

/* One field of a record. */
struct log_field {
    const char *name;
    enum { LOGF_STR, LOGF_INT, LOGF_UINT, LOGF_BOOL, LOGF_HEX, LOGF_DURATION_MS, LOGF_MESSAGE } kind;
    const char *str;
    int64_t i;
    uint64_t u;
};

#define LOG_STR(n, v) ((struct log_field){.name = (n), .kind = LOGF_STR, .str = (v)})
#define LOG_INT(n, v) ((struct log_field){.name = (n), .kind = LOGF_INT, .i = (v)})
#define LOG_UINT(n, v) ((struct log_field){.name = (n), .kind = LOGF_UINT, .u = (v)})
#define LOG_BOOL(n, v) ((struct log_field){.name = (n), .kind = LOGF_BOOL, .i = (v)})
#define LOG_ID(n, v) ((struct log_field){.name = (n), .kind = LOGF_HEX, .u = (v)}) /* hex text */
#define LOG_MS(n, v) ((struct log_field){.name = (n), .kind = LOGF_DURATION_MS, .i = (v)})

/* Beside the fields: the id under which the catalog explains the record. */
#define LOG_MESSAGE(m) ((struct log_field){.name = "", .kind = LOGF_MESSAGE, .u = (m)})

/* A place that logs. */
struct log_place {
    const char *file; /* from the room on: "server/member.c" */
    const char *function;
    int line;
};

struct log_record {
    enum log_level level;
    struct log_place place;
    enum message message; /* MSG_NONE: the catalog does not know it */
    const char *msg;
    const struct log_field *fields; /* some may be of LOGF_MESSAGE: pass over them */
    size_t n;
};

/* Read "debug", "info", "warn", "error", "panic" or "fatal". False if it is none of them. */
bool log_level_parse(const char *s, enum log_level *ret_level);

/* Set the least level that is written. May be called at any time. Default: info. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
void log_set_format(enum log_format format);

/* Let `sink` take the records of the output "systemd/journal", and those of "default" as well if
 * `is_default`. Return false from it for a record that could not be written: stderr gets that one.
 * Call it before other threads start, and before log_set_outputs(). */
void log_set_journal(bool (*sink)(const struct log_record *r), bool is_default);

/* Replace the outputs: "default" and "stderr" (both are stderr), "stdout", "systemd/journal", or a path
 * that is opened for append and made with mode 0600. On an error the outputs stay as they were. Call it
 * before other threads start. */
enum err log_set_outputs(const char *const *outputs, size_t n, struct why *why);

/* Open the outputs that are paths anew, under their names of now: somebody has moved the files away. One
 * that cannot be opened stays as it was; `why` then names it. May be called at any time, by one thread. */
enum err log_reopen(struct why *why);

/* Append the value of a field as JSON. */
void log_add_value(struct buf *b, const struct log_field *f);

/* How much one place has said lately; static and zero in it. */
struct log_site {
    _Atomic uint32_t window, n;
};

/* Write one record with `n` fields. Callers use the macros below. */
void log_write(enum log_level level, struct log_site *site, const struct log_place *place,
               const char *msg, const struct log_field *fields, size_t n);

#define LOG_AT(level, msg, ...)                                                                    \
    do {                                                                                           \
        if ((level) >= log_get_level()) {                                                          \
            static struct log_site site_;                                                          \
            const struct log_place place_ = {__FILE__, __func__, __LINE__};                        \
            const struct log_field f_[] = {{.name = NULL}, ##__VA_ARGS__};                         \
            log_write(level, &site_, &place_, msg, f_ + 1, ARRAY_LEN(f_) - 1);                     \
        }                                                                                          \
    } while (0)

#define log_debug(...) LOG_AT(LOG_DEBUG_, __VA_ARGS__)
#define log_info(...) LOG_AT(LOG_INFO_, __VA_ARGS__)
#define log_warn(...) LOG_AT(LOG_WARN_, __VA_ARGS__)
#define log_error(...) LOG_AT(LOG_ERROR_, __VA_ARGS__)
#define log_fatal(...) LOG_AT(LOG_FATAL_, __VA_ARGS__) /* writes only; the caller ends */

#endif
