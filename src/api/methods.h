/* api/methods.h -- the one table of what can be called, and who answers.
 *
 * Transports find a method by its gRPC path or its JSON path and hand its messages to the handlers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_METHODS_H
#define API_METHODS_H

#include "api/call.h"

enum method_kind { METHOD_UNARY, METHOD_SERVER_STREAM, METHOD_BIDI };

struct api_method {
    const char *service; /* "etcdserverpb.KV" */
    const char *name;    /* "Range" */
    enum method_kind kind;
    const ProtobufCMessageDescriptor *request, *response;
    const char *paths[2]; /* of the gateway, or NULL */

    /* A unary method that the server answers: what it is asked, after `check`. */
    enum server_op op;
    enum err (*check)(const struct call *c, const ProtobufCMessage *req); /* NULL: all is fine */

    /* The handlers. `message` of a unary or server-streaming method comes once, and the message lives
     * as long as the call; of a bidirectional one it is lent until the return. */
    void (*open)(struct call *c); /* NULL where there is nothing to do, as the next three */
    void (*message)(struct call *c, const ProtobufCMessage *req);
    void (*half_close)(struct call *c);
    void (*drain)(struct call *c);
    void (*closed)(struct call *c);

    /* The request reaches raft, and so is held to max-request-bytes. */
    bool is_write;
};

extern const struct api_method api_methods[];
extern const size_t api_methods_n;

static inline size_t method_index(const struct api_method *m)
{
    return (size_t)(m - api_methods);
}

/* Return the method's index in the table by its gRPC path, or -1. */
int method_find(struct slice path, bool *ret_service_known);
/* Return the method of a JSON path ("/v3/kv/range"), or NULL. */
const struct api_method *method_find_json(struct slice path);
/* Return the gRPC path of the i-th method, a static string. */
const char *method_path(size_t i);
/* Make the indexes; once, before the other functions. */
void methods_init(void);

#endif
