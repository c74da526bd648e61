/* etcdctl/discovery.c -- endpoints from DNS.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/discovery.h"

#include <stdio.h>

#include "cli/quote.h"
#include "discover/srv.h"

static void warn_insecure(const char *url)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_str(&b, "ignoring discovered insecure endpoint ");
    quote_add(&b, slice_str(url));
    fprintf(stderr, "%s\n", buf_cstr(&b));
}

bool discovery_find(const char *domain, const char *service, bool insecure, char ***ret_endpoints,
                    size_t *ret_n, struct buf *problem)
{
    AUTO(buf) struct buf urls = BUF_INIT;
    struct why why;
    *ret_endpoints = NULL;
    *ret_n = 0;
    if (srv_client_endpoints(domain, service, &urls, &why) != ERR_OK) {
        buf_add_str(problem, why.text);
        return false;
    }
    for (size_t i = 0; i < urls.n; i += strlen((const char *)urls.p + i) + 1) {
        const char *url = (const char *)urls.p + i;
        if (!insecure && strncmp(url, "http://", strlen("http://")) == 0) {
            warn_insecure(url);
            continue;
        }
        *ret_endpoints = xrealloc(*ret_endpoints, (*ret_n + 1) * sizeof(**ret_endpoints));
        (*ret_endpoints)[(*ret_n)++] = xstrdup(url);
    }
    return true;
}
