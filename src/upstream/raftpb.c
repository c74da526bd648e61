/* upstream/raftpb.c -- see raftpb.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/raftpb.h"

#include "base/varint.h"

enum { ENTRY_TYPE = 1, ENTRY_TERM, ENTRY_INDEX, ENTRY_DATA };
enum { STATE_TERM = 1, STATE_VOTE, STATE_COMMIT };
enum { SNAPSHOT_DATA = 1, SNAPSHOT_META };
enum { META_CONF_STATE = 1, META_INDEX, META_TERM };
enum { CONF_VOTERS = 1, CONF_LEARNERS, CONF_VOTERS_OUTGOING, CONF_LEARNERS_NEXT, CONF_AUTO_LEAVE };
enum { WAL_SNAPSHOT_INDEX = 1, WAL_SNAPSHOT_TERM, WAL_SNAPSHOT_CONF_STATE };
enum { METADATA_MEMBER = 1, METADATA_CLUSTER };

/* ---- reading -------------------------------------------------------------------------------- */

/* Read a message of numbers only: field i goes to *ret[i - 1]. */
static enum err read_numbers(struct slice bytes, uint64_t *const *ret, size_t n)
{
    struct proto_field f;
    while (bytes.n != 0) {
        if (!proto_take(&bytes, &f))
            return ERR_MALFORMED;
        if (f.number > n)
            continue;
        if (f.wire != PROTO_VARINT)
            return ERR_MALFORMED;
        *ret[f.number - 1] = f.value;
    }
    return ERR_OK;
}

enum err raftpb_entry_read(struct slice bytes, struct wal_entry *ret)
{
    struct proto_field f;
    *ret = (struct wal_entry){0};
    while (bytes.n != 0) {
        if (!proto_take(&bytes, &f))
            return ERR_MALFORMED;
        if (f.number > ENTRY_DATA)
            continue;
        if (f.wire != (f.number == ENTRY_DATA ? PROTO_BYTES : PROTO_VARINT))
            return ERR_MALFORMED;
        if (f.number == ENTRY_TYPE && f.value > RAFT_ENTRY_CONF_CHANGE_V2)
            return ERR_MALFORMED;
        if (f.number == ENTRY_TYPE)
            ret->type = (enum raft_entry_type)f.value;
        else if (f.number == ENTRY_TERM)
            ret->term = f.value;
        else if (f.number == ENTRY_INDEX)
            ret->index = f.value;
        else
            ret->data = f.bytes;
    }
    return ERR_OK;
}

enum err raftpb_hard_state_read(struct slice bytes, struct raft_hard_state *ret)
{
    *ret = (struct raft_hard_state){0};
    uint64_t *const fields[] = {&ret->term, &ret->vote, &ret->commit};
    return read_numbers(bytes, fields, ARRAY_LEN(fields));
}

enum err wal_metadata_read(struct slice bytes, uint64_t *ret_cluster, member_id *ret_member)
{
    *ret_cluster = *ret_member = 0;
    uint64_t *const fields[] = {ret_member, ret_cluster};
    return read_numbers(bytes, fields, ARRAY_LEN(fields));
}

enum err walpb_snapshot_read(struct slice bytes, raft_index *ret_index, raft_term *ret_term)
{
    *ret_index = *ret_term = 0;
    uint64_t *const fields[] = {ret_index, ret_term};
    return read_numbers(bytes, fields, ARRAY_LEN(fields));
}

static enum err conf_state_read(struct slice bytes, struct raft_conf_state *ret)
{
    struct raft_ids *const sets[] = {&ret->voters, &ret->learners, &ret->voters_outgoing,
                                     &ret->learners_next};
    struct proto_field f;
    while (bytes.n != 0) {
        if (!proto_take(&bytes, &f))
            return ERR_MALFORMED;
        if (f.number > CONF_AUTO_LEAVE)
            continue;
        if (f.wire != PROTO_VARINT)
            return ERR_MALFORMED;
        if (f.number == CONF_AUTO_LEAVE)
            ret->auto_leave = f.value != 0;
        else if (sets[f.number - 1]->n >= RAFTPB_CONF_IDS_MAX)
            return ERR_TOO_LARGE;
        else
            raft_ids_add(sets[f.number - 1], f.value);
    }
    return ERR_OK;
}

static enum err meta_read(struct slice bytes, struct raft_snapshot_meta *ret)
{
    struct proto_field f;
    enum err e = ERR_OK;
    while (e == ERR_OK && bytes.n != 0) {
        if (!proto_take(&bytes, &f))
            return ERR_MALFORMED;
        if (f.number > META_TERM)
            continue;
        if (f.wire != (f.number == META_CONF_STATE ? PROTO_BYTES : PROTO_VARINT))
            return ERR_MALFORMED;
        if (f.number == META_CONF_STATE)
            e = conf_state_read(f.bytes, &ret->conf_state);
        else if (f.number == META_INDEX)
            ret->index = f.value;
        else
            ret->term = f.value;
    }
    return e;
}

static enum err snapshot_fields_read(struct slice bytes, struct raft_snapshot_meta *ret_meta,
                                     struct slice *ret_data)
{
    struct proto_field f;
    enum err e = ERR_OK;
    while (e == ERR_OK && bytes.n != 0) {
        if (!proto_take(&bytes, &f))
            return ERR_MALFORMED;
        if (f.number > SNAPSHOT_META)
            continue;
        if (f.wire != PROTO_BYTES)
            return ERR_MALFORMED;
        if (f.number == SNAPSHOT_DATA)
            *ret_data = f.bytes;
        else
            e = meta_read(f.bytes, ret_meta);
    }
    return e;
}

enum err raftpb_snapshot_read(struct slice bytes, struct raft_snapshot_meta *ret_meta,
                              struct slice *ret_data)
{
    *ret_meta = (struct raft_snapshot_meta){0};
    *ret_data = slice_make("", 0);
    enum err e = snapshot_fields_read(bytes, ret_meta, ret_data);
    if (e != ERR_OK) {
        raft_conf_state_fini(&ret_meta->conf_state);
        *ret_meta = (struct raft_snapshot_meta){0};
    }
    return e;
}

/* ---- writing -------------------------------------------------------------------------------- */

void proto_add_number(struct buf *b, unsigned field, uint64_t v)
{
    buf_add_byte(b, (uint8_t)(field << 3 | PROTO_VARINT));
    uint8_t *p = buf_reserve(b, VARINT_MAX);
    b->n += (size_t)(varint_put(p, v) - p);
}

void proto_add_bytes(struct buf *b, unsigned field, struct slice v)
{
    buf_add_byte(b, (uint8_t)(field << 3 | PROTO_BYTES));
    uint8_t *p = buf_reserve(b, VARINT_MAX);
    b->n += (size_t)(varint_put(p, v.n) - p);
    buf_add_slice(b, v);
}

void raftpb_entry_add(struct buf *b, const struct wal_entry *e)
{
    proto_add_number(b, ENTRY_TYPE, e->type);
    proto_add_number(b, ENTRY_TERM, e->term);
    proto_add_number(b, ENTRY_INDEX, e->index);
    if (e->data.n != 0)
        proto_add_bytes(b, ENTRY_DATA, e->data);
}

void raftpb_hard_state_add(struct buf *b, const struct raft_hard_state *hs)
{
    proto_add_number(b, STATE_TERM, hs->term);
    proto_add_number(b, STATE_VOTE, hs->vote);
    proto_add_number(b, STATE_COMMIT, hs->commit);
}

void raftpb_conf_state_add(struct buf *b, const struct raft_conf_state *cs)
{
    const struct raft_ids *const sets[] = {&cs->voters, &cs->learners, &cs->voters_outgoing,
                                           &cs->learners_next};
    for (unsigned k = 0; k < ARRAY_LEN(sets); k++)
        for (size_t i = 0; i < sets[k]->n; i++)
            proto_add_number(b, CONF_VOTERS + k, sets[k]->v[i]);
    proto_add_number(b, CONF_AUTO_LEAVE, cs->auto_leave);
}

void raftpb_snapshot_add(struct buf *b, const struct raft_snapshot_meta *meta, struct slice data)
{
    AUTO(buf) struct buf cs = BUF_INIT;
    AUTO(buf) struct buf m = BUF_INIT;
    raftpb_conf_state_add(&cs, &meta->conf_state);
    proto_add_bytes(&m, META_CONF_STATE, buf_slice(&cs));
    proto_add_number(&m, META_INDEX, meta->index);
    proto_add_number(&m, META_TERM, meta->term);
    proto_add_bytes(b, SNAPSHOT_DATA, data);
    proto_add_bytes(b, SNAPSHOT_META, buf_slice(&m));
}

void walpb_snapshot_add(struct buf *b, const struct raft_snapshot_meta *meta)
{
    AUTO(buf) struct buf cs = BUF_INIT;
    proto_add_number(b, WAL_SNAPSHOT_INDEX, meta->index);
    proto_add_number(b, WAL_SNAPSHOT_TERM, meta->term);
    if (meta->index == 0)
        return;
    raftpb_conf_state_add(&cs, &meta->conf_state);
    proto_add_bytes(b, WAL_SNAPSHOT_CONF_STATE, buf_slice(&cs));
}

void wal_metadata_add(struct buf *b, uint64_t cluster, member_id member)
{
    proto_add_number(b, METADATA_MEMBER, member);
    proto_add_number(b, METADATA_CLUSTER, cluster);
}
