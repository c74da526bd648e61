/* peer/fetch.c -- see fetch.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "peer/fetch.h"

#include <stdlib.h>

#include "loop/loop.h"
#include "peer/address.h"

struct fetch {
    struct http_request request;
    struct loop *loop;
    enum err e;
    uint64_t cluster_id;
    struct buf body;
};

static void on_headers(struct http_request *r)
{
    struct fetch *f = CONTAINER_OF(r, struct fetch, request);
    struct slice text = http_request_header(r, "x-etcd-cluster-id");
    char *s = xstrndup(text.p != NULL ? (const char *)text.p : "", text.n);
    f->cluster_id = strtoull(s, NULL, 16);
    free(s);
}

static void on_done(struct http_request *r, enum err e)
{
    struct fetch *f = CONTAINER_OF(r, struct fetch, request);
    f->e = e;
    buf_add_slice(&f->body, buf_slice(&r->answer));
    loop_stop(f->loop);
}

static enum err fetch_run(struct fetch *f, const struct http_client_config *config, struct why *why)
{
    f->loop = loop_new();
    struct http_client *client = http_client_new(f->loop, config);
    http_client_send(client, &f->request);
    loop_run(f->loop);
    if (f->e != ERR_OK)
        why_set(why, f->e, "%s", f->request.why.text);
    http_client_free(client);
    loop_free(f->loop);
    return f->e;
}

enum err peer_fetch(const char *url, const char *path, msec timeout_ms, size_t body_max,
                    unsigned *ret_status, uint64_t *ret_cluster_id, struct buf *ret_body,
                    struct why *why)
{
    struct peer_address address;
    struct http_client_config config;
    struct fetch f = {
        .request = {.method = "GET",
                    .path = path,
                    .idempotent = true,
                    .timeout_ms = timeout_ms,
                    .body_max = body_max,
                    .headers_done = on_headers,
                    .done = on_done},
    };
    enum err e = peer_address_parse(slice_str(url), &address, why);
    if (e == ERR_OK)
        e = peer_address_client(&address, NULL, NULL, &config, why);
    if (e == ERR_OK) {
        config.connect_timeout_ms = timeout_ms;
        e = fetch_run(&f, &config, why);
    }
    peer_address_fini(&address);
    *ret_status = f.request.status;
    *ret_cluster_id = f.cluster_id;
    *ret_body = f.body;
    return e;
}
