/* etcdctl/globals.c -- the flags that every command takes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/globals.h"

struct globals globals;

static const char *const formats[] = {"fields", "json", "protobuf", "simple", "table", NULL};

/* Hidden: help would be long. `etcdctl options` shows them. */
#define GLOBAL(name_, type_, field_) name_, .type = type_, .value = &globals.field_, .hidden = true

struct cli_flag global_flags[] = {
    {GLOBAL("endpoints", CLI_STRINGS, endpoints), .def = "127.0.0.1:2379",
     .usage = "gRPC endpoints"},
    {GLOBAL("debug", CLI_BOOL, debug), .usage = "enable client-side debug logging"},
    {GLOBAL("write-out", CLI_STRING, write_out), .shorthand = 'w', .def = "simple",
     .values = formats, .usage = "set the output format (fields, json, protobuf, simple, table)"},
    {GLOBAL("hex", CLI_BOOL, hex), .usage = "print byte strings as hex encoded strings"},
    {GLOBAL("dial-timeout", CLI_DURATION, dial_timeout), .def = "2s",
     .usage = "dial timeout for client connections"},
    {GLOBAL("command-timeout", CLI_DURATION, command_timeout), .def = "5s",
     .usage = "timeout for short running command (excluding dial timeout)"},
    {GLOBAL("keepalive-time", CLI_DURATION, keepalive_time), .def = "2s",
     .usage = "keepalive time for client connections"},
    {GLOBAL("keepalive-timeout", CLI_DURATION, keepalive_timeout), .def = "6s",
     .usage = "keepalive timeout for client connections"},
    {GLOBAL("max-request-bytes", CLI_INT, max_request_bytes),
     .usage = "client-side request send limit in bytes (if 0, it defaults to 2.0 MiB "
              "(2 * 1024 * 1024).)"},
    {GLOBAL("max-recv-bytes", CLI_INT, max_recv_bytes),
     .usage = "client-side response receive limit in bytes (if 0, it defaults to "
              "\"math.MaxInt32\")"},
    {GLOBAL("insecure-transport", CLI_BOOL, insecure_transport), .def = "true",
     .usage = "disable transport security for client connections"},
    {GLOBAL("insecure-discovery", CLI_BOOL, insecure_discovery), .def = "true",
     .usage = "accept insecure SRV records describing cluster endpoints"},
    {GLOBAL("insecure-skip-tls-verify", CLI_BOOL, insecure_skip_tls_verify),
     .usage = "skip server certificate verification (CAUTION: this option should be enabled only "
              "for testing purposes)"},
    {GLOBAL("cert", CLI_STRING, cert),
     .usage = "identify secure client using this TLS certificate file"},
    {GLOBAL("key", CLI_STRING, key), .usage = "identify secure client using this TLS key file"},
    {GLOBAL("cacert", CLI_STRING, cacert),
     .usage = "verify certificates of TLS-enabled secure servers using this CA bundle"},
    {GLOBAL("auth-jwt-token", CLI_STRING, auth_jwt_token),
     .usage = "JWT token used for authentication (if this option is used, --user and --password "
              "should not be set)"},
    {GLOBAL("user", CLI_STRING, user),
     .usage = "username[:password] for authentication (prompt if password is not supplied)"},
    {GLOBAL("password", CLI_STRING, password),
     .usage = "password for authentication (if this option is used, --user option shouldn't "
              "include password)"},
    {GLOBAL("discovery-srv", CLI_STRING, discovery_srv), .shorthand = 'd',
     .usage = "domain name to query for SRV records describing cluster endpoints"},
    {GLOBAL("discovery-srv-name", CLI_STRING, discovery_srv_name),
     .usage = "service name to query when using DNS discovery"},
    {0},
};
