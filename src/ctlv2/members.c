/* ctlv2/members.c -- the members of a cluster, and `member list|add|remove|update`.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/members.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/json.h"
#include "cli/quote.h"
#include "config/url.h"
#include "ctlv2/rest.h"
#include "ctlv2/session.h"

#define MEMBERS_PATH "/v2/members"

/* ---- reading ----------------------------------------------------------------------------- */

static void member_fini(struct member *m)
{
    buf_fini(&m->id);
    buf_fini(&m->name);
    texts_fini(&m->peer_urls);
    texts_fini(&m->client_urls);
}

static void member_auto(struct member *m)
{
    member_fini(m);
}

void members_fini(struct members *m)
{
    for (size_t i = 0; i < m->n; i++)
        member_fini(&m->at[i]);
    free(m->at);
    *m = (struct members){0};
}

static bool read_member(const struct json_t *object, struct member *m)
{
    return read_is_object(object) && read_text(object, "id", &m->id) &&
           read_text(object, "name", &m->name) && read_texts(object, "peerURLs", &m->peer_urls) &&
           read_texts(object, "clientURLs", &m->client_urls);
}

bool member_read(struct slice body, struct member *ret_member, struct trouble *t)
{
    AUTO(json_ref) struct json_t *object = read_json(body);
    *ret_member = (struct member){0};
    if (read_member(object, ret_member))
        return true;
    member_fini(ret_member);
    *ret_member = (struct member){0};
    return rest_fail_json(body, t);
}

static bool read_members(const struct json_t *object, struct members *m)
{
    const struct json_t *array = read_field(object, "members");
    if (!read_is_object(object) || (array != NULL && !read_is_array(array)))
        return false;
    m->at = xcalloc(read_count(array) + 1, sizeof *m->at);
    for (size_t i = 0; i < read_count(array); i++) {
        m->n++;
        if (!read_member(read_item(array, i), &m->at[i]))
            return false;
    }
    return true;
}

bool members_read(struct slice body, struct members *ret_members, struct trouble *t)
{
    AUTO(json_ref) struct json_t *object = read_json(body);
    *ret_members = (struct members){0};
    if (read_members(object, ret_members))
        return true;
    members_fini(ret_members);
    return rest_fail_json(body, t);
}

/* ---- asking ------------------------------------------------------------------------------ */

static bool expect_ok(const struct answer *a, struct trouble *t)
{
    return a->status == 200 || trouble_set(t, "unexpected status code %u", a->status);
}

bool members_list(struct cluster *c, msec deadline, struct members *ret_members, struct trouble *t)
{
    AUTO(answer) struct answer a = {0};
    return rest_do(c, "GET", MEMBERS_PATH, NULL, deadline, &a, t) && expect_ok(&a, t) &&
           members_read(buf_slice(&a.body), ret_members, t);
}

static bool find_leader(struct cluster *c, msec deadline, struct member *ret_leader,
                        struct trouble *t)
{
    AUTO(answer) struct answer a = {0};
    return rest_do(c, "GET", MEMBERS_PATH "/leader", NULL, deadline, &a, t) && expect_ok(&a, t) &&
           member_read(buf_slice(&a.body), ret_leader, t);
}

/* Append the JSON that tells a server of these peer URLs. */
static void add_peer_urls(const struct url_list *urls, struct buf *body)
{
    AUTO(json) struct json j = JSON_INIT;
    json_open(&j, NULL);
    json_open_array(&j, "peerURLs");
    for (size_t i = 0; i < urls->n; i++)
        json_string(&j, NULL, urls->items[i].text);
    json_close_array(&j);
    json_close(&j);
    buf_add_slice(body, buf_slice(&j.text));
}

/* Read one URL, or a comma separated list of them, and append the JSON. */
static bool peer_urls_json(const char *text, bool list, struct buf *body, struct trouble *t)
{
    struct url_list urls = {0};
    struct uri uri = {0};
    struct why why;
    enum err e = uri_parse(text, &uri, &why);
    uri_fini(&uri);
    if (e != ERR_OK)
        return trouble_set(t, "%s", why.text);
    e = list ? url_list_parse(text, false, &urls, &why)
             : url_list_add(&urls, slice_str(text), &why);
    if (e == ERR_OK)
        add_peer_urls(&urls, body);
    url_list_fini(&urls);
    return e == ERR_OK || trouble_set(t, "%s", why.text);
}

/* ---- member list ------------------------------------------------------------------------- */

static void print_member(struct member *m, const struct member *leader)
{
    AUTO(buf) struct buf peers = BUF_INIT, clients = BUF_INIT;
    texts_join(&m->peer_urls, ",", &peers);
    texts_join(&m->client_urls, ",", &clients);
    if (m->name.n == 0)
        printf("%s[unstarted]: peerURLs=%s\n", buf_cstr(&m->id), buf_cstr(&peers));
    else
        printf("%s: name=%s peerURLs=%s clientURLs=%s isLeader=%s\n", buf_cstr(&m->id),
               buf_cstr(&m->name), buf_cstr(&peers), buf_cstr(&clients),
               slice_eq(buf_slice(&m->id), buf_slice(&leader->id)) ? "true" : "false");
}

int run_member_list(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(members) struct members m = {0};
    AUTO(member) struct member leader = {0};
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    int status = v2_session_open_for(c, 0, "No arguments accepted", &cluster);
    if (status != 0)
        return status;
    msec deadline = v2_session_deadline(c);
    if (!members_list(cluster, deadline, &m, &t))
        return trouble_fail_plain(&t);
    if (!find_leader(cluster, deadline, &leader, &t))
        return fail_plain("Failed to get leader:  %s", buf_cstr(&t.text));
    for (size_t i = 0; i < m.n; i++)
        print_member(&m.at[i], &leader);
    return 0;
}

/* ---- member add -------------------------------------------------------------------------- */

static bool add_member(struct cluster *c, const char *url, msec deadline, struct member *ret_member,
                       struct trouble *t)
{
    AUTO(buf) struct buf body = BUF_INIT;
    AUTO(answer) struct answer a = {0};
    if (!peer_urls_json(url, false, &body, t) ||
        !rest_do(c, "POST", MEMBERS_PATH, &body, deadline, &a, t))
        return false;
    if (a.status == 409)
        return rest_fail(&a, t);
    if (a.status != 201)
        return trouble_set(t, "unexpected status code %u", a.status);
    return member_read(buf_slice(&a.body), ret_member, t);
}

static void print_quoted(const char *name, struct slice value)
{
    AUTO(buf) struct buf quoted = BUF_INIT;
    quote_add(&quoted, value);
    printf("%s=%s\n", name, buf_cstr(&quoted));
}

/* Print what the new member has to be started with. */
static void print_new_member(const char *name, const struct member *added,
                             const struct members *all)
{
    AUTO(buf) struct buf conf = BUF_INIT;
    for (size_t i = 0; i < all->n; i++) {
        struct member *m = &all->at[i];
        bool is_new = slice_eq(buf_slice(&m->id), buf_slice(&added->id));
        for (size_t k = 0; k < m->peer_urls.n; k++)
            buf_addf(&conf, "%s%s=%s", conf.n != 0 ? "," : "", is_new ? name : buf_cstr(&m->name),
                     m->peer_urls.at[k]);
    }
    putchar('\n');
    print_quoted("ETCD_NAME", slice_str(name));
    print_quoted("ETCD_INITIAL_CLUSTER", buf_slice(&conf));
    printf("ETCD_INITIAL_CLUSTER_STATE=\"existing\"\n");
}

int run_member_add(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(member) struct member added = {0};
    AUTO(members) struct members all = {0};
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    int status = v2_session_open_for(c, 2, "Provide a name and a single member peerURL", &cluster);
    if (status != 0)
        return status;
    msec deadline = v2_session_deadline(c);
    if (!add_member(cluster, c->argv[1], deadline, &added, &t))
        return trouble_fail_plain(&t);
    printf("Added member named %s with ID %s to cluster\n", c->argv[0], buf_cstr(&added.id));
    if (!members_list(cluster, deadline, &all, &t))
        return trouble_fail_plain(&t);
    print_new_member(c->argv[0], &added, &all);
    return 0;
}

/* ---- member remove and update ------------------------------------------------------------ */

/* Say if it is a name that was given in place of an ID. */
static bool members_have_id(struct members *m, const char *id)
{
    bool found = false;
    for (size_t i = 0; i < m->n; i++) {
        found = found || slice_is(buf_slice(&m->at[i].id), id);
        if (!slice_is(buf_slice(&m->at[i].name), id))
            continue;
        fprintf(stderr,
                "Found a member named %s; if this is correct, please use its ID, eg:\n"
                "\tetcdctl member remove %s\n"
                "For more details, read the documentation at "
                "https://github.com/etcd-io/etcd/blob/master/Documentation/"
                "runtime-configuration.md#remove-a-member\n\n",
                id, buf_cstr(&m->at[i].id));
    }
    return found;
}

static bool remove_member(struct cluster *c, const char *id, msec deadline, struct trouble *t)
{
    AUTO(answer) struct answer a = {0};
    AUTO(buf) struct buf path = BUF_INIT;
    buf_addf(&path, MEMBERS_PATH "/%s", id);
    if (!rest_do(c, "DELETE", buf_cstr(&path), NULL, deadline, &a, t))
        return false;
    return a.status == 204 || a.status == 410 ||
           trouble_set(t, "unexpected status code %u", a.status);
}

int run_member_remove(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(members) struct members m = {0};
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    int status = v2_session_open_for(c, 1, "Provide a single member ID", &cluster);
    if (status != 0)
        return status;
    const char *id = c->argv[0];
    msec deadline = v2_session_deadline(c);
    if (!members_list(cluster, deadline, &m, &t))
        return fail_plain("Error while verifying ID against known members: %s", buf_cstr(&t.text));
    if (!members_have_id(&m, id))
        return fail_plain("Couldn't find a member in the cluster with an ID of %s.", id);
    if (!remove_member(cluster, id, deadline, &t)) {
        fprintf(stderr, "Received an error trying to remove member %s: %s", id, buf_cstr(&t.text));
        return EXIT_BAD_ARGS;
    }
    printf("Removed member %s from cluster\n", id);
    return 0;
}

static bool update_member(struct cluster *c, const char *id, const char *urls, msec deadline,
                          struct trouble *t)
{
    AUTO(answer) struct answer a = {0};
    AUTO(buf) struct buf path = BUF_INIT, body = BUF_INIT;
    buf_addf(&path, MEMBERS_PATH "/%s", id);
    if (!peer_urls_json(urls, true, &body, t) ||
        !rest_do(c, "PUT", buf_cstr(&path), &body, deadline, &a, t))
        return false;
    if (a.status == 404 || a.status == 409)
        return rest_fail(&a, t);
    return a.status == 204 || trouble_set(t, "unexpected status code %u", a.status);
}

int run_member_update(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    int status = v2_session_open_for(c, 2,
                                     "Provide an ID and a list of comma separated peerURL "
                                     "(0xabcd http://example.com,http://example1.com)",
                                     &cluster);
    if (status != 0)
        return status;
    if (!update_member(cluster, c->argv[0], c->argv[1], v2_session_deadline(c), &t))
        return trouble_fail_plain(&t);
    printf("Updated member with ID %s in cluster\n", c->argv[0]);
    return 0;
}
