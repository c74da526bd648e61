/* etcdctl/discovery.c -- endpoints from DNS.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/discovery.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/sort.h"

enum {
    ANSWER_MAX = 64 * 1024, /* bytes of a DNS answer */
    RECORDS_MAX = 256,
};

struct record {
    unsigned priority, weight, port;
    char host[NS_MAXDNAME];
};

/* The lower priority first, then the greater weight. */
static int by_priority(void *arg, const void *a, const void *b)
{
    (void)arg;
    const struct record *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    return (x->weight < y->weight) - (x->weight > y->weight);
}

static bool read_record(const ns_msg *m, int i, struct record *r)
{
    ns_rr rr;
    if (ns_parserr((ns_msg *)(uintptr_t)m, ns_s_an, i, &rr) != 0 || ns_rr_type(rr) != ns_t_srv ||
        ns_rr_rdlen(rr) < 7)
        return false;
    const uint8_t *p = ns_rr_rdata(rr);
    r->priority = ns_get16(p);
    r->weight = ns_get16(p + 2);
    r->port = ns_get16(p + 4);
    return ns_name_uncompress(ns_msg_base(*m), ns_msg_end(*m), p + 6, r->host, sizeof(r->host)) >=
           0;
}

/* Return how many records there are, or -1. */
static int look_up(const char *name, struct record *records)
{
    uint8_t *answer = xmalloc(ANSWER_MAX);
    ns_msg m;
    int n = res_search(name, ns_c_in, ns_t_srv, answer, ANSWER_MAX);
    int count = n > 0 && ns_initparse(answer, n, &m) == 0 ? 0 : -1;
    for (int i = 0; count >= 0 && i < ns_msg_count(m, ns_s_an) && count < RECORDS_MAX; i++)
        count += read_record(&m, i, &records[count]);
    free(answer);
    if (count > 0)
        sort_stable(records, (size_t)count, sizeof(*records), by_priority, NULL);
    return count;
}

static void add_endpoints(const char *scheme, const struct record *records, int n,
                          char ***endpoints, size_t *count)
{
    for (int i = 0; i < n; i++) {
        *endpoints = xrealloc(*endpoints, (*count + 1) * sizeof(**endpoints));
        (*endpoints)[(*count)++] =
            xasprintf("%s://%s:%u", scheme, records[i].host, records[i].port);
    }
}

static void warn_insecure(const struct record *records, int n)
{
    for (int i = 0; i < n; i++)
        fprintf(stderr, "ignoring discovered insecure endpoint \"http://%s:%u\"\n",
                records[i].host, records[i].port);
}

bool discovery_find(const char *domain, const char *service, bool insecure, char ***ret_endpoints,
                    size_t *ret_n, struct buf *problem)
{
    static const char *const names[] = {"etcd-client-ssl", "etcd-client"};
    static const char *const schemes[] = {"https", "http"};
    struct record *records = xcalloc(RECORDS_MAX, sizeof(*records));
    bool found = false;
    *ret_endpoints = NULL;
    *ret_n = 0;
    buf_add_str(problem, "dns lookup errors: ");
    for (int i = 0; i < 2; i++) {
        char *name = xasprintf("_%s%s%s._tcp.%s", names[i], *service ? "-" : "", service, domain);
        int n = look_up(name, records);
        if (n < 0)
            buf_addf(problem, "%slookup %s: %s", i ? " and " : "", name, hstrerror(h_errno));
        found |= n >= 0;
        if (i == 1 && !insecure)
            warn_insecure(records, n);
        else
            add_endpoints(schemes[i], records, n, ret_endpoints, ret_n);
        free(name);
    }
    free(records);
    return found;
}
