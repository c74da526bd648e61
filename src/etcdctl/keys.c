/* etcdctl/keys.c -- walking through many keys.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/keys.h"

#include <stdlib.h>

#include "cli/quote.h"
#include "etcdctl/ops.h"

enum {
    PAGE = 1000, /* keys of one answer */
};

/* ---- what is chosen --------------------------------------------------------------------------- */

void chosen_init(struct chosen *c)
{
    c->all = (Etcdserverpb__RangeResponse)ETCDSERVERPB__RANGE_RESPONSE__INIT;
    c->arena = arena_new();
}

void chosen_fini(struct chosen *c)
{
    free(c->all.kvs);
    arena_free(c->arena);
}

static ProtobufCBinaryData keep(struct arena *a, struct slice s)
{
    return pb_bytes(slice_make(s.n ? arena_dup(a, s.p, s.n) : NULL, s.n));
}

void chosen_add(struct chosen *c, struct slice key, const Mvccpb__KeyValue *kv)
{
    Etcdserverpb__RangeResponse *all = &c->all;
    Mvccpb__KeyValue *copy = arena_alloc(c->arena, sizeof(*copy));
    mvccpb__key_value__init(copy);
    if (kv) {
        copy->create_revision = kv->create_revision;
        copy->mod_revision = kv->mod_revision;
        copy->version = kv->version;
        copy->lease = kv->lease;
        copy->value = keep(c->arena, slice_make(kv->value.data, kv->value.len));
    }
    copy->key = keep(c->arena, key);
    /* Doubled whenever it is full, which is at each power of two. */
    if ((all->n_kvs & (all->n_kvs - 1)) == 0)
        all->kvs = xrealloc(all->kvs, (all->n_kvs ? 2 * all->n_kvs : 1) * sizeof(*all->kvs));
    all->kvs[all->n_kvs++] = copy;
    all->count = (int64_t)all->n_kvs;
}

int chosen_print(struct chosen *c, struct printer *p)
{
    if (!printer_is_simple(p))
        return print_get(p, &c->all);
    for (size_t i = 0; i < c->all.n_kvs; i++) {
        ProtobufCBinaryData key = c->all.kvs[i]->key;
        AUTO(buf) struct buf hex = BUF_INIT;
        if (p->hex) {
            quote_add_hex(&hex, slice_make(key.data, key.len));
            key = pb_bytes(buf_slice(&hex));
        }
        if (key.len)
            fwrite(key.data, 1, key.len, p->out);
        putc('\n', p->out);
    }
    return CLI_OK;
}

/* ---- the walk ---------------------------------------------------------------------------------- */

/* Take one page. *from becomes where the next one begins. */
static void visit_page(const struct keys_walk *w, const Etcdserverpb__RangeResponse *r,
                       struct buf *from)
{
    AUTO(buf) struct buf skip = BUF_INIT;
    for (size_t i = 0; i < r->n_kvs; i++) {
        const Mvccpb__KeyValue *kv = r->kvs[i];
        struct slice key = slice_make(kv->key.data, kv->key.len);
        if (slice_cmp(key, buf_slice(&skip)) >= 0)
            w->visit(w->arg, kv, &skip);
        buf_clear(from);
        buf_add_slice(from, key);
        buf_add_byte(from, 0); /* the next key there can be */
    }
    if (slice_cmp(buf_slice(&skip), buf_slice(from)) > 0) {
        buf_clear(from);
        buf_add_slice(from, buf_slice(&skip));
    }
}

int keys_walk(const struct keys_walk *w, struct chosen *c)
{
    AUTO(buf) struct buf from = BUF_INIT;
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    range_of_prefix(c->arena, w->prefix, &request.key, &request.range_end);
    request.keys_only = 1;
    request.limit = PAGE;
    for (bool more = true; more;) {
        Etcdserverpb__RangeResponse *r;
        int code = session_call(w->s, &etcd_rpc_range, &request, (void **)&r);
        if (code != CLI_OK)
            return code;
        if (request.revision == 0 && r->header) {
            request.revision = r->header->revision;
            c->all.header = arena_dup(c->arena, r->header, sizeof(*r->header));
            c->all.header->base.unknown_fields = NULL;
            c->all.header->base.n_unknown_fields = 0;
        }
        visit_page(w, r, &from);
        more = r->more && r->n_kvs > 0;
        etcd_response_free(r);
        request.key = pb_bytes(buf_slice(&from));
    }
    return CLI_OK;
}
