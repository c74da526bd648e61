/* server/compactor.c
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/compactor.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { HOUR_MS = 3600 * 1000, REVISION_INTERVAL_MS = 5 * 60 * 1000 };

struct compactor {
    msec interval; /* between two looks */
    msec next;
    revision last; /* compacted last */
    int64_t keep;  /* > 0: by revision */
    /* periodic */
    msec between; /* least time between two compactions */
    msec compacted_at;
    size_t samples_max, n;
    revision samples[]; /* the oldest first */
};

struct compactor *compactor_new(msec period_ms, int64_t keep, msec now)
{
    if (period_ms <= 0 && keep <= 0)
        return NULL;
    msec between = period_ms < HOUR_MS ? period_ms : HOUR_MS;
    msec interval = period_ms > 0 ? between / 10 : REVISION_INTERVAL_MS;
    interval = interval > 0 ? interval : 1;
    size_t samples = period_ms > 0 ? (size_t)(period_ms / interval) + 1 : 0;
    struct compactor *c = xcalloc(1, sizeof *c + samples * sizeof c->samples[0]);
    c->interval = interval;
    c->between = between;
    c->keep = period_ms > 0 ? 0 : keep;
    c->samples_max = samples;
    c->compacted_at = now;
    c->next = now + (c->keep > 0 ? interval : 0);
    return c;
}

void compactor_free(struct compactor *c)
{
    free(c);
}

msec compactor_next(const struct compactor *c)
{
    return c->next;
}

static revision run_periodic(struct compactor *c, msec now, revision current)
{
    if (c->n == c->samples_max) {
        c->n--;
        memmove(c->samples, c->samples + 1, c->n * sizeof c->samples[0]);
    }
    c->samples[c->n++] = current;
    if (c->n < c->samples_max || now - c->compacted_at < c->between)
        return 0;
    c->compacted_at = now;
    return c->samples[0];
}

revision compactor_run(struct compactor *c, msec now, revision current, bool leads)
{
    if (now < c->next)
        return 0;
    c->next = now + c->interval;
    if (!leads) {
        c->n = 0;
        c->compacted_at = now;
        return 0;
    }
    revision rev = c->keep > 0 ? current - c->keep : run_periodic(c, now, current);
    if (rev <= 0 || rev == c->last)
        return 0;
    c->last = rev;
    return rev;
}
