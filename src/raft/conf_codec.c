/* raft/conf_codec.c -- raftpb's ConfChange and ConfChangeV2 as bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "raft/conf_codec.h"

#include "base/varint.h"

/* ---- writing ----------------------------------------------------------------------------- */

static void add_varint(struct buf *b, uint64_t v)
{
    uint8_t *p = buf_reserve(b, VARINT_MAX);
    b->n += (size_t)(varint_put(p, v) - p);
}

static void add_number(struct buf *b, unsigned field, uint64_t v)
{
    add_varint(b, field << 3 | PROTO_VARINT);
    add_varint(b, v);
}

static void add_bytes(struct buf *b, unsigned field, struct slice s)
{
    add_varint(b, field << 3 | PROTO_BYTES);
    add_varint(b, s.n);
    buf_add_slice(b, s);
}

static void add_v1(struct buf *b, const struct raft_conf_change *cc)
{
    invariant(cc->n_changes == 1);
    add_number(b, 1, cc->id);
    add_number(b, 2, cc->changes[0].type);
    add_number(b, 3, cc->changes[0].node);
    if (cc->context != NULL)
        add_bytes(b, 4, blob_slice(cc->context));
}

static void add_v2(struct buf *b, const struct raft_conf_change *cc)
{
    if (cc->transition != RAFT_CONF_AUTO)
        add_number(b, 1, cc->transition);
    for (size_t i = 0; i < cc->n_changes; i++) {
        AUTO(buf) struct buf one = BUF_INIT;
        add_number(&one, 1, cc->changes[i].type);
        add_number(&one, 2, cc->changes[i].node);
        add_bytes(b, 2, buf_slice(&one));
    }
    if (cc->context != NULL)
        add_bytes(b, 3, blob_slice(cc->context));
}

struct blob *raft_conf_change_encode(const struct raft_conf_change *cc, bool v1)
{
    AUTO(buf) struct buf b = BUF_INIT;
    if (v1)
        add_v1(&b, cc);
    else
        add_v2(&b, cc);
    return b.n != 0 ? blob_dup(buf_slice(&b)) : NULL;
}

/* ---- reading ----------------------------------------------------------------------------- */

static bool field_is(const struct proto_field *f, uint32_t number, enum proto_wire wire)
{
    return f->number == number && f->wire == wire;
}

static bool set_type(struct raft_conf_change_single *c, uint64_t value)
{
    c->type = (enum raft_conf_change_type)value;
    return value <= RAFT_CONF_ADD_LEARNER;
}

static void set_context(struct raft_conf_change *cc, struct slice s)
{
    blob_unref(cc->context);
    cc->context = blob_dup(s);
}

static enum err decode_v1(struct slice s, struct raft_conf_change *cc)
{
    cc->changes = xcalloc(1, sizeof *cc->changes);
    cc->n_changes = 1;
    while (s.n != 0) {
        struct proto_field f;
        if (!proto_take(&s, &f))
            return ERR_MALFORMED;
        if (field_is(&f, 1, PROTO_VARINT))
            cc->id = f.value;
        else if (field_is(&f, 2, PROTO_VARINT) && !set_type(&cc->changes[0], f.value))
            return ERR_MALFORMED;
        else if (field_is(&f, 3, PROTO_VARINT))
            cc->changes[0].node = f.value;
        else if (field_is(&f, 4, PROTO_BYTES))
            set_context(cc, f.bytes);
    }
    return ERR_OK;
}

static enum err decode_single(struct slice s, struct raft_conf_change_single *c)
{
    while (s.n != 0) {
        struct proto_field f;
        if (!proto_take(&s, &f))
            return ERR_MALFORMED;
        if (field_is(&f, 1, PROTO_VARINT) && !set_type(c, f.value))
            return ERR_MALFORMED;
        if (field_is(&f, 2, PROTO_VARINT))
            c->node = f.value;
    }
    return ERR_OK;
}

static enum err add_single(struct raft_conf_change *cc, struct slice s)
{
    if (cc->n_changes == RAFT_CONF_CHANGES_MAX)
        return ERR_TOO_LARGE;
    cc->changes = xrealloc(cc->changes, (cc->n_changes + 1) * sizeof *cc->changes);
    struct raft_conf_change_single *c = &cc->changes[cc->n_changes++];
    *c = (struct raft_conf_change_single){.type = RAFT_CONF_ADD_NODE};
    return decode_single(s, c);
}

static enum err decode_v2(struct slice s, struct raft_conf_change *cc)
{
    while (s.n != 0) {
        struct proto_field f;
        if (!proto_take(&s, &f))
            return ERR_MALFORMED;
        if (field_is(&f, 1, PROTO_VARINT)) {
            if (f.value > RAFT_CONF_JOINT_EXPLICIT)
                return ERR_MALFORMED;
            cc->transition = (enum raft_conf_transition)f.value;
        } else if (field_is(&f, 2, PROTO_BYTES)) {
            enum err e = add_single(cc, f.bytes);
            if (e != ERR_OK)
                return e;
        } else if (field_is(&f, 3, PROTO_BYTES)) {
            set_context(cc, f.bytes);
        }
    }
    return ERR_OK;
}

enum err raft_conf_change_decode(enum raft_entry_type type, struct slice data,
                                 struct raft_conf_change *ret_cc)
{
    struct raft_conf_change cc = {0};
    enum err e = ERR_MALFORMED;
    if (type == RAFT_ENTRY_CONF_CHANGE)
        e = decode_v1(data, &cc);
    else if (type == RAFT_ENTRY_CONF_CHANGE_V2)
        e = decode_v2(data, &cc);
    if (e != ERR_OK) {
        raft_conf_change_fini(&cc);
        return e;
    }
    *ret_cc = cc;
    return ERR_OK;
}
