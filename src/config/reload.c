/* config/reload.c -- what of a new configuration is in force at once.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/reload.h"

#include <stdlib.h>

#include "config/loader.h"

/* Read anew from the configuration whenever they matter, or handed on when they change. Nothing that
 * decides what a committed entry does is among them (max-learners): members must not differ in it. */
static const char *const at_once[] = {
    "auto-compaction-mode",
    "auto-compaction-retention",
    "compact-hash-check-time",
    "corrupt-check-time",
    "cors",
    "enable-grpc-gateway",
    "enable-pprof",
    "host-whitelist",
    "log-level",
    "max-concurrent-streams",
    "max-request-bytes",
    "max-txn-ops",
    "quota-backend-bytes",
    "snapshot-catchup-entries",
    "snapshot-count",
    "strict-reconfig-check",
    "warning-apply-duration",
    "warning-unary-request-duration",
    "watch-progress-notify-interval",
};

static bool is_at_once(const struct option *o)
{
    for (size_t i = 0; i < ARRAY_LEN(at_once); i++)
        if (strcmp(o->name, at_once[i]) == 0)
            return true;
    return false;
}

static void copy_members(struct config *to, const struct config *from)
{
    initial_cluster_free(to->members, to->n_members);
    to->n_members = from->n_members;
    to->members = xcalloc(from->n_members + 1, sizeof *to->members);
    for (size_t i = 0; i < from->n_members; i++) {
        to->members[i].name = xstrdup(from->members[i].name);
        url_list_copy(&to->members[i].peer_urls, &from->members[i].peer_urls);
    }
}

/* What follows from options that need a restart. The quota, the compaction and the level of the log
 * follow from others. */
static void keep_derived(struct config *to, const struct config *from)
{
    copy_members(to, from);
    to->metrics_extensive = from->metrics_extensive;
    to->log_json = from->log_json;
    to->gates = from->gates;
}

struct config *config_merge(const struct config *current, struct config *fresh,
                            void (*on_difference)(void *arg, const struct config_difference *d),
                            void *arg)
{
    for (size_t i = 0; i < options_n; i++) {
        const struct option *o = &options[i];
        AUTO(buf) struct buf before = BUF_INIT;
        AUTO(buf) struct buf after = BUF_INIT;
        if (o->offset == OPT_NO_FIELD)
            continue;
        option_format(o, current, &before);
        option_format(o, fresh, &after);
        if (slice_eq(buf_slice(&before), buf_slice(&after)))
            continue;
        bool secret = o->use == USE_SECRET;
        struct config_difference d = {.option = o->name,
                                      .before = secret ? "(secret)" : buf_cstr(&before),
                                      .after = secret ? "(secret)" : buf_cstr(&after),
                                      .at_once = is_at_once(o)};
        on_difference(arg, &d);
        struct why why;
        if (!d.at_once) {
            enum err e = option_set(o, fresh, buf_cstr(&before), &why);
            invariant(e == ERR_OK); /* it was checked when it came in */
        }
    }
    keep_derived(fresh, current);
    return fresh;
}
