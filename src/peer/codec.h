/* peer/codec.h -- raft messages as bytes on the peer port.
 *
 * Three forms, all of upstream's (rafthttp, raftpb):
 *   a bare raftpb.Message: the body of POST /raft
 *   message stream: repeated  u64 length | raftpb.Message
 *   msgapp stream (msgappv2): repeated frames
 *       00                                          link heartbeat
 *       01 | u64 n | n x (u64 len | Entry) | u64 commit   entries that follow on what came before
 *       02 | u64 len | Message                      a whole MsgApp
 * Integers are big-endian. Both ends of a msgapp stream keep (term, index), which start at 0,0: a
 * whole message sets them to its term and to the index of its last entry (its own index if there
 * is none); form 01 moves the index on. Encoders write every scalar, zero or not, and an empty
 * snapshot, as upstream's 3.4 and 3.5 do; 3.6 leaves the empty snapshot out, 3.7 every zero too,
 * and each reads what the others write.
 *
 * Decoding checks every length against the limits below before it allocates, and takes nothing on
 * trust: unknown fields are skipped; a known field of a wrong wire type is an error, and so is a
 * type of message or entry that iface/raft.h does not name. Empty bytes come out as none.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PEER_CODEC_H
#define PEER_CODEC_H

#include "iface/raft.h"

enum {
    PEER_MESSAGE_MAX = 64 * 1024 * 1024, /* bytes of one encoded message (upstream 3.6's limit) */
    PEER_ENTRIES_MAX = 1024 * 1024,      /* entries in one message */
    PEER_CONF_IDS_MAX = 1024,            /* members in one list of a ConfState */
};

/* ---- raftpb -------------------------------------------------------------------------------- */

size_t peer_message_size(const struct raft_message *m);
/* Append the bytes of `m`. */
void peer_message_encode(const struct raft_message *m, struct buf *out);
/* Read one message into `ret`, owned (raft_message_fini). An empty snapshot is none. Fail with
 * ERR_MALFORMED or ERR_TOO_LARGE; `ret` is all zero then. */
MUST_USE enum err peer_message_decode(struct slice data, struct raft_message *ret);

/* raftpb.Entry; raft_entry_size() says how long. Decoding checks no limit: the entry is part of
 * something that was checked. */
void peer_entry_encode(const struct raft_entry *e, struct buf *out);
MUST_USE enum err peer_entry_decode(struct slice data, struct raft_entry *ret);

/* raftpb.ConfState, of snapshots and of the meta bucket's readers. */
void peer_conf_state_encode(const struct raft_conf_state *cs, struct buf *out);

/* ---- streams: writing ---------------------------------------------------------------------- */

struct msgapp_encoder {
    raft_term term;
    raft_index index;
};

/* Append a MSG_APP in the shorter form that is possible. Large entries are appended as they are:
 * the caller bounds the queue. A frame that is appended must be sent, or `e` is wrong. */
void msgapp_encode(struct msgapp_encoder *e, const struct raft_message *m, struct buf *out);
void msgapp_encode_heartbeat(struct buf *out);
/* The message stream. */
void stream_encode(const struct raft_message *m, struct buf *out);
void stream_encode_heartbeat(struct buf *out);

/* ---- streams: reading ---------------------------------------------------------------------- */

/* Gathers bytes as they come and hands out whole messages. Memory: the part of one frame that is
 * not decoded yet, and the entries of it that are; both grow as bytes really come, not as a length
 * promises, and stay below PEER_MESSAGE_MAX bytes on the wire. */
struct peer_decoder {
    bool is_msgapp;
    member_id from, to; /* put into msgapp messages of form 01 */
    /* the codec's own */
    struct buf pending;
    raft_term term;
    raft_index index;
    bool in_entries;             /* inside a frame of form 01: */
    uint64_t entries_left;       /* still to come */
    uint64_t entries_bytes;      /* on the wire, of those that came */
    struct raft_entries entries; /* that came */
};

void peer_decoder_init(struct peer_decoder *d, bool is_msgapp, member_id from, member_id to);
void peer_decoder_fini(struct peer_decoder *d);
/* Take in `data` and call `message` for each one that is complete (lent; its content may be taken
 * by leaving it all zero). `message` leaves the decoder alone. Link heartbeats are swallowed. Fail
 * with ERR_MALFORMED or ERR_TOO_LARGE: the stream is useless from there on, only
 * peer_decoder_fini() may follow. */
MUST_USE enum err peer_decoder_feed(struct peer_decoder *d, struct slice data,
                                    void (*message)(void *arg, struct raft_message *m), void *arg);

#endif
