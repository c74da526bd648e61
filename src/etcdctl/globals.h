/* etcdctl/globals.h -- the flags that every command takes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_GLOBALS_H
#define ETCDCTL_GLOBALS_H

#include "cli/command.h"

struct globals {
    struct cli_strings endpoints;
    bool debug;
    const char *write_out;
    bool hex;
    int64_t dial_timeout, command_timeout, keepalive_time, keepalive_timeout; /* nanoseconds */
    int max_request_bytes, max_recv_bytes;
    bool insecure_transport, insecure_discovery, insecure_skip_tls_verify;
    const char *cert, *key, *cacert;
    const char *auth_jwt_token, *user, *password;
    const char *discovery_srv, *discovery_srv_name;
};

extern struct globals globals;
extern struct cli_flag global_flags[];

#endif
