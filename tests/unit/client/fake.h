/* tests/unit/client/fake.h -- servers that do as they are told, in the loop of the client.
 *
 * A fake listens on a port of its own. Each unary call takes the next of its orders, and is
 * answered when there is none. Streams are told to the test.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_CLIENT_FAKE_H
#define TESTS_UNIT_CLIENT_FAKE_H

#include "client/client_priv.h"
#include "grpc/server.h"
#include "http/listener.h"
#include "http/server.h"

enum order {
    ORDER_ANSWER,
    ORDER_FAIL,   /* with fake.code and fake.text */
    ORDER_REFUSE, /* RST_STREAM REFUSED_STREAM */
    ORDER_CLOSE,  /* the connection */
    ORDER_STALL,  /* never answer */
};

enum { ORDERS_MAX = 16 };

struct fake {
    char url[32];
    int fd;                      /* listens; -1 when taken */
    struct http_server *http[2]; /* connections go to them in turn */
    struct grpc_server *grpc;
    struct acceptor *acceptor;

    enum order orders[ORDERS_MAX];
    size_t n_orders, next;
    enum grpc_code code;
    const char *text;
    const char *good_token; /* what Authenticate gives; others are refused. NULL: no check */
    const char *password;   /* NULL: authentication is off */

    unsigned calls, authenticates; /* that came */
    char last_token[32];
    struct grpc_call *stream; /* the last one that was opened */
    unsigned streams;
    bool has_leader; /* the stream asked for one */
    void (*message)(struct fake *f, struct grpc_call *c, struct slice msg);
    /* In place of the orders, if it is set. */
    void (*unary)(struct fake *f, struct grpc_call *c, struct slice msg);
};

/* Choose a port. */
void fake_listen(struct fake *f);
void fake_serve(struct fake *f, struct etcd_client *c);
/* Close everything: nobody listens any more. */
void fake_stop(struct fake *f);
void fake_order(struct fake *f, enum order o);
/* Answer a unary call. */
void fake_answer(struct grpc_call *c, const ProtobufCMessage *m);
/* Send a message on the stream. */
void fake_send(struct grpc_call *c, const ProtobufCMessage *m);
/* Poll until `cond`, or fail. */
void poll_until(struct etcd_client *c, bool (*cond)(void *arg), void *arg);

#endif
