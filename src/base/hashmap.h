/* base/hashmap.h -- a map from hashes to objects of the owner.
 *
 * Open addressing, linear probing, no tombstones. The map holds pointers only: the owner keeps the
 * key inside its object and says with `same` whether an object is the one it looks for. Objects
 * with equal hashes may stand beside each other.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HASHMAP_H
#define BASE_HASHMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

struct hashmap_slot {
    uint64_t hash;
    void *obj; /* NULL: free */
};

struct hashmap {
    struct hashmap_slot *slots;
    size_t cap; /* a power of two, or 0 */
    size_t n;
};

#define HASHMAP_INIT ((struct hashmap){NULL, 0, 0})

/* Return a well mixed hash. A `seed` that clients cannot know keeps them from making collisions. */
uint64_t hash_bytes(uint64_t seed, struct slice s);
uint64_t hash_int(uint64_t seed, uint64_t v);

void hashmap_fini(struct hashmap *m); /* forgets the objects; they are the owner's */

/* Return the object for which same(obj, key) holds, or NULL. */
void *hashmap_find(const struct hashmap *m, uint64_t hash,
                   bool (*same)(const void *obj, const void *key), const void *key);

/* Add an object that is not in the map. */
void hashmap_add(struct hashmap *m, uint64_t hash, void *obj);

/* Remove an object that is in the map. */
void hashmap_remove(struct hashmap *m, uint64_t hash, const void *obj);

/* Step through all objects in no useful order: start with *it = 0; NULL is the end. The map must
 * not change meanwhile. */
void *hashmap_next(const struct hashmap *m, size_t *it);

/* Assert all that the map believes of itself. O(n). */
void hashmap_check(const struct hashmap *m);

#endif
