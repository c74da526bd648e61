/* client/client_priv.h -- what the files of this room share.
 *
 *   client.c    the client: its loop, its life, timers and descriptors
 *   address.c   an endpoint's text taken apart
 *   endpoint.c  one endpoint: its connection, when it is tried again; which one is next
 *   attempt.c   one try of a call or stream at one endpoint, and the wait for an endpoint
 *   token.c     Authenticate, and when its token is fetched again
 *   error.c     errors as upstream's client words them
 *   call.c      unary calls, sent again where that is safe
 *   stream.c    streams
 *   watch.c     watches that share a stream, and resume
 *   keepalive.c leases that are kept alive over one stream
 *   session.c mutex.c election.c observer.c  upstream's recipes
 *
 * A call or stream is always in one of three places: waiting (in client.waiting) for an endpoint or
 * a token, running at an endpoint, or over.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_PRIV_H
#define CLIENT_PRIV_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/random.h"
#include "client/etcdclient.h"
#include "grpc/client.h"
#include "grpc/deadline.h"
#include "loop/loop.h"
#include "tls/io.h"

/* ---- addresses --------------------------------------------------------------------------- */

struct endpoint_address {
    char *host, *port; /* port NULL: host is the path of a unix socket */
    char *authority;
    bool tls, scheme_says; /* the scheme decides about TLS */
};

/* Return false and set `ret_error` if `text` is no endpoint. */
bool endpoint_address_parse(const char *text, struct endpoint_address *ret,
                            struct etcd_error *ret_error);
void endpoint_address_fini(struct endpoint_address *a);

/* ---- endpoints --------------------------------------------------------------------------- */

struct endpoint {
    struct etcd_client *client;
    struct list link; /* client.retired */
    char *text;       /* as it was given */
    struct endpoint_address address;
    struct tls_server tls;
    struct h2_client *h2;
    struct loop_timer again; /* connects */
    unsigned failures;       /* connections that could not be made, in a row */
    bool was_ready;
    msec ready_at;      /* last */
    size_t running;     /* attempts */
    msec shunned_until; /* it did not answer in time: others are asked first */
    bool retired;       /* no longer among client.endpoints: closed when nothing runs there */
};

void endpoints_init(struct etcd_client *c);
/* Make the client's endpoints those of `texts`; what is there already is kept. */
bool endpoints_set(struct etcd_client *c, const char *const *texts, size_t n,
                   struct etcd_error *ret_error);
void endpoints_fini(struct etcd_client *c);
void endpoints_connect(struct etcd_client *c);
/* Return an endpoint that takes a stream now, `at` or (SIZE_MAX) the next one; NULL: none does. */
struct endpoint *endpoint_pick(struct etcd_client *c, size_t at);
/* It owes an answer for too long. */
void endpoint_shun(struct endpoint *e);
/* An attempt that ran there is over. */
void endpoint_release(struct endpoint *e);
/* True if the last try to connect to `at`, or (SIZE_MAX) to each endpoint, failed, and that is
 * reason enough to give up (fail_fast). */
bool endpoints_are_down(const struct etcd_client *c, size_t at);

/* ---- attempts ---------------------------------------------------------------------------- */

enum { ATTEMPT_HEADERS = GRPC_BASE_HEADERS + 4 };

struct attempt {
    struct etcd_client *client;
    struct list link;          /* client.waiting */
    struct deadline pause;     /* it goes on then */
    struct endpoint *endpoint; /* where it runs; else NULL */
    const struct etcd_method *method;
    size_t at;          /* only this endpoint; SIZE_MAX: any */
    bool without_token; /* Authenticate itself */
    bool require_leader;
    msec deadline;      /* for the server to know; DEADLINE_NONE: none */
    struct blob *token; /* that was sent */
    uint64_t token_no;
    struct http_header headers[ATTEMPT_HEADERS];
    char timeout[GRPC_TIMEOUT_TEXT];
    struct grpc_rpc rpc; /* its owner sets recv_max, one_answer, message */

    /* The headers are on their way: send the messages. */
    void (*started)(struct attempt *a);
    /* It ended, and is idle again. `st` NULL: no token could be got, `error` says why. */
    void (*ended)(struct attempt *a, const struct grpc_status *st, const struct etcd_error *error);
};

void attempts_init(struct etcd_client *c);
void attempts_fini(struct etcd_client *c);
void attempt_init(struct attempt *a, struct etcd_client *c, const struct etcd_method *m);
/* Start it, now or when an endpoint is there. */
void attempt_go(struct attempt *a);
/* Start it after a short pause. */
void attempt_go_later(struct attempt *a);
/* True if what failed so may be made again. `heard`: a message of an answer had come. */
bool attempt_is_worth_another(struct attempt *a, const struct grpc_status *st,
                              const struct etcd_error *e, bool heard);
/* Stop it, without `ended`. */
void attempt_stop(struct attempt *a);
/* Try all that wait. */
void attempts_go(struct etcd_client *c);
/* No endpoint can be dialled: end those that wait for one, at the end of the round. */
void attempts_give_up(struct etcd_client *c);
/* A token could not be got: end those that wait for it. */
void attempts_fail(struct etcd_client *c, const struct etcd_error *error);

/* ---- token ------------------------------------------------------------------------------- */

enum token_state {
    TOKEN_NONE,    /* no user */
    TOKEN_MISSING, /* to be asked for */
    TOKEN_ASKED,
    TOKEN_HELD,
};

struct token {
    enum token_state state;
    uint64_t no;        /* counts the tokens */
    struct blob *bytes; /* NULL: send none */
    bool fixed;         /* given by the user */
    char *user, *password;
    msec got_at;
    struct etcd_pending *call;
    struct etcd_error *error; /* of whom waits in etcd_client_login(); else NULL */
};

void token_init(struct etcd_client *c, const struct etcd_client_config *config);
void token_fini(struct etcd_client *c);
/* True if the token is there; else it was asked for. */
bool token_is_ready(struct etcd_client *c);
/* Return true, and see to a new token, if an attempt that failed so is to be made again with one.
 */
bool token_is_to_blame(struct attempt *a, const struct etcd_error *e);
/* A stream is to be opened: it should not begin with a token about to expire. */
void token_freshen(struct etcd_client *c);

/* ---- errors ------------------------------------------------------------------------------ */

void error_set(struct etcd_error *e, enum etcd_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Put a status into words as upstream's client does. */
void error_of_status(struct etcd_error *e, const struct grpc_status *st);
void error_of_deadline(struct etcd_error *e);
/* True if the server said `which`. */
bool error_is(const struct etcd_error *e, enum err which);
/* An error of a stream that another try would only meet again. */
bool error_is_final(const struct etcd_error *e);

/* ---- calls ------------------------------------------------------------------------------- */

struct etcd_pending {
    struct attempt attempt;
    struct list link; /* client.calls, or client.pool */
    struct deadline deadline;
    unsigned tries;
    struct buf request; /* framed */
    struct buf answer;  /* a small one, until its status has come */
    struct arena *arena; /* of the answer; NULL: it has not been unpacked */
    ProtobufCMessage *response;
    bool broken; /* the answer is no message */
    void (*done)(void *arg, const void *response, const struct etcd_error *error);
    void *arg;
};

struct etcd_pending *call_start(struct etcd_client *c, size_t at, const struct etcd_method *m,
                                const void *request, int64_t timeout_ms,
                                void (*done)(void *arg, const void *response,
                                             const struct etcd_error *error),
                                void *arg);
void calls_init(struct etcd_client *c);
void calls_fini(struct etcd_client *c);
/* Return a copy, to be freed with etcd_response_free(). */
void *response_dup(const ProtobufCMessage *msg);
/* Append `msg` with its gRPC prefix, and return how long it is without. */
size_t message_frame(struct buf *to, const ProtobufCMessage *msg);

/* ---- streams ----------------------------------------------------------------------------- */

struct etcd_stream {
    struct attempt attempt;
    struct list link; /* client.streams */
    struct buf kept;  /* framed: all that was sent while nothing is heard */
    bool last, heard;
    unsigned tries;
    struct arena *arena; /* of the message that is told */
    bool *gone;          /* set when it is freed, for the code that is telling */
    /* In place of `message`, with the bytes. */
    void (*raw)(void *arg, struct slice msg);
    void (*message)(void *arg, const void *response);
    void (*done)(void *arg, const struct etcd_error *error);
    void *arg;
};

/* With one of `raw` and `message`. */
struct etcd_stream *stream_open(struct etcd_client *c, const struct etcd_method *m,
                                bool require_leader, void (*raw)(void *arg, struct slice msg),
                                void (*message)(void *arg, const void *response),
                                void (*done)(void *arg, const struct etcd_error *error), void *arg);
void streams_fini(struct etcd_client *c);

/* A lease's TTL in milliseconds, within bounds. */
msec ttl_ms(int64_t ttl_s);
/* As etcd_keepalive_start(), for a lease that lives for `ttl` from now on. */
struct etcd_keepalive *
keepalive_start(struct etcd_client *c, int64_t lease, msec ttl,
                void (*on_response)(void *arg, const Etcdserverpb__LeaseKeepAliveResponse *response,
                                    const struct etcd_error *error),
                void *arg);
void watchers_fini(struct etcd_client *c);
void keepers_fini(struct etcd_client *c);

/* ---- client ------------------------------------------------------------------------------ */

struct event;
struct keepers; /* keepalive.c */

/* A descriptor of the program's. */
struct reader {
    struct list link; /* client.readers */
    int fd;
    bool always; /* a file, which epoll does not take */
    struct event *ev;
    void (*fn)(void *arg, int fd);
    void *arg;
};

struct etcd_client {
    struct loop *loop;
    struct etcd_client_config cfg; /* with the defaults filled in; without endpoints and user */
    struct arena *strings;         /* of cfg */
    struct tls_context *tls;       /* NULL: not needed yet */
    struct rng rng;
    atomic_bool interrupted;
    bool polling;   /* within the loop's callbacks */
    bool connected; /* endpoints_connect() was called */

    struct endpoint **endpoints;
    const char **endpoint_texts;
    size_t n_endpoints, next_endpoint;
    struct list retired;
    struct loop_task reap; /* frees what is retired */

    struct list waiting; /* attempt.link */
    struct loop_task give_up;
    struct why trouble; /* of the last endpoint that could not be dialled */
    struct token token;
    struct deadlines deadlines, pauses;
    struct list calls, pool; /* etcd_pending.link */
    size_t pool_n;
    struct arena *spare; /* of a call that is over; NULL: none */
    struct list streams;  /* etcd_stream.link */
    struct list watchers; /* etcd_watcher.link */
    struct list readers;  /* reader.link */
    struct keepers *keepers;
};

/* Make the TLS context, unless it is there. */
bool client_need_tls(struct etcd_client *c, struct etcd_error *ret_error);
/* A time-out as a deadline; none, or less, is DEADLINE_NONE. */
msec deadline_in(struct etcd_client *c, int64_t timeout_ms);
/* False, and an error, inside of a callback. */
bool client_may_wait(struct etcd_client *c, struct etcd_error *ret_error);
void client_debug(struct etcd_client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
