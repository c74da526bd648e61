/* ctlv2/health.c -- `cluster-health`.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "ctlv2/members.h"
#include "ctlv2/rest.h"
#include "ctlv2/session.h"
#include "loop/clock.h"

enum { EVERY_S = 10 };

/* {"health":"true"}; older servers say {"health":true}. */
static bool read_health(struct slice body, bool *ret_healthy, struct trouble *t)
{
    AUTO(json_ref) struct json_t *object = read_json(body);
    AUTO(buf) struct buf text = BUF_INIT;
    *ret_healthy = false;
    if (!read_is_object(object) ||
        (!read_bool(object, "health", ret_healthy) && !read_text(object, "health", &text)))
        return rest_fail_json(body, t);
    *ret_healthy = *ret_healthy || slice_is(buf_slice(&text), "true");
    return true;
}

static bool ask_health(struct cluster *c, const char *url, bool *ret_healthy, struct trouble *t)
{
    AUTO(answer) struct answer a = {0};
    AUTO(trouble) struct trouble inner = TROUBLE_INIT;
    AUTO(buf) struct buf path = BUF_INIT;
    buf_addf(&path, "%s/health", url);
    if (!v2_cluster_get_url(c, buf_cstr(&path), &a, &inner))
        return trouble_set(t, "Get \"%s\": %s", buf_cstr(&path), buf_cstr(&inner.text));
    return read_health(buf_slice(&a.body), ret_healthy, t);
}

/* Ask one member by its URLs, until one of them has an answer. */
static bool check_member(struct cluster *c, struct member *m)
{
    const char *id = buf_cstr(&m->id);
    if (m->client_urls.n == 0) {
        printf("member %s is unreachable: no available published client urls\n", id);
        return false;
    }
    for (size_t i = 0; i < m->client_urls.n; i++) {
        AUTO(trouble) struct trouble t = TROUBLE_INIT;
        const char *url = m->client_urls.at[i];
        bool healthy = false;
        if (ask_health(c, url, &healthy, &t)) {
            printf("member %s is %s: got %s result from %s\n", id,
                   healthy ? "healthy" : "unhealthy", healthy ? "healthy" : "unhealthy", url);
            return healthy;
        }
        printf("failed to check the health of member %s on %s: %s\n", id, url, buf_cstr(&t.text));
    }
    AUTO(buf) struct buf urls = BUF_INIT;
    texts_join(&m->client_urls, " ", &urls);
    printf("member %s is unreachable: [%s] are all unreachable\n", id, buf_cstr(&urls));
    return false;
}

/* Return the status that the cluster deserves. */
static int check_members(struct cluster *c, const struct members *m)
{
    size_t healthy = 0;
    for (size_t i = 0; i < m->n; i++)
        healthy += check_member(c, &m->at[i]);
    printf("cluster is %s\n", healthy == m->n ? "healthy"
                              : healthy == 0  ? "unavailable"
                                              : "degraded");
    return healthy == m->n ? 0 : EXIT_UNHEALTHY;
}

int run_cluster_health(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(members) struct members m = {0};
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    bool forever = args_bool(c->args, "forever");
    if (!v2_session_check_tls(c, &t))
        return trouble_fail(&t, EXIT_SERVER);
    if (!v2_session_open_unsynced(c, &cluster, &t))
        return trouble_fail_plain(&t);
    v2_session_print_endpoints(c, cluster);
    if (forever)
        v2_cluster_end_on_interrupt(cluster);
    if (!members_list(cluster, MSEC_NEVER, &m, &t)) {
        if (t.kind == TROUBLE_INTERRUPTED)
            return 0;
        printf("cluster may be unhealthy: failed to list members\n");
        return trouble_fail(&t, EXIT_SERVER);
    }
    for (;;) {
        int status = check_members(cluster, &m);
        if (!forever)
            return status;
        printf("\nnext check after %d second...\n\n", EVERY_S);
        fflush(stdout);
        if (sleep(EVERY_S) != 0 || v2_cluster_is_interrupted())
            return 0;
    }
}
