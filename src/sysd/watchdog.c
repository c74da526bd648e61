/* sysd/watchdog.c -- see watchdog.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sysd/watchdog.h"

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-daemon.h>

enum { TICKS_MISSED_MAX = 3 };

void watchdog_init(struct watchdog *w, msec now)
{
    uint64_t usec = 0;
    *w = (struct watchdog){.last = now};
    if (sd_watchdog_enabled(0, &usec) > 0)
        w->allowed = (msec)(usec / 1000);
}

const char *watchdog_trouble(const struct watchdog *w, const struct signs_of_life *life, msec now)
{
    msec limit = w->allowed / 2;
    msec tick_limit = life->tick_ms * TICKS_MISSED_MAX;
    if (now - life->tick >= (limit > tick_limit ? limit : tick_limit))
        return "the member's thread";
    if (life->log_since != 0 && now - life->log_since >= limit)
        return "the disk of the log";
    if (now - life->clients >= limit)
        return "a thread that serves clients";
    return NULL;
}

bool watchdog_is_due(struct watchdog *w, const struct signs_of_life *life, msec now)
{
    if (w->allowed == 0 || now - w->last < w->allowed / 2 || watchdog_trouble(w, life, now) != NULL)
        return false;
    w->last = now;
    return true;
}
