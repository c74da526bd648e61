/* api/snapshot_service.c -- Maintenance.Snapshot: the key database as a file in pieces, and its sum.
 *
 * IDLE --version known--> SPOOLING --file ready--> SENDING --sum sent--> (the call ends)
 *
 * The pieces are read from the spooled file as fast as the client takes them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/services.h"
#include "api/wire.h"
#include "base/log.h"
#include "pb/etcdserverpb.pb-c.h"

enum {
    PIECE = 32 * 1024,
    SUM = 32, /* bytes of SHA-256 */
    TAG_REMAINING = 2 << 3,
    TAG_BLOB = 3 << 3 | 2,
    TAG_VERSION = 4 << 3 | 2,
};

/* Lives as long as the call or the server's work for it, whatever is longer. */
struct snapshot {
    struct call *call; /* held until the server has done its part */
    struct server_snapshot server;
    EVP_MD_CTX *digest;
    struct slice version; /* in the call's arena */
    int fd;               /* -1: no file yet */
    uint64_t sent;
};

static void snapshot_free(struct snapshot *s)
{
    if (s->fd != -1)
        close(s->fd);
    EVP_MD_CTX_free(s->digest);
    free(s);
}

static void send_piece(struct snapshot *s, struct slice data)
{
    struct buf *b = &s->call->loop->out;
    buf_clear(b);
    wire_add_int(b, TAG_REMAINING, (int64_t)(s->server.size - s->sent));
    wire_add_bytes(b, TAG_BLOB, data);
    wire_add_bytes(b, TAG_VERSION, s->version);
    call_send(s->call, buf_slice(b));
}

/* Send the next piece. False if the file could not be read. */
static bool snapshot_step(struct snapshot *s)
{
    uint8_t data[PIECE];
    uint64_t left = s->server.size - s->sent;
    size_t want = left < PIECE ? (size_t)left : PIECE;
    ssize_t n = pread(s->fd, data, want, (off_t)s->sent);
    if (n != (ssize_t)want || EVP_DigestUpdate(s->digest, data, want) != 1)
        return false;
    s->sent += want;
    send_piece(s, slice_make(data, want));
    return true;
}

static void snapshot_finish(struct snapshot *s)
{
    uint8_t sum[SUM];
    if (EVP_DigestFinal_ex(s->digest, sum, NULL) != 1) {
        call_fail(s->call, ERR_IO);
        return;
    }
    send_piece(s, slice_make(sum, SUM));
    log_info("successfully sent database snapshot to client", LOG_MESSAGE(MSG_SNAPSHOT_SENT),
             LOG_UINT("total-bytes", s->server.size));
    call_finish(s->call, GRPC_OK, "");
}

/* Send until the client has enough to read for now. */
static void snapshot_pump(struct snapshot *s)
{
    struct call *c = s->call;
    while (s->sent < s->server.size) {
        if (call_pending(c) >= API_STREAM_QUEUE_MAX)
            return; /* snapshot_drain() goes on */
        if (!snapshot_step(s)) {
            log_warn("failed to read the spooled snapshot", LOG_UINT("offset", s->sent));
            call_fail(c, ERR_IO);
            return;
        }
    }
    snapshot_finish(s);
}

static void on_spooled(struct server_snapshot *ss)
{
    struct snapshot *s = CONTAINER_OF(ss, struct snapshot, server);
    struct call *c = s->call;
    s->fd = ss->err == ERR_OK ? ss->fd : -1;
    if (call_is_over(c)) {
        snapshot_free(s);
    } else if (ss->err != ERR_OK) {
        c->user = NULL;
        snapshot_free(s);
        call_fail(c, ss->err);
    } else {
        c->user = s; /* from here on the call's end frees it */
        snapshot_pump(s);
    }
    call_release(c);
}

static void snapshot_spool(struct call *c, struct slice version)
{
    struct snapshot *s = xcalloc(1, sizeof *s);
    s->call = c;
    s->fd = -1;
    s->version = version;
    s->digest = EVP_MD_CTX_new();
    invariant(s->digest != NULL && EVP_DigestInit_ex(s->digest, EVP_sha256(), NULL) == 1);
    s->server.done = on_spooled;
    call_hold(c);
    server_snapshot(c->loop->client, &s->server);
}

static void on_status(struct server_call *sc)
{
    struct call *c = call_of_server_call(sc);
    Etcdserverpb__StatusResponse *status = NULL;
    if (sc->err == ERR_OK)
        status = (Etcdserverpb__StatusResponse *)wire_unpack(
            &etcdserverpb__status_response__descriptor, c->arena, blob_slice(sc->response));
    blob_unref(sc->response);
    if (status == NULL)
        call_fail(c, sc->err != ERR_OK ? sc->err : ERR_MALFORMED);
    else if (!call_is_over(c))
        snapshot_spool(c, slice_str(status->storageversion));
    call_release(c);
}

void snapshot_message(struct call *c, const ProtobufCMessage *req)
{
    (void)req;
    static const Etcdserverpb__StatusRequest request = ETCDSERVERPB__STATUS_REQUEST__INIT;
    call_ask(c, OP_STATUS, &request.base, on_status);
}

void snapshot_drain(struct call *c)
{
    if (c->user != NULL)
        snapshot_pump(c->user);
}

void snapshot_closed(struct call *c)
{
    if (c->user != NULL)
        snapshot_free(c->user);
    c->user = NULL;
}
