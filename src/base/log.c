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

enum {
    OUTPUTS_MAX = 8,
    OUTPUT_JOURNAL = -2, /* in place of a descriptor */
    WINDOW_S = 10,       /* in which a place may say LOG_BURST records */
};

static const char *const level_names[] = {"debug", "info", "warn", "error", "panic", "fatal"};

static _Atomic int min_level = LOG_INFO_;
static _Atomic int format = LOG_FORMAT_JSON;
static int outputs[OUTPUTS_MAX] = {STDERR_FILENO};
static char *output_paths[OUTPUTS_MAX]; /* of those that are files; else NULL */
static size_t outputs_n = 1;
static bool (*journal)(const struct log_record *r);
static bool journal_is_default;

const char *message_id(enum message m)
{
    static const char *const ids[] = {
        [MSG_NONE] = NULL,
#define X(name, id) [name] = id,
        MESSAGE_TABLE(X)
#undef X
    };
    return (size_t)m < ARRAY_LEN(ids) ? ids[m] : NULL;
}

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

void log_set_journal(bool (*sink)(const struct log_record *r), bool is_default)
{
    journal = sink;
    journal_is_default = is_default;
}

static int output_open(const char *name)
{
    bool is_default = strcmp(name, "default") == 0;
    if (journal != NULL && (strcmp(name, "systemd/journal") == 0 || (is_default && journal_is_default)))
        return OUTPUT_JOURNAL;
    if (strcmp(name, "systemd/journal") == 0) {
        errno = ENOTCONN; /* no journal here */
        return -1;
    }
    if (is_default || strcmp(name, "stderr") == 0)
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
    for (size_t i = 0; i < outputs_n; i++) {
        if (outputs[i] > STDERR_FILENO)
            close(outputs[i]);
        free(output_paths[i]);
        output_paths[i] = NULL;
    }
    memcpy(outputs, fds, sizeof fds[0] * fds_n);
    outputs_n = fds_n;
    for (size_t i = 0; i < fds_n; i++)
        if (fds[i] > STDERR_FILENO)
            output_paths[i] = xstrdup(names[i]);
    return ERR_OK;
}

/* The number of the descriptor stays, so that a record which is being written has a place to go. */
enum err log_reopen(struct why *why)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < outputs_n; i++) {
        if (output_paths[i] == NULL)
            continue;
        int fd = output_open(output_paths[i]);
        if (fd == -1 || dup3(fd, outputs[i], O_CLOEXEC) == -1)
            e = why_set(why, ERR_IO, "open log output '%s': %s", output_paths[i], strerror(errno));
        if (fd != -1)
            close(fd);
    }
    return e;
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

void log_add_value(struct buf *b, const struct log_field *f)
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
    case LOGF_MESSAGE:
        break;
    }
}

static void add_json(struct buf *b, const struct log_record *r)
{
    buf_addf(b, "{\"level\":\"%s\",\"ts\":\"", level_names[r->level]);
    add_time(b);
    buf_addf(b, "\",\"caller\":\"%s:%d\",\"msg\":", r->place.file, r->place.line);
    json_add_string(b, r->msg, strlen(r->msg));
    for (size_t i = 0; i < r->n; i++) {
        if (r->fields[i].kind == LOGF_MESSAGE)
            continue;
        buf_addf(b, ",\"%s\":", r->fields[i].name);
        log_add_value(b, &r->fields[i]);
    }
    buf_add_str(b, "}\n");
}

static void add_text(struct buf *b, const struct log_record *r)
{
    add_time(b);
    buf_addf(b, " %-5s %s", level_names[r->level], r->msg);
    for (size_t i = 0; i < r->n; i++) {
        if (r->fields[i].kind == LOGF_MESSAGE)
            continue;
        buf_addf(b, " %s=", r->fields[i].name);
        log_add_value(b, &r->fields[i]);
    }
    buf_add_byte(b, '\n');
}

static void add_line(struct buf *b, const struct log_record *r)
{
    if (b->n != 0)
        return;
    if (atomic_load_explicit(&format, memory_order_relaxed) == LOG_FORMAT_JSON)
        add_json(b, r);
    else
        add_text(b, r);
}

static void record_write(const struct log_record *r)
{
    AUTO(buf) struct buf line = BUF_INIT;
    for (size_t i = 0; i < outputs_n; i++) {
        int fd = outputs[i];
        if (fd == OUTPUT_JOURNAL && journal(r))
            continue;
        add_line(&line, r);
        ssize_t done = write(fd == OUTPUT_JOURNAL ? STDERR_FILENO : fd, line.p, line.n);
        (void)done; /* nowhere is left to complain to */
    }
}

/* ---- floods --------------------------------------------------------------------------------- */

static void say_limited(const struct log_record *about, const char *msg, uint32_t left_out)
{
    const struct log_field fields[] = {LOG_STR("of", about->msg), LOG_UINT("left-out", left_out)};
    struct log_record r = {LOG_WARN_, about->place, MSG_RATE_LIMITED, msg, fields, left_out ? 2 : 1};
    record_write(&r);
}

/* False if the place has said enough for now. What debugging asks for and last words always pass. */
static bool site_allows(struct log_site *site, const struct log_record *r)
{
    struct timespec now;
    if (r->level == LOG_DEBUG_ || r->level >= LOG_PANIC_)
        return true;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint32_t window = (uint32_t)(now.tv_sec / WINDOW_S) + 1;
    uint32_t before = atomic_exchange_explicit(&site->window, window, memory_order_relaxed);
    if (before != window) {
        uint32_t n = atomic_exchange_explicit(&site->n, 0, memory_order_relaxed);
        if (n > LOG_BURST)
            say_limited(r, "records of one kind were left out", n - LOG_BURST);
    }
    uint32_t n = atomic_fetch_add_explicit(&site->n, 1, memory_order_relaxed);
    if (n == LOG_BURST)
        say_limited(r, "too many records of one kind; more of them are left out for some seconds", 0);
    return n < LOG_BURST;
}

/* ---- records -------------------------------------------------------------------------------- */

void log_write(enum log_level level, struct log_site *site, const struct log_place *place,
               const char *msg, const struct log_field *fields, size_t n)
{
    struct log_record r = {level, *place, MSG_NONE, msg, fields, n};
    const char *short_file = strstr(place->file, "src/");
    if (short_file != NULL)
        r.place.file = short_file + 4;
    for (size_t i = 0; i < n; i++)
        if (fields[i].kind == LOGF_MESSAGE)
            r.message = (enum message)fields[i].u;
    if (site_allows(site, &r))
        record_write(&r);
}
