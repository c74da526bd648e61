/* peer/codec.c -- raftpb's Message and what is inside it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "peer/codec.h"

#include "base/varint.h"

enum message_field {
    MESSAGE_TYPE = 1,
    MESSAGE_TO,
    MESSAGE_FROM,
    MESSAGE_TERM,
    MESSAGE_LOG_TERM,
    MESSAGE_INDEX,
    MESSAGE_ENTRIES,
    MESSAGE_COMMIT,
    MESSAGE_SNAPSHOT,
    MESSAGE_REJECT,
    MESSAGE_REJECT_HINT,
    MESSAGE_CONTEXT,
};
enum entry_field { ENTRY_TYPE = 1, ENTRY_TERM, ENTRY_INDEX, ENTRY_DATA };
enum snapshot_field { SNAPSHOT_DATA = 1, SNAPSHOT_META };
enum meta_field { META_CONF_STATE = 1, META_INDEX, META_TERM };
enum conf_state_field {
    CONF_VOTERS = 1,
    CONF_LEARNERS,
    CONF_VOTERS_OUTGOING,
    CONF_LEARNERS_NEXT,
    CONF_AUTO_LEAVE,
};

static const struct raft_snapshot no_snapshot;

/* ---- sizes --------------------------------------------------------------------------------- */

/* All field numbers are below 16: a tag is one byte. */
static size_t number_size(uint64_t v)
{
    return 1 + varint_size(v);
}

static size_t bytes_size(size_t n)
{
    return number_size(n) + n;
}

static size_t blob_size(const struct blob *b)
{
    return b != NULL ? bytes_size(b->n) : 0;
}

static size_t ids_size(const struct raft_ids *ids)
{
    size_t n = 0;
    for (size_t i = 0; i < ids->n; i++)
        n += number_size(ids->v[i]);
    return n;
}

static size_t conf_state_size(const struct raft_conf_state *cs)
{
    return ids_size(&cs->voters) + ids_size(&cs->learners) + ids_size(&cs->voters_outgoing) +
           ids_size(&cs->learners_next) + number_size(cs->auto_leave);
}

static size_t meta_size(const struct raft_snapshot_meta *meta)
{
    return bytes_size(conf_state_size(&meta->conf_state)) + number_size(meta->index) +
           number_size(meta->term);
}

static size_t snapshot_size(const struct raft_snapshot *s)
{
    return blob_size(s->data) + bytes_size(meta_size(&s->meta));
}

size_t peer_message_size(const struct raft_message *m)
{
    const struct raft_snapshot *s = m->snapshot != NULL ? m->snapshot : &no_snapshot;
    size_t n = number_size(m->type) + number_size(m->to) + number_size(m->from) +
               number_size(m->term) + number_size(m->log_term) + number_size(m->index) +
               number_size(m->commit) + bytes_size(snapshot_size(s)) + number_size(m->reject) +
               number_size(m->reject_hint) + blob_size(m->context);
    for (size_t i = 0; i < m->entries.n; i++)
        n += bytes_size(raft_entry_size(&m->entries.v[i]));
    return n;
}

/* ---- writing ------------------------------------------------------------------------------- */

static uint8_t *put_number(uint8_t *p, unsigned field, uint64_t v)
{
    *p++ = (uint8_t)(field << 3 | PROTO_VARINT);
    return varint_put(p, v);
}

/* The `n` bytes of the field follow. */
static uint8_t *put_head(uint8_t *p, unsigned field, size_t n)
{
    *p++ = (uint8_t)(field << 3 | PROTO_BYTES);
    return varint_put(p, n);
}

static uint8_t *put_blob(uint8_t *p, unsigned field, const struct blob *b)
{
    if (b == NULL)
        return p;
    p = put_head(p, field, b->n);
    memcpy(p, b->p, b->n);
    return p + b->n;
}

static uint8_t *put_entry(uint8_t *p, const struct raft_entry *e)
{
    p = put_number(p, ENTRY_TYPE, e->type);
    p = put_number(p, ENTRY_TERM, e->term);
    p = put_number(p, ENTRY_INDEX, e->index);
    return put_blob(p, ENTRY_DATA, e->data);
}

/* One by one: proto2 does not pack. */
static uint8_t *put_ids(uint8_t *p, unsigned field, const struct raft_ids *ids)
{
    for (size_t i = 0; i < ids->n; i++)
        p = put_number(p, field, ids->v[i]);
    return p;
}

static uint8_t *put_conf_state(uint8_t *p, const struct raft_conf_state *cs)
{
    p = put_ids(p, CONF_VOTERS, &cs->voters);
    p = put_ids(p, CONF_LEARNERS, &cs->learners);
    p = put_ids(p, CONF_VOTERS_OUTGOING, &cs->voters_outgoing);
    p = put_ids(p, CONF_LEARNERS_NEXT, &cs->learners_next);
    return put_number(p, CONF_AUTO_LEAVE, cs->auto_leave);
}

static uint8_t *put_snapshot(uint8_t *p, const struct raft_snapshot *s)
{
    p = put_blob(p, SNAPSHOT_DATA, s->data);
    p = put_head(p, SNAPSHOT_META, meta_size(&s->meta));
    p = put_head(p, META_CONF_STATE, conf_state_size(&s->meta.conf_state));
    p = put_conf_state(p, &s->meta.conf_state);
    p = put_number(p, META_INDEX, s->meta.index);
    return put_number(p, META_TERM, s->meta.term);
}

static uint8_t *put_message(uint8_t *p, const struct raft_message *m)
{
    const struct raft_snapshot *s = m->snapshot != NULL ? m->snapshot : &no_snapshot;
    p = put_number(p, MESSAGE_TYPE, m->type);
    p = put_number(p, MESSAGE_TO, m->to);
    p = put_number(p, MESSAGE_FROM, m->from);
    p = put_number(p, MESSAGE_TERM, m->term);
    p = put_number(p, MESSAGE_LOG_TERM, m->log_term);
    p = put_number(p, MESSAGE_INDEX, m->index);
    for (size_t i = 0; i < m->entries.n; i++) {
        p = put_head(p, MESSAGE_ENTRIES, raft_entry_size(&m->entries.v[i]));
        p = put_entry(p, &m->entries.v[i]);
    }
    p = put_number(p, MESSAGE_COMMIT, m->commit);
    p = put_head(p, MESSAGE_SNAPSHOT, snapshot_size(s));
    p = put_snapshot(p, s);
    p = put_number(p, MESSAGE_REJECT, m->reject);
    p = put_number(p, MESSAGE_REJECT_HINT, m->reject_hint);
    return put_blob(p, MESSAGE_CONTEXT, m->context);
}

/* `end` is where a writer stopped that was given `start`, the reserved `n` bytes of `out`. */
static void finish(struct buf *out, size_t n, const uint8_t *start, const uint8_t *end)
{
    invariant((size_t)(end - start) == n);
    out->n += n;
}

void peer_message_encode(const struct raft_message *m, struct buf *out)
{
    size_t n = peer_message_size(m);
    uint8_t *p = buf_reserve(out, n);
    finish(out, n, p, put_message(p, m));
}

void peer_entry_encode(const struct raft_entry *e, struct buf *out)
{
    size_t n = raft_entry_size(e);
    uint8_t *p = buf_reserve(out, n);
    finish(out, n, p, put_entry(p, e));
}

void peer_conf_state_encode(const struct raft_conf_state *cs, struct buf *out)
{
    size_t n = conf_state_size(cs);
    uint8_t *p = buf_reserve(out, n);
    finish(out, n, p, put_conf_state(p, cs));
}

/* ---- reading ------------------------------------------------------------------------------- */

#define BIT(n) (1u << (n))

/* Take the next field. Those up to `last` are known: numbers, except for the ones in `bytes`. */
static bool take_field(struct slice *s, unsigned last, unsigned bytes, struct proto_field *ret)
{
    if (!proto_take(s, ret))
        return false;
    if (ret->number > last)
        return true;
    return ret->wire == (bytes & BIT(ret->number) ? PROTO_BYTES : PROTO_VARINT);
}

static void set_blob(struct blob **b, struct slice s)
{
    blob_unref(*b);
    *b = s.n != 0 ? blob_dup(s) : NULL;
}

enum err peer_entry_decode(struct slice data, struct raft_entry *ret)
{
    struct proto_field f;
    struct slice payload = {NULL, 0};
    *ret = (struct raft_entry){0};
    while (data.n != 0) {
        if (!take_field(&data, ENTRY_DATA, BIT(ENTRY_DATA), &f))
            return ERR_MALFORMED;
        switch (f.number) {
        case ENTRY_TYPE:
            if (f.value > RAFT_ENTRY_CONF_CHANGE_V2)
                return ERR_MALFORMED;
            ret->type = (enum raft_entry_type)f.value;
            break;
        case ENTRY_TERM:
            ret->term = f.value;
            break;
        case ENTRY_INDEX:
            ret->index = f.value;
            break;
        case ENTRY_DATA:
            payload = f.bytes;
            break;
        }
    }
    if (payload.n != 0)
        ret->data = blob_dup(payload);
    return ERR_OK;
}

static enum err add_id(struct raft_ids *ids, uint64_t id)
{
    if (ids->n == PEER_CONF_IDS_MAX && !raft_ids_has(ids, id))
        return ERR_TOO_LARGE;
    raft_ids_add(ids, id);
    return ERR_OK;
}

/* One id, or packed ones: readers of repeated numbers accept both. */
static enum err add_ids(struct raft_ids *ids, const struct proto_field *f)
{
    if (f->wire == PROTO_VARINT)
        return add_id(ids, f->value);
    if (f->wire != PROTO_BYTES)
        return ERR_MALFORMED;
    struct slice s = f->bytes;
    uint64_t id;
    enum err e = ERR_OK;
    while (e == ERR_OK && s.n != 0)
        e = varint_take(&s, &id) ? add_id(ids, id) : ERR_MALFORMED;
    return e;
}

static enum err decode_conf_state(struct slice s, struct raft_conf_state *cs)
{
    struct raft_ids *lists[] = {
        [CONF_VOTERS] = &cs->voters,
        [CONF_LEARNERS] = &cs->learners,
        [CONF_VOTERS_OUTGOING] = &cs->voters_outgoing,
        [CONF_LEARNERS_NEXT] = &cs->learners_next,
    };
    struct proto_field f;
    enum err e = ERR_OK;
    while (e == ERR_OK && s.n != 0) {
        if (!proto_take(&s, &f))
            return ERR_MALFORMED;
        if (f.number < CONF_AUTO_LEAVE)
            e = add_ids(lists[f.number], &f);
        else if (f.number == CONF_AUTO_LEAVE && f.wire != PROTO_VARINT)
            e = ERR_MALFORMED;
        else if (f.number == CONF_AUTO_LEAVE)
            cs->auto_leave = f.value != 0;
    }
    return e;
}

static enum err decode_meta(struct slice s, struct raft_snapshot_meta *meta)
{
    struct proto_field f;
    enum err e = ERR_OK;
    while (e == ERR_OK && s.n != 0) {
        if (!take_field(&s, META_TERM, BIT(META_CONF_STATE), &f))
            return ERR_MALFORMED;
        if (f.number == META_CONF_STATE)
            e = decode_conf_state(f.bytes, &meta->conf_state);
        else if (f.number == META_INDEX)
            meta->index = f.value;
        else if (f.number == META_TERM)
            meta->term = f.value;
    }
    return e;
}

static enum err decode_snapshot(struct slice s, struct raft_snapshot *snapshot)
{
    struct proto_field f;
    enum err e = ERR_OK;
    while (e == ERR_OK && s.n != 0) {
        if (!take_field(&s, SNAPSHOT_META, BIT(SNAPSHOT_DATA) | BIT(SNAPSHOT_META), &f))
            return ERR_MALFORMED;
        if (f.number == SNAPSHOT_DATA)
            set_blob(&snapshot->data, f.bytes);
        else if (f.number == SNAPSHOT_META)
            e = decode_meta(f.bytes, &snapshot->meta);
    }
    return e;
}

static enum err add_entry(struct raft_entries *l, struct slice s)
{
    if (l->n == PEER_ENTRIES_MAX)
        return ERR_TOO_LARGE;
    raft_entries_reserve(l, 1);
    return peer_entry_decode(s, &l->v[l->n++]);
}

static enum err set_type(struct raft_message *m, uint64_t value)
{
    if (value > RAFT_MSG_FORGET_LEADER)
        return ERR_MALFORMED;
    m->type = (enum raft_message_type)value;
    return ERR_OK;
}

static enum err set_field(struct raft_message *m, struct raft_snapshot *snapshot,
                          const struct proto_field *f)
{
    switch (f->number) {
    case MESSAGE_TYPE:
        return set_type(m, f->value);
    case MESSAGE_TO:
        m->to = f->value;
        break;
    case MESSAGE_FROM:
        m->from = f->value;
        break;
    case MESSAGE_TERM:
        m->term = f->value;
        break;
    case MESSAGE_LOG_TERM:
        m->log_term = f->value;
        break;
    case MESSAGE_INDEX:
        m->index = f->value;
        break;
    case MESSAGE_ENTRIES:
        return add_entry(&m->entries, f->bytes);
    case MESSAGE_COMMIT:
        m->commit = f->value;
        break;
    case MESSAGE_SNAPSHOT:
        return decode_snapshot(f->bytes, snapshot);
    case MESSAGE_REJECT:
        m->reject = f->value != 0;
        break;
    case MESSAGE_REJECT_HINT:
        m->reject_hint = f->value;
        break;
    case MESSAGE_CONTEXT:
        set_blob(&m->context, f->bytes);
        break;
    }
    return ERR_OK;
}

static enum err decode_message(struct slice s, struct raft_message *m,
                               struct raft_snapshot *snapshot)
{
    const unsigned bytes = BIT(MESSAGE_ENTRIES) | BIT(MESSAGE_SNAPSHOT) | BIT(MESSAGE_CONTEXT);
    struct proto_field f;
    enum err e = ERR_OK;
    while (e == ERR_OK && s.n != 0) {
        if (!take_field(&s, MESSAGE_CONTEXT, bytes, &f))
            return ERR_MALFORMED;
        e = set_field(m, snapshot, &f);
    }
    return e;
}

enum err peer_message_decode(struct slice data, struct raft_message *ret)
{
    struct raft_snapshot snapshot = {.data = NULL};
    *ret = (struct raft_message){.type = RAFT_MSG_HUP};
    enum err e = data.n <= PEER_MESSAGE_MAX ? decode_message(data, ret, &snapshot) : ERR_TOO_LARGE;
    if (e == ERR_OK && snapshot.meta.index != 0) {
        ret->snapshot = xmalloc(sizeof *ret->snapshot);
        *ret->snapshot = snapshot;
        return ERR_OK;
    }
    raft_snapshot_fini(&snapshot);
    if (e != ERR_OK)
        raft_message_fini(ret);
    return e;
}
