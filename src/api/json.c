/* api/json.c -- JSON and protobuf, both ways, led by the descriptors.
 *
 * Output is written straight from the message. Input goes through jansson, and what jansson cannot
 * hold (integers above INT64_MAX) is put in quotes first, where a 64-bit field takes it as well.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/json.h"

#include <jansson.h>

#include "base/json_text.h"
#include "pb/pb_arena.h"

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The C type of one value of a field, as far as this file cares. */
static size_t value_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return sizeof(uint32_t);
    }
}

static const void *field_at(const ProtobufCMessage *msg, unsigned offset)
{
    return (const char *)msg + offset;
}

/* ---- output: values ------------------------------------------------------------------------ */

static void add_unsigned(uint64_t v, struct buf *out)
{
    char text[20];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    buf_add(out, text + at, sizeof text - at);
}

static void add_signed(int64_t v, struct buf *out)
{
    if (v < 0)
        buf_add_byte(out, '-');
    add_unsigned(v < 0 ? -(uint64_t)v : (uint64_t)v, out);
}

static void add_base64(const ProtobufCBinaryData *data, struct buf *out)
{
    const uint8_t *p = data->data;
    size_t n = data->len;
    uint8_t *to = buf_reserve(out, n / 3 * 4 + 6);
    uint8_t *start = to;
    *to++ = '"';
    for (; n >= 3; n -= 3, p += 3) {
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *to++ = (uint8_t)base64_alphabet[v >> shift & 63];
    }
    if (n > 0) {
        uint32_t v = (uint32_t)p[0] << 16 | (n == 2 ? (uint32_t)p[1] << 8 : 0);
        *to++ = (uint8_t)base64_alphabet[v >> 18];
        *to++ = (uint8_t)base64_alphabet[v >> 12 & 63];
        *to++ = n == 2 ? (uint8_t)base64_alphabet[v >> 6 & 63] : '=';
        *to++ = '=';
    }
    *to++ = '"';
    out->n += (size_t)(to - start);
}

/* Append the escape of a byte that cannot stand in a string as it is. */
static void add_escape(uint8_t c, struct buf *out)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; letters[i] != '\0'; i += 2) {
        if ((uint8_t)letters[i] == c) {
            buf_add_byte(out, '\\');
            buf_add_byte(out, (uint8_t)letters[i + 1]);
            return;
        }
    }
    buf_addf(out, "\\u%04x", c);
}

static enum err add_string(const char *text, struct buf *out)
{
    struct slice s = slice_str(text);
    if (!utf8_is_valid(s))
        return ERR_MALFORMED;
    size_t from = 0;
    buf_add_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= 0x20 && s.p[i] != '"' && s.p[i] != '\\')
            continue;
        buf_add(out, s.p + from, i - from);
        add_escape(s.p[i], out);
        from = i + 1;
    }
    buf_add(out, s.p + from, s.n - from);
    buf_add_byte(out, '"');
    return ERR_OK;
}

static void add_enum(const ProtobufCEnumDescriptor *desc, int v, struct buf *out)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(desc, v);
    if (value == NULL) {
        add_signed(v, out); /* of a newer .proto file */
        return;
    }
    buf_add_byte(out, '"');
    buf_add_str(out, value->name);
    buf_add_byte(out, '"');
}

/* ---- output: messages ---------------------------------------------------------------------- */

/* True if a field that has no presence of its own has not its default. */
static bool value_is_set(const ProtobufCFieldDescriptor *f, const void *p)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return *(char *const *)p != NULL && **(char *const *)p != '\0';
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)p)->len > 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(void *const *)p != NULL;
    default:
        return value_size(f->type) == 8 ? *(const uint64_t *)p != 0 : *(const uint32_t *)p != 0;
    }
}

static bool field_is_set(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
    const void *p = field_at(msg, f->offset), *quantifier = field_at(msg, f->quantifier_offset);
    bool is_pointer = f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)quantifier > 0;
    if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 && *(const uint32_t *)quantifier != f->id)
        return false;
    if (is_pointer && *(void *const *)p == NULL)
        return false;
    if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 || f->label == PROTOBUF_C_LABEL_REQUIRED)
        return true;
    if (f->label == PROTOBUF_C_LABEL_OPTIONAL)
        return is_pointer || *(const protobuf_c_boolean *)quantifier;
    return value_is_set(f, p);
}

static enum err add_message(const ProtobufCMessage *msg, struct buf *out);

static enum err add_value(const ProtobufCFieldDescriptor *f, const void *p, struct buf *out)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        add_signed(*(const int32_t *)p, out);
        return ERR_OK;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        add_unsigned(*(const uint32_t *)p, out);
        return ERR_OK;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        buf_add_byte(out, '"');
        add_signed(*(const int64_t *)p, out);
        buf_add_byte(out, '"');
        return ERR_OK;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        buf_add_byte(out, '"');
        add_unsigned(*(const uint64_t *)p, out);
        buf_add_byte(out, '"');
        return ERR_OK;
    case PROTOBUF_C_TYPE_BOOL:
        buf_add_str(out, *(const protobuf_c_boolean *)p ? "true" : "false");
        return ERR_OK;
    case PROTOBUF_C_TYPE_ENUM:
        add_enum(f->descriptor, *(const int *)p, out);
        return ERR_OK;
    case PROTOBUF_C_TYPE_STRING:
        return add_string(*(char *const *)p, out);
    case PROTOBUF_C_TYPE_BYTES:
        add_base64(p, out);
        return ERR_OK;
    case PROTOBUF_C_TYPE_MESSAGE:
        return add_message(*(ProtobufCMessage *const *)p, out);
    default:
        invariant(false); /* no message of etcd's has floating point */
        return ERR_INVALID;
    }
}

static enum err add_list(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f,
                         struct buf *out)
{
    size_t n = *(const size_t *)field_at(msg, f->quantifier_offset);
    const char *items = *(const char *const *)field_at(msg, f->offset);
    enum err e = ERR_OK;
    buf_add_byte(out, '[');
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        if (i > 0)
            buf_add_byte(out, ',');
        e = add_value(f, items + i * value_size(f->type), out);
    }
    buf_add_byte(out, ']');
    return e;
}

static enum err add_message(const ProtobufCMessage *msg, struct buf *out)
{
    enum err e = ERR_OK;
    size_t start = out->n;
    buf_add_byte(out, '{');
    for (unsigned i = 0; i < msg->descriptor->n_fields && e == ERR_OK; i++) {
        const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
        if (!field_is_set(msg, f))
            continue;
        buf_add_str(out, out->n == start + 1 ? "\"" : ",\"");
        buf_add_str(out, f->name);
        buf_add_str(out, "\":");
        e = f->label == PROTOBUF_C_LABEL_REPEATED ? add_list(msg, f, out)
                                                  : add_value(f, field_at(msg, f->offset), out);
    }
    buf_add_byte(out, '}');
    return e;
}

enum err json_from_pb(const ProtobufCMessage *msg, struct buf *out)
{
    size_t start = out->n;
    enum err e = add_message(msg, out);
    if (e != ERR_OK)
        out->n = start;
    return e;
}

enum err json_from_wire(const ProtobufCMessageDescriptor *desc, struct slice wire, struct arena *a,
                        struct buf *out)
{
    ProtobufCMessage *msg;
    enum err e = pb_unpack(desc, wire, a, &msg);
    return e == ERR_OK ? json_from_pb(msg, out) : e;
}

/* ---- input: numbers ------------------------------------------------------------------------ */

struct integer {
    bool negative;
    uint64_t magnitude;
};

static bool integer_from_real(double v, struct integer *ret)
{
    double size = v < 0 ? -v : v;
    if (!(size < 18446744073709551616.0))
        return false;
    *ret = (struct integer){v < 0, (uint64_t)size};
    return (double)ret->magnitude == size;
}

static bool integer_from_digits(const char *s, struct integer *ret)
{
    *ret = (struct integer){*s == '-', 0};
    s += ret->negative;
    if (*s == '\0' || (s[0] == '0' && s[1] != '\0'))
        return false;
    for (; *s >= '0' && *s <= '9'; s++) {
        if (__builtin_mul_overflow(ret->magnitude, 10u, &ret->magnitude) ||
            __builtin_add_overflow(ret->magnitude, (uint64_t)(*s - '0'), &ret->magnitude))
            return false;
    }
    return *s == '\0';
}

static bool integer_from_number(const json_t *j, struct integer *ret)
{
    if (json_is_real(j))
        return integer_from_real(json_real_value(j), ret);
    if (!json_is_integer(j))
        return false;
    json_int_t v = json_integer_value(j);
    *ret = (struct integer){v < 0, v < 0 ? -(uint64_t)v : (uint64_t)v};
    return true;
}

/* Read a string that holds a JSON number and nothing else. */
static bool integer_from_string(const json_t *j, struct integer *ret)
{
    const char *s = json_string_value(j);
    size_t n = json_string_length(j);
    if (integer_from_digits(s, ret))
        return true;
    if (n == 0 || strspn(s, "-+.eE0123456789") != n)
        return false;
    json_t *number = json_loadb(s, n, JSON_DECODE_ANY, NULL);
    bool ok = integer_from_number(number, ret);
    json_decref(number);
    return ok;
}

/* Store `i` where it fits a field of `bits` bits. */
static bool store_integer(struct integer i, unsigned bits, bool is_signed, void *p)
{
    uint64_t max = is_signed ? (UINT64_C(1) << (bits - 1)) - !i.negative
                             : UINT64_MAX >> (64 - bits);
    if (i.magnitude > max || (i.negative && !is_signed && i.magnitude != 0))
        return false;
    uint64_t v = i.negative ? -i.magnitude : i.magnitude;
    if (bits == 64)
        *(uint64_t *)p = v;
    else
        *(uint32_t *)p = (uint32_t)v;
    return true;
}

static bool set_integer(const json_t *j, unsigned bits, bool is_signed, void *p)
{
    struct integer i;
    bool ok = json_is_string(j) ? integer_from_string(j, &i) : integer_from_number(j, &i);
    return ok && store_integer(i, bits, is_signed, p);
}

/* ---- input: other values ------------------------------------------------------------------- */

/* Where the message lies, and where its errors go. */
struct input {
    struct arena *a;
    struct why *why;
};

static bool set_bool(const json_t *j, protobuf_c_boolean *p)
{
    *p = json_is_true(j);
    return json_is_boolean(j);
}

static bool set_enum(const ProtobufCEnumDescriptor *desc, const json_t *j, void *p)
{
    if (!json_is_string(j))
        return set_integer(j, 32, true, p);
    const ProtobufCEnumValue *v =
        protobuf_c_enum_descriptor_get_value_by_name(desc, json_string_value(j));
    if (v != NULL)
        *(int *)p = v->value;
    return v != NULL;
}

static bool set_string(struct input *in, const json_t *j, char **p)
{
    if (!json_is_string(j))
        return false;
    *p = arena_dup(in->a, json_string_value(j), json_string_length(j) + 1);
    return true;
}

/* Return the six bits that `c` stands for, or 64. */
static unsigned base64_value(uint8_t c, bool url_safe)
{
    if (c >= 'A' && c <= 'Z')
        return c - (unsigned)'A';
    if (c >= 'a' && c <= 'z')
        return c - (unsigned)'a' + 26;
    if (c >= '0' && c <= '9')
        return c - (unsigned)'0' + 52;
    if (c == (url_safe ? '-' : '+'))
        return 62;
    return c == (url_safe ? '_' : '/') ? 63 : 64;
}

/* Read digits up to `n` or the first '=', and return where it stopped; SIZE_MAX on a bad one. Line
 * ends are passed over. `ret_digits` is how many there were. */
static size_t base64_digits(const char *s, size_t n, uint8_t *to, size_t *ret_digits)
{
    bool url_safe = memchr(s, '-', n) != NULL || memchr(s, '_', n) != NULL;
    uint32_t bits = 0;
    size_t digits = 0, i = 0;
    for (; i < n && s[i] != '='; i++) {
        if (s[i] == '\r' || s[i] == '\n')
            continue;
        unsigned v = base64_value((uint8_t)s[i], url_safe);
        if (v == 64)
            return SIZE_MAX;
        bits = bits << 6 | v;
        if (digits++ % 4 != 0)
            *to++ = (uint8_t)(bits >> (6 - 2 * ((digits - 1) % 4)));
    }
    *ret_digits = digits;
    return i;
}

static bool set_bytes(struct input *in, const json_t *j, ProtobufCBinaryData *p)
{
    if (!json_is_string(j))
        return false;
    const char *s = json_string_value(j);
    size_t n = json_string_length(j), digits = 0, pads = 0;
    p->data = arena_alloc(in->a, n / 4 * 3 + 3);
    size_t at = base64_digits(s, n, p->data, &digits);
    if (at == SIZE_MAX)
        return false;
    for (; at < n; at++) {
        if (s[at] == '=')
            pads++;
        else if (s[at] != '\r' && s[at] != '\n')
            return false;
    }
    p->len = digits * 3 / 4;
    return digits % 4 != 1 && (pads == 0 || (digits % 4 != 0 && digits % 4 + pads == 4));
}

/* ---- input: messages ----------------------------------------------------------------------- */

static const char *type_name(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
        return "int32";
    case PROTOBUF_C_TYPE_UINT32:
        return "uint32";
    case PROTOBUF_C_TYPE_INT64:
        return "int64";
    case PROTOBUF_C_TYPE_UINT64:
        return "uint64";
    case PROTOBUF_C_TYPE_BOOL:
        return "bool";
    case PROTOBUF_C_TYPE_ENUM:
        return "enum";
    case PROTOBUF_C_TYPE_STRING:
        return "string";
    case PROTOBUF_C_TYPE_BYTES:
        return "bytes";
    case PROTOBUF_C_TYPE_MESSAGE:
        return "message";
    default:
        return "fixed";
    }
}

static enum err read_message(struct input *in, const ProtobufCMessageDescriptor *desc,
                             const json_t *j, unsigned depth, ProtobufCMessage **ret);

/* Set a value that is not a message. */
static bool set_scalar(struct input *in, const ProtobufCFieldDescriptor *f, const json_t *j,
                       void *p)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return set_integer(j, 32, true, p);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return set_integer(j, 32, false, p);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return set_integer(j, 64, true, p);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return set_integer(j, 64, false, p);
    case PROTOBUF_C_TYPE_BOOL:
        return set_bool(j, p);
    case PROTOBUF_C_TYPE_ENUM:
        return set_enum(f->descriptor, j, p);
    case PROTOBUF_C_TYPE_STRING:
        return set_string(in, j, p);
    case PROTOBUF_C_TYPE_BYTES:
        return set_bytes(in, j, p);
    default:
        invariant(false); /* no message of etcd's has floating point */
        return false;
    }
}

static enum err set_value(struct input *in, const ProtobufCFieldDescriptor *f, const json_t *j,
                          unsigned depth, void *p)
{
    if (f->type == PROTOBUF_C_TYPE_MESSAGE && json_is_object(j))
        return read_message(in, f->descriptor, j, depth + 1, p);
    if (f->type != PROTOBUF_C_TYPE_MESSAGE && set_scalar(in, f, j, p))
        return ERR_OK;
    return why_set(in->why, ERR_MALFORMED, "proto: invalid value for %s field %s",
                   type_name(f->type), f->name);
}

static enum err set_list(struct input *in, const ProtobufCFieldDescriptor *f, const json_t *j,
                         unsigned depth, ProtobufCMessage *msg)
{
    if (!json_is_array(j))
        return why_set(in->why, ERR_MALFORMED, "proto: syntax error: field %s is not a list",
                       f->name);
    size_t n = json_array_size(j), size = value_size(f->type);
    char *items = arena_calloc(in->a, n * size);
    for (size_t i = 0; i < n; i++) {
        enum err e = set_value(in, f, json_array_get(j, i), depth, items + i * size);
        if (e != ERR_OK)
            return e;
    }
    *(size_t *)((char *)msg + f->quantifier_offset) = n;
    *(void **)((char *)msg + f->offset) = n > 0 ? items : NULL;
    return ERR_OK;
}

/* Note that a single field is there, where that is noted. */
static enum err mark_present(struct input *in, const ProtobufCFieldDescriptor *f,
                             ProtobufCMessage *msg)
{
    void *quantifier = (char *)msg + f->quantifier_offset;
    bool is_pointer = f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE;
    if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        if (*(uint32_t *)quantifier != 0)
            return why_set(in->why, ERR_MALFORMED,
                           "proto: error parsing \"%s\", oneof is already set", f->name);
        *(uint32_t *)quantifier = f->id;
    } else if (f->label == PROTOBUF_C_LABEL_OPTIONAL && !is_pointer) {
        *(protobuf_c_boolean *)quantifier = 1;
    }
    return ERR_OK;
}

/* True if `key` is the lowerCamelCase of `name`. */
static bool name_is_camel_case(const char *name, const char *key)
{
    bool upper = false;
    for (; *name != '\0'; name++) {
        if (*name == '_') {
            upper = true;
            continue;
        }
        char c = upper && *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;
        upper = false;
        if (*key++ != c)
            return false;
    }
    return *key == '\0';
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *desc,
                                                  const char *key)
{
    for (unsigned i = 0; i < desc->n_fields; i++) {
        const char *name = desc->fields[i].name;
        if (strcmp(name, key) == 0 || name_is_camel_case(name, key))
            return &desc->fields[i];
    }
    return NULL;
}

/* Set the field that `key` of the object `j` names, if it names one. */
static enum err set_field(struct input *in, const json_t *j, const char *key, const json_t *value,
                          unsigned depth, ProtobufCMessage *msg)
{
    const ProtobufCFieldDescriptor *f = find_field(msg->descriptor, key);
    if (f == NULL || json_is_null(value))
        return ERR_OK;
    if (strcmp(f->name, key) != 0 && json_object_get(j, f->name) != NULL)
        return why_set(in->why, ERR_MALFORMED, "proto: duplicate field \"%s\"", f->name);
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return set_list(in, f, value, depth, msg);
    enum err e = mark_present(in, f, msg);
    return e == ERR_OK ? set_value(in, f, value, depth, (char *)msg + f->offset) : e;
}

static enum err read_message(struct input *in, const ProtobufCMessageDescriptor *desc,
                             const json_t *j, unsigned depth, ProtobufCMessage **ret)
{
    if (depth > PB_DEPTH_MAX)
        return why_set(in->why, ERR_MALFORMED, "proto: exceeded max recursion depth");
    ProtobufCMessage *msg = arena_alloc(in->a, desc->sizeof_message);
    protobuf_c_message_init(desc, msg);
    void *at = json_object_iter((json_t *)(uintptr_t)j);
    for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)j, at)) {
        enum err e = set_field(in, j, json_object_iter_key(at), json_object_iter_value(at), depth,
                               msg);
        if (e != ERR_OK)
            return e;
    }
    *ret = msg;
    return ERR_OK;
}

/* Return the parsed text, owned, or NULL. What follows the first document is not looked at. */
static json_t *parse(struct slice text, json_error_t *ret_error)
{
    size_t flags = JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK;
    json_t *j = json_loadb((const char *)text.p, text.n, flags, ret_error);
    if (j != NULL || json_error_code(ret_error) != json_error_numeric_overflow)
        return j;
    AUTO(buf) struct buf quoted = BUF_INIT;
    json_quote_wide_integers(text, &quoted);
    return json_loadb((const char *)quoted.p, quoted.n, flags, ret_error);
}

static bool is_blank(struct slice s)
{
    size_t i = 0;
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\r' || s.p[i] == '\n'))
        i++;
    return i == s.n;
}

enum err json_to_pb(const ProtobufCMessageDescriptor *desc, struct slice text, struct arena *a,
                    ProtobufCMessage **ret, struct why *why)
{
    json_error_t error;
    struct input in = {a, why};
    json_t *j = parse(is_blank(text) ? slice_str("{}") : text, &error);
    if (j == NULL)
        return why_set(why, ERR_MALFORMED, "proto: syntax error (line %d:%d): %s", error.line,
                       error.column, error.text);
    enum err e = json_is_object(j) ? read_message(&in, desc, j, 1, ret)
                                   : why_set(why, ERR_MALFORMED, "proto: not a JSON object");
    json_decref(j);
    return e;
}
