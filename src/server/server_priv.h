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
#include "loop/mailbox.h"
#include "metrics/metrics.h"
#include "raft/raft.h"
#include "server/client.h"
#include "server/compactor.h"
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
    size_t bytes; /* of their entries */
};

struct server {
    const struct config *cfg;
    uint64_t cluster_id;
    member_id id;
    struct data_dir *dir;
    struct kvdb *kvdb;
    struct logdb *logdb;

    /* ---- seen by all threads ---- */
    pthread_rwlock_t index_lock; /* the index inside kv: written by the member only */
    struct mvcc_store *kv;
    _Atomic revision published;   /* committed in kv.db; what readers may see. Never below the
                                   * revision that is compacted: a read of now finds its rows. */
    _Atomic raft_term term;
    _Atomic member_id leader;
    _Atomic raft_index applied, committed;
    _Atomic bool leads;      /* we are the leader */
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

    /* ---- the member's ---- */
    struct raft *raft;
    struct raft_ready ready;
    struct entry_cache cache;
    struct raft_hard_state hard_state; /* the newest */
    bool hard_state_due;               /* its term or vote is not handed to the log yet */
    raft_index stored_commit;          /* the newest commit index handed to the log */
    raft_index trim_index;             /* goes with the next append; 0: none */
    size_t log_in_flight;  /* appends that the log thread has */
    uint64_t log_unsynced; /* the newest ready that needs no sync of its own */
    struct lessor *lessor;
    struct cluster *cluster;
    struct applier *applier;
    struct compactor *compactor;
    struct arena *arena; /* of the request being applied */
    struct arena *texts; /* strings that other threads may hold on to: never reset */
    msec now;            /* read once a round */
    msec next_tick;
    bool stop_now;
    int64_t apply_mark_us; /* when the entry before was done */
    struct pending pending;
    struct raft_entries batch;      /* proposals of this round */
    struct list batch_calls;        /* and the calls they belong to (internal ones have none) */
    struct list timeouts;           /* calls that wait, by deadline (all have the same time-out) */
    struct list applied_calls;      /* answered once the batch is committed */
    struct list reads;              /* OP_READ_INDEX and linearizable lists, not yet confirmed */
    struct list reads_confirmed;    /* wait for their index to be applied */
    uint64_t read_round;            /* the round that was asked for last; 0: none is under way */
    struct list compact_waiters;    /* OP_COMPACT with physical */
    struct list defrag_waiters;
    bool vacuuming;
    msec next_vacuum, next_compact_step;
    struct server_client *clients[CLIENTS_MAX];
    size_t n_clients;
    struct feed *feed; /* changes of the batch being applied; NULL: none */
    bool published_self, proposed_self; /* our name and URLs, and the cluster version */
    bool ready_said;
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
    bool space_warned;
    msec next_space_alarm; /* not proposed again before */

    /* ---- the keeper's ---- */
    struct kvdb_checkpointer *keeper_cp;
    struct kvdb_reader *keeper_reader;

    struct metrics *metrics;
    pthread_mutex_t metrics_lock;
    struct server_events events;
};

/* ---- boot.c: files to state, once ---- */
enum err server_boot(struct server *s, struct why *why);
void server_unboot(struct server *s);
/* load.c: show every row of the history to the store and the applier. */
enum err rows_load(struct server *s, struct why *why);
void sha1_digest(struct slice data, uint8_t ret[SHA1_SIZE]);

/* ---- member.c: the member thread ---- */
void *member_main(void *arg);
/* Stop acknowledging, for ever. Member thread. */
void member_fail(struct server *s, const char *what, const char *text);
/* Propose a request that nobody waits for. */
void member_propose(struct server *s, Etcdserverpb__InternalRaftRequest *req);
/* The answer of `call` goes out at the end of the round. Takes the response. */
void call_answer(struct server *s, struct server_call *call, enum err e, struct blob *response);
/* The same with a message that is encoded here after its header was filled in. */
void call_answer_pb(struct server *s, struct server_call *call, ProtobufCMessage *response);
void client_post(struct server_client *c, struct loop_msg *msg);

/* ---- server.c ---- */
/* Post from outside of the server's own threads. False, and nothing is posted, once it stops. */
bool server_post(struct server *s, struct mailbox *to, struct server_task *t);

/* ---- calls.c: what a call asks for ---- */
void call_run(struct server *s, struct server_task *t);
/* reconfig.c: OP_MEMBER_ADD and its like. */
void reconfig_call(struct server *s, struct server_call *call);
/* Confirmed reads whose index is applied are answered. */
void reads_serve(struct server *s);
struct blob *entry_encode(const Etcdserverpb__InternalRaftRequest *req);

/* ---- apply_batch.c: committed entries ---- */
void member_apply(struct server *s, const struct raft_entry *entries, size_t n);
void pending_add(struct pending *p, struct server_call *call);
struct server_call *pending_take(struct pending *p, uint64_t id);

/* ---- upkeep.c: compaction, vacuum, checkpoints, leases, auto-compaction ---- */
/* Once we lead, publish our name and URLs and the cluster version; then say that we are ready. */
void upkeep_publish(struct server *s);
/* Do what is due; return when it wants to be called again. */
msec upkeep_run(struct server *s);
void upkeep_compaction_scheduled(struct server *s);
/* kv.db is synced up to `index`: the log need not keep it. */
void upkeep_durable(struct server *s, raft_index index);

/* ---- log_thread.c, keeper.c ---- */
void *log_main(void *arg);
/* Make the ready durable, then raft_persisted(). Takes the entries out of rd. */
void log_append(struct server *s, struct raft_ready *rd);
void log_trim(struct server *s, raft_index index);
void log_stop(struct server *s);
void *keeper_main(void *arg);
void keeper_checkpoint(struct server *s);
/* The member calls this last of all; when the keeper has done what came before, the member ends. */
void keeper_stop(struct server *s);
void keeper_call(struct server *s, struct server_call *call); /* OP_HASH, OP_HASH_KV */

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

static inline revision published_revision(const struct server *s)
{
    return atomic_load_explicit(&s->published, memory_order_acquire);
}

#endif
