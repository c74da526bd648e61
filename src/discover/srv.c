/* discover/srv.c -- DNS SRV records.
 * SPDX-License-Identifier: Apache-2.0 */
#include "discover/srv.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "loop/clock.h"

enum {
    HEADER_LEN = 12,
    QUESTION_REST = 4,  /* type and class */
    RECORD_REST = 10,   /* type, class, TTL and the length of the data */
    SRV_FIXED = 6,      /* priority, weight, port */
    POINTERS_MAX = 128, /* followed in one name */
    LABEL_MAX = 63,
    TYPE_SRV = 33,
    CLASS_IN = 1,
};

void srv_records_fini(struct srv_records *r)
{
    free(r->at);
    *r = (struct srv_records){0};
}

/* ---- reading a message ------------------------------------------------------------------- */

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* Take the name at *at of the message and move behind it; `ret_name` (may be NULL) has room for
 * SRV_NAME_MAX + 1 bytes. */
static bool take_name(struct slice m, size_t *at, char *ret_name)
{
    size_t here = *at, n = 0;
    bool jumped = false;
    for (int pointers = 0; here < m.n;) {
        uint8_t len = m.p[here];
        if (len >= 0xc0) {
            if (here + 1 >= m.n || ++pointers > POINTERS_MAX)
                return false;
            if (!jumped)
                *at = here + 2;
            jumped = true;
            here = be16(m.p + here) & 0x3fff;
            continue;
        }
        if (len > LABEL_MAX || len >= m.n - here || n + len + 1 > SRV_NAME_MAX)
            return false;
        here++;
        if (len == 0) {
            if (!jumped)
                *at = here;
            if (ret_name != NULL)
                memcpy(ret_name + n, n == 0 ? "." : "", n == 0 ? 2 : 1);
            return true;
        }
        for (size_t i = 0; ret_name != NULL && i < len; i++) {
            uint8_t c = m.p[here + i];
            if (c <= ' ' || c >= 0x7f)
                return false; /* no host's name; nothing to print or to connect to */
            ret_name[n + i] = (char)c;
        }
        if (ret_name != NULL)
            ret_name[n + len] = '.';
        n += len + 1u;
        here += len;
    }
    return false;
}

static bool take_record(struct slice m, size_t *at, struct srv_records *r)
{
    if (!take_name(m, at, NULL) || m.n - *at < RECORD_REST)
        return false;
    const uint8_t *p = m.p + *at;
    size_t len = be16(p + 8), data = *at + RECORD_REST;
    if (len > m.n - data)
        return false;
    *at = data + len;
    if (be16(p) != TYPE_SRV || be16(p + 2) != CLASS_IN)
        return true;
    if (len <= SRV_FIXED || r->n == SRV_RECORDS_MAX)
        return false;
    struct srv_record *s = &r->at[r->n];
    *s = (struct srv_record){be16(m.p + data), be16(m.p + data + 2), be16(m.p + data + 4), ""};
    size_t target = data + SRV_FIXED;
    if (!take_name(m, &target, s->target) || target != data + len)
        return false;
    r->n++;
    return true;
}

static bool read_message(struct slice m, struct srv_records *r)
{
    if (m.n < HEADER_LEN)
        return false;
    size_t at = HEADER_LEN;
    for (unsigned questions = be16(m.p + 4); questions > 0; questions--) {
        if (!take_name(m, &at, NULL) || m.n - at < QUESTION_REST)
            return false;
        at += QUESTION_REST;
    }
    unsigned answers = be16(m.p + 6);
    unsigned room = answers < SRV_RECORDS_MAX ? answers : SRV_RECORDS_MAX;
    r->at = xcalloc(room + 1u, sizeof *r->at);
    for (; answers > 0; answers--) {
        if (!take_record(m, &at, r))
            return false;
    }
    return true;
}

enum err srv_read(struct slice message, struct srv_records *ret_records)
{
    struct srv_records r = {0};
    bool ok = read_message(message, &r);
    if (!ok || r.n == 0) {
        srv_records_fini(&r);
        return ok ? ERR_NOT_FOUND : ERR_MALFORMED;
    }
    *ret_records = r;
    return ERR_OK;
}

/* ---- order ------------------------------------------------------------------------------- */

static int compare_records(const void *a, const void *b)
{
    const struct srv_record *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    return (x->weight > y->weight) - (x->weight < y->weight);
}

/* Draw among the records of one priority, the heavier ones more often first. */
static void shuffle_by_weight(struct srv_record *at, size_t n, struct rng *rng)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += at[i].weight;
    for (; sum > 0 && n > 1; at++, n--) {
        uint64_t drawn = rng_below(rng, sum), passed = 0;
        size_t k = 0;
        while (k + 1 < n && (passed += at[k].weight) <= drawn)
            k++;
        struct srv_record chosen = at[k];
        memmove(at + 1, at, k * sizeof *at);
        at[0] = chosen;
        sum -= chosen.weight;
    }
}

void srv_sort(struct srv_records *r, uint64_t seed)
{
    struct rng rng = {seed};
    if (r->n > 1)
        qsort(r->at, r->n, sizeof *r->at, compare_records);
    for (size_t i = 0, end; i < r->n; i = end) {
        for (end = i; end < r->n && r->at[end].priority == r->at[i].priority; end++)
            ;
        shuffle_by_weight(r->at + i, end - i, &rng);
    }
}

/* ---- asking ------------------------------------------------------------------------------ */

/* Append " on 10.0.0.53:53", the server that is asked first. */
static void add_server(struct buf *b)
{
    char text[INET_ADDRSTRLEN];
    if (_res.nscount > 0 && _res.nsaddr_list[0].sin_family == AF_INET &&
        inet_ntop(AF_INET, &_res.nsaddr_list[0].sin_addr, text, sizeof text) != NULL)
        buf_addf(b, " on %s:%d", text, ntohs(_res.nsaddr_list[0].sin_port));
}

static enum err fail_lookup(const char *name, const char *what, enum err e, struct why *why)
{
    AUTO(buf) struct buf server = BUF_INIT;
    add_server(&server);
    return why_set(why, e, "lookup %s%s: %s", name, buf_cstr(&server), what);
}

enum err srv_lookup(const char *service, const char *domain, struct srv_records *ret_records,
                    struct why *why)
{
    char name[SRV_NAME_MAX + 1];
    int len = snprintf(name, sizeof name, "_%s._tcp.%s", service, domain);
    if (len < 0 || (size_t)len >= sizeof name)
        return why_set(why, ERR_NOT_FOUND, "lookup _%s._tcp.%s: no such host", service, domain);
    if (res_init() != 0)
        return why_set(why, ERR_IO, "lookup %s: the resolver cannot be set up", name);
    AUTO(buf) struct buf answer = BUF_INIT;
    int n =
        res_query(name, ns_c_in, ns_t_srv, buf_reserve(&answer, SRV_ANSWER_MAX), SRV_ANSWER_MAX);
    if (n < 0)
        return fail_lookup(name, h_errno == TRY_AGAIN ? "server misbehaving" : "no such host",
                           ERR_NOT_FOUND, why);
    answer.n = n < SRV_ANSWER_MAX ? (size_t)n : SRV_ANSWER_MAX;
    enum err e = srv_read(buf_slice(&answer), ret_records);
    if (e != ERR_OK)
        return fail_lookup(
            name, e == ERR_NOT_FOUND ? "no such host" : "cannot unmarshal DNS message", e, why);
    srv_sort(ret_records, (uint64_t)clock_wall_ns());
    return ERR_OK;
}

static enum err add_endpoints(const char *kind, const char *scheme, const char *domain,
                              const char *suffix, struct buf *urls, struct why *why)
{
    AUTO(buf) struct buf service = BUF_INIT;
    struct srv_records r;
    buf_addf(&service, "%s%s%s", kind, suffix[0] != '\0' ? "-" : "", suffix);
    enum err e = srv_lookup(buf_cstr(&service), domain, &r, why);
    if (e != ERR_OK)
        return e;
    for (size_t i = 0; i < r.n; i++) {
        buf_addf(urls, "%s://%s:%u", scheme, r.at[i].target, r.at[i].port);
        buf_add_byte(urls, '\0');
    }
    srv_records_fini(&r);
    return ERR_OK;
}

enum err srv_client_endpoints(const char *domain, const char *suffix, struct buf *urls,
                              struct why *why)
{
    struct why tls_why, plain_why;
    enum err tls = add_endpoints("etcd-client-ssl", "https", domain, suffix, urls, &tls_why);
    enum err plain = add_endpoints("etcd-client", "http", domain, suffix, urls, &plain_why);
    if (tls == ERR_OK || plain == ERR_OK)
        return ERR_OK;
    return why_set(why, tls, "dns lookup errors: %.500s and %.500s", tls_why.text, plain_why.text);
}
