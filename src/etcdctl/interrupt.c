/* etcdctl/interrupt.c -- see interrupt.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/interrupt.h"

#include <signal.h>
#include <stdint.h>
#include <time.h>

enum {
    SAME_MS = 1000, /* timeout(1) and terminals send to the process and to its group: that is one */
};

static struct etcd_client *volatile target;
static volatile sig_atomic_t came;

static volatile int64_t first_ms;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void on_signal(int signal)
{
    (void)signal;
    int64_t now = now_ms();
    if (came && now - first_ms < SAME_MS)
        return;
    came = 1;
    first_ms = now;
    if (target)
        etcd_client_interrupt(target);
}

static void handle(void (*handler)(int))
{
    struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

void interrupt_client(struct etcd_client *c)
{
    target = c;
    handle(on_signal);
}

void interrupt_nothing(void)
{
    target = NULL;
    handle(on_signal); /* a handler, unlike SIG_IGN, is not inherited */
}

void interrupt_process(void)
{
    target = NULL;
    handle(SIG_DFL);
}

bool interrupt_came(void)
{
    return came != 0;
}
