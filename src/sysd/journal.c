/* sysd/journal.c -- records to systemd's journal, in its native protocol.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sysd/journal.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

enum {
    FIELDS_MAX = 32,    /* of a record; the rest is in the sentence only */
    NAME_MAX_ = 64,     /* the journal's own limit */
    USEC_PER_MS = 1000,
};

static char *member_name;
static _Atomic uint64_t member_number, cluster_number;

bool journal_has_stderr(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t dev, ino;
    struct stat st;
    return stream != NULL && sscanf(stream, "%ju:%ju", &dev, &ino) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

bool journal_is_there(void)
{
    return access("/run/systemd/journal/socket", W_OK) == 0;
}

void journal_set_member(const char *name, uint64_t member, uint64_t cluster)
{
    if (name != NULL) {
        free(member_name);
        member_name = xstrdup(name);
    }
    atomic_store(&member_number, member);
    atomic_store(&cluster_number, cluster);
}

/* ---- names ---------------------------------------------------------------------------------- */

/* The names that several records share, whatever the log calls them. */
static const struct {
    const char *field, *name;
} shared_names[] = {
    {"local-member-id", "MEMBER_ID"},
    {"cluster-id", "CLUSTER_ID"},
    {"name", "MEMBER_NAME"},
    {"index", "INDEX"},
    {"snapshot-index", "INDEX"},
    {"incoming-snapshot-index", "INDEX"},
    {"leader", "LEADER_ID"},
    {"new-leader", "LEADER_ID"},
    {"peer", "PEER"},
    {"peer-id", "PEER"},
    {"remote-peer-id", "PEER"},
    {"remote-member-id", "PEER"},
    {"remote-snapshot-sender-id", "PEER"},
    {"to", "PEER"},
    {"transferee", "PEER"},
    {"compact-revision", "REVISION"},
    {"response type", "RPC"},
    {"from", "PEER"},
    {"member-id", "PEER"},
    {"removed-member-id", "PEER"},
    {"took", "LATENCY_USEC"},
    {"time spent", "LATENCY_USEC"},
    {"current-db-size-in-use-bytes", "DB_IN_USE"},
    {"db-in-use-bytes", "DB_IN_USE"},
    {"current-db-size-bytes", "DB_SIZE"},
};

static const char *shared_name(const struct log_record *r, const char *field)
{
    if (r->message == MSG_FSYNC_SLOW && strcmp(field, "took") == 0)
        return "FSYNC_USEC";
    for (size_t i = 0; i < ARRAY_LEN(shared_names); i++)
        if (strcmp(field, shared_names[i].field) == 0)
            return shared_names[i].name;
    return NULL;
}

void journal_add_name(struct buf *b, const struct log_record *r, const struct log_field *f)
{
    const char *name = shared_name(r, f->name);
    buf_add_str(b, "ETCD_");
    if (name != NULL) {
        buf_add_str(b, name);
        return;
    }
    const char *unit = f->kind == LOGF_DURATION_MS ? "_USEC" : "";
    for (const char *p = f->name; *p != '\0' && b->n + strlen(unit) < NAME_MAX_; p++)
        buf_add_byte(b, isalnum((unsigned char)*p) ? (uint8_t)toupper((unsigned char)*p) : '_');
    buf_add_str(b, unit);
}

/* ---- the sentence --------------------------------------------------------------------------- */

static void add_plain(struct buf *b, const struct log_field *f)
{
    if (f->kind == LOGF_STR)
        buf_add_str(b, f->str != NULL ? f->str : "");
    else if (f->kind == LOGF_HEX)
        buf_addf(b, "%" PRIx64, f->u);
    else if (f->kind == LOGF_DURATION_MS)
        buf_addf(b, "%" PRId64 " ms", f->i);
    else
        log_add_value(b, f);
}

static const struct log_field *field_named(const struct log_record *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->fields[i].kind == LOGF_STR && strcmp(r->fields[i].name, name) == 0)
            return &r->fields[i];
    return NULL;
}

/* "what happened: why (name value, name value); what to do" */
void journal_add_sentence(struct buf *b, const struct log_record *r)
{
    const struct log_field *error = field_named(r, "error"), *action = field_named(r, "action");
    const char *between = " (";
    buf_add_str(b, r->msg);
    if (error != NULL) {
        buf_add_str(b, ": ");
        add_plain(b, error);
    }
    for (size_t i = 0; i < r->n; i++) {
        const struct log_field *f = &r->fields[i];
        bool whose = strcmp(f->name, "local-member-id") == 0 || strcmp(f->name, "cluster-id") == 0;
        if (f->kind == LOGF_MESSAGE || f == error || f == action || whose)
            continue;
        buf_add_str(b, between);
        for (const char *p = f->name; *p != '\0'; p++)
            buf_add_byte(b, *p == '-' ? ' ' : (uint8_t)*p);
        buf_add_byte(b, ' ');
        add_plain(b, f);
        between = ", ";
    }
    if (between[0] == ',')
        buf_add_byte(b, ')');
    if (action != NULL) {
        buf_add_str(b, "; ");
        add_plain(b, action);
    }
}

/* ---- the record ----------------------------------------------------------------------------- */

/* Parts of a datagram: their bytes one behind the other, and where each ends. */
struct parts {
    struct buf bytes;
    size_t end[FIELDS_MAX + 16];
    size_t n;
};

static void part_end(struct parts *p)
{
    p->end[p->n++] = p->bytes.n;
}

static void add_fixed(struct parts *p, const struct log_record *r)
{
    static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR, LOG_CRIT, LOG_CRIT};
    buf_add_str(&p->bytes, "MESSAGE=");
    journal_add_sentence(&p->bytes, r);
    part_end(p);
    buf_addf(&p->bytes, "PRIORITY=%d", priorities[r->level]);
    part_end(p);
    buf_add_str(&p->bytes, "SYSLOG_IDENTIFIER=etcd");
    part_end(p);
    buf_addf(&p->bytes, "CODE_FILE=src/%s", r->place.file);
    part_end(p);
    buf_addf(&p->bytes, "CODE_LINE=%d", r->place.line);
    part_end(p);
    buf_addf(&p->bytes, "CODE_FUNC=%s", r->place.function);
    part_end(p);
    buf_addf(&p->bytes, "ETCD_COMPONENT=%.*s", (int)strcspn(r->place.file, "/"), r->place.file);
    part_end(p);
    if (r->message != MSG_NONE) {
        buf_addf(&p->bytes, "MESSAGE_ID=%s", message_id(r->message));
        part_end(p);
    }
}

static bool has_field(const struct log_record *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->fields[i].name, name) == 0)
            return true;
    return false;
}

static void add_member(struct parts *p, const struct log_record *r)
{
    uint64_t member = atomic_load(&member_number), cluster = atomic_load(&cluster_number);
    if (member_name != NULL && !has_field(r, "name")) {
        buf_addf(&p->bytes, "ETCD_MEMBER_NAME=%s", member_name);
        part_end(p);
    }
    if (member != 0 && !has_field(r, "local-member-id")) {
        buf_addf(&p->bytes, "ETCD_MEMBER_ID=%" PRIx64, member);
        part_end(p);
    }
    if (cluster != 0 && !has_field(r, "cluster-id")) {
        buf_addf(&p->bytes, "ETCD_CLUSTER_ID=%" PRIx64, cluster);
        part_end(p);
    }
}

static void add_fields(struct parts *p, const struct log_record *r)
{
    for (size_t i = 0; i < r->n && i < FIELDS_MAX; i++) {
        const struct log_field *f = &r->fields[i];
        AUTO(buf) struct buf name = BUF_INIT;
        if (f->kind == LOGF_MESSAGE)
            continue;
        journal_add_name(&name, r, f);
        buf_add_slice(&p->bytes, buf_slice(&name));
        buf_add_byte(&p->bytes, '=');
        if (f->kind == LOGF_DURATION_MS)
            buf_addf(&p->bytes, "%" PRId64, f->i * USEC_PER_MS);
        else
            add_plain(&p->bytes, f);
        part_end(p);
    }
}

bool journal_write(const struct log_record *r)
{
    struct parts p = {.bytes = BUF_INIT};
    struct iovec iov[ARRAY_LEN(p.end)];
    size_t from = 0;
    add_fixed(&p, r);
    add_member(&p, r);
    add_fields(&p, r);
    for (size_t i = 0; i < p.n; i++) {
        iov[i] = (struct iovec){p.bytes.p + from, p.end[i] - from};
        from = p.end[i];
    }
    int rc = sd_journal_sendv(iov, (int)p.n);
    buf_fini(&p.bytes);
    return rc == 0 && journal_is_there(); /* success is also what it says when nobody is there */
}
