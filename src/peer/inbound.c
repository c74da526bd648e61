/* peer/inbound.c -- what others ask of us on the peer port: routes, checks, and the words of
 * refusals, all as upstream has them.
 *
 * 403 and 410 make a Go member believe that it was removed for good: they are said of members
 * that were removed, and (403) of messages that are for another member.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/log.h"
#include "peer/peer_priv.h"

#define STREAM_PREFIX "/raft/stream/"

/* A request whose body is awaited, or its answer. */
struct inbound {
    struct list link; /* peers.inbounds */
    struct peers *owner;
    struct http_stream *stream; /* NULL: it is gone */
    bool is_handed_over;        /* the receiver has `pub` */
    struct transport_inbound pub;
    struct buf text; /* what `pub` lends */
};

/* ---- answers ------------------------------------------------------------------------------- */

static struct http_header header(const char *name, const char *value)
{
    return (struct http_header){slice_str(name), slice_str(value), false};
}

static void answer_error(struct http_stream *s, unsigned status, const char *text,
                         const struct http_header *more, size_t n)
{
    struct http_header headers[8] = {HTTP_HEADER("content-type", "text/plain; charset=utf-8"),
                                     HTTP_HEADER("x-content-type-options", "nosniff")};
    invariant(n + 2 <= ARRAY_LEN(headers));
    for (size_t i = 0; i < n; i++)
        headers[i + 2] = more[i];
    char *body = xasprintf("%s\n", text);
    http_stream_respond_full(s, status, headers, n + 2, slice_str(body));
    free(body);
}

void inbound_error(struct peers *p, struct http_stream *s, unsigned status, const char *text)
{
    const struct http_header more = header("x-etcd-cluster-id", p->cluster_hex);
    answer_error(s, status, text, &more, 1);
}

void inbound_done(struct peers *p, struct http_stream *s)
{
    const struct http_header headers[] = {header("x-etcd-cluster-id", p->cluster_hex)};
    http_stream_respond_full(s, 204, headers, ARRAY_LEN(headers), slice_make(NULL, 0));
}

static void answer_forbidden(struct peers *p, struct http_stream *s, const char *text)
{
    const struct http_header headers[] = {HTTP_HEADER("content-type", "application/json"),
                                          header("x-etcd-cluster-id", p->cluster_hex)};
    char *body = xasprintf("{\"message\":\"%s\"}", text);
    http_stream_respond_full(s, 403, headers, ARRAY_LEN(headers), slice_str(body));
    free(body);
}

/* Return false, and refuse, if it has another method. */
static bool check_method(struct http_stream *s, const char *method, bool says_allow)
{
    if (slice_is(http_stream_method(s), method))
        return true;
    const struct http_header allow = header("allow", method);
    answer_error(s, 405, "Method Not Allowed", &allow, says_allow);
    return false;
}

/* ---- who asks ------------------------------------------------------------------------------ */

static const char *compatibility_trouble(const struct peers *p, const struct http_stream *s)
{
    const struct transport_receiver *r = &p->cfg.receiver;
    struct peer_version least = peer_version_parse(slice_str(PEER_MIN_CLUSTER_VERSION));
    struct peer_version ours = peer_version_parse(slice_str(r->server_version(r->arg)));
    struct peer_version theirs = peer_version_parse(http_stream_header(s, "x-server-version"));
    struct peer_version wanted = peer_version_parse(http_stream_header(s, "x-min-cluster-version"));
    if (peer_version_cmp(theirs, least) < 0 || peer_version_cmp(wanted, ours) > 0)
        return "incompatible version";
    if (!slice_is(http_stream_header(s, "x-etcd-cluster-id"), p->cluster_hex))
        return "cluster ID mismatch";
    return NULL;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool parse_id(struct slice text, member_id *ret)
{
    member_id id = 0;
    if (text.n == 0 || text.n > 16)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        int digit = hex_digit(text.p[i]);
        if (digit < 0)
            return false;
        id = id << 4 | (unsigned)digit;
    }
    *ret = id;
    return true;
}

/* The first checks of what carries raft messages. Return false if it was refused. */
static bool check_sender(struct peers *p, struct http_stream *s)
{
    const char *trouble = compatibility_trouble(p, s);
    member_id from;
    if (trouble != NULL) {
        inbound_error(p, s, 412, trouble);
        return false;
    }
    if (parse_id(http_stream_header(s, "x-server-from"), &from))
        peers_add_remote(p, from, http_stream_header(s, "x-peerurls"));
    return true;
}

bool inbound_check_message(struct peers *p, struct http_stream *s, const struct raft_message *m)
{
    const struct transport_receiver *r = &p->cfg.receiver;
    if (r->is_removed(r->arg, m->from)) {
        log_warn("rejected Raft message from removed member", LOG_ID("local-member-id", p->cfg.id),
                 LOG_ID("removed-member-id", m->from));
        answer_forbidden(p, s, "cannot process message from removed member");
        return false;
    }
    if (m->to != p->cfg.id) {
        log_warn("rejected Raft message to mismatch member", LOG_ID("local-member-id", p->cfg.id),
                 LOG_ID("mismatch-member-id", m->to));
        answer_forbidden(p, s, "cannot process message to mismatch member");
        return false;
    }
    return true;
}

/* ---- requests with a body ------------------------------------------------------------------ */

static void inbound_free(struct inbound *in)
{
    list_unlink(&in->link);
    if (in->stream != NULL)
        http_stream_handle(in->stream, NULL, NULL);
    buf_fini(&in->text);
    free(in);
}

static void on_inbound_close(struct http_stream *s, enum http_close why)
{
    (void)why;
    struct inbound *in = http_stream_user(s);
    in->stream = NULL;
    if (!in->is_handed_over)
        inbound_free(in);
}

static void inbound_await(struct peers *p, struct http_stream *s, const struct http_handler *h,
                          uint64_t body_max)
{
    struct inbound *in = xcalloc(1, sizeof *in);
    in->owner = p;
    in->stream = s;
    list_add_tail(&p->inbounds, &in->link);
    http_stream_set_body_max(s, body_max);
    http_stream_handle(s, h, in);
}

void inbounds_drop(struct peers *p)
{
    struct inbound *in;
    LIST_FOREACH (in, &p->inbounds, struct inbound, link) {
        struct http_stream *s = in->stream;
        inbound_free(in);
        if (s != NULL)
            http_stream_reset(s, HTTP_RESET_CANCEL);
    }
}

/* ---- POST /raft ---------------------------------------------------------------------------- */

static void raft_message(struct peers *p, struct http_stream *s, struct slice body)
{
    struct raft_message m;
    if (peer_message_decode(body, &m) != ERR_OK) {
        inbound_error(p, s, 400, "error unmarshalling raft message");
        return;
    }
    struct peer *peer = peers_find(p, m.from);
    peer_count(peer, PEER_RECEIVED_BYTES, (int64_t)body.n);
    if (inbound_check_message(p, s, &m)) {
        if (m.type != RAFT_MSG_SNAP && peers_receive(p, &m))
            inbound_done(p, s);
        else
            inbound_error(p, s, 500, "error processing raft message");
    }
    raft_message_fini(&m);
}

static void on_raft_body(struct http_stream *s, struct slice body)
{
    struct inbound *in = http_stream_user(s);
    struct peers *p = in->owner;
    inbound_free(in);
    raft_message(p, s, body);
}

static void handle_raft(struct peers *p, struct http_stream *s)
{
    static const struct http_handler handler = {.body = on_raft_body, .close = on_inbound_close};
    if (check_method(s, "POST", true) && check_sender(p, s))
        inbound_await(p, s, &handler, PEER_MESSAGE_MAX);
}

static void handle_snapshot(struct peers *p, struct http_stream *s)
{
    if (check_method(s, "POST", true) && check_sender(p, s))
        reception_start(p, s);
}

/* ---- streams ------------------------------------------------------------------------------- */

/* "msgapp/8e9e05c52164694d" */
static bool stream_path(struct slice rest, enum peer_kind *ret_kind, struct slice *ret_id)
{
    for (enum peer_kind k = 0; k < PEER_KINDS; k++) {
        size_t n = strlen(peer_kind_names[k]);
        if (!slice_starts_with(rest, slice_str(peer_kind_names[k])) || rest.n == n ||
            rest.p[n] != '/')
            continue;
        *ret_kind = k;
        *ret_id = slice_make(rest.p + n + 1, rest.n - n - 1);
        return memchr(ret_id->p, '/', ret_id->n) == NULL;
    }
    return false;
}

static void stream_error(struct peers *p, struct http_stream *s, unsigned status, const char *text)
{
    const struct transport_receiver *r = &p->cfg.receiver;
    const struct http_header more[] = {header("x-etcd-cluster-id", p->cluster_hex),
                                       header("x-server-version", r->server_version(r->arg))};
    answer_error(s, status, text, more, ARRAY_LEN(more));
}

static void stream_grant(struct peers *p, struct http_stream *s, struct peer *peer,
                         enum peer_kind kind)
{
    const struct transport_receiver *r = &p->cfg.receiver;
    const struct http_header headers[] = {header("x-etcd-cluster-id", p->cluster_hex),
                                          header("x-server-version", r->server_version(r->arg))};
    http_stream_respond(s, 200, headers, ARRAY_LEN(headers), false);
    peer_out_attach(&peer->out[kind], s);
}

static void handle_stream(struct peers *p, struct http_stream *s, struct slice rest)
{
    const struct transport_receiver *r = &p->cfg.receiver;
    enum peer_kind kind;
    struct slice id_text;
    member_id id, to;
    if (!check_method(s, "GET", true))
        return;
    const char *trouble = compatibility_trouble(p, s);
    if (trouble != NULL) {
        stream_error(p, s, 412, trouble);
    } else if (!stream_path(rest, &kind, &id_text)) {
        stream_error(p, s, 404, "invalid path");
    } else if (!parse_id(id_text, &id)) {
        stream_error(p, s, 404, "invalid from");
    } else if (r->is_removed(r->arg, id)) {
        stream_error(p, s, 410, "removed member");
    } else {
        struct peer *peer = peers_find(p, id);
        if (peer == NULL || peer->is_remote) {
            peers_add_remote(p, id, http_stream_header(s, "x-peerurls"));
            stream_error(p, s, 404, "error sender not found");
        } else if (!parse_id(http_stream_header(s, "x-raft-to"), &to) || to != p->cfg.id) {
            stream_error(p, s, 412, "to field mismatch");
        } else {
            stream_grant(p, s, peer, kind);
        }
    }
}

/* ---- probing ------------------------------------------------------------------------------- */

static void handle_probing(struct http_stream *s)
{
    const struct http_header headers[] = {HTTP_HEADER("content-type", "text/plain; charset=utf-8")};
    struct buf b = BUF_INIT;
    buf_add_str(&b, "{\"OK\":true,\"Now\":\"");
    peer_time_format(clock_wall_ns(), &b);
    buf_add_str(&b, "\"}\n");
    http_stream_respond_full(s, 200, headers, ARRAY_LEN(headers), buf_slice(&b));
    buf_fini(&b);
}

/* ---- small requests ------------------------------------------------------------------------ */

static const struct {
    const char *path;
    bool is_prefix;
    const char *method;
    bool says_allow;
} small_routes[] = {
    {"/members", false, "GET", true},           {"/members/promote/", true, "POST", true},
    {"/members/hashkv", false, "GET", true},    {"/leases", false, "POST", false},
    {"/leases/internal", false, "POST", false}, {"/version", false, "GET", true},
    {"/downgrade/enabled", false, "GET", true},
};

static struct slice path_of(const struct http_stream *s)
{
    struct slice path = http_stream_path(s);
    const uint8_t *query = path.n != 0 ? memchr(path.p, '?', path.n) : NULL;
    return query != NULL ? slice_make(path.p, (size_t)(query - path.p)) : path;
}

/* Copy what the receiver is lent: the stream may die before it has answered. */
static void inbound_copy(struct inbound *in, struct slice body)
{
    struct slice parts[] = {http_stream_method(in->stream), path_of(in->stream),
                            http_stream_header(in->stream, "x-etcd-cluster-id"), body};
    struct slice *const lent[] = {&in->pub.method, &in->pub.path, &in->pub.cluster_id,
                                  &in->pub.body};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        buf_add_slice(&in->text, parts[i]);
    const uint8_t *at = in->text.p;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        *lent[i] = slice_make(parts[i].p != NULL ? at : NULL, parts[i].n);
        at += parts[i].n;
    }
}

static void on_small_body(struct http_stream *s, struct slice body)
{
    struct inbound *in = http_stream_user(s);
    const struct transport_receiver *r = &in->owner->cfg.receiver;
    inbound_copy(in, body);
    list_init(&in->pub.link);
    in->is_handed_over = true;
    r->request(r->arg, &in->pub);
}

static bool handle_small(struct peers *p, struct http_stream *s, struct slice path)
{
    static const struct http_handler handler = {.body = on_small_body, .close = on_inbound_close};
    for (size_t i = 0; i < ARRAY_LEN(small_routes); i++) {
        bool hit = small_routes[i].is_prefix
                       ? slice_starts_with(path, slice_str(small_routes[i].path))
                       : slice_is(path, small_routes[i].path);
        if (!hit)
            continue;
        if (check_method(s, small_routes[i].method, small_routes[i].says_allow))
            inbound_await(p, s, &handler, TRANSPORT_REQUEST_MAX);
        return true;
    }
    return false;
}

void inbound_answer(struct peers *p, struct transport_inbound *pub, unsigned status,
                    const char *content_type, struct slice body)
{
    struct inbound *in = CONTAINER_OF(pub, struct inbound, pub);
    struct http_header headers[3];
    size_t n = 0;
    if (content_type != NULL)
        headers[n++] = header("content-type", content_type);
    if (slice_starts_with(pub->path, slice_str("/members")))
        headers[n++] = header("x-etcd-cluster-id", p->cluster_hex);
    if (status >= 400 && content_type != NULL && strncmp(content_type, "text/plain", 10) == 0)
        headers[n++] = HTTP_HEADER("x-content-type-options", "nosniff");
    if (in->stream != NULL)
        http_stream_respond_full(in->stream, status, headers, n, body);
    inbound_free(in);
}

/* ---- routes -------------------------------------------------------------------------------- */

void peers_handle(struct peers *p, struct http_stream *s)
{
    static const struct slice stream_prefix = {(const uint8_t *)STREAM_PREFIX,
                                               sizeof STREAM_PREFIX - 1};
    struct slice path = path_of(s);
    if (slice_is(path, "/raft"))
        handle_raft(p, s);
    else if (slice_is(path, "/raft/snapshot"))
        handle_snapshot(p, s);
    else if (slice_is(path, "/raft/probing"))
        handle_probing(s);
    else if (slice_starts_with(path, stream_prefix))
        handle_stream(p, s, slice_make(path.p + stream_prefix.n, path.n - stream_prefix.n));
    else if (!handle_small(p, s, path))
        answer_error(s, 404, "404 page not found", NULL, 0);
}
