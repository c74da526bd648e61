/* config/yaml.c -- the YAML or JSON file.
 *
 * Unknown keys are ignored, as etcd does. A value may be a scalar, or a list where a comma
 * separated text is meant. What is not looked at is not walked, so that neither deep nesting nor
 * aliases of aliases cost anything.
 * SPDX-License-Identifier: Apache-2.0 */
#include <yaml.h>

#include "config/file.h"
#include "config/loader.h"
#include "config/text.h"

enum {
    YAML_DEPTH_MAX = 32,     /* levels of the file */
    YAML_VISITS_MAX = 20000, /* values looked at, counted again through each alias */
    YAML_PATH_MAX = 128,     /* bytes of a dotted path */
};

/* ---- syntax ------------------------------------------------------------------------------- */

/* The line that etcd's own parser names; the first where it names none. */
static size_t error_line(const yaml_parser_t *p)
{
    size_t line = p->context_mark.line ? p->context_mark.line : p->problem_mark.line;
    if (line > 0 && p->error == YAML_SCANNER_ERROR)
        line++;
    return line > 0 ? line : 1;
}

static enum err syntax_error(struct loader *l, const yaml_parser_t *p)
{
    return why_set(&l->why, ERR_MALFORMED, "error converting YAML to JSON: yaml: line %zu: %s",
                   error_line(p), p->problem ? p->problem : "unknown problem parsing YAML content");
}

static enum err event_check(struct loader *l, yaml_parser_t *p, int *depth, bool *ret_end)
{
    yaml_event_t ev;
    if (!yaml_parser_parse(p, &ev))
        return syntax_error(l, p);
    if (ev.type == YAML_SEQUENCE_START_EVENT || ev.type == YAML_MAPPING_START_EVENT)
        ++*depth;
    if (ev.type == YAML_SEQUENCE_END_EVENT || ev.type == YAML_MAPPING_END_EVENT)
        --*depth;
    *ret_end = ev.type == YAML_STREAM_END_EVENT || ev.type == YAML_DOCUMENT_END_EVENT;
    size_t line = ev.start_mark.line + 1;
    yaml_event_delete(&ev);
    if (*depth > YAML_DEPTH_MAX)
        return why_set(&l->why, ERR_TOO_LARGE,
                       "error converting YAML to JSON: yaml: line %zu: exceeded max depth of %d",
                       line, YAML_DEPTH_MAX);
    return ERR_OK;
}

/* Run over the events of the first document, before anything is built of them. */
static enum err syntax_check(struct loader *l, struct slice text)
{
    yaml_parser_t p;
    bool end = false;
    int depth = 0;
    enum err e = ERR_OK;
    yaml_parser_initialize(&p);
    yaml_parser_set_input_string(&p, text.p, text.n);
    while (e == ERR_OK && !end)
        e = event_check(l, &p, &depth, &end);
    yaml_parser_delete(&p);
    return e;
}

/* ---- values ------------------------------------------------------------------------------- */

static int node_line(const yaml_node_t *n)
{
    return (int)n->start_mark.line + 1;
}

static struct slice node_text(const yaml_node_t *n)
{
    return slice_make(n->data.scalar.value, n->data.scalar.length);
}

static bool node_is_plain(const yaml_node_t *n)
{
    return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool slice_is_one_of(struct slice s, const char *const *words)
{
    for (; *words; words++) {
        if (slice_is(s, *words))
            return true;
    }
    return false;
}

static bool node_is_null(const yaml_node_t *n)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};
    return n->type == YAML_SCALAR_NODE && node_is_plain(n) && slice_is_one_of(node_text(n), words);
}

static bool is_integer(struct slice s)
{
    size_t i = s.n > 0 && s.p[0] == '-';
    for (size_t from = i; i < s.n || i == from; i++) {
        if (i == s.n || s.p[i] < '0' || s.p[i] > '9')
            return false;
    }
    return true;
}

/* Append the scalar the way it would stand on a command line: YAML has more words for true and
 * false, and a bare number is a duration in nanoseconds. */
static void scalar_add(struct buf *b, const struct option *o, const yaml_node_t *n)
{
    static const char *const yes[] = {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON", NULL};
    static const char *const no[] = {"n", "N", "no", "No", "NO", "off", "Off", "OFF", NULL};
    struct slice s = node_text(n);
    bool plain = node_is_plain(n);
    if (plain && o->kind == OPT_BOOL && slice_is_one_of(s, yes))
        s = slice_str("true");
    if (plain && o->kind == OPT_BOOL && slice_is_one_of(s, no))
        s = slice_str("false");
    buf_add_slice(b, s);
    if (o->kind == OPT_DURATION && is_integer(s))
        buf_add_str(b, "ns");
}

struct walk {
    struct loader *l;
    yaml_document_t *doc;
};

static yaml_node_t *walk_node(struct walk *w, int id)
{
    return yaml_document_get_node(w->doc, id);
}

static enum err walk_count(struct walk *w)
{
    if (++w->l->yaml_nodes > YAML_VISITS_MAX)
        return why_set(&w->l->why, ERR_TOO_LARGE, "%s: more than %d values", w->l->config_file,
                       YAML_VISITS_MAX);
    return ERR_OK;
}

static enum err shape_error(struct walk *w, const yaml_node_t *n, const char *path)
{
    return why_set(&w->l->why, ERR_INVALID, "%s:%d: invalid %s", w->l->config_file, node_line(n),
                   path);
}

static enum err list_add(struct walk *w, struct buf *b, const struct option *o, yaml_node_t *list)
{
    for (yaml_node_item_t *i = list->data.sequence.items.start; i < list->data.sequence.items.top;
         i++) {
        yaml_node_t *n = walk_node(w, *i);
        enum err e = walk_count(w);
        if (e != ERR_OK)
            return e;
        if (n->type != YAML_SCALAR_NODE)
            return shape_error(w, n, o->name);
        if (b->n > 0)
            buf_add_byte(b, ',');
        scalar_add(b, o, n);
    }
    return ERR_OK;
}

/* A mapping of names to values, for the feature gates: "name=value,...". */
static enum err pairs_add(struct walk *w, struct buf *b, const struct option *o, yaml_node_t *map)
{
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        yaml_node_t *k = walk_node(w, p->key), *v = walk_node(w, p->value);
        enum err e = walk_count(w);
        if (e != ERR_OK)
            return e;
        if (k->type != YAML_SCALAR_NODE || v->type != YAML_SCALAR_NODE)
            return shape_error(w, k, o->name);
        if (b->n > 0)
            buf_add_byte(b, ',');
        buf_add_slice(b, node_text(k));
        buf_add_byte(b, '=');
        buf_add_slice(b, node_text(v));
    }
    return ERR_OK;
}

static bool option_is_list(const struct option *o)
{
    return o->kind == OPT_URLS || o->kind == OPT_STRINGS || o->kind == OPT_ORIGINS;
}

static enum err value_read(struct walk *w, const struct option *o, const struct option_alias *alias,
                           yaml_node_t *n)
{
    AUTO(buf) struct buf b = BUF_INIT;
    enum err e = ERR_OK;
    if (node_is_null(n))
        return ERR_OK;
    if (n->type == YAML_SCALAR_NODE)
        scalar_add(&b, o, n);
    else if (n->type == YAML_SEQUENCE_NODE && option_is_list(o))
        e = list_add(w, &b, o, n);
    else if (n->type == YAML_MAPPING_NODE && o->kind == OPT_GATES)
        e = pairs_add(w, &b, o, n);
    else
        return shape_error(w, n, o->name);
    if (e != ERR_OK)
        return e;
    if (b.n > 0 && memchr(b.p, '\0', b.n))
        return shape_error(w, n, o->name);
    return setting_put(w->l, SRC_YAML, o, alias, buf_cstr(&b), node_line(n));
}

/* ---- keys --------------------------------------------------------------------------------- */

/* Write "prefix.key". False if it is too long to be one of ours. */
static bool path_join(char *path, const char *prefix, const yaml_node_t *key)
{
    if (key->type != YAML_SCALAR_NODE || key->data.scalar.length >= YAML_PATH_MAX ||
        memchr(key->data.scalar.value, '\0', key->data.scalar.length))
        return false;
    int n = snprintf(path, YAML_PATH_MAX, "%s%s%.*s", prefix, *prefix ? "." : "",
                     SLICE_ARGS(node_text(key)));
    return n > 0 && n < YAML_PATH_MAX;
}

static const struct option *option_of_path(const char *path, const struct option_alias **ret_alias)
{
    const struct option *o = option_find_yaml(path, ret_alias);
    bool elsewhere = o && (o->kind == OPT_ACTION || o->kind == OPT_BARE || o->kind == OPT_GONE);
    return elsewhere ? NULL : o;
}

static enum err mapping_read(struct walk *w, yaml_node_t *map, const char *prefix);

static enum err pair_read(struct walk *w, yaml_node_t *key, yaml_node_t *value, const char *prefix)
{
    char path[YAML_PATH_MAX];
    const struct option_alias *alias = NULL;
    enum err e = walk_count(w);
    if (e != ERR_OK || !path_join(path, prefix, key))
        return e;
    const struct option *o = option_of_path(path, &alias);
    if (o)
        return value_read(w, o, alias, value);
    if (!option_yaml_is_parent(path)) {
        note_add(w->l, LOG_DEBUG_, "%s:%d: unknown key \"%s\"", w->l->config_file, node_line(key),
                 path);
        return ERR_OK;
    }
    if (value->type == YAML_MAPPING_NODE)
        return mapping_read(w, value, path);
    return node_is_null(value) ? ERR_OK : shape_error(w, value, path);
}

/* Recursion ends with the paths of the table, a few levels down. */
static enum err mapping_read(struct walk *w, yaml_node_t *map, const char *prefix)
{
    enum err e = ERR_OK;
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start;
         e == ERR_OK && p < map->data.mapping.pairs.top; p++)
        e = pair_read(w, walk_node(w, p->key), walk_node(w, p->value), prefix);
    return e;
}

static enum err root_read(struct walk *w)
{
    yaml_node_t *root = yaml_document_get_root_node(w->doc);
    if (!root || node_is_null(root))
        return ERR_OK;
    if (root->type == YAML_MAPPING_NODE)
        return mapping_read(w, root, "");
    return why_set(
        &w->l->why, ERR_MALFORMED,
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal %s into Go "
        "value of type embed.configYAML",
        root->type == YAML_SEQUENCE_NODE ? "array" : "string");
}

enum err yaml_parse(struct loader *l, struct slice text)
{
    yaml_parser_t p;
    yaml_document_t doc;
    enum err e = syntax_check(l, text);
    if (e != ERR_OK)
        return e;
    yaml_parser_initialize(&p);
    yaml_parser_set_input_string(&p, text.p, text.n);
    if (yaml_parser_load(&p, &doc)) {
        struct walk w = {l, &doc};
        e = root_read(&w);
        yaml_document_delete(&doc);
    } else {
        e = syntax_error(l, &p);
    }
    yaml_parser_delete(&p);
    return e;
}

enum err yaml_read(struct loader *l, const char *path)
{
    AUTO(buf) struct buf b = BUF_INIT;
    enum err e = file_read(path, &b, &l->why);
    return e == ERR_OK ? yaml_parse(l, buf_slice(&b)) : e;
}
