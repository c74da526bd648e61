/* api/status_pages.c -- what this member says of itself in JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/status_pages.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/errand.h"
#include "base/json_text.h"
#include "base/log.h"

enum { CMDLINE_MAX = 64 * 1024 };

static void add_string(struct buf *b, const char *s)
{
    json_add_string(b, s, strlen(s));
}

/* Return the status of the answer that came, or refuse the request. */
static const Etcdserverpb__StatusResponse *status_or_error(struct errand *e, const struct web *w)
{
    if (e->status == NULL)
        web_error(w, 503, slice_str(err_text(e->server.err)));
    return e->status;
}

/* ---- /version -------------------------------------------------------------------------------- */

static void on_version_status(struct errand *e)
{
    struct web w = errand_web(e);
    const Etcdserverpb__StatusResponse *s = status_or_error(e, &w);
    if (s != NULL) {
        AUTO(buf) struct buf b = BUF_INIT;
        buf_add_str(&b, "{\"etcdserver\":");
        add_string(&b, s->version);
        buf_add_str(&b, ",\"etcdcluster\":");
        add_string(&b, server_cluster_version(w.port->loop->server));
        buf_add_str(&b, ",\"storage\":");
        add_string(&b, *s->storageversion != '\0' ? s->storageversion : "unknown");
        buf_add_byte(&b, '}');
        web_reply_type(&w, 200, "application/json", buf_slice(&b));
    }
    errand_end(e);
}

void version_page(const struct web *w)
{
    if (web_is_get(w))
        errand_status(errand_new(w), on_version_status);
}

/* ---- /debug/vars ----------------------------------------------------------------------------- */

static void add_cmdline(struct buf *b)
{
    AUTO(buf) struct buf args = BUF_INIT;
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd == -1 ? 0 : read(fd, buf_reserve(&args, CMDLINE_MAX), CMDLINE_MAX);
    if (fd != -1)
        close(fd);
    args.n = n > 0 ? (size_t)n : 0;
    buf_cstr(&args);
    buf_add_byte(b, '[');
    for (size_t at = 0; at < args.n; at += strlen((char *)args.p + at) + 1) {
        if (at != 0)
            buf_add_byte(b, ',');
        add_string(b, (char *)args.p + at);
    }
    buf_add_byte(b, ']');
}

static void add_memory(struct buf *b)
{
    struct mallinfo2 m = mallinfo2();
    size_t sys = m.arena + m.hblkhd, used = m.uordblks + m.hblkhd;
    buf_addf(b,
             "{\"Alloc\":%zu,\"TotalAlloc\":%zu,\"Sys\":%zu,\"HeapAlloc\":%zu,\"HeapSys\":%zu,"
             "\"HeapIdle\":%zu,\"HeapInuse\":%zu}",
             used, used, sys, used, sys, m.fordblks, used);
}

static void add_raft(struct buf *b, const struct server *server,
                     const Etcdserverpb__StatusResponse *s)
{
    bool leads = server_is_leader(server);
    buf_addf(b,
             "{\"id\":\"%llx\",\"term\":%llu,\"commit\":%llu,\"applied\":%llu,\"lead\":\"%llx\","
             "\"raftState\":\"%s\"}",
             (unsigned long long)server_member_id(server), (unsigned long long)s->raftterm,
             (unsigned long long)s->raftindex, (unsigned long long)s->raftappliedindex,
             (unsigned long long)s->leader, leads ? "StateLeader" : "StateFollower");
}

static void on_vars_status(struct errand *e)
{
    struct web w = errand_web(e);
    const Etcdserverpb__StatusResponse *s = status_or_error(e, &w);
    if (s != NULL) {
        AUTO(buf) struct buf b = BUF_INIT;
        struct rlimit files = {0};
        getrlimit(RLIMIT_NOFILE, &files);
        buf_add_str(&b, "{\n\"cmdline\": ");
        add_cmdline(&b);
        buf_addf(&b, ",\n\"file_descriptor_limit\": %llu,\n\"memstats\": ",
                 (unsigned long long)files.rlim_cur);
        add_memory(&b);
        buf_add_str(&b, ",\n\"raft.status\": ");
        add_raft(&b, w.port->loop->server, s);
        buf_add_str(&b, "\n}\n");
        web_reply_type(&w, 200, "application/json; charset=utf-8", buf_slice(&b));
    }
    errand_end(e);
}

void vars_page(const struct web *w)
{
    if (web_is_get(w))
        errand_status(errand_new(w), on_vars_status);
}
