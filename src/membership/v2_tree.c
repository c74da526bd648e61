/* membership/v2_tree.c -- the members to and from upstream's v2 key tree.
 *
 * Depth: jansson refuses what is nested deeper than it likes (2048), and here nothing recurses.
 * SPDX-License-Identifier: Apache-2.0 */
#include "membership/v2_tree.h"

#include <jansson.h>

#include "base/json_text.h"
#include "membership/cluster_priv.h"

/* ---- to JSON ------------------------------------------------------------------------------- */

/* Begin the node `name` of the directory `dir` (a path without the last slash). */
static void begin_node(struct buf *out, const char *dir, const char *name)
{
    if (out->p[out->n - 1] != '{')
        buf_add_byte(out, ',');
    buf_addf(out, "\"%s\":{\"Path\":\"%s/%s\"", name, dir, name);
}

static void begin_dir(struct buf *out, const char *dir, const char *name)
{
    begin_node(out, dir, name);
    buf_add_str(out, ",\"Children\":{");
}

static void end_dir(struct buf *out)
{
    buf_add_str(out, "}}");
}

static void add_leaf(struct buf *out, const char *dir, const char *name, struct slice value)
{
    begin_node(out, dir, name);
    buf_add_str(out, ",\"Value\":");
    json_add_string(out, (const char *)value.p, value.n);
    buf_add_byte(out, '}');
}

static void add_member(struct buf *out, const struct member *m)
{
    char hex[MEMBER_HEX_SIZE], dir[sizeof "/0/members/" + MEMBER_HEX_SIZE];
    AUTO(buf) struct buf json = BUF_INIT;
    member_id_hex(m->id, hex);
    snprintf(dir, sizeof dir, "/0/members/%s", hex);
    begin_dir(out, "/0/members", hex);
    if (member_is_started(m) || m->client_urls.n > 0) {
        member_add_attributes(m->name, urls_view(&m->client_urls), m->client_urls.n, &json);
        add_leaf(out, dir, "attributes", buf_slice(&json));
        buf_clear(&json);
    }
    member_add_raft_attributes(m, &json);
    add_leaf(out, dir, "raftAttributes", buf_slice(&json));
    end_dir(out);
}

static void add_removed(struct buf *out, const struct raft_ids *removed)
{
    char hex[MEMBER_HEX_SIZE];
    begin_dir(out, "/0", "removed_members");
    for (size_t i = 0; i < removed->n; i++) {
        member_id_hex(removed->v[i], hex);
        add_leaf(out, "/0/removed_members", hex, slice_str(""));
    }
    end_dir(out);
}

void cluster_add_v2_json(const struct cluster *c, struct buf *out)
{
    buf_add_str(out, "{\"Root\":{\"Path\":\"/\",\"Children\":{");
    begin_dir(out, "", "0");
    begin_dir(out, "/0", "members");
    for (size_t i = 0; i < c->n_members; i++)
        add_member(out, c->members[i]);
    end_dir(out);
    if (c->removed.n != 0)
        add_removed(out, &c->removed);
    if (c->version[0] != '\0')
        add_leaf(out, "/0", "version", slice_str(c->version));
    end_dir(out);
    begin_dir(out, "", "1");
    end_dir(out);
    buf_add_str(out, "}},\"CurrentVersion\":2}");
}

/* ---- from JSON ----------------------------------------------------------------------------- */

static inline void json_auto(json_t **j)
{
    json_decref(*j);
}

/* Return the children of a node, or NULL for a leaf and for no node. */
static json_t *children(const json_t *node)
{
    json_t *c = json_object_get(node, "Children");
    return json_is_object(c) ? c : NULL;
}

static json_t *child(const json_t *node, const char *name)
{
    return json_object_get(children(node), name);
}

/* Return the text of a leaf; an absent one is empty. */
static struct slice value_of(const json_t *node)
{
    const json_t *v = json_object_get(node, "Value");
    return slice_make(json_string_value(v), json_string_length(v));
}

static enum err damaged(struct why *why, const char *dir, const char *name)
{
    return why_set(why, ERR_DAMAGED, "the v2 tree of a snapshot: %s/%.64s cannot be read", dir,
                   name);
}

static enum err load_member(struct cluster *c, const char *name, const json_t *node)
{
    member_id id;
    if (!member_id_from_hex(slice_str(name), &id) || cluster_find(c, id) != NULL)
        return ERR_MALFORMED;
    struct member *m = member_new(id, NULL, 0, false);
    const json_t *attributes = child(node, "attributes");
    enum err e = member_read_raft_attributes(m, value_of(child(node, "raftAttributes")));
    if (e == ERR_OK && attributes != NULL)
        e = member_read_attributes(m, value_of(attributes));
    if (e == ERR_OK)
        cluster_insert(c, m);
    else
        member_free(m);
    return e;
}

static enum err load_members(struct cluster *c, json_t *members, struct why *why)
{
    const char *name;
    json_t *node;
    if (json_object_size(members) == 0)
        return ERR_NOT_FOUND;
    if (json_object_size(members) > CLUSTER_MEMBERS_MAX)
        return why_set(why, ERR_TOO_LARGE, "the v2 tree of a snapshot: too many members");
    json_object_foreach(members, name, node)
    {
        if (load_member(c, name, node) != ERR_OK)
            return damaged(why, "/0/members", name);
    }
    return ERR_OK;
}

static enum err load_removed(struct cluster *c, json_t *removed, struct why *why)
{
    const char *name;
    json_t *node;
    member_id id;
    if (json_object_size(removed) > V2_TREE_REMOVED_MAX)
        return why_set(why, ERR_TOO_LARGE, "the v2 tree of a snapshot: too many removed members");
    json_object_foreach(removed, name, node)
    {
        if (!member_id_from_hex(slice_str(name), &id) || cluster_find(c, id) != NULL)
            return damaged(why, "/0/removed_members", name);
        raft_ids_add(&c->removed, id);
    }
    return ERR_OK;
}

static enum err load_tree(struct cluster *c, const json_t *root, struct why *why)
{
    const json_t *own = child(root, "0");
    const json_t *version = child(own, "version");
    enum err e = load_members(c, children(child(own, "members")), why);
    if (e == ERR_OK)
        e = load_removed(c, children(child(own, "removed_members")), why);
    if (e == ERR_OK && version != NULL &&
        cluster_parse_version(value_of(version), c->version) != ERR_OK)
        e = damaged(why, "/0", "version");
    return e;
}

/* True if there is more than upstream puts there by itself: empty directories, and under /2, once
 * its users were turned off again, a leaf that says so. */
static bool has_user_keys(const json_t *root)
{
    const char *name;
    json_t *node, *c;
    json_object_foreach(children(child(root, "2")), name, node)
    {
        if (json_object_size(children(node)) != 0)
            return true;
    }
    json_object_foreach(children(root), name, c)
    {
        if (strcmp(name, "0") != 0 && strcmp(name, "2") != 0 && json_object_size(children(c)) != 0)
            return true;
    }
    return false;
}

enum err cluster_load_v2_json(struct cluster *c, struct slice json, bool *ret_has_user_keys,
                              struct why *why)
{
    if (json.n > V2_TREE_MAX)
        return why_set(why, ERR_TOO_LARGE, "the v2 tree of a snapshot has %zu bytes", json.n);
    AUTO(json) json_t *j = json_loadb((const char *)json.p, json.n, JSON_ALLOW_NUL, NULL);
    const json_t *root = json_object_get(j, "Root");
    if (j == NULL || !json_is_object(root))
        return why_set(why, ERR_DAMAGED, "the v2 tree of a snapshot is not the JSON of one");

    struct cluster *fresh = cluster_new(c->id);
    memcpy(fresh->downgrade_target, c->downgrade_target, sizeof fresh->downgrade_target);
    enum err e = load_tree(fresh, root, why);
    if (e == ERR_OK)
        cluster_adopt(c, fresh);
    if (e == ERR_OK || e == ERR_NOT_FOUND)
        *ret_has_user_keys = has_user_keys(root);
    cluster_free(fresh);
    return e;
}
