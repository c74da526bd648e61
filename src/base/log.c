/* base/log.c -- records to lines, lines to outputs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/json_text.h"
#include "base/mem.h"

enum { OUTPUTS_MAX = 8 };

static const char *const level_names[] = {"debug", "info", "warn", "error", "panic", "fatal"};

static _Atomic int min_level = LOG_INFO_;
static _Atomic int format = LOG_FORMAT_JSON;
static int outputs[OUTPUTS_MAX] = {STDERR_FILENO};
static size_t outputs_n = 1;

bool log_level_parse(const char *s, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(s, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&min_level, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&min_level, memory_order_relaxed);
}

void log_set_format(enum log_format f)
{
    atomic_store_explicit(&format, (int)f, memory_order_relaxed);
}

static int output_open(const char *name)
{
    if (strcmp(name, "default") == 0 || strcmp(name, "stderr") == 0)
        return STDERR_FILENO;
    if (strcmp(name, "stdout") == 0)
        return STDOUT_FILENO;
    return open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

enum err log_set_outputs(const char *const *names, size_t n, struct why *why)
{
    int fds[OUTPUTS_MAX];
    size_t fds_n = 0;
    if (n == 0 || n > OUTPUTS_MAX)
        return why_set(why, ERR_INVALID, "%zu log outputs given; between 1 and %d are possible", n,
                       OUTPUTS_MAX);
    for (size_t i = 0; i < n; i++) {
        int fd = output_open(names[i]);
        if (fd == -1) {
            enum err e = why_set(why, ERR_IO, "open log output '%s': %s", names[i], strerror(errno));
            while (fds_n > 0)
                if (fds[--fds_n] > STDERR_FILENO)
                    close(fds[fds_n]);
            return e;
        }
        fds[fds_n++] = fd;
    }
    for (size_t i = 0; i < outputs_n; i++)
        if (outputs[i] > STDERR_FILENO)
            close(outputs[i]);
    memcpy(outputs, fds, sizeof fds[0] * fds_n);
    outputs_n = fds_n;
    return ERR_OK;
}

static void add_time(struct buf *b)
{
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    buf_addf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
             tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000);
}

static void add_field_value(struct buf *b, const struct log_field *f)
{
    switch (f->kind) {
    case LOGF_STR:
        json_add_string(b, f->str ? f->str : "", f->str ? strlen(f->str) : 0);
        break;
    case LOGF_INT:
        buf_addf(b, "%" PRId64, f->i);
        break;
    case LOGF_UINT:
        buf_addf(b, "%" PRIu64, f->u);
        break;
    case LOGF_BOOL:
        buf_add_str(b, f->i ? "true" : "false");
        break;
    case LOGF_HEX:
        buf_addf(b, "\"%" PRIx64 "\"", f->u);
        break;
    case LOGF_DURATION_MS:
        if (f->i % 1000 == 0)
            buf_addf(b, "\"%" PRId64 "s\"", f->i / 1000);
        else
            buf_addf(b, "\"%" PRId64 "ms\"", f->i);
        break;
    }
}

static void add_json(struct buf *b, enum log_level level, const char *file, int line,
                     const char *msg, const struct log_field *fields, size_t n)
{
    buf_addf(b, "{\"level\":\"%s\",\"ts\":\"", level_names[level]);
    add_time(b);
    buf_addf(b, "\",\"caller\":\"%s:%d\",\"msg\":", file, line);
    json_add_string(b, msg, strlen(msg));
    for (size_t i = 0; i < n; i++) {
        buf_addf(b, ",\"%s\":", fields[i].name);
        add_field_value(b, &fields[i]);
    }
    buf_add_str(b, "}\n");
}

static void add_text(struct buf *b, enum log_level level, const char *msg,
                     const struct log_field *fields, size_t n)
{
    add_time(b);
    buf_addf(b, " %-5s %s", level_names[level], msg);
    for (size_t i = 0; i < n; i++) {
        buf_addf(b, " %s=", fields[i].name);
        add_field_value(b, &fields[i]);
    }
    buf_add_byte(b, '\n');
}

void log_write(enum log_level level, const char *file, int line, const char *msg,
               const struct log_field *fields, size_t n)
{
    AUTO(buf) struct buf b = BUF_INIT;
    const char *short_file = strstr(file, "src/");
    file = short_file ? short_file + 4 : file;
    if (atomic_load_explicit(&format, memory_order_relaxed) == LOG_FORMAT_JSON)
        add_json(&b, level, file, line, msg, fields, n);
    else
        add_text(&b, level, msg, fields, n);
    for (size_t i = 0; i < outputs_n; i++) {
        ssize_t done = write(outputs[i], b.p, b.n);
        (void)done; /* nowhere is left to complain to */
    }
}
