/* server/server_priv.h -- the member's parts, shared by the files of this room only.
 *
 * Who may touch what: each field stands under the thread that owns it. What several threads see is
 * atomic, or under index_lock.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SERVER_PRIV_H
#define SERVER_SERVER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "apply/apply.h"
#include "config/config.h"
#include "http/listener.h"
#include "http/server.h"
#include "loop/mailbox.h"
#include "metrics/metrics.h"
#include "raft/raft.h"
#include "server/client.h"
#include "server/compactor.h"
#include "server/drive.h"
#include "server/entry_cache.h"
#include "server/watch.h"
#include "storage/data_dir.h"
#include "storage/kvdb.h"
#include "storage/logdb.h"
#include "storage/row_cache.h"

enum { CLIENTS_MAX = 64 };

struct hub;  /* watch.c */
struct feed; /* feed.c */

struct server_client {
    struct server *server;
    struct loop *loop;
    struct kvdb_reader *reader;
    struct row_cache *cache; /* before the reader */
    bool view_open;
    revision view_rev; /* the newest revision that the open view is known to hold */
    uint64_t view_generation; /* of the state that the open view belongs to */
    struct kvdb_reader *spare; /* for server_view; NULL: in use or not made yet */
    struct hub *hub;

    /* the member's */
    struct list outbox; /* loop_msg.link of replies, posted at the end of its round */
    bool subscribed;    /* its hub is fed */
};

/* Calls that wait for their entry to be applied, by entry id. */
struct pending {
    struct server_call **bucket;
    size_t mask, n;
    size_t bytes;         /* of their entries */
    size_t forwarded;     /* of those that were proposed in this era */
    uint64_t forward_era; /* a new one begins when what was forwarded is given up */
};

/* All that entries change. Made from the key database, at start and when a snapshot replaced it. */
struct state {
    struct mvcc_store *kv;
    struct lessor *lessor;
    struct cluster *cluster;
    struct applier *applier;
    raft_index applied_index;
    raft_term applied_term;
};

/* A snapshot file that the keeper made: what it holds. */
struct keeper_spool {
    int fd; /* open, without a name, positioned at 0; the receiver closes it */
    uint64_t size;
    revision rev;
    raft_index index; /* the entry that it stands for */
    raft_term term;
    struct cluster *cluster; /* its members; owned by the receiver */
};

struct restore;   /* snapshot_receive.c */
struct log_group; /* log_thread.c */
struct versions;  /* versions.c */
struct corruption; /* corruption.c */

struct server {
    const struct config *_Atomic cfg; /* another one after a reload; old ones stay */
    struct server_world world;
    uint64_t cluster_id;
    member_id id;
    struct data_dir *dir;
    struct kvdb *kvdb;
    struct logdb *logdb;

    /* ---- seen by all threads ---- */
    pthread_rwlock_t index_lock; /* the index inside kv: written by the member only */
    struct mvcc_store *kv;       /* replaced by the keeper while it loads a snapshot */
    _Atomic uint64_t generation; /* how often that happened; changed under index_lock */
    _Atomic revision published;   /* committed in kv.db; what readers may see. Never below the
                                   * revision that is compacted: a read of now finds its rows. */
    _Atomic raft_term term;
    _Atomic member_id leader;
    _Atomic raft_index applied, committed;
    _Atomic bool leads;      /* we are the leader */
    _Atomic bool is_learner;
    _Atomic bool read_local; /* ... of a cluster of one voter, and have committed in our term */
    pthread_rwlock_t gate; /* held to read while a client posts; to write while it is closed */
    _Atomic bool stopping; /* the gate is closed: nothing more comes in from outside */
    _Atomic bool failed;
    _Atomic unsigned alarms;
    _Atomic uint64_t next_id;
    _Atomic int64_t db_size, db_in_use;
    _Atomic size_t pending_shown; /* proposals that wait, for the metrics */
    _Atomic(const char *) cluster_version; /* static, or in `texts` */
    _Atomic bool feeding; /* some hub is subscribed */

    struct mailbox *inbox, *log_inbox, *keeper_inbox;
    pthread_t member_thread, log_thread, keeper_thread;
    bool threads_run; /* the control thread's */
    struct server_task stop, keeper_end;
    struct log_group *log_group; /* the log thread's */

    /* ---- the member's ---- */
    struct loop *loop; /* of the peers' sockets; NULL in a simulation */
    struct peers *peers;
    struct transport *transport;
    struct http_server *peer_port;
    struct acceptor *acceptors[URL_LIST_MAX];
    size_t n_acceptors;
    struct raft *raft;
    struct raft_ready ready;
    struct entry_cache cache;
    struct raft_hard_state hard_state; /* the newest */
    bool conf_changed;                 /* by the batch being applied */
    bool hard_state_due;               /* its term or vote is not handed to the log yet */
    raft_index stored_commit;          /* the newest commit index handed to the log */
    raft_index trim_index;             /* goes with the next append; 0: none */
    size_t log_in_flight;  /* appends that the log thread has, or that are held */
    uint64_t log_unsynced; /* the newest ready that needs no sync of its own */
    struct log_job *log_last; /* the newest of them; NULL: none */
    struct list log_held;     /* until a snapshot is loaded */
    struct network_answer {
        member_id to;
        raft_term term;
        raft_index index; /* 0: refused */
    } last_answer;                   /* to an append */
    struct raft_message held_answer; /* one that says the same; to 0: none */
    msec log_progress;        /* when one came back, or the first was given */
    bool disk_hangs;
    struct restore *restore; /* a snapshot is being loaded; NULL: none */
    struct snapshot_offered {
        int fd; /* -1: none */
        uint64_t size;
        raft_index index;
        struct blob *data;
    } offered; /* came in, and raft has not yet said that it wants it */
    size_t snapshots_out;
    raft_index hold_entries_from; /* while snapshots are under way, and for a while longer */
    msec hold_entries_until;
    const char **own_urls;   /* the peer URLs that we advertise */
    struct member **remotes; /* of a joining member: whom to talk to at first */
    size_t n_remotes;
    char joined_version[CLUSTER_VERSION_MAX];
    bool ticks_advanced;
    msec leader_since, next_waiting_report, next_read_ask;
    bool removed; /* from the cluster: the member ends */
    msec end_at;
    struct versions *versions;
    struct corruption *corruption;
    struct lessor *lessor;
    struct cluster *cluster;
    struct applier *applier;
    struct compactor *compactor;
    struct arena *arena; /* of the request being applied */
    struct arena *texts; /* strings that other threads may hold on to: never reset */
    msec now;            /* read once a round */
    msec next_tick, next_summary;
    bool stop_now;
    int64_t apply_mark_us; /* when the entry before was done */
    struct pending pending;
    struct raft_entries batch;      /* what the server proposes by itself */
    struct list batch_calls;        /* the calls to propose */
    msec last_propose;
    raft_term propose_term;
    struct list timeouts;           /* calls that wait, by deadline (all have the same time-out) */
    struct list applied_calls;      /* answered once the batch is committed */
    struct list reads;              /* OP_READ_INDEX and linearizable lists, not yet confirmed */
    struct list reads_confirmed;    /* wait for their index to be applied */
    uint64_t read_round;            /* the round that was asked for last; 0: none is under way */
    raft_term read_term;            /* when it was asked: a term has one leader */
    struct list compact_waiters;    /* OP_COMPACT with physical */
    struct list defrag_waiters;
    bool vacuuming;
    msec next_vacuum, next_compact_step;
    struct list forwards;           /* calls that the leader is asked for: forward.c */
    struct list transfers;          /* OP_MOVE_LEADER */
    struct handover *handover;      /* the control thread waits for another leader */
    struct server_client *self;     /* the client of calls that come from other members */
    struct server_client *clients[CLIENTS_MAX];
    size_t n_clients;
    struct feed *feed; /* changes of the batch being applied; NULL: none */
    bool published_self; /* our name and URLs */
    _Atomic bool ready_said;
    raft_index applied_index;
    raft_term applied_term;
    raft_index checkpoint_index; /* applied when the checkpoint under way was asked for */
    int64_t checkpoint_wal;      /* size of the WAL when the last checkpoint was asked for */
    bool checkpoint_running;
    raft_index durable_index;    /* up to here kv.db has synced */
    msec last_checkpoint;
    struct kvdb_checkpointer *member_cp;
    bool end_wal_due;            /* the last one did not reach the end of the WAL */
    msec compact_started, defrag_started;
    bool space_warned, space_is_low;
    msec next_space_alarm; /* not proposed again before */

    /* ---- the keeper's ---- */
    struct kvdb_checkpointer *keeper_cp;
    struct kvdb_reader *keeper_reader;

    struct metrics *metrics;
    pthread_mutex_t metrics_lock;

    /* ---- summary.c: for the control thread ---- */
    pthread_mutex_t summary_lock;
    struct server_summary summary; /* under the lock */
    _Atomic msec tick_beat, log_beat;
    struct server_events events;
};

/* ---- boot.c: files to state ---- */
enum err server_boot(struct server *s, struct why *why);
void server_unboot(struct server *s);
/* Fill `ret`, owned, from the key database. The writer is not in a transaction, and is the caller's. */
enum err state_load(struct server *s, struct state *ret, struct why *why);
/* The same in steps: the stores, with nothing in them; the rows, which the caller shows to `kv`; then,
 * in a transaction of the writer, the rest. Keys are not attached to their leases by this. */
void state_init(struct server *s, struct state *st);
enum err state_load_buckets(struct server *s, struct state *st, struct why *why);
void state_fini(struct state *st);
/* Show what was loaded to the other threads; takes the state. Under index_lock, or at start. */
void state_publish(struct server *s, const struct state *st);
struct raft_conf_state conf_state_of(const struct cluster *c);
/* load.c: show every row of the history to the store and the applier. */
enum err rows_load(struct server *s, struct state *st, struct why *why);
void sha1_digest(struct slice data, uint8_t ret[SHA1_SIZE]);

/* ---- member.c: the member thread ---- */
void *member_main(void *arg);
void member_begin(struct server *s); /* once, before the first round */
void member_end(struct server *s);   /* answer all that waits */
/* How long a call may wait. */
msec member_request_timeout(const struct server *s);
/* Let go of the entries that nobody will ask for. */
void member_trim(struct server *s);
/* The voter that is to lead next; 0: nobody can. */
member_id member_best_successor(struct server *s);
/* We are not a member any more: say so, and end. `by`: who told us; 0: the log. */
void member_was_removed(struct server *s, member_id by);
/* Stop acknowledging, for ever. Member thread. */
void member_fail(struct server *s, const char *what, const char *text);
/* Propose a request that nobody waits for. */
void member_propose(struct server *s, Etcdserverpb__InternalRaftRequest *req);
void member_propose_entry(struct server *s, struct blob *data); /* takes the data */
/* The answer of `call` goes out at the end of the round. Takes the response. */
void call_answer(struct server *s, struct server_call *call, enum err e, struct blob *response);
/* The same with a message that is encoded here after its header was filled in. */
void call_answer_pb(struct server *s, struct server_call *call, ProtobufCMessage *response);
void client_post(struct server_client *c, struct loop_msg *msg);

/* ---- server.c ---- */
struct compactor *compactor_as_configured(const struct config *cfg); /* NULL: off */
/* Post from outside of the server's own threads. False, and nothing is posted, once it stops. */
bool server_post(struct server *s, struct mailbox *to, struct server_task *t);

/* ---- calls.c: what a call asks for ---- */
void call_run(struct server *s, struct server_task *t);
void lease_renewed(struct server *s, struct server_call *call); /* its checkpoint is applied */
/* Propose `req` in the name of the call, or answer it if the oldest member would not know it. */
void call_propose_request(struct server *s, struct server_call *call,
                          Etcdserverpb__InternalRaftRequest *req);
/* reconfig.c: OP_MEMBER_ADD and its like. */
void reconfig_call(struct server *s, struct server_call *call);
void member_to_pb(const struct member *m, Etcdserverpb__Member *ret); /* lends */
/* Return the encoded response of a membership call; `added` is for OP_MEMBER_ADD only. */
struct blob *members_response(struct server *s, enum server_op op, const struct member *added,
                              const struct member *const *members, size_t n);
/* The same with all members of the cluster as they are now. */
struct blob *cluster_response(struct server *s, enum server_op op, const struct member *added);
/* A change was applied, or refused with `e`. */
void reconfig_applied(struct server *s, const struct raft_conf_change *cc, enum err e);
/* Confirmed reads whose index is applied are answered. */
void reads_serve(struct server *s);
struct blob *entry_encode(const Etcdserverpb__InternalRaftRequest *req);

/* ---- apply_batch.c: committed entries ---- */
void member_apply(struct server *s, const struct raft_entry *entries, size_t n);
/* The entry that the state stands for, to the meta bucket. */
void store_applied(struct kv_writer *w, raft_index index, raft_term term);
void store_conf_state(struct kv_writer *w, const struct raft_conf_state *cs);
void pending_add(struct pending *p, struct server_call *call);
struct server_call *pending_take(struct pending *p, uint64_t id);
/* It is on its way to the leader: counts as forwarded until it is taken, or all is forgotten. */
void pending_forwarded(struct pending *p, struct server_call *call);
void pending_forget_forwarded(struct pending *p);

/* ---- upkeep.c: compaction, vacuum, checkpoints, leases, auto-compaction ---- */
/* Do what is due; return when it wants to be called again. */
msec upkeep_run(struct server *s);
void upkeep_compaction_scheduled(struct server *s);
/* kv.db is synced up to `index`: the log need not keep it. */
void upkeep_durable(struct server *s, raft_index index);

/* ---- log_thread.c ---- */
void *log_main(void *arg);
/* Write what is in the list, which is empty afterwards; false: the thread is to end. */
bool log_run(struct server *s, struct list *jobs);
void log_group_free(struct log_group *g);
/* Make the ready durable, then raft_persisted(), and send what waits for that. Takes the entries
 * and the later messages out of rd. */
void log_append(struct server *s, struct raft_ready *rd);
/* Store the commit index now: a restart must know of a committed change of configuration, or it may
 * not know who votes. */
void log_store_commit(struct server *s);
void log_release(struct server *s); /* a snapshot is loaded: go on */
void log_drop_held(struct server *s);
void log_trim(struct server *s, raft_index index);
void log_stop(struct server *s);

/* ---- keeper.c ---- */
void *keeper_main(void *arg);
/* Run what is in the list, which is empty afterwards; false: the thread is to end. */
bool keeper_run(struct server *s, struct list *tasks);
void keeper_checkpoint(struct server *s);
/* The member calls this last of all; when the keeper has done what came before, the member ends. */
void keeper_stop(struct server *s);
void keeper_call(struct server *s, struct server_call *call); /* OP_HASH, OP_HASH_KV */
/* Keeper thread: make a snapshot file. ERR_CLOSED when the server stops. */
enum err keeper_spool(struct server *s, struct keeper_spool *ret, struct why *why);

/* ---- network.c: the transport, as the member uses it ---- */
struct transport_receiver network_receiver(struct server *s);
/* Send all; takes the messages, and leaves the array to be used again. */
void network_send(struct server *s, struct raft_messages *msgs);
/* Take out of `msgs` what answers an append that brought a commit index only, and says what the
 * leader has heard before: it goes with the next message there, or at the next tick. So a lone
 * put has two messages less for the leader to hear of while it is at the next one. */
void network_hold_answers(struct server *s, struct raft_messages *msgs);
void network_release_answer(struct server *s);
void network_set(struct server *s, const struct member *m);
void network_remove(struct server *s, member_id id);
void network_sync(struct server *s); /* the members of the cluster are the peers */
bool network_is_active_since(struct server *s, member_id id, msec since);
/* The voters that have been connected for so long, ourselves included. */
size_t network_active_voters(struct server *s, msec since);
bool network_has_quorum_since(struct server *s, msec since);
/* Append the names of the members that are not connected, and their URLs if asked for. */
void network_add_missing(struct server *s, struct buf *names, bool with_urls);
/* Without a leader: say now and then whom we wait for. */
void network_report_waiting(struct server *s);

/* ---- peer_port.c: the listeners of the peer URLs ---- */
/* Made before the peers, whose streams it sends at the end of a round, and freed after them. */
void peer_port_new(struct server *s);
enum err peer_port_listen(struct server *s, struct why *why);
void peer_port_free(struct server *s);

/* ---- peer_calls.c: small requests of other members ---- */
void peer_request(struct server *s, struct transport_inbound *in);

/* ---- forward.c: calls that the leader is asked for ---- */
void forward_call(struct server *s, struct server_call *call);
void forward_run(struct server *s); /* ask again what is due */
void forward_fail_all(struct server *s, enum err e);

/* ---- handover.c ---- */
void transfer_call(struct server *s, struct server_call *call); /* OP_MOVE_LEADER */
void transfer_run(struct server *s);
void handover_run(struct server *s);

/* ---- snapshot_send.c ---- */
enum err snapshot_offer(void *arg, struct raft_snapshot *ret); /* raft_log_ops.snapshot */
void snapshot_send(struct server *s, struct raft_message *m);  /* takes the MSG_SNAP */
void snapshot_sent(struct server *s, member_id id, bool ok);

/* ---- snapshot_receive.c ---- */
/* A snapshot came in; takes `fd`. False: it is of no use. */
bool restore_offer(struct server *s, struct raft_message *m, int fd, uint64_t size);
/* Raft wants it: load it. */
void restore_begin(struct server *s, const struct raft_ready *rd);
void restore_drop_unused(struct server *s);
void restore_drop(struct server *s); /* at the end: one that was given up */
/* At start: finish what was cut short between kv.db and log.db. */
enum err restore_finish(struct server *s, struct logdb_start *start, struct why *why);

/* ---- versions.c: what we say we are, what the cluster agrees on ---- */
const char *version_reported(struct server *s);
/* Append the JSON of /version on the peer port. */
void version_add_json(struct server *s, struct buf *out);
/* May this be proposed: does the oldest member know it? */
bool version_allows(struct server *s, const Etcdserverpb__InternalRaftRequest *req);
/* Does the cluster have our name and client URLs as configured? */
bool version_self_is_published(struct server *s);
void downgrade_call(struct server *s, struct server_call *call);
void downgrade_applied(struct server *s, struct server_call *call);
/* Do what is due; return when it wants to be called again. */
msec versions_run(struct server *s);
void versions_free(struct versions *v);

/* ---- summary.c: the member, seen from the control thread ---- */
/* At each tick. */
void summary_run(struct server *s);
/* Starting has come so far. */
void member_progress(struct server *s, const char *doing, uint64_t done);

/* ---- corruption.c: members compared by hash ---- */
void corruption_compacted(struct server *s, revision rev); /* a compaction is done */
/* Do what is due; return when it wants to be called again. */
msec corruption_run(struct server *s);
void corruption_free(struct corruption *c);

/* ---- feed.c: changes to the hubs ---- */
void feed_add(struct server *s, const struct mvcc_change *changes, size_t n);
void feed_post(struct server *s, revision rev);

/* Set the sizes that are shown, from the writer. Member thread. */
void publish_size(struct server *s);

static inline Etcdserverpb__ResponseHeader header_make(const struct server *s, revision rev)
{
    Etcdserverpb__ResponseHeader h = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    h.cluster_id = s->cluster_id;
    h.member_id = s->id;
    h.revision = rev;
    h.raft_term = atomic_load_explicit(&s->term, memory_order_relaxed);
    return h;
}

static inline struct blob *message_blob(const ProtobufCMessage *m)
{
    struct blob *b = blob_new(protobuf_c_message_get_packed_size(m));
    protobuf_c_message_pack(m, b->p);
    return b;
}

static inline revision published_revision(const struct server *s)
{
    return atomic_load_explicit(&s->published, memory_order_acquire);
}

#endif
