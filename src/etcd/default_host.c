/* etcd/default_host.c -- the kernel's routing table tells the interface, the interface its address.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcd/default_host.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/mem.h"

static bool default_interface(char name[IF_NAMESIZE])
{
    FILE *f = fopen("/proc/net/route", "re");
    char line[256];
    bool found = false;
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
        unsigned destination, gateway, flags, mask;
        found = sscanf(line, "%15s %x %x %x %*d %*d %*d %x", name, &destination, &gateway, &flags,
                       &mask) == 5 &&
                destination == 0 && mask == 0;
    }
    if (f != NULL)
        fclose(f);
    return found;
}

char *default_host(void *arg)
{
    (void)arg;
    char name[IF_NAMESIZE], text[INET_ADDRSTRLEN];
    struct ifaddrs *all = NULL;
    char *host = NULL;
    if (!default_interface(name) || getifaddrs(&all) != 0)
        return NULL;
    for (const struct ifaddrs *i = all; i != NULL && host == NULL; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET ||
            strcmp(i->ifa_name, name) != 0)
            continue;
        const struct sockaddr_in *in = (const void *)i->ifa_addr;
        if (inet_ntop(AF_INET, &in->sin_addr, text, sizeof text) != NULL)
            host = xstrdup(text);
    }
    freeifaddrs(all);
    return host;
}
