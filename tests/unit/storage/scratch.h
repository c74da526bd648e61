/* A folder that is gone after the test, and short ways to fill a kv.db in it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_STORAGE_SCRATCH_H
#define TESTS_UNIT_STORAGE_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <ftw.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "storage/kvdb.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        enum err e_ = (call);                                                                      \
        if (e_ != ERR_OK)                                                                          \
            fail_msg("%s: %s: %s", #call, err_text(e_), scratch_why.text);                         \
    } while (0)

static struct why scratch_why;
static char scratch_dir[256];

static inline int scratch_remove_one(const char *path, const struct stat *st, int type,
                                     struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int scratch_setup(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(scratch_dir, sizeof scratch_dir, "%s/etcd-storage-XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(scratch_dir) == NULL;
}

static inline int scratch_teardown(void **state)
{
    (void)state;
    return nftw(scratch_dir, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Return scratch_dir/name, in one of a few static buffers. */
static inline const char *scratch_path(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *p = paths[next++ % ARRAY_LEN(paths)];
    snprintf(p, sizeof paths[0], "%s/%s", scratch_dir, name);
    return p;
}

static inline struct kvdb *scratch_kvdb(const char *name)
{
    struct kvdb *db;
    OK(kvdb_open(scratch_path(name), &(struct kvdb_options){.create = true}, &db, &scratch_why));
    return db;
}

static inline struct kv_row make_row(revision main, const char *key, struct slice value)
{
    return (struct kv_row){
        .pos = main << 20,
        .main = main,
        .create = main,
        .version = 1,
        .key = slice_str(key),
        .value = value,
    };
}

static inline void put_row(struct kvdb *db, const struct kv_row *row)
{
    struct kv_writer *w = kvdb_writer(db);
    w->ops->put(w, row);
}

static inline void put_bucket(struct kvdb *db, const char *bucket, struct slice key,
                              struct slice value)
{
    struct kv_writer *w = kvdb_writer(db);
    w->ops->bucket_put(w, bucket, key, value);
}

#endif
