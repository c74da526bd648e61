/* base/hashmap.c -- hashes, and the map over them.
 *
 * I1: cap is 0 or a power of two and n <= 3/4 cap.
 * I2: between the slot that an object's hash names and the slot it stands in, none is free.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/hashmap.h"

#include <stdlib.h>

#include "base/check.h"

enum { HASHMAP_CAP_MIN = 16 };

/* Multiply to 128 bits and fold: each bit of the operands reaches each bit of the result. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;
    u128 p = (u128)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

uint64_t hash_int(uint64_t seed, uint64_t v)
{
    return mix(mix(v ^ 0x9e3779b97f4a7c15u, seed ^ 0xd1342543de82ef95u), 0xa0761d6478bd642fu);
}

uint64_t hash_bytes(uint64_t seed, struct slice s)
{
    uint64_t h = seed ^ 0xe7037ed1a0b428dbu;
    const uint8_t *p = s.p;
    size_t n = s.n;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        h = mix(h ^ v, 0x8ebc6af09c88c6e3u);
    }
    uint64_t tail = 0;
    if (n != 0)
        memcpy(&tail, p, n);
    h = mix(h ^ tail, 0x589965cc75374cc3u);
    return hash_int(h, s.n);
}

void hashmap_fini(struct hashmap *m)
{
    free(m->slots);
    *m = HASHMAP_INIT;
}

void *hashmap_find(const struct hashmap *m, uint64_t hash,
                   bool (*same)(const void *obj, const void *key), const void *key)
{
    if (m->n == 0)
        return NULL;
    for (size_t i = hash & (m->cap - 1); m->slots[i].obj != NULL; i = (i + 1) & (m->cap - 1)) {
        if (m->slots[i].hash == hash && same(m->slots[i].obj, key))
            return m->slots[i].obj;
    }
    return NULL;
}

static void slot_put(struct hashmap_slot *slots, size_t cap, struct hashmap_slot s)
{
    size_t i = s.hash & (cap - 1);
    while (slots[i].obj != NULL)
        i = (i + 1) & (cap - 1);
    slots[i] = s;
}

static void hashmap_resize(struct hashmap *m, size_t cap)
{
    struct hashmap_slot *slots = xcalloc(cap, sizeof *slots);
    for (size_t i = 0; i < m->cap; i++) {
        if (m->slots[i].obj != NULL)
            slot_put(slots, cap, m->slots[i]);
    }
    free(m->slots);
    m->slots = slots;
    m->cap = cap;
}

void hashmap_add(struct hashmap *m, uint64_t hash, void *obj)
{
    invariant(obj != NULL);
    if (m->n >= m->cap / 4 * 3)
        hashmap_resize(m, m->cap == 0 ? HASHMAP_CAP_MIN : m->cap * 2);
    slot_put(m->slots, m->cap, (struct hashmap_slot){hash, obj});
    m->n++;
}

/* Free slot `hole` and move back what stands behind it, so that I2 holds. */
static void slot_remove(struct hashmap *m, size_t hole)
{
    size_t mask = m->cap - 1;
    for (size_t i = (hole + 1) & mask; m->slots[i].obj != NULL; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].obj = NULL;
}

void hashmap_remove(struct hashmap *m, uint64_t hash, const void *obj)
{
    invariant(m->n != 0);
    size_t i = hash & (m->cap - 1);
    while (m->slots[i].obj != obj) {
        invariant(m->slots[i].obj != NULL);
        i = (i + 1) & (m->cap - 1);
    }
    slot_remove(m, i);
    m->n--;
    if (m->cap > HASHMAP_CAP_MIN && m->n < m->cap / 8)
        hashmap_resize(m, m->cap / 2);
}

void *hashmap_next(const struct hashmap *m, size_t *it)
{
    while (*it < m->cap) {
        void *obj = m->slots[(*it)++].obj;
        if (obj != NULL)
            return obj;
    }
    return NULL;
}

void hashmap_check(const struct hashmap *m)
{
    size_t n = 0;
    invariant((m->cap & (m->cap - 1)) == 0);
    for (size_t i = 0; i < m->cap; i++) {
        if (m->slots[i].obj == NULL)
            continue;
        n++;
        for (size_t j = m->slots[i].hash & (m->cap - 1); j != i; j = (j + 1) & (m->cap - 1))
            invariant(m->slots[j].obj != NULL);
    }
    invariant(n == m->n && n <= m->cap / 4 * 3);
}
