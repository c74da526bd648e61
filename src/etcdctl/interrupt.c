/* etcdctl/interrupt.c -- see interrupt.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/interrupt.h"

#include <signal.h>

static struct etcd_client *volatile target;
static volatile sig_atomic_t came;

static void on_signal(int signal)
{
    (void)signal;
    came = 1;
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
