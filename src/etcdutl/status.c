/* etcdutl/status.c -- see status.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdutl/status.h"

#include "base/crc32c.h"
#include "mvcc/hash.h"
#include "mvcc/store.h"

/* ---- status --------------------------------------------------------------------------------- */

static void hash_bucket(void *arg, const char *name)
{
    struct db_status *s = arg;
    s->hash = crc32c(s->hash, name, strlen(name));
}

static bool hash_pair(void *arg, struct slice key, struct slice value)
{
    struct db_status *s = arg;
    s->hash = crc32c(s->hash, key.p, key.n);
    s->hash = crc32c(s->hash, value.p, value.n);
    return true;
}

static bool load_row(void *arg, const struct kv_row *row)
{
    mvcc_store_load(arg, row);
    return true;
}

/* A row without a key is none (it lifts the revision), but upstream counts it. */
struct counting {
    struct mvcc_store *kv;
    revision last;
    bool has_bump;
};

static bool count_row(void *arg, const struct kv_row *row)
{
    struct counting *c = arg;
    c->last = row->main;
    c->has_bump = c->has_bump || row->key.n == 0;
    return load_row(c->kv, row);
}

static bool count_key(void *arg, struct slice key, const struct mvcc_rev *rev)
{
    (void)key;
    (void)rev;
    ++*(int64_t *)arg;
    return true;
}

static enum err count_keys(struct db_file *f, struct db_status *ret, struct why *why)
{
    struct counting c = {.kv = mvcc_store_new()};
    struct key_range all = {.open = true};
    enum err e = db_file_rows(f, count_row, &c, why);
    if (e == ERR_OK)
        mvcc_index_range(mvcc_store_index(c.kv), &all, INT64_MAX, count_key, &ret->keys);
    ret->keys += c.has_bump;
    ret->revision = c.last;
    mvcc_store_free(c.kv);
    return e;
}

static void read_version(struct db_file *f, struct db_status *ret)
{
    struct slice v;
    if (db_file_get(f, BUCKET_META, "storageVersion", &v) == ERR_OK && v.n < sizeof ret->version)
        memcpy(ret->version, v.p, v.n);
}

enum err db_status_read(struct db_file *f, struct db_status *ret, struct why *why)
{
    struct why inner = {""};
    *ret = (struct db_status){.size = db_file_size(f)};
    enum err e = db_file_check(f, &inner);
    if (e != ERR_OK)
        return why_set(why, e, "snapshot file integrity check failed. 1 errors found.\n%s",
                       inner.text);
    read_version(f, ret);
    struct db_file_visitor v = {hash_bucket, hash_pair, ret};
    e = db_file_all(f, &v, why);
    return e == ERR_OK ? count_keys(f, ret, why) : e;
}

/* ---- HashKV --------------------------------------------------------------------------------- */

struct hashing {
    struct mvcc_store *kv;
    struct mvcc_hash h;
    revision last;
};

static bool see_last(void *arg, const struct kv_row *row)
{
    ((struct hashing *)arg)->last = row->main;
    return true;
}

static bool add_row(void *arg, const struct kv_row *row)
{
    struct hashing *h = arg;
    mvcc_hash_add(&h->h, h->kv, row);
    return true;
}

static enum err read_mark(struct db_file *f, const char *name, revision *ret, struct why *why)
{
    struct slice v;
    *ret = 0;
    enum err e = db_file_get(f, BUCKET_META, name, &v);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    if (e == ERR_OK && v.n == 17)
        *ret = (revision)be64_get(v.p);
    else
        e = why_set(why, ERR_DAMAGED, "a row of the meta bucket has a wrong length");
    return e;
}

/* The index says which of the compacted rows count; without a compaction all rows do. */
static enum err load(struct db_file *f, struct hashing *h, struct why *why)
{
    revision scheduled, finished;
    enum err e = read_mark(f, "scheduledCompactRev", &scheduled, why);
    if (e == ERR_OK)
        e = read_mark(f, "finishedCompactRev", &finished, why);
    if (e != ERR_OK)
        return e;
    if (scheduled <= 0 && finished <= 0)
        return db_file_rows(f, see_last, h, why);
    e = db_file_rows(f, load_row, h->kv, why);
    if (e == ERR_OK)
        mvcc_store_loaded(h->kv, scheduled, finished);
    h->last = mvcc_store_revision(h->kv);
    return e;
}

enum err hashkv_read(struct db_file *f, revision rev, struct hashkv *ret, struct why *why)
{
    struct hashing h = {.kv = mvcc_store_new(), .last = 1};
    enum err e = load(f, &h, why);
    if (e == ERR_OK) {
        e = mvcc_hash_begin(&h.h, h.kv, rev, h.last);
        if (e != ERR_OK)
            (void)why_set(why, e, "%s", strstr(err_text(e), "mvcc: "));
    }
    if (e == ERR_OK)
        e = db_file_rows(f, add_row, &h, why);
    revision compacted = mvcc_store_compacted(h.kv);
    *ret = (struct hashkv){h.h.crc, h.h.rev, compacted > 0 ? compacted : -1};
    mvcc_store_free(h.kv);
    return e;
}
