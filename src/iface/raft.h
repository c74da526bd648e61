/* iface/raft.h -- the data that the consensus core and its surroundings share: entries, snapshots,
 * messages, cluster configurations, and the log that the core reads.
 *
 * These are raftpb's records as C structs; the numbers of the enums are those of the wire. The
 * bytes of an entry are a counted blob, shared by log, sender and applier without copying.
 *
 * Ownership: a struct that holds blobs or arrays owns them (one reference each) and has a `_fini`;
 * `_copy` makes an independent one that shares the blobs. A struct that is all zero is empty.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef IFACE_RAFT_H
#define IFACE_RAFT_H

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/types.h"
#include "base/varint.h"

/* ---- entries ------------------------------------------------------------------------------- */

enum raft_entry_type {
    RAFT_ENTRY_NORMAL = 0,
    RAFT_ENTRY_CONF_CHANGE = 1,
    RAFT_ENTRY_CONF_CHANGE_V2 = 2,
};

struct raft_entry {
    raft_index index;
    raft_term term;
    enum raft_entry_type type;
    struct blob *data; /* NULL when empty */
};

/* A growing array of entries; owns one reference to each blob. */
struct raft_entries {
    struct raft_entry *v;
    size_t n;
    size_t cap;
};

static inline size_t raft_entry_payload(const struct raft_entry *e)
{
    return e->data ? e->data->n : 0;
}

static inline bool raft_entry_is_conf_change(const struct raft_entry *e)
{
    return e->type == RAFT_ENTRY_CONF_CHANGE || e->type == RAFT_ENTRY_CONF_CHANGE_V2;
}

/* The size of an entry on the wire: what the limits on messages and readies count. */
static inline size_t raft_entry_size(const struct raft_entry *e)
{
    size_t n = e->data ? e->data->n : 0;
    return 4 + varint_size(e->term) + varint_size(e->index) +
           (e->data ? 1 + varint_size(n) + n : 0);
}

/* Make room for `n` more entries. */
static inline void raft_entries_reserve(struct raft_entries *l, size_t n)
{
    if (l->cap - l->n >= n)
        return;
    size_t cap = l->cap < 8 ? 8 : l->cap * 2;
    if (cap < l->n + n)
        cap = l->n + n;
    l->v = (struct raft_entry *)xrealloc(l->v, cap * sizeof *l->v);
    l->cap = cap;
}

/* Append `n` entries; keeps a reference to each blob. */
static inline void raft_entries_add(struct raft_entries *l, const struct raft_entry *v, size_t n)
{
    raft_entries_reserve(l, n);
    for (size_t i = 0; i < n; i++) {
        l->v[l->n + i] = v[i];
        if (v[i].data != NULL)
            blob_ref(v[i].data);
    }
    l->n += n;
}

/* Drop all entries after the first `n`. */
static inline void raft_entries_cut(struct raft_entries *l, size_t n)
{
    while (l->n > n)
        blob_unref(l->v[--l->n].data);
}

static inline void raft_entries_fini(struct raft_entries *l)
{
    raft_entries_cut(l, 0);
    free(l->v);
    *l = (struct raft_entries){0};
}

/* ---- cluster configuration ----------------------------------------------------------------- */

/* A set of members, ascending by id, without repeats. */
struct raft_ids {
    member_id *v;
    size_t n;
};

/* The configuration as it is stored and sent. Outside a joint configuration `voters_outgoing` and
 * `learners_next` are empty. */
struct raft_conf_state {
    struct raft_ids voters;
    struct raft_ids learners;
    struct raft_ids voters_outgoing;
    struct raft_ids learners_next;
    bool auto_leave;
};

static inline void raft_ids_fini(struct raft_ids *s)
{
    free(s->v);
    *s = (struct raft_ids){0};
}

static inline struct raft_ids raft_ids_copy(const struct raft_ids *s)
{
    struct raft_ids c = {0};
    if (s->n != 0) {
        c.v = (member_id *)xmalloc(s->n * sizeof *c.v);
        memcpy(c.v, s->v, s->n * sizeof *c.v);
        c.n = s->n;
    }
    return c;
}

static inline bool raft_ids_has(const struct raft_ids *s, member_id id)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->v[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n && s->v[lo] == id;
}

/* Add `id` at its place; nothing changes if it is there already. */
static inline void raft_ids_add(struct raft_ids *s, member_id id)
{
    if (raft_ids_has(s, id))
        return;
    s->v = (member_id *)xrealloc(s->v, (s->n + 1) * sizeof *s->v);
    size_t i = s->n++;
    for (; i > 0 && s->v[i - 1] > id; i--)
        s->v[i] = s->v[i - 1];
    s->v[i] = id;
}

static inline void raft_ids_remove(struct raft_ids *s, member_id id)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i] != id)
            s->v[n++] = s->v[i];
    }
    s->n = n;
}

static inline void raft_conf_state_fini(struct raft_conf_state *c)
{
    raft_ids_fini(&c->voters);
    raft_ids_fini(&c->learners);
    raft_ids_fini(&c->voters_outgoing);
    raft_ids_fini(&c->learners_next);
    c->auto_leave = false;
}

static inline struct raft_conf_state raft_conf_state_copy(const struct raft_conf_state *c)
{
    return (struct raft_conf_state){
        .voters = raft_ids_copy(&c->voters),
        .learners = raft_ids_copy(&c->learners),
        .voters_outgoing = raft_ids_copy(&c->voters_outgoing),
        .learners_next = raft_ids_copy(&c->learners_next),
        .auto_leave = c->auto_leave,
    };
}

enum raft_conf_change_type {
    RAFT_CONF_ADD_NODE = 0,
    RAFT_CONF_REMOVE_NODE = 1,
    RAFT_CONF_UPDATE_NODE = 2,
    RAFT_CONF_ADD_LEARNER = 3,
};

enum raft_conf_transition {
    RAFT_CONF_AUTO = 0,           /* simple if one voter changes, else joint with auto-leave */
    RAFT_CONF_JOINT_IMPLICIT = 1, /* joint; left by itself */
    RAFT_CONF_JOINT_EXPLICIT = 2, /* joint; left by a change without changes */
};

struct raft_conf_change_single {
    enum raft_conf_change_type type;
    member_id node;
};

/* Both forms of a change: version 1 has one single and no transition. No change at all, with
 * transition AUTO, leaves a joint configuration. */
struct raft_conf_change {
    uint64_t id; /* version 1 only: the proposer's own number */
    enum raft_conf_transition transition;
    struct raft_conf_change_single *changes;
    size_t n_changes;
    struct blob *context;
};

static inline void raft_conf_change_fini(struct raft_conf_change *cc)
{
    free(cc->changes);
    blob_unref(cc->context);
    *cc = (struct raft_conf_change){0};
}

/* ---- hard state and snapshots -------------------------------------------------------------- */

struct raft_hard_state {
    raft_term term;
    member_id vote;
    raft_index commit;
};

struct raft_snapshot_meta {
    raft_index index; /* 0: no snapshot */
    raft_term term;
    struct raft_conf_state conf_state;
};

struct raft_snapshot {
    struct raft_snapshot_meta meta;
    struct blob *data; /* opaque to the core */
};

static inline void raft_snapshot_fini(struct raft_snapshot *s)
{
    raft_conf_state_fini(&s->meta.conf_state);
    blob_unref(s->data);
    *s = (struct raft_snapshot){0};
}

static inline struct raft_snapshot raft_snapshot_copy(const struct raft_snapshot *s)
{
    return (struct raft_snapshot){
        .meta = {.index = s->meta.index,
                 .term = s->meta.term,
                 .conf_state = raft_conf_state_copy(&s->meta.conf_state)},
        .data = s->data ? blob_ref(s->data) : NULL,
    };
}

/* ---- messages ------------------------------------------------------------------------------ */

enum raft_message_type {
    RAFT_MSG_HUP = 0,
    RAFT_MSG_BEAT = 1,
    RAFT_MSG_PROP = 2,
    RAFT_MSG_APP = 3,
    RAFT_MSG_APP_RESP = 4,
    RAFT_MSG_VOTE = 5,
    RAFT_MSG_VOTE_RESP = 6,
    RAFT_MSG_SNAP = 7,
    RAFT_MSG_HEARTBEAT = 8,
    RAFT_MSG_HEARTBEAT_RESP = 9,
    RAFT_MSG_UNREACHABLE = 10,
    RAFT_MSG_SNAP_STATUS = 11,
    RAFT_MSG_CHECK_QUORUM = 12,
    RAFT_MSG_TRANSFER_LEADER = 13,
    RAFT_MSG_TIMEOUT_NOW = 14,
    RAFT_MSG_READ_INDEX = 15,
    RAFT_MSG_READ_INDEX_RESP = 16,
    RAFT_MSG_PRE_VOTE = 17,
    RAFT_MSG_PRE_VOTE_RESP = 18,
    RAFT_MSG_STORAGE_APPEND = 19, /* 19 to 22: numbers that upstream uses inside one process */
    RAFT_MSG_STORAGE_APPEND_RESP = 20,
    RAFT_MSG_STORAGE_APPLY = 21,
    RAFT_MSG_STORAGE_APPLY_RESP = 22,
    RAFT_MSG_FORGET_LEADER = 23,
};

struct raft_message {
    enum raft_message_type type;
    member_id to;
    member_id from;
    raft_term term;
    raft_term log_term;
    raft_index index;
    struct raft_entries entries;
    raft_index commit;
    struct raft_snapshot *snapshot; /* NULL: none */
    bool reject;
    raft_index reject_hint;
    struct blob *context; /* NULL when empty */
};

/* True for the types that a member only ever says to itself; from a peer they are refused. */
static inline bool raft_message_type_is_local(enum raft_message_type t)
{
    switch (t) {
    case RAFT_MSG_HUP:
    case RAFT_MSG_BEAT:
    case RAFT_MSG_UNREACHABLE:
    case RAFT_MSG_SNAP_STATUS:
    case RAFT_MSG_CHECK_QUORUM:
    case RAFT_MSG_STORAGE_APPEND:
    case RAFT_MSG_STORAGE_APPEND_RESP:
    case RAFT_MSG_STORAGE_APPLY:
    case RAFT_MSG_STORAGE_APPLY_RESP:
        return true;
    default:
        return false;
    }
}

static inline void raft_message_fini(struct raft_message *m)
{
    raft_entries_fini(&m->entries);
    if (m->snapshot != NULL) {
        raft_snapshot_fini(m->snapshot);
        free(m->snapshot);
    }
    blob_unref(m->context);
    *m = (struct raft_message){.type = RAFT_MSG_HUP};
}

static inline struct raft_message raft_message_copy(const struct raft_message *m)
{
    struct raft_message c = *m;
    c.entries = (struct raft_entries){0};
    if (m->entries.n != 0)
        raft_entries_add(&c.entries, m->entries.v, m->entries.n);
    if (m->snapshot != NULL) {
        c.snapshot = (struct raft_snapshot *)xmalloc(sizeof *c.snapshot);
        *c.snapshot = raft_snapshot_copy(m->snapshot);
    }
    if (m->context != NULL)
        blob_ref(m->context);
    return c;
}

/* A growing array of messages; owns them. */
struct raft_messages {
    struct raft_message *v;
    size_t n;
    size_t cap;
};

/* Append `m`; takes it. */
static inline void raft_messages_add(struct raft_messages *l, struct raft_message m)
{
    if (l->n == l->cap) {
        l->cap = l->cap < 8 ? 8 : l->cap * 2;
        l->v = (struct raft_message *)xrealloc(l->v, l->cap * sizeof *l->v);
    }
    l->v[l->n++] = m;
}

static inline void raft_messages_fini(struct raft_messages *l)
{
    for (size_t i = 0; i < l->n; i++)
        raft_message_fini(&l->v[i]);
    free(l->v);
    *l = (struct raft_messages){0};
}

/* ---- the persisted log, as the core reads it ----------------------------------------------- */

/* The core keeps what is not yet persisted itself and asks here only for what raft_persisted() has
 * confirmed, or what was there at the start. The log covers first_index()..last_index(); the term
 * of first_index()-1 is known too (0 at index 0). An empty log has last_index() == first_index()-1.
 * The owner may drop entries from the front at any time between two calls into the core, but none
 * above the applied index. */
struct raft_log_ops {
    raft_index (*first_index)(void *arg);
    raft_index (*last_index)(void *arg);

    /* Give the term of `index`. Fail with ERR_COMPACTED below first_index()-1, with ERR_NOT_FOUND
     * above last_index(). */
    enum err (*term)(void *arg, raft_index index, raft_term *ret_term);

    /* Lend entries from `lo` on, without a gap, below `hi`: at least one, and as many as lie in one
     * piece and stay within `max_bytes` of raft_entry_size (the first one always fits). They
     * stay valid until the core returns to its caller. lo < hi. Fail with ERR_COMPACTED if `lo` is
     * gone, with ERR_NOT_FOUND if hi-1 is beyond the end. */
    enum err (*entries)(void *arg, raft_index lo, raft_index hi, uint64_t max_bytes,
                        const struct raft_entry **ret_entries, size_t *ret_n);

    /* Return an owned snapshot of an applied state, at or above first_index()-1. Fail with ERR_BUSY
     * if there is none at this moment; the core asks again later. */
    enum err (*snapshot)(void *arg, struct raft_snapshot *ret_snapshot);
};

struct raft_log_reader {
    const struct raft_log_ops *ops;
    void *arg;
};

#endif
