/* client/etcdclient.h -- the client library: calls, watches, leases, locks and elections.
 *
 * The messages are etcd's own, as protobuf-c generates them from its .proto files. A client belongs
 * to one thread at a time; several threads use a client each. Everything may be called either way:
 *
 *   - waiting:   etcd_call() and its like return when the answer is there;
 *   - listening: etcd_call_start(), etcd_watch_start() ... return at once, and their functions are
 *                called from within etcd_client_poll(), or from within any call that waits.
 *
 * The client connects when it is first used, to all of its endpoints; calls go round those that
 * answer, and wait for one until their time is over. A lost endpoint is tried again with growing
 * pauses (1 s to 120 s; 50 ms to 1 s while nothing else is left). Reads (Range, MemberList, ...)
 * are sent again when an endpoint fails under them; what changes something is sent again only if it
 * certainly was not begun. A token of Authenticate is fetched when a user is set, and again when
 * the server calls it invalid. Watches resume behind the last revision that they saw, on any
 * endpoint. Memory is bounded: an answer is at most recv_max.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCLIENT_H
#define ETCDCLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pb/etcdserverpb.pb-c.h"
#include "pb/v3electionpb.pb-c.h"
#include "pb/v3lockpb.pb-c.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errors ------------------------------------------------------------------------------- */

/* gRPC's status codes; those that the library itself makes are marked. */
enum etcd_code {
    ETCD_OK = 0,
    ETCD_CANCELED = 1, /* made: interrupted, or the client is being freed */
    ETCD_UNKNOWN = 2,
    ETCD_INVALID_ARGUMENT = 3,  /* made: a configuration that cannot be used */
    ETCD_DEADLINE_EXCEEDED = 4, /* made: "context deadline exceeded" */
    ETCD_NOT_FOUND = 5,
    ETCD_ALREADY_EXISTS = 6,
    ETCD_PERMISSION_DENIED = 7,
    ETCD_RESOURCE_EXHAUSTED = 8, /* made: an answer above recv_max, a request above send_max */
    ETCD_FAILED_PRECONDITION = 9,
    ETCD_ABORTED = 10,
    ETCD_OUT_OF_RANGE = 11,
    ETCD_UNIMPLEMENTED = 12,
    ETCD_INTERNAL = 13,
    ETCD_UNAVAILABLE = 14, /* made: a connection that was lost */
    ETCD_DATA_LOSS = 15,
    ETCD_UNAUTHENTICATED = 16,
};

struct etcd_error {
    enum etcd_code code;
    bool from_server; /* the server's word; else the library's */
    /* As upstream's client words it: "etcdserver: key is not provided", "context deadline
     * exceeded", and for what it does not know "rpc error: code = Unavailable desc = ...". Cut
     * where too long. */
    char text[1024];
};

/* ---- client ------------------------------------------------------------------------------- */

struct etcd_client;

enum {
    ETCD_ENDPOINTS_MAX = 256,
};

/* Zero everything and set what differs; 0 and NULL mean the value in brackets. Copied. */
struct etcd_client_config {
    /* "host:port", "http://...", "https://...", "unix:///path", "unixs://..."
     * [127.0.0.1:2379, alone] */
    const char *const *endpoints;
    size_t n_endpoints;

    const char *user, *password; /* Authenticate with them */
    const char *token;           /* send this as the token instead (a JWT) */

    /* TLS is used for https and unixs endpoints, and for those without a scheme if any of these is
     * set. Files are read when a connection is made, so that renewed ones are taken. */
    const char *cert_file, *key_file, *ca_file;
    const char *server_name; /* to verify in place of the host */
    bool tls;                /* use TLS where no scheme says otherwise */
    bool insecure_skip_verify;

    int64_t dial_timeout_ms;      /* to get a token [2,000]; a connection may take 20,000 */
    int64_t call_timeout_ms;      /* of a call that names none [5,000]; -1: none */
    int64_t keepalive_time_ms;    /* PING a silent connection after, 10,000 at least; -1: never */
    int64_t keepalive_timeout_ms; /* and give it up after [6,000] */
    uint32_t send_max, recv_max;  /* bytes of one message [2 MiB, 2 GiB - 1] */
    bool require_leader;          /* streams end when their endpoint has no leader */
    bool fail_fast; /* calls and streams fail when no endpoint can be dialled, and do not wait */

    /* Lines for a log of what the client does (a connection made or lost, a call sent again).
     * NULL: none. `text` has no newline. */
    void (*debug)(void *arg, const char *text);
    void *debug_arg;
};

/* Return a client, which has not connected yet, or NULL: the configuration is of no use (a URL that
 * is none, a certificate that cannot be read). */
struct etcd_client *etcd_client_new(const struct etcd_client_config *config,
                                    struct etcd_error *ret_error);
/* End everything without a callback, and free. What was made from the client (timers, sessions,
 * locks, observers) is freed before. Not from within a callback. NULL is fine. */
void etcd_client_free(struct etcd_client *c);

/* Get a token for the user now, and wait for it (dial_timeout_ms). Without a user, or where
 * authentication is off, there is nothing to do. Calls do the same by themselves: this is for a
 * program that wants to know before it does something. */
bool etcd_client_login(struct etcd_client *c, struct etcd_error *ret_error);

/* Run what is due; wait for at most `timeout_ms` (0: do not wait, -1: without limit) until
 * something happened. Return false once the client was interrupted. */
bool etcd_client_poll(struct etcd_client *c, int64_t timeout_ms);
/* Let the poll or the call that waits return: it ends with ETCD_CANCELED. May be called from a
 * signal handler or another thread. The client stays interrupted until etcd_client_resume(). */
void etcd_client_interrupt(struct etcd_client *c);
void etcd_client_resume(struct etcd_client *c);
/* Replace the endpoints; calls and streams under way stay where they are. */
bool etcd_client_set_endpoints(struct etcd_client *c, const char *const *endpoints, size_t n,
                               struct etcd_error *ret_error);
/* The endpoints as they were given, n of them. */
const char *const *etcd_client_endpoints(const struct etcd_client *c, size_t *ret_n);

/* Call `fn` from within poll when `fd` can be read (or is at its end), until told otherwise with fn
 * NULL. For a program that waits for a terminal or a child (pidfd) beside the server. */
void etcd_client_on_readable(struct etcd_client *c, int fd, void (*fn)(void *arg, int fd),
                             void *arg);

/* A timer, run from within poll. Freed by etcd_timer_free(), also inside `fn`. */
struct etcd_timer;
struct etcd_timer *etcd_timer_new(struct etcd_client *c, void (*fn)(void *arg), void *arg);
void etcd_timer_set(struct etcd_timer *t, int64_t delay_ms); /* fires once */
void etcd_timer_free(struct etcd_timer *t);

/* ---- calls -------------------------------------------------------------------------------- */

/* One method of a service. */
struct etcd_method {
    const char *path; /* "/etcdserverpb.KV/Range" */
    const ProtobufCMessageDescriptor *request, *response;
    bool repeatable; /* may be sent again whatever happened: it reads, or twice does no harm */
};

extern const struct etcd_method etcd_rpc_range, etcd_rpc_put, etcd_rpc_delete_range, etcd_rpc_txn,
    etcd_rpc_compact, etcd_rpc_lease_grant, etcd_rpc_lease_revoke, etcd_rpc_lease_time_to_live,
    etcd_rpc_lease_leases, etcd_rpc_member_add, etcd_rpc_member_remove, etcd_rpc_member_update,
    etcd_rpc_member_list, etcd_rpc_member_promote, etcd_rpc_alarm, etcd_rpc_status,
    etcd_rpc_defragment, etcd_rpc_hash, etcd_rpc_hash_kv, etcd_rpc_move_leader, etcd_rpc_downgrade,
    etcd_rpc_auth_enable, etcd_rpc_auth_disable, etcd_rpc_auth_status, etcd_rpc_authenticate,
    etcd_rpc_user_add, etcd_rpc_user_get, etcd_rpc_user_list, etcd_rpc_user_delete,
    etcd_rpc_user_change_password, etcd_rpc_user_grant_role, etcd_rpc_user_revoke_role,
    etcd_rpc_role_add, etcd_rpc_role_get, etcd_rpc_role_list, etcd_rpc_role_delete,
    etcd_rpc_role_grant_permission, etcd_rpc_role_revoke_permission, etcd_rpc_lock_lock,
    etcd_rpc_lock_unlock, etcd_rpc_election_campaign, etcd_rpc_election_proclaim,
    etcd_rpc_election_leader, etcd_rpc_election_resign;
/* Methods that answer with a stream, or take one, for etcd_stream_open(). */
extern const struct etcd_method etcd_rpc_range_stream, etcd_rpc_snapshot, etcd_rpc_watch,
    etcd_rpc_lease_keep_alive, etcd_rpc_election_observe;

/* Call and wait (not inside a callback). Return the answer, freed with etcd_response_free(), or
 * NULL: *ret_error says why. `timeout_ms` 0 is the client's call_timeout_ms, -1 is none. */
void *etcd_call(struct etcd_client *c, const struct etcd_method *m, const void *request,
                int64_t timeout_ms, struct etcd_error *ret_error);
void etcd_response_free(void *response); /* NULL is fine */

/* Call; `done` is told the answer (lent until it returns) or, with NULL, the error. `request` may
 * be freed at once. */
struct etcd_pending; /* valid until `done` was called */
struct etcd_pending *etcd_call_start(
    struct etcd_client *c, const struct etcd_method *m, const void *request, int64_t timeout_ms,
    void (*done)(void *arg, const void *response, const struct etcd_error *error), void *arg);
void etcd_call_cancel(struct etcd_pending *p); /* `done` is not called */

/* The same at one endpoint only, that of this number in etcd_client_endpoints(): to ask each member
 * for itself, all at once. */
void *etcd_call_at(struct etcd_client *c, size_t endpoint, const struct etcd_method *m,
                   const void *request, int64_t timeout_ms, struct etcd_error *ret_error);
struct etcd_pending *
etcd_call_start_at(struct etcd_client *c, size_t endpoint, const struct etcd_method *m,
                   const void *request, int64_t timeout_ms,
                   void (*done)(void *arg, const void *response, const struct etcd_error *error),
                   void *arg);

/* ---- streams ------------------------------------------------------------------------------ */

struct etcd_stream;

/* Open a stream; `request` (NULL: none) is its first message, and the last if `last`. Each message
 * that comes is given to `message`, lent; then `done`, once, with ETCD_OK at the proper end. A
 * stream is not sent again. */
struct etcd_stream *etcd_stream_open(struct etcd_client *c, const struct etcd_method *m,
                                     const void *request, bool last,
                                     void (*message)(void *arg, const void *response),
                                     void (*done)(void *arg, const struct etcd_error *error),
                                     void *arg);
void etcd_stream_send(struct etcd_stream *s, const void *request);
/* Cancel if it is not over, and free. Fine inside its callbacks. */
void etcd_stream_free(struct etcd_stream *s);

/* ---- watch -------------------------------------------------------------------------------- */

/* Watches that share one gRPC stream. */
struct etcd_watcher;
struct etcd_watcher *etcd_watcher_new(struct etcd_client *c);
void etcd_watcher_free(struct etcd_watcher *w); /* cancels all, without a callback */
/* Ask the server for a progress answer to all watches. */
void etcd_watcher_request_progress(struct etcd_watcher *w);

struct etcd_watch;

/* Watch; `create` is copied (its watch_id is ignored). `on_response` is told each answer, lent:
 * created (the first time only), events (fragments put together), progress notifications. Last,
 * once, canceled: with the server's answer (compact_revision, cancel_reason), or `response` NULL
 * and the error. When the connection is lost the watch goes on behind the last revision it saw,
 * elsewhere, and no answer says so. */
struct etcd_watch *
etcd_watch_start(struct etcd_watcher *w, const Etcdserverpb__WatchCreateRequest *create,
                 void (*on_response)(void *arg, const Etcdserverpb__WatchResponse *response,
                                     const struct etcd_error *error),
                 void *arg);
/* End it; `on_response` is not called again. Fine inside on_response. */
void etcd_watch_cancel(struct etcd_watch *w);

/* ---- leases ------------------------------------------------------------------------------- */

/* Keep a lease alive, each third of its TTL, on any endpoint, until it is stopped. `on_response` is
 * told each answer; with TTL 0, or `response` NULL (the lease could not be renewed within its TTL),
 * it is the last. */
struct etcd_keepalive;
struct etcd_keepalive *etcd_keepalive_start(
    struct etcd_client *c, int64_t lease,
    void (*on_response)(void *arg, const Etcdserverpb__LeaseKeepAliveResponse *response,
                        const struct etcd_error *error),
    void *arg);
void etcd_keepalive_stop(struct etcd_keepalive *k); /* fine inside on_response */
/* Renew once and wait (call_timeout_ms). The answer is freed with etcd_response_free(); NULL:
 * *ret_error, which is "etcdserver: requested lease not found" too. */
Etcdserverpb__LeaseKeepAliveResponse *etcd_keepalive_once(struct etcd_client *c, int64_t lease,
                                                          struct etcd_error *ret_error);

/* ---- sessions, locks, elections (upstream's recipes, so that all kinds of clients can mix) -- */

/* A lease that is kept alive. */
struct etcd_session;
/* Grant a lease of `ttl_s` (or take over `lease` if it is not 0) and keep it. NULL: *ret_error. */
struct etcd_session *etcd_session_new(struct etcd_client *c, int64_t ttl_s, int64_t lease,
                                      struct etcd_error *ret_error);
int64_t etcd_session_lease(const struct etcd_session *s);
bool etcd_session_is_alive(const struct etcd_session *s); /* false: the lease ran out */
/* Stop renewing; with `revoke` revoke the lease (waits). */
void etcd_session_free(struct etcd_session *s, bool revoke);

/* A lock on `name`: the key is "NAME/LEASEHEX", whoever created the oldest key below NAME/ holds
 * it. */
struct etcd_mutex;
struct etcd_mutex *etcd_mutex_new(struct etcd_session *s, const char *name);
/* Wait for the lock (timeout_ms 0 or -1: without limit). With `try_only` fail with
 * ETCD_ALREADY_EXISTS instead. After a failure the key is gone, at the latest with the lease. Fails
 * too when the session's lease runs out. */
bool etcd_mutex_lock(struct etcd_mutex *m, bool try_only, int64_t timeout_ms,
                     struct etcd_error *ret_error);
bool etcd_mutex_unlock(struct etcd_mutex *m, struct etcd_error *ret_error);
const char *etcd_mutex_key(const struct etcd_mutex *m); /* "" while not held */
const Etcdserverpb__ResponseHeader *etcd_mutex_header(const struct etcd_mutex *m);
void etcd_mutex_free(struct etcd_mutex *m);

struct etcd_election;
struct etcd_election *etcd_election_new(struct etcd_session *s, const char *name);
/* Wait until this session leads; then its key holds `value`. Fails when the session's lease runs
 * out. */
bool etcd_election_campaign(struct etcd_election *e, ProtobufCBinaryData value,
                            struct etcd_error *ret_error);
bool etcd_election_proclaim(struct etcd_election *e, ProtobufCBinaryData value,
                            struct etcd_error *ret_error);
bool etcd_election_resign(struct etcd_election *e, struct etcd_error *ret_error);
const char *etcd_election_key(const struct etcd_election *e); /* "" while not leading */
const Etcdserverpb__ResponseHeader *etcd_election_header(const struct etcd_election *e);
void etcd_election_free(struct etcd_election *e);
/* Tell each leader of `name`, the present one first, from within poll, until freed. With `leader`
 * NULL it is over: *error. */
struct etcd_observer;
struct etcd_observer *etcd_observer_new(struct etcd_client *c, const char *name,
                                        void (*leader)(void *arg,
                                                       const Etcdserverpb__RangeResponse *leader,
                                                       const struct etcd_error *error),
                                        void *arg);
void etcd_observer_free(struct etcd_observer *o);

#ifdef __cplusplus
}
#endif
#endif
