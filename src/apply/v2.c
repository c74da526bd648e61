/* apply/v2.c -- the requests of the v2 interface that members make themselves.
 * SPDX-License-Identifier: Apache-2.0 */
#include "apply/apply_priv.h"

#define MEMBERS    "/0/members/"
#define ATTRIBUTES "/attributes"

/* Is it MEMBERS <hex id> ATTRIBUTES? */
static bool is_attributes_path(struct slice path, member_id *ret)
{
    size_t before = strlen(MEMBERS), after = strlen(ATTRIBUTES);
    if (path.n < before + after || !slice_starts_with(path, slice_str(MEMBERS)) ||
        !slice_is(slice_make(path.p + path.n - after, after), ATTRIBUTES))
        return false;
    return member_id_from_hex(slice_make(path.p + before, path.n - before - after), ret);
}

static bool is_plain_put(const Etcdserverpb__Request *req)
{
    return slice_is(pb_slice(req->method), "PUT") && !req->has_prevexist && req->previndex == 0 &&
           req->prevvalue.len == 0;
}

static enum err set_version(struct applier *a, struct slice text)
{
    char version[CLUSTER_VERSION_MAX];
    if (text.n == 0 || text.n >= sizeof version || memchr(text.p, '\0', text.n) != NULL)
        return ERR_MALFORMED;
    memcpy(version, text.p, text.n);
    version[text.n] = '\0';
    return cluster_set_version(a->st.cluster, version, a->st.writer);
}

void applier_apply_v2(struct applier *a, const Etcdserverpb__Request *req, struct apply_result *ret)
{
    struct slice path = pb_slice(req->path);
    member_id id;
    *ret = (struct apply_result){.rev = mvcc_store_revision(a->st.kv)};
    if (!is_plain_put(req))
        return;
    if (slice_is(path, "/0/version")) {
        ret->what = APPLIED_CLUSTER_VERSION;
        ret->err = set_version(a, pb_slice(req->val));
    } else if (is_attributes_path(path, &id)) {
        ret->what = APPLIED_ATTRIBUTES;
        ret->err = cluster_set_attributes_json(a->st.cluster, id, pb_slice(req->val), a->st.writer);
    }
}
