/* etcdctl/gather.c -- a range that comes in pieces, put together.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/gather.h"

#include <stdlib.h>

/* As merging of messages goes: what is set replaces, lists grow. */
static void add_piece(struct gather *g, const Etcdserverpb__RangeResponse *r)
{
    Etcdserverpb__RangeResponse *all = &g->all;
    if (r->header)
        all->header = r->header;
    all->more |= r->more;
    all->count = r->count ? r->count : all->count;
    all->kvs = xrealloc(all->kvs, (all->n_kvs + r->n_kvs + 1) * sizeof(*all->kvs));
    for (size_t i = 0; i < r->n_kvs; i++)
        all->kvs[all->n_kvs++] = r->kvs[i];
}

/* The answer is lent; its bytes are kept in a copy of our own. */
static void on_message(void *arg, const void *response)
{
    struct gather *g = arg;
    const ProtobufCMessage *m = response;
    AUTO(buf) struct buf b = BUF_INIT;
    b.n = protobuf_c_message_pack(m, buf_reserve(&b, protobuf_c_message_get_packed_size(m)));
    Etcdserverpb__RangeStreamResponse *copy =
        etcdserverpb__range_stream_response__unpack(NULL, b.n, b.p);
    invariant(copy != NULL);
    g->pieces = xrealloc(g->pieces, (g->n_pieces + 1) * sizeof(*g->pieces));
    g->pieces[g->n_pieces++] = copy;
    if (copy->range_response)
        add_piece(g, copy->range_response);
}

static void on_done(void *arg, const struct etcd_error *error)
{
    struct gather *g = arg;
    g->done = true;
    g->error = *error;
}

static void on_timeout(void *arg)
{
    struct gather *g = arg;
    g->done = true;
    g->error = (struct etcd_error){.code = ETCD_DEADLINE_EXCEEDED,
                                   .text = "context deadline exceeded"};
}

int gather_range(struct session *s, const Etcdserverpb__RangeRequest *request, struct gather *g)
{
    *g = (struct gather){.all = ETCDSERVERPB__RANGE_RESPONSE__INIT};
    struct etcd_timer *t = etcd_timer_new(s->client, on_timeout, g);
    etcd_timer_set(t, s->timeout_ms);
    struct etcd_stream *stream = etcd_stream_open(s->client, &etcd_rpc_range_stream, request, true,
                                                  on_message, on_done, g);
    while (!g->done)
        etcd_client_poll(s->client, -1);
    etcd_stream_free(stream);
    etcd_timer_free(t);
    return g->error.code == ETCD_OK ? CLI_OK : session_fail(CLI_ERROR, &g->error);
}

void gather_fini(struct gather *g)
{
    for (size_t i = 0; i < g->n_pieces; i++)
        etcdserverpb__range_stream_response__free_unpacked(g->pieces[i], NULL);
    free(g->pieces);
    free(g->all.kvs);
}
