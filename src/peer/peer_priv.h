/* peer/peer_priv.h -- what the files of this room share.
 *
 *   peers.c            all peers: the transport's functions, timers, what is owed to the receiver
 *   peer.c             one peer: its URLs, whether it is active, where a message goes
 *   stream.c           the streams of one peer, in both directions
 *   pipeline.c         POST /raft
 *   request.c          small requests
 *   probe.c            GET /raft/probing
 *   snapshot_sender.c  POST /raft/snapshot, in a thread of its own
 *   inbound.c          what others ask of us; reception.c: snapshots that come in
 *
 * Order of life: a peer that must go is closed at once (nothing of it calls back any more) and
 * freed in peers_settle(), so that every function here may be called from a callback of a peer.
 * What is to be told to the receiver, and came up inside one of the transport's functions, is told
 * in peers_settle() too.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PEER_PEER_PRIV_H
#define PEER_PEER_PRIV_H

#include "http/client.h"
#include "http/stream.h"
#include "metrics/metrics.h"
#include "peer/address.h"
#include "peer/codec.h"
#include "peer/peers.h"

#define PEER_MIN_CLUSTER_VERSION "3.0.0"

struct peer;

enum {
    PEER_TICK_MS = 5000 / 3, /* between two heartbeats of a stream */
    PEER_PROBE_MS = 4000,
    PEER_TEXT_MAX = 4096, /* bytes of an answer that only says what was wrong */
};

/* ---- versions ------------------------------------------------------------------------------ */

struct peer_version {
    unsigned major, minor;
};

/* Read "3.4.23"; what is missing or no version counts as 2.0, as upstream does. */
struct peer_version peer_version_parse(struct slice text);
/* Less than, equal to or greater than zero. */
int peer_version_cmp(struct peer_version a, struct peer_version b);

/* ---- streams (stream.c) -------------------------------------------------------------------- */

enum peer_kind { PEER_MSGAPP, PEER_MESSAGE, PEER_KINDS };

/* "msgapp", "message": the last but one word of the stream's path. */
extern const char *const peer_kind_names[PEER_KINDS];

/* A stream that we dial: the other side speaks. */
struct peer_in {
    struct peer *peer;
    enum peer_kind kind;
    enum { PEER_IN_IDLE, PEER_IN_ASKING, PEER_IN_UP } state;
    struct http_request request;
    size_t url; /* which it went to */
    char *path, *headers;
    struct loop_timer redial;
    struct peer_decoder decoder;
    struct buf refusal; /* the text of an answer other than 200 */
    bool refusal_told;  /* in the log, since the stream was up last */
};

void peer_in_init(struct peer_in *in, struct peer *peer, enum peer_kind kind);
void peer_in_dial(struct peer_in *in);
/* No callback follows. */
void peer_in_stop(struct peer_in *in);
void peer_in_fini(struct peer_in *in);

/* A stream that the other side dialled: we speak. */
struct peer_out {
    struct peer *peer;
    enum peer_kind kind;
    struct http_stream *stream; /* NULL: not attached */
    struct msgapp_encoder encoder;
    uint64_t written;     /* bytes, since it was attached */
    uint64_t moved;       /* of them, had left the queue at the last tick */
    unsigned stuck_ticks; /* since when that has not changed */
    unsigned queued;      /* messages, since the queue was empty last */
    bool wrote;           /* since the last tick */
};

/* Answer the GET with a stream, in place of the one before. */
void peer_out_attach(struct peer_out *out, struct http_stream *s);
/* Return false if it was dropped. */
bool peer_out_send(struct peer_out *out, const struct raft_message *m);
/* Say that we are alive; give up on a connection that takes nothing. */
void peer_out_tick(struct peer_out *out);
void peer_out_detach(struct peer_out *out);

/* ---- one peer (peer.c) --------------------------------------------------------------------- */

struct peer_url {
    struct peer_address address;
    struct http_client *client; /* NULL: it cannot be reached from here (TLS is not set up) */
};

enum peer_counter {
    PEER_SENT_BYTES,
    PEER_RECEIVED_BYTES,
    PEER_SENT_FAILURES,
    PEER_RECEIVED_FAILURES,
    PEER_ROUND_TRIP,
    PEER_SNAPSHOT_SENT,
    PEER_SNAPSHOT_SENT_FAILURES,
    PEER_SNAPSHOT_SENDING,
    PEER_SNAPSHOT_SEND_SECONDS,
    PEER_SNAPSHOT_RECEIVED,
    PEER_SNAPSHOT_RECEIVED_FAILURES,
    PEER_SNAPSHOT_RECEIVING,
    PEER_SNAPSHOT_RECEIVE_SECONDS,
    PEER_ACTIVE,
    PEER_DISCONNECTED,
    PEER_COUNTERS,
};

struct peer {
    struct list link; /* peers.peers, .remotes or .dead */
    struct peers *owner;
    member_id id;
    bool is_remote; /* not a member as far as we know: pipeline and snapshots only */

    char **given; /* the URLs as they were given */
    size_t n_given;
    struct peer_url *urls; /* those that can be used */
    size_t n_urls, picked;

    struct peer_in in[PEER_KINDS];
    struct peer_out out[PEER_KINDS];

    struct list posts_waiting, posts_running;
    size_t n_posts_waiting, n_posts_running;
    bool refusal_told; /* of a post, since one succeeded last */

    struct list outgoing;

    struct http_request probe;
    bool is_probing;
    size_t probe_url;
    int64_t probe_sent_us, probe_sent_ns; /* monotonic; wall clock */
    msec drift_told;                      /* when it was logged last; 0: never */

    bool is_active, is_unreachable; /* the latter is to be told to the receiver */
    msec active_since;
    struct peer_version version;
    struct metric_series *series[PEER_COUNTERS]; /* all NULL for a remote */
};

struct peer *peer_new(struct peers *p, member_id id, bool is_remote);
bool peer_has_urls(const struct peer *peer, const char *const *urls, size_t n);
/* Leave what is under way, and begin again there. */
void peer_set_urls(struct peer *peer, const char *const *urls, size_t n);
void peer_close(struct peer *peer);
void peer_free(struct peer *peer);

/* Where to ask next; NULL: there is no URL to ask at. */
struct http_client *peer_client(const struct peer *peer);
/* The URL `i` was of no use: take the next one if it is still the one to ask. */
void peer_url_failed(struct peer *peer, size_t i);
/* A stream to us came up or went down; `why` says why. */
void peer_update_activity(struct peer *peer, const char *why);
/* Have the receiver told that a message did not go out. */
void peer_report_unreachable(struct peer *peer);
/* By stream or pipeline. Takes the content of `m`. */
void peer_send(struct peer *peer, struct raft_message *m);

/* `peer` may be NULL. */
void peer_count(struct peer *peer, enum peer_counter counter, int64_t n);
void peer_observe(struct peer *peer, enum peer_counter counter, double seconds);

/* ---- pipeline.c, request.c, probe.c -------------------------------------------------------- */

/* Return false if it was dropped. */
bool peer_pipeline_send(struct peer *peer, const struct raft_message *m);
/* Drop everything; no callback follows. */
void peer_pipeline_stop(struct peer *peer);
/* True if an answer to a post says that we are not a member any more. */
bool peer_answer_says_removed(unsigned status, struct slice body);

void peers_request(struct peers *p, struct transport_request *r);
void peers_request_cancel(struct transport_request *r);
/* Stop asking; then begin again with the URLs that the peer has now, or fail. */
void peer_requests_stop(struct peer *peer);
void peer_requests_restart(struct peer *peer);
void peer_requests_fail(struct peer *peer);
/* Tell those that failed. */
void peers_requests_settle(struct peers *p);
void peers_requests_drop(struct peers *p);

void peer_probe(struct peer *peer);
void peer_probe_stop(struct peer *peer);
/* Read RFC 3339, with or without a fraction, as nanoseconds since 1970. */
bool peer_time_parse(struct slice text, int64_t *ret_ns);
/* Write RFC 3339 in UTC with nanoseconds, as Go does. */
void peer_time_format(int64_t ns, struct buf *out);

/* ---- snapshots ----------------------------------------------------------------------------- */

void peers_send_snapshot(struct peers *p, struct raft_message *m, int fd, uint64_t size);
/* End those that go to `id`; their end is told as ever. */
void peers_stop_snapshots(struct peers *p, member_id id);
bool peers_has_ended_snapshot(const struct peers *p);
/* Tell of those that have ended. */
void peers_snapshots_settle(struct peers *p);
/* End all and wait for it. */
void peers_snapshots_drop(struct peers *p);

/* Take the POST of a snapshot, whose headers are as they must be. */
void reception_start(struct peers *p, struct http_stream *s);
/* Give up on those that nothing comes of any more. */
void receptions_tick(struct peers *p);
void receptions_drop(struct peers *p);

/* ---- inbound.c ----------------------------------------------------------------------------- */

/* Answer as Go's http.Error does, with the id of our cluster. */
void inbound_error(struct peers *p, struct http_stream *s, unsigned status, const char *text);
/* 204, or what receiving `m` has to be answered with. Return false if it was refused. */
bool inbound_check_message(struct peers *p, struct http_stream *s, const struct raft_message *m);
void inbound_done(struct peers *p, struct http_stream *s);
void inbound_answer(struct peers *p, struct transport_inbound *in, unsigned status,
                    const char *content_type, struct slice body);
void inbounds_drop(struct peers *p);

/* ---- all of them (peers.c) ----------------------------------------------------------------- */

struct peers {
    struct transport transport;
    struct peers_config cfg;
    char *own_urls; /* joined by commas */
    char cluster_hex[20];
    struct list peers, remotes, dead;
    size_t n_remotes;
    struct list inbounds;
    struct list receptions;
    size_t n_receptions;
    struct list senders;
    struct list failed; /* small requests whose end is to be told */
    struct loop_timer settle, tick, probe;
    bool round_due;
    struct buf scratch;
};

/* Return the peer, or else the remote, with that id; NULL: neither. */
struct peer *peers_find(struct peers *p, member_id id);
/* Remember who asked us, by the URLs it gave, unless it is known. */
void peers_add_remote(struct peers *p, member_id id, struct slice urls);
/* A message that came for us; its content is taken. Return false if it was refused. */
bool peers_receive(struct peers *p, struct raft_message *m);
/* Have peers_settle() run in the loop's next round. */
void peers_settle_soon(struct peers *p);
/* The header lines that go with what we ask of a peer, then `more`; owned by the caller. */
char *peers_headers(const struct peers *p, const char *more);

static inline struct peers *peers_of(struct transport *t)
{
    return CONTAINER_OF(t, struct peers, transport);
}

#endif
