/* discover/srv.h -- the servers of a domain, from its DNS SRV records (RFC 2782).
 *
 * The records of _etcd-client-ssl._tcp.DOMAIN name endpoints by https, those of
 * _etcd-client._tcp.DOMAIN by http. The answer of a name server is hostile: whatever it holds, it
 * is read within its bounds. Asking blocks for as long as the resolver tries (resolv.conf).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef DISCOVER_SRV_H
#define DISCOVER_SRV_H

#include <stdint.h>

#include "base/mem.h"
#include "base/why.h"

enum {
    SRV_NAME_MAX = 254,     /* bytes of a name, with its last dot */
    SRV_RECORDS_MAX = 1024, /* of one answer */
    SRV_ANSWER_MAX = 65535, /* bytes */
};

struct srv_record {
    uint16_t priority, weight, port;
    char target[SRV_NAME_MAX + 1]; /* ends with a dot */
};

struct srv_records {
    struct srv_record *at;
    size_t n;
};

void srv_records_fini(struct srv_records *r);

/* Read the SRV records of a DNS message, in its order; records of other types are passed over.
 * ERR_MALFORMED if anything does not fit, ERR_NOT_FOUND if there is none. */
MUST_USE enum err srv_read(struct slice message, struct srv_records *ret_records);

/* Put them into the order in which they are to be tried: by priority, then by chance and weight. */
void srv_sort(struct srv_records *r, uint64_t seed);

/* Look up _SERVICE._tcp.DOMAIN. `why` is worded as Go's resolver does. */
MUST_USE enum err srv_lookup(const char *service, const char *domain,
                             struct srv_records *ret_records, struct why *why);

/* Append the URLs of a domain's client endpoints, "https://a.example.com.:2379", each followed by a
 * NUL, those by https first. `suffix` distinguishes clusters of one domain ("etcd-client-SUFFIX");
 * "": none. Fail if neither service has records. */
MUST_USE enum err srv_client_endpoints(const char *domain, const char *suffix, struct buf *urls,
                                       struct why *why);

#endif
