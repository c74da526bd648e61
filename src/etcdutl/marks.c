/* etcdutl/marks.c -- see marks.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdutl/marks.h"

#include <inttypes.h>
#include <stdlib.h>

#include <openssl/evp.h>

enum { REV_KEY_SIZE = 17 };

void marks_set_applied(struct kv_writer *w, raft_index index, raft_term term)
{
    uint8_t v[8];
    be64_put(v, index);
    w->ops->bucket_put(w, BUCKET_META, slice_str("consistent_index"), slice_make(v, sizeof v));
    if (term == 0)
        return;
    be64_put(v, term);
    w->ops->bucket_put(w, BUCKET_META, slice_str("term"), slice_make(v, sizeof v));
}

struct raft_conf_state conf_state_of_cluster(const struct cluster *c)
{
    struct raft_conf_state cs = {0};
    for (size_t i = 0; i < cluster_size(c); i++) {
        const struct member *m = cluster_at(c, i);
        raft_ids_add(m->is_learner ? &cs.learners : &cs.voters, m->id);
    }
    return cs;
}

static void add_ids(struct buf *json, const struct raft_ids *ids)
{
    for (size_t i = 0; i < ids->n; i++)
        buf_addf(json, "%s%" PRIu64, i ? "," : "", ids->v[i]);
}

void marks_set_conf_state(struct kv_writer *w, const struct cluster *c)
{
    AUTO(buf) struct buf json = BUF_INIT;
    struct raft_conf_state cs = conf_state_of_cluster(c);
    buf_add_str(&json, "{\"voters\":[");
    add_ids(&json, &cs.voters);
    if (cs.learners.n != 0) {
        buf_add_str(&json, "],\"learners\":[");
        add_ids(&json, &cs.learners);
    }
    buf_add_str(&json, "],\"auto_leave\":false}");
    w->ops->bucket_put(w, BUCKET_META, slice_str("confState"), buf_slice(&json));
    raft_conf_state_fini(&cs);
}

void marks_set_scheduled_compaction(struct kv_writer *w, revision rev)
{
    uint8_t v[REV_KEY_SIZE] = {0};
    be64_put(v, (uint64_t)rev);
    v[8] = '_';
    w->ops->bucket_put(w, BUCKET_META, slice_str("scheduledCompactRev"),
                       slice_make(v, sizeof v));
}

void sha1_of(struct slice data, uint8_t ret[SHA1_SIZE])
{
    invariant(EVP_Digest(data.p, data.n, ret, NULL, EVP_sha1(), NULL) == 1);
}

int version_cmp(const char *a, const char *b)
{
    for (;;) {
        char *end_a, *end_b;
        unsigned long x = strtoul(a, &end_a, 10), y = strtoul(b, &end_b, 10);
        if (x != y)
            return x < y ? -1 : 1;
        if (*end_a != '.' || *end_b != '.')
            return 0;
        a = end_a + 1;
        b = end_b + 1;
    }
}
