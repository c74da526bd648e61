/* ctlv2/node.c -- what the keys of the v2 API answer with.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/json.h"
#include "cli/quote.h"
#include "ctlv2/read_json.h"

/* ---- life -------------------------------------------------------------------------------- */

static void node_fini(struct node *n)
{
    for (size_t i = 0; i < n->node_n; i++)
        node_fini(&n->nodes[i]); /* no deeper than the JSON parser goes */
    free(n->nodes);
    buf_fini(&n->key);
    buf_fini(&n->value);
    buf_fini(&n->expiration);
    *n = (struct node){0};
}

void reply_fini(struct reply *r)
{
    buf_fini(&r->action);
    node_fini(&r->node);
    node_fini(&r->prev);
    *r = (struct reply){0};
}

/* ---- reading ----------------------------------------------------------------------------- */

/* True for "2026-11-27T21:56:14.734999125Z" and the like. */
static bool time_is_valid(struct slice s)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    size_t i = 0;
    for (; i < sizeof form - 1; i++) {
        bool digit = i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
        if (i >= s.n || (form[i] == 'd' ? !digit : s.p[i] != (uint8_t)form[i]))
            return false;
    }
    for (; i < s.n; i++) {
        if (s.p[i] == '\0' || strchr("0123456789.:+-Z", s.p[i]) == NULL)
            return false;
    }
    return true;
}

static bool node_read(const struct json_t *object, struct node *n);

static bool nodes_read(const struct json_t *array, struct node *n)
{
    if (array == NULL)
        return true;
    if (!read_is_array(array))
        return false;
    n->has_nodes = true;
    n->nodes = xcalloc(read_count(array) + 1, sizeof *n->nodes);
    for (size_t i = 0; i < read_count(array); i++) {
        n->node_n++;
        if (!node_read(read_item(array, i), &n->nodes[i]))
            return false;
    }
    return true;
}

static bool node_read(const struct json_t *object, struct node *n)
{
    return read_is_object(object) && read_text(object, "key", &n->key) &&
           read_bool(object, "dir", &n->dir) && read_text(object, "value", &n->value) &&
           nodes_read(read_field(object, "nodes"), n) &&
           read_uint(object, "createdIndex", &n->created) &&
           read_uint(object, "modifiedIndex", &n->modified) &&
           read_text(object, "expiration", &n->expiration) &&
           (n->expiration.n == 0 || time_is_valid(buf_slice(&n->expiration))) &&
           read_int(object, "ttl", &n->ttl);
}

static bool reply_read_object(const struct json_t *object, struct reply *r)
{
    const struct json_t *prev = read_field(object, "prevNode");
    r->has_prev = prev != NULL;
    return read_is_object(object) && read_text(object, "action", &r->action) &&
           node_read(read_field(object, "node"), &r->node) &&
           (!r->has_prev || node_read(prev, &r->prev));
}

static bool read_error(struct slice body, struct trouble *t)
{
    AUTO(json_ref) struct json_t *object = read_json(body);
    AUTO(buf) struct buf message = BUF_INIT, cause = BUF_INIT;
    int64_t code = 0;
    uint64_t index = 0;
    if (!read_is_object(object) || !read_int(object, "errorCode", &code) ||
        !read_text(object, "message", &message) || !read_text(object, "cause", &cause) ||
        !read_uint(object, "index", &index))
        return trouble_set(t, TROUBLE_INVALID_JSON);
    return trouble_set(t, "%" PRId64 ": %s (%s) [%" PRIu64 "]", code, buf_cstr(&message),
                       buf_cstr(&cause), index);
}

static bool read_success(const struct answer *a, struct reply *r, struct trouble *t)
{
    AUTO(json_ref) struct json_t *object = read_json(buf_slice(&a->body));
    AUTO(buf) struct buf problem = BUF_INIT;
    if (!reply_read_object(object, r))
        return trouble_set(t, TROUBLE_INVALID_JSON);
    if (a->index != NULL && a->index[0] != '\0' &&
        !number_parse_uint(a->index, 10, 64, &r->index, &problem))
        return trouble_set(t, "%s", buf_cstr(&problem));
    return true;
}

bool reply_read(const struct answer *a, struct reply *ret_reply, struct trouble *t)
{
    *ret_reply = (struct reply){0};
    if (a->status != 200 && a->status != 201)
        return read_error(buf_slice(&a->body), t);
    if (a->body.n == 0) {
        trouble_set(t, "client: response body is empty");
        t->kind = TROUBLE_EMPTY;
        return false;
    }
    return read_success(a, ret_reply, t);
}

/* ---- printing ---------------------------------------------------------------------------- */

static void print_line(const char *name, const struct buf *b)
{
    fputs(name, stdout);
    print_bytes(stdout, b);
    putchar('\n');
}

static bool reply_is_delete(const struct reply *r)
{
    return slice_is(buf_slice(&r->action), "delete");
}

static void print_simple(const struct reply *r)
{
    if (reply_is_delete(r))
        print_line("PrevNode.Value: ", &r->prev.value);
    else
        print_line("", &r->node.value);
}

static void print_extended(const struct reply *r)
{
    print_line("Key: ", &r->node.key);
    printf("Created-Index: %" PRIu64 "\nModified-Index: %" PRIu64 "\n", r->node.created,
           r->node.modified);
    if (r->has_prev)
        print_line("PrevNode.Value: ", &r->prev.value);
    printf("TTL: %" PRId64 "\nIndex: %" PRIu64 "\n", r->node.ttl, r->index);
    if (!reply_is_delete(r))
        print_line("\n", &r->node.value);
}

static void node_add_json(const struct node *n, const char *name, struct json *j)
{
    json_open(j, name);
    json_text(j, "key", buf_slice(&n->key));
    if (n->dir)
        json_bool(j, "dir", true);
    json_text(j, "value", buf_slice(&n->value));
    if (n->has_nodes) {
        json_open_array(j, "nodes");
        for (size_t i = 0; i < n->node_n; i++)
            node_add_json(&n->nodes[i], NULL, j);
        json_close_array(j);
    } else {
        json_null(j, "nodes");
    }
    json_uint(j, "createdIndex", n->created);
    json_uint(j, "modifiedIndex", n->modified);
    if (n->expiration.n != 0)
        json_text(j, "expiration", buf_slice(&n->expiration));
    if (n->ttl != 0)
        json_int(j, "ttl", n->ttl);
    json_close(j);
}

static void print_json(const struct reply *r)
{
    AUTO(json) struct json j = JSON_INIT;
    json_open(&j, NULL);
    json_text(&j, "action", buf_slice(&r->action));
    node_add_json(&r->node, "node", &j);
    if (r->has_prev)
        node_add_json(&r->prev, "prevNode", &j);
    else
        json_null(&j, "prevNode");
    json_close(&j);
    print_line("", &j.text);
}

void reply_print(const struct reply *r, const char *format)
{
    if (strcmp(format, "simple") == 0)
        print_simple(r);
    else if (strcmp(format, "extended") == 0)
        print_extended(r);
    else if (strcmp(format, "json") == 0)
        print_json(r);
    else
        fprintf(stderr, "Unsupported output format: %s\n", format);
}

static void node_print_paths(const struct node *n, bool slashes)
{
    print_bytes(stdout, &n->key);
    fputs(n->dir && slashes ? "/\n" : "\n", stdout);
    for (size_t i = 0; i < n->node_n; i++)
        node_print_paths(&n->nodes[i], slashes);
}

void reply_print_paths(const struct reply *r, bool slashes)
{
    if (!r->node.dir)
        print_line("", &r->node.key);
    for (size_t i = 0; i < r->node.node_n; i++)
        node_print_paths(&r->node.nodes[i], slashes);
}
