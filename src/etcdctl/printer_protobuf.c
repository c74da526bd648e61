/* etcdctl/printer_protobuf.c -- the answer's own bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/printer_priv.h"

static int print_message(struct printer *p, const ProtobufCMessage *m)
{
    AUTO(buf) struct buf b = BUF_INIT;
    b.n = protobuf_c_message_pack(m, buf_reserve(&b, protobuf_c_message_get_packed_size(m)));
    if (b.n)
        fwrite(b.p, 1, b.n, p->out);
    return CLI_OK;
}

/* Without what only the stream needs: the watch's number, the reason. */
static int print_watch_message(struct printer *p, const Etcdserverpb__WatchResponse *r)
{
    Etcdserverpb__WatchResponse w = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    w.header = r->header;
    w.events = r->events;
    w.n_events = r->n_events;
    w.compact_revision = r->compact_revision;
    w.canceled = r->canceled;
    w.created = r->created;
    return print_message(p, &w.base);
}

/* Upstream's client has structures of its own for leases, of which only the header is a message; and
 * that is what it prints. */
static int print_header(struct printer *p, const Etcdserverpb__ResponseHeader *h)
{
    return h ? print_message(p, &h->base) : CLI_OK;
}

static int lease_grant(struct printer *p, const Etcdserverpb__LeaseGrantResponse *r)
{
    return print_header(p, r->header);
}

static int lease_keep_alive(struct printer *p, const Etcdserverpb__LeaseKeepAliveResponse *r)
{
    return print_header(p, r->header);
}

static int lease_time_to_live(struct printer *p, bool keys,
                              const Etcdserverpb__LeaseTimeToLiveResponse *r)
{
    (void)keys;
    return print_header(p, r->header);
}

static int lease_list(struct printer *p, const Etcdserverpb__LeaseLeasesResponse *r)
{
    return print_header(p, r->header);
}

const struct printer_format printer_protobuf = {
    .name = "protobuf",
    .message = print_message,
    .watch = print_watch_message,
    .lease_grant = lease_grant,
    .lease_keep_alive = lease_keep_alive,
    .lease_time_to_live = lease_time_to_live,
    .lease_list = lease_list,
};
