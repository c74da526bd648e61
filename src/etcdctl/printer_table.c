/* etcdctl/printer_table.c -- lists of members and endpoints as tables.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/quote.h"
#include "cli/table.h"
#include "etcdctl/printer_priv.h"

/* ---- rows ---------------------------------------------------------------------------------- */

static void rows_init(struct rows *rows, const char *const *head, size_t columns, size_t n)
{
    *rows = (struct rows){head, columns, 0, xcalloc(columns * n + 1, sizeof(char *))};
}

static void rows_add(struct rows *rows, char **cells)
{
    memcpy(&rows->cells[rows->n * rows->columns], cells, rows->columns * sizeof(*cells));
    rows->n++;
}

void rows_fini(struct rows *rows)
{
    for (size_t i = 0; i < rows->n * rows->columns; i++)
        free(rows->cells[i]);
    free(rows->cells);
}

static char *join(char *const *v, size_t n, const char *between)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        buf_addf(&b, "%s%s", i ? between : "", v[i]);
    return buf_take_cstr(&b);
}

static char *hex(uint64_t id)
{
    return xasprintf("%" PRIx64, id);
}

static char *yes_no(bool v)
{
    return xstrdup(v ? "true" : "false");
}

static char *bytes_text(int64_t n)
{
    struct buf b = BUF_INIT;
    number_add_bytes(&b, (uint64_t)n);
    return buf_take_cstr(&b);
}

void rows_of_members(struct rows *rows, const Etcdserverpb__MemberListResponse *r)
{
    static const char *const head[] = {"ID",         "Status",       "Name",
                                       "Peer Addrs", "Client Addrs", "Is Learner"};
    rows_init(rows, head, ARRAY_LEN(head), r->n_members);
    for (size_t i = 0; i < r->n_members; i++) {
        const Etcdserverpb__Member *m = r->members[i];
        rows_add(rows, (char *[]){hex(m->id), xstrdup(*m->name ? "started" : "unstarted"),
                                  xstrdup(m->name), join(m->peerurls, m->n_peerurls, ","),
                                  join(m->clienturls, m->n_clienturls, ","),
                                  yes_no(m->islearner)});
    }
}

void rows_of_health(struct rows *rows, const struct ep_health *v, size_t n)
{
    static const char *const head[] = {"endpoint", "health", "took", "error"};
    rows_init(rows, head, ARRAY_LEN(head), n);
    for (size_t i = 0; i < n; i++)
        rows_add(rows, (char *[]){xstrdup(v[i].ep), yes_no(v[i].health), xstrdup(v[i].took),
                                  xstrdup(v[i].error)});
}

static uint64_t member_of(const Etcdserverpb__ResponseHeader *h)
{
    return h ? h->member_id : 0;
}

void rows_of_status(struct rows *rows, const struct ep_answer *v, size_t n)
{
    static const char *const head[] = {
        "endpoint",          "ID",        "version",   "storage version",          "db size",
        "in use",            "percentage not in use",  "quota",                    "is leader",
        "is learner",        "raft term", "raft index", "raft applied index",      "errors",
        "downgrade target version",       "downgrade enabled"};
    rows_init(rows, head, ARRAY_LEN(head), n);
    for (size_t i = 0; i < n; i++) {
        const Etcdserverpb__StatusResponse *s = v[i].resp;
        int64_t used = s->dbsize ? s->dbsizeinuse * 100 / s->dbsize : 100;
        const Etcdserverpb__DowngradeInfo *d = s->downgradeinfo;
        rows_add(rows, (char *[]){
                           xstrdup(v[i].ep), hex(member_of(s->header)), xstrdup(s->version),
                           xstrdup(s->storageversion), bytes_text(s->dbsize),
                           bytes_text(s->dbsizeinuse), xasprintf("%" PRId64 "%%", 100 - used),
                           bytes_text(s->dbsizequota),
                           yes_no(s->leader == member_of(s->header)), yes_no(s->islearner),
                           xasprintf("%" PRIu64, s->raftterm), xasprintf("%" PRIu64, s->raftindex),
                           xasprintf("%" PRIu64, s->raftappliedindex),
                           join(s->errors, s->n_errors, ", "), xstrdup(d ? d->targetversion : ""),
                           yes_no(d && d->enabled)});
    }
}

void rows_of_hashkv(struct rows *rows, const struct ep_answer *v, size_t n)
{
    static const char *const head[] = {"endpoint", "hash", "hash_revision"};
    rows_init(rows, head, ARRAY_LEN(head), n);
    for (size_t i = 0; i < n; i++) {
        const Etcdserverpb__HashKVResponse *h = v[i].resp;
        rows_add(rows, (char *[]){xstrdup(v[i].ep), xasprintf("%" PRIu32, h->hash),
                                  xasprintf("%" PRId64, h->hash_revision)});
    }
}

/* ---- the format ------------------------------------------------------------------------------ */

static int draw(struct printer *p, const struct rows *rows)
{
    AUTO(buf) struct buf b = BUF_INIT;
    table_add(&b, rows->columns, rows->head, (const char *const *)rows->cells, rows->n);
    fwrite(b.p, 1, b.n, p->out);
    return CLI_OK;
}

static int refuse(struct printer *p, const ProtobufCMessage *m)
{
    (void)m;
    return printer_unsupported(p);
}

static int draw_members(struct printer *p, const Etcdserverpb__MemberListResponse *r)
{
    AUTO(rows) struct rows rows;
    rows_of_members(&rows, r);
    return draw(p, &rows);
}

static int draw_health(struct printer *p, const struct ep_health *v, size_t n)
{
    AUTO(rows) struct rows rows;
    rows_of_health(&rows, v, n);
    return draw(p, &rows);
}

static int draw_status(struct printer *p, const struct ep_answer *v, size_t n)
{
    AUTO(rows) struct rows rows;
    rows_of_status(&rows, v, n);
    return draw(p, &rows);
}

static int draw_hashkv(struct printer *p, const struct ep_answer *v, size_t n)
{
    AUTO(rows) struct rows rows;
    rows_of_hashkv(&rows, v, n);
    return draw(p, &rows);
}

const struct printer_format printer_table = {
    .name = "table",
    .message = refuse,
    .member_list = draw_members,
    .endpoint_health = draw_health,
    .endpoint_status = draw_status,
    .endpoint_hashkv = draw_hashkv,
};
