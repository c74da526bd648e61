/* sysd/watchdog.h -- when systemd may be told that the program is well.
 *
 * Pure: time and signs of life come in as arguments. The program is well if every loop that serves
 * clients has turned lately, the clock of raft ticks, and no write of the log is under way for long. It
 * says so at half of the time that the manager allows; a program that is not well says nothing until it
 * is again, and the manager ends it when the whole time is over.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SYSD_WATCHDOG_H
#define SYSD_WATCHDOG_H

#include <stdbool.h>

#include "base/types.h"

struct watchdog {
    msec allowed; /* 0: nobody watches */
    msec last;    /* when we said that we are well */
};

struct signs_of_life {
    msec clients;  /* when all client loops had last turned */
    msec tick;     /* when raft's clock last ticked */
    msec tick_ms;  /* how often it does */
    msec log_since; /* since when a write of the log is under way; 0: none is */
};

/* Read what the manager allows from the environment (WATCHDOG_USEC). */
void watchdog_init(struct watchdog *w, msec now);

/* Return what does not move, in words, or NULL if all is well. */
const char *watchdog_trouble(const struct watchdog *w, const struct signs_of_life *life, msec now);

/* True if it is time to say that all is well, which it is; the caller does say it. */
bool watchdog_is_due(struct watchdog *w, const struct signs_of_life *life, msec now);

#endif
