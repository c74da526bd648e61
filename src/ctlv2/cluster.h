/* ctlv2/cluster.h -- requests to a cluster of several endpoints.
 *
 * A request goes to the endpoint that answered last. One that cannot be reached, or answers with a
 * status of 5xx, is passed over for the next, unless the request may not be said twice.
 * Everything blocks; there is one request at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_CLUSTER_H
#define CTLV2_CLUSTER_H

#include "base/types.h"
#include "ctlv2/trouble.h"
#include "ctlv2/uri.h"
#include "tls/context.h"

struct cluster;

enum {
    ANSWER_MAX = 256 * 1024 * 1024, /* bytes of one answer */
    ENDPOINTS_MAX = 1024,
};

struct cluster_config {
    msec header_timeout_ms; /* until the headers of an answer are there; 0: no limit */
    msec connect_timeout_ms;
    bool debug;            /* print each request as a curl command to stderr */
    struct tls_config tls; /* strings lent */
    const char *tls_name;  /* whom every certificate must name, lent; NULL: the URL's host */
};

struct action {
    const char *method;
    const char *path;         /* below the endpoint's path; unescaped */
    bool keep_slash;          /* one at the end of the path stays */
    const char *query;        /* NULL: none */
    const char *content_type; /* NULL: none */
    const struct buf *body;   /* NULL: none */
    bool once;                /* not to be sent to a second endpoint */
    bool wait;                /* the headers may take as long as they like */
};

struct answer {
    unsigned status;
    struct buf body;
    char *index;    /* X-Etcd-Index; NULL: none */
    char *location; /* of a redirect; NULL: none */
};

void answer_fini(struct answer *a);
static inline void answer_auto(struct answer *a)
{
    answer_fini(a);
}

struct cluster *v2_cluster_new(const struct cluster_config *config);
void v2_cluster_free(struct cluster *c); /* NULL is fine */
static inline void cluster_auto(struct cluster **c)
{
    v2_cluster_free(*c);
}

/* Send these with every request from now on. */
void v2_cluster_set_credentials(struct cluster *c, const char *username, const char *password);

/* From now on SIGINT ends a request with TROUBLE_INTERRUPTED. */
void v2_cluster_end_on_interrupt(struct cluster *c);
bool v2_cluster_is_interrupted(void);

/* Replace the endpoints by these, in an order of chance. False, and nothing changes, if one is no
 * URL or there is none. */
MUST_USE bool v2_cluster_set_endpoints(struct cluster *c, char *const *urls, size_t n,
                                       struct trouble *t);
/* True if they are the same ones, in whatever order. */
bool v2_cluster_has_endpoints(const struct cluster *c, char *const *urls, size_t n);
/* Append the endpoints with `separator` between them. */
void v2_cluster_format_endpoints(const struct cluster *c, const char *separator, struct buf *b);

/* Send it until somebody answers, or it is `deadline` (MSEC_NEVER: no limit). */
MUST_USE bool v2_cluster_do(struct cluster *c, const struct action *a, msec deadline,
                            struct answer *ret_answer, struct trouble *t);

/* Get one URL, without credentials, however long it takes. */
MUST_USE bool v2_cluster_get_url(struct cluster *c, const char *url, struct answer *ret_answer,
                                 struct trouble *t);

#endif
