/* Tests of config/options: every name that a flag of any version had is understood.
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/options.h"

static const char *const names[] = {
    "addr",
    "advertise-client-urls",
    "auth-token",
    "auth-token-ttl",
    "auto-compaction-mode",
    "auto-compaction-retention",
    "auto-tls",
    "backend-batch-interval",
    "backend-batch-limit",
    "backend-bbolt-freelist-type",
    "bcrypt-cost",
    "bind-addr",
    "bootstrap-defrag-threshold-megabytes",
    "ca-file",
    "cert-file",
    "check-config",
    "cipher-suites",
    "client-cert-allowed-hostname",
    "client-cert-auth",
    "client-cert-file",
    "client-crl-file",
    "client-key-file",
    "client-threads",
    "cluster-active-size",
    "cluster-remove-delay",
    "cluster-sync-interval",
    "compact-hash-check-time",
    "compaction-batch-limit",
    "compaction-sleep-interval",
    "config",
    "config-file",
    "corrupt-check-time",
    "cors",
    "data-dir",
    "debug",
    "discovery",
    "discovery-cacert",
    "discovery-cert",
    "discovery-dial-timeout",
    "discovery-endpoints",
    "discovery-fallback",
    "discovery-insecure-skip-tls-verify",
    "discovery-insecure-transport",
    "discovery-keepalive-time",
    "discovery-keepalive-timeout",
    "discovery-key",
    "discovery-password",
    "discovery-proxy",
    "discovery-request-timeout",
    "discovery-srv",
    "discovery-srv-name",
    "discovery-token",
    "discovery-user",
    "distributed-tracing-address",
    "distributed-tracing-instance-id",
    "distributed-tracing-sampling-rate",
    "distributed-tracing-service-name",
    "downgrade-check-time",
    "election-timeout",
    "enable-distributed-tracing",
    "enable-grpc-gateway",
    "enable-log-rotation",
    "enable-pprof",
    "enable-v2",
    "env-file",
    "experimental-auto-compaction-retention",
    "experimental-backend-bbolt-freelist-type",
    "experimental-bootstrap-defrag-threshold-megabytes",
    "experimental-compact-hash-check-enabled",
    "experimental-compact-hash-check-time",
    "experimental-compaction-batch-limit",
    "experimental-compaction-sleep-interval",
    "experimental-corrupt-check-time",
    "experimental-distributed-tracing-address",
    "experimental-distributed-tracing-instance-id",
    "experimental-distributed-tracing-sampling-rate",
    "experimental-distributed-tracing-service-name",
    "experimental-downgrade-check-time",
    "experimental-enable-distributed-tracing",
    "experimental-enable-lease-checkpoint",
    "experimental-enable-lease-checkpoint-persist",
    "experimental-enable-v2v3",
    "experimental-gRPC-addr",
    "experimental-initial-corrupt-check",
    "experimental-max-learners",
    "experimental-memory-mlock",
    "experimental-peer-skip-client-san-verification",
    "experimental-set-member-localaddr",
    "experimental-snapshot-catchup-entries",
    "experimental-stop-grpc-service-on-defrag",
    "experimental-txn-mode-write-with-shared-buffer",
    "experimental-v3demo",
    "experimental-wait-cluster-ready-timeout",
    "experimental-warning-apply-duration",
    "experimental-warning-unary-request-duration",
    "experimental-watch-progress-notify-interval",
    "feature-gates",
    "force",
    "force-new-cluster",
    "grpc-keepalive-interval",
    "grpc-keepalive-min-time",
    "grpc-keepalive-timeout",
    "heartbeat-interval",
    "host-whitelist",
    "initial-advertise-peer-urls",
    "initial-cluster",
    "initial-cluster-state",
    "initial-cluster-token",
    "initial-election-tick-advance",
    "key-file",
    "listen-client-http-urls",
    "listen-client-urls",
    "listen-metrics-urls",
    "listen-peer-urls",
    "log-format",
    "log-level",
    "log-output",
    "log-outputs",
    "log-package-levels",
    "log-rotation-config-json",
    "logger",
    "max-concurrent-streams",
    "max-learners",
    "max-request-bytes",
    "max-result-buffer",
    "max-retry-attempts",
    "max-snapshots",
    "max-txn-ops",
    "max-wals",
    "memory-mlock",
    "metrics",
    "name",
    "next-cluster-version-compatible",
    "peer-addr",
    "peer-auto-tls",
    "peer-bind-addr",
    "peer-ca-file",
    "peer-cert-allowed-cn",
    "peer-cert-allowed-hostname",
    "peer-cert-file",
    "peer-client-cert-auth",
    "peer-client-cert-file",
    "peer-client-key-file",
    "peer-crl-file",
    "peer-election-timeout",
    "peer-heartbeat-interval",
    "peer-key-file",
    "peer-skip-client-san-verification",
    "peer-trusted-ca-file",
    "peers",
    "peers-file",
    "pre-vote",
    "proxy",
    "proxy-dial-timeout",
    "proxy-failure-wait",
    "proxy-read-timeout",
    "proxy-refresh-interval",
    "proxy-write-timeout",
    "quota-backend-bytes",
    "raft-read-timeout",
    "raft-write-timeout",
    "retry-interval",
    "self-signed-cert-validity",
    "snapshot",
    "snapshot-catchup-entries",
    "snapshot-count",
    "socket-reuse-address",
    "socket-reuse-port",
    "strict-reconfig-check",
    "tls-max-version",
    "tls-min-version",
    "trusted-ca-file",
    "unsafe-no-fsync",
    "v",
    "v2-deprecation",
    "version",
    "vv",
    "wal-dir",
    "warning-apply-duration",
    "warning-unary-request-duration",
    "watch-progress-notify-interval",
};

static void every_name_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct option_alias *alias;
        if (!option_find(slice_str(names[i]), &alias))
            fail_msg("--%s is not known", names[i]);
    }
}

static void every_name_has_its_variable(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct option_alias *alias, *env_alias;
        const struct option *o = option_find(slice_str(names[i]), &alias);
        char *var = option_env_name(names[i]);
        const struct option *found = option_find_env(slice_str(var), &env_alias);
        if (o->kind == OPT_ACTION)
            assert_null(found);
        else
            assert_ptr_equal(found, o);
        assert_true(found == NULL || env_alias == alias);
        free(var);
    }
}

static void no_name_is_given_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < options_n; i++) {
        const struct option_alias *alias;
        assert_ptr_equal(option_find(slice_str(options[i].name), &alias), &options[i]);
        assert_null(alias);
    }
    for (size_t i = 0; i < option_aliases_n; i++) {
        const struct option_alias *alias;
        assert_non_null(option_find(slice_str(option_aliases[i].name), &alias));
        assert_ptr_equal(alias, &option_aliases[i]);
    }
}

/* A default is a value, and prints as it is written. */
static void every_default_is_a_value(void **state)
{
    (void)state;
    struct config *c = xcalloc(1, sizeof(*c));
    for (size_t i = 0; i < options_n; i++) {
        const struct option *o = &options[i];
        struct why why;
        if (o->offset == OPT_NO_FIELD)
            continue;
        AUTO(buf) struct buf b = BUF_INIT;
        assert_int_equal(option_set(o, c, o->initial, &why), ERR_OK);
        option_format(o, c, &b);
        assert_string_equal(buf_cstr(&b), o->initial);
        option_fini(o, c);
    }
    free(c);
}

static void numbers_in_all_bases(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } rows[] = {{"0", 0},   {"7", 7},     {"0x10", 16}, {"0X1f", 31},
                {"010", 8}, {"0o17", 15}, {"0b11", 3}};
    static const char *const bad[] = {"",   "0x", "08",  "0b2", "1 ",
                                      " 1", "+1", "1.0", "1e3", "0x-1"};
    const struct option_alias *alias;
    const struct option *o = option_find(slice_str("max-txn-ops"), &alias);
    struct config *c = xcalloc(1, sizeof(*c));
    struct why why;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(option_set(o, c, rows[i].text, &why), ERR_OK);
        assert_int_equal(c->max_txn_ops, rows[i].value);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (option_check(o, bad[i], &why) == ERR_OK)
            fail_msg("\"%s\" is read", bad[i]);
    }
    o = option_find(slice_str("quota-backend-bytes"), &alias);
    assert_int_equal(option_set(o, c, "-9223372036854775808", &why), ERR_OK);
    assert_true(c->quota_backend_bytes == INT64_MIN);
    assert_int_equal(option_check(o, "-9223372036854775809", &why), ERR_TOO_LARGE);
    assert_int_equal(option_check(o, "9223372036854775808", &why), ERR_TOO_LARGE);
    assert_int_equal(option_check(o, "--1", &why), ERR_INVALID);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_known),    cmocka_unit_test(every_name_has_its_variable),
        cmocka_unit_test(no_name_is_given_twice), cmocka_unit_test(every_default_is_a_value),
        cmocka_unit_test(numbers_in_all_bases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
