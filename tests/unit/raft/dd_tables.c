/* tests/unit/raft/dd_tables.c -- scenarios of quorums and of changes of the configuration.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "dd.h"
#include "raft/quorum.h"
#include "raft/tracker.h"

/* ---- quorums ----------------------------------------------------------------------------- */

enum { KNOWN_MAX = 64 };

struct known {
    struct {
        member_id id;
        uint64_t index; /* 0: not known */
        enum vote vote;
    } v[KNOWN_MAX];
    size_t n;
};

static size_t known_place(const struct known *k, member_id id)
{
    size_t i = 0;
    while (i < k->n && k->v[i].id != id)
        i++;
    return i;
}

static uint64_t known_index(const void *arg, member_id id)
{
    const struct known *k = arg;
    return k->v[known_place(k, id)].index;
}

static enum vote known_vote(const void *arg, member_id id)
{
    const struct known *k = arg;
    return k->v[known_place(k, id)].vote;
}

/* The members of both halves, each once, in the order in which they are named. */
static void collect(const struct dd_arg *a, struct raft_ids *ids, struct known *k)
{
    for (size_t i = 0; a != NULL && i < a->n; i++) {
        if (strcmp(a->values[i], "zero") == 0)
            continue;
        member_id id = strtoull(a->values[i], NULL, 10);
        raft_ids_add(ids, id);
        if (known_place(k, id) == k->n)
            k->v[k->n++].id = id;
    }
}

static void learn(const struct dd_arg *a, struct known *k)
{
    for (size_t i = 0; a != NULL && i < a->n && i < k->n; i++) {
        const char *s = a->values[i];
        k->v[i].vote = *s == 'y' ? VOTE_YES : *s == 'n' ? VOTE_NO : VOTE_MISSING;
        k->v[i].index = strtoull(s, NULL, 10);
    }
}

static void add_mismatch(struct buf *out, const struct known *k, const struct dd_arg *a)
{
    struct raft_ids ids = {0};
    for (size_t i = 0; i < k->n; i++)
        raft_ids_add(&ids, k->v[i].id);
    buf_add_str(out, "error: mismatched input (explicit or _) for voters [");
    dd_add_ids(out, &ids);
    buf_add_str(out, "]: [");
    for (size_t i = 0; a != NULL && i < a->n; i++)
        buf_addf(out, "%s%" PRIu64, i == 0 ? "" : " ", (uint64_t)strtoull(a->values[i], NULL, 10));
    buf_add_str(out, "]");
    raft_ids_fini(&ids);
}

/* One line a member: a bar as long as its rank among the others. */
static void add_bars(struct buf *out, const struct known *k, const struct raft_ids *all)
{
    buf_addf(out, "%*s    idx\n", (int)all->n, "");
    for (size_t i = 0; i < all->n; i++) {
        uint64_t index = known_index(k, all->v[i]);
        size_t rank = 0;
        for (size_t j = 0; j < all->n; j++)
            rank += known_index(k, all->v[j]) < index;
        if (index == 0)
            buf_add_str(out, "?");
        for (size_t j = 0; index != 0 && j < rank; j++)
            buf_add_str(out, "x");
        if (index != 0)
            buf_add_str(out, ">");
        size_t width = index == 0 ? 1 : rank + 1;
        buf_addf(out, "%*s %5" PRIu64 "    (id=%" PRIu64 ")\n",
                 (int)(all->n + 1 - width), "", index, all->v[i]);
    }
}

static void add_committed(struct buf *out, const struct known *k, const struct raft_ids *in,
                          const struct raft_ids *joint)
{
    struct raft_ids all = {0};
    for (size_t i = 0; i < k->n; i++)
        raft_ids_add(&all, k->v[i].id);
    if (all.n == 0)
        buf_add_str(out, "<empty majority quorum>");
    else
        add_bars(out, k, &all);
    uint64_t index = quorum_joint_index(in, joint, known_index, k);
    invariant(index == quorum_joint_index(joint, in, known_index, k));
    if (index == UINT64_MAX)
        buf_add_str(out, "\xe2\x88\x9e\n");
    else
        buf_addf(out, "%" PRIu64 "\n", index);
    raft_ids_fini(&all);
}

static void add_vote(struct buf *out, const struct known *k, const struct raft_ids *in,
                     const struct raft_ids *joint)
{
    static const char *const names[] = {"VotePending", "VoteLost", "VoteWon"};
    enum vote_result result = quorum_joint_vote(in, joint, known_vote, k);
    invariant(result == quorum_joint_vote(joint, in, known_vote, k));
    buf_addf(out, "%s\n", names[result]);
}

void dd_quorum_handle(void *env, const struct dd_case *c, struct buf *out)
{
    (void)env;
    bool vote = strcmp(c->cmd, "vote") == 0;
    const struct dd_arg *values = dd_arg(c, vote ? "votes" : "idx");
    struct raft_ids in = {0}, joint = {0};
    struct known k = {0};
    collect(dd_arg(c, "cfg"), &in, &k);
    collect(dd_arg(c, "cfgj"), &joint, &k);
    learn(values, &k);
    if (k.n != (values != NULL ? values->n : 0))
        add_mismatch(out, &k, values);
    else if (vote)
        add_vote(out, &k, &in, &joint);
    else
        add_committed(out, &k, &in, &joint);
    raft_ids_fini(&in);
    raft_ids_fini(&joint);
}

/* ---- changes ----------------------------------------------------------------------------- */

struct dd_conf {
    struct tracker tracker;
    raft_index last_index; /* one higher with each command */
};

struct dd_conf *dd_conf_new(void)
{
    struct dd_conf *conf = xcalloc(1, sizeof *conf);
    conf->tracker.max_inflight = 10;
    return conf;
}

void dd_conf_free(struct dd_conf *conf)
{
    tracker_fini(&conf->tracker);
    free(conf);
}

static void add_set(struct buf *out, const char *name, const struct raft_ids *s)
{
    buf_add_str(out, name);
    buf_add_str(out, "(");
    dd_add_ids(out, s);
    buf_add_str(out, ")");
}

static void add_tracker(struct buf *out, const struct tracker *t)
{
    const struct raft_conf_state *c = &t->conf;
    add_set(out, "voters=", &c->voters);
    if (c->voters_outgoing.n != 0)
        add_set(out, "&&", &c->voters_outgoing);
    if (c->learners.n != 0)
        add_set(out, " learners=", &c->learners);
    if (c->learners_next.n != 0)
        add_set(out, " learners_next=", &c->learners_next);
    if (c->auto_leave)
        buf_add_str(out, " autoleave");
    buf_add_str(out, "\n");
    for (size_t i = 0; i < t->n; i++) {
        const struct progress *p = &t->v[i];
        dd_add_progress(out, &(struct raft_progress_info){
                                 .id = p->id,
                                 .learner = p->learner,
                                 .match = p->match,
                                 .next = p->next,
                                 .state = p->state,
                                 .recent_active = p->recent_active,
                             });
    }
}

static enum conf_step step_named(const char *cmd)
{
    if (strcmp(cmd, "enter-joint") == 0)
        return CONF_ENTER_JOINT;
    return strcmp(cmd, "leave-joint") == 0 ? CONF_LEAVE_JOINT : CONF_SIMPLE;
}

void dd_conf_handle(void *env, const struct dd_case *c, struct buf *out)
{
    struct dd_conf *conf = env;
    struct raft_conf_change cc;
    struct why why;
    dd_parse_changes(c->input, &cc);
    cc.transition = dd_bool(c, "autoleave") ? RAFT_CONF_JOINT_IMPLICIT : RAFT_CONF_JOINT_EXPLICIT;
    enum err e = tracker_change(&conf->tracker, step_named(c->cmd), &cc, conf->last_index++, &why);
    if (e != ERR_OK)
        buf_addf(out, "%s\n", why.text);
    else
        add_tracker(out, &conf->tracker);
    raft_conf_change_fini(&cc);
}
