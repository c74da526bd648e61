/* tests/sim/net.h -- the network between simulated members: iface/transport.h on virtual time.
 *
 * Places are numbered; a member at place N has the peer URL net_url(N). A message travels for a
 * random time, in order with the others of its way unless chance says otherwise; it may be lost or
 * come twice. A way that is cut loses everything, in that direction. What was on its way to a
 * member that crashed reaches its next life. SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include "iface/transport.h"
#include "server/drive.h"

enum { NET_PLACES = 10, NET_URL_MAX = 40 };

struct net;

struct net_host {
    /* From here on the clock is that of the member at `place`, and it is about to be called. */
    void (*enter)(unsigned place);
    /* It was called, and may have something to do now. */
    void (*touched)(unsigned place);
    /* How long it will not run; 0: it runs. */
    int64_t (*pause_left)(unsigned place);
    /* A whole snapshot came to it. */
    void (*snapshot_came)(unsigned place);
};

/* How bad the network is. */
struct net_weather {
    unsigned loss, twice, overtake; /* permille of the messages */
    int64_t delay_min, delay_max;   /* microseconds */
};

struct net *net_new(const struct net_host *host);
void net_free(struct net *n); /* all have left */

void net_set_weather(struct net *n, const struct net_weather *w);
void net_cut(struct net *n, unsigned from, unsigned to);
void net_heal(struct net *n); /* no way is cut */
bool net_is_cut(const struct net *n, unsigned from, unsigned to);

void net_url(unsigned place, char ret[NET_URL_MAX]);
/* Return NET_PLACES if it is no URL of ours. */
unsigned net_place(const char *url);

/* The member `id` begins to live at `place`. The transport lives until net_leave(). */
struct transport *net_join(struct net *n, unsigned place, const struct transport_receiver *r,
                           member_id id, uint64_t cluster_id);
/* It is called no more, and what it still sends is lost. */
void net_mute(struct net *n, unsigned place);
/* Its life is over. Fine if nobody has joined. */
void net_leave(struct net *n, unsigned place);

/* As server_world.fetch, asked from `place`. */
enum err net_fetch(struct net *n, unsigned place, const char *url, const char *path,
                   struct server_fetched *ret);

/* Messages delivered. */
uint64_t net_delivered(const struct net *n);

#endif
