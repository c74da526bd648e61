/* etcd/supervise.h -- what the control thread tells the service manager about the running member.
 *
 * The service is ready when the member is part of its cluster, or has waited for the others for some
 * seconds in which starting came no further: it serves by then, and the others may be waiting to be started
 * after this one. The status line and the watchdog follow the member each second.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCD_SUPERVISE_H
#define ETCD_SUPERVISE_H

#include <stdbool.h>

#include "base/types.h"
#include "sysd/watchdog.h"

struct api;
struct server;
struct server_summary;
struct sockets;

enum { STATUS_MAX = 512 };

/* Zero at first. */
struct supervision {
    struct server *server;
    struct api *api; /* NULL: not yet */
    const struct sockets *sockets;
    _Atomic bool joined;     /* the member says that it is part of its cluster */
    _Atomic msec progress_at; /* when it was last said that starting came further */
    bool ready_said;
    bool trouble_said; /* of the watchdog */
    struct watchdog watchdog;
    struct signs_of_life life;
    char status[STATUS_MAX];
    msec status_at;
};

/* Starting has come so far. Any thread. */
void supervise_progress(struct supervision *v, const char *doing, uint64_t done);

/* The member and what serves it run: begin. */
void supervise_begin(struct supervision *v, struct server *s, struct api *a,
                     const struct sockets *sockets, msec tick_ms);

/* Do what is due; return after how many milliseconds to call again. */
int supervise_run(struct supervision *v);

/* Write the line that `systemctl status` shows. */
void status_line(const struct server_summary *s, char ret[STATUS_MAX]);

#endif
