/* config/gates.c -- the feature gates: "NAME=bool,...".
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/gates.h"

#include "config/options.h"
#include "config/text.h"

static const struct gate {
    const char *name;
    size_t offset;
    const char *initial;
    bool works;
} gates[] = {
#define X(name, field, def, stage, works)                                                          \
    {name, offsetof(struct config_feature_gates, field), def, works},
    GATES_TABLE(X)
#undef X
};

static bool *gate_field(const struct gate *gate, struct config_feature_gates *g)
{
    return (bool *)((char *)g + gate->offset);
}

void gates_init(struct config_feature_gates *g)
{
    for (size_t i = 0; i < ARRAY_LEN(gates); i++)
        *gate_field(&gates[i], g) = strcmp(gates[i].initial, "true") == 0;
}

const char *gates_next_idle(const struct config_feature_gates *g, size_t *it)
{
    struct config_feature_gates initial = *g;
    gates_init(&initial);
    while (*it < ARRAY_LEN(gates)) {
        const struct gate *gate = &gates[(*it)++];
        const bool *set = (const bool *)((const char *)g + gate->offset);
        if (!gate->works && *set != *gate_field(gate, &initial))
            return gate->name;
    }
    return NULL;
}

static const struct gate *gate_find(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(gates); i++) {
        if (slice_is(name, gates[i].name))
            return &gates[i];
    }
    return NULL;
}

static enum err gate_apply(struct slice item, struct config_feature_gates *g, struct why *why)
{
    struct slice value;
    bool has_value = slice_cut(item, '=', &item, &value);
    struct slice name = slice_trim(item);
    const struct gate *gate = gate_find(name);
    if (!has_value)
        return why_set(why, ERR_INVALID, "missing bool value for %.*s", SLICE_ARGS(name));
    if (!gate)
        return why_set(why, ERR_INVALID, "unrecognized feature gate: %.*s", SLICE_ARGS(name));

    value = slice_trim(value);
    if (!bool_parse(value, gate_field(gate, g)))
        return why_set(why, ERR_INVALID,
                       "invalid value of %.*s=%.*s, err: strconv.ParseBool: parsing \"%.*s\": "
                       "invalid syntax",
                       SLICE_ARGS(name), SLICE_ARGS(value), SLICE_ARGS(value));
    return ERR_OK;
}

enum err gates_parse(const char *text, struct config_feature_gates *g, struct why *why)
{
    struct slice rest = slice_str(text);
    while (rest.n > 0) {
        struct slice item;
        slice_cut(rest, ',', &item, &rest);
        if (item.n == 0)
            continue;
        enum err e = gate_apply(item, g, why);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}
