/* Tests of the YAML or JSON file: forms, nesting, mistakes, and files that mean harm.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static struct given yaml(const char *text)
{
    return (struct given){.args = "--config-file|c.yml", .yaml = text};
}

static struct loaded load_yaml(const char *text)
{
    return load_ok(yaml(text));
}

static void yaml_and_json(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "name: x\nmax-txn-ops: 7\npre-vote: false\n",
        "{\"name\": \"x\", \"max-txn-ops\": 7, \"pre-vote\": false}",
        "{\n\t\"name\": \"x\",\n\t\"max-txn-ops\": 7,\n\t\"pre-vote\": false\n}\n",
        "---\nName: 'x'\r\nmax-txn-ops: 0x7\r\npre-vote: no\r\n...\n",
        "%YAML 1.1\n---\nname: y\nname: x\nmax-txn-ops: \"7\"\npre-vote: off\n---\nname: z\n",
        "a: &n x\nname: *n\nmax-txn-ops: 7\npre-vote: FALSE\nnosuch: {a: [b]}\n? [a]\n: b\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct loaded l = load_yaml(rows[i]);
        assert_string_equal(l.cfg->name, "x");
        assert_int_equal(l.cfg->max_txn_ops, 7);
        assert_false(l.cfg->pre_vote);
        loaded_fini(&l);
    }
}

static void nothing_is_fine(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "# nothing\n",
        "---\n",
        "null\n",
        "name:\nwal-dir: ~\ncors: null\nmax-wals:\nclient-transport-security:\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct loaded l = load_yaml(rows[i]);
        assert_string_equal(l.cfg->name, "default");
        assert_string_equal(l.cfg->config_file, "c.yml");
        loaded_fini(&l);
    }
}

static void forms_of_values(void **state)
{
    (void)state;
    struct loaded l = load_yaml("listen-client-urls: http://127.0.0.1:1,http://127.0.0.1:2\n"
                                "listen-peer-urls: [http://127.0.0.1:3, 'http://127.0.0.1:4']\n"
                                "grpc-keepalive-min-time: 5000000000\n"
                                "grpc-keepalive-timeout: 7s\n"
                                "heartbeat-interval: 150\n"
                                "auto-compaction-retention: \"1\"\n"
                                "log-outputs: [stdout, /var/log/e]\n"
                                "socket-options:\n  reuse-port: true\n"
                                "discovery-config:\n  client: {dial-timeout: 1000000000}\n"
                                "feature-gates:\n  InitialCorruptCheck: true\n"
                                "  FastLeaseKeepAlive: false\n"
                                "quota-backend-bytes: -1\n");
    const struct config *c = l.cfg;
    assert_int_equal(c->listen_client_urls.n, 2);
    assert_string_equal(c->advertise_client_urls.items[0].text, "http://localhost:2379");
    assert_int_equal(c->listen_peer_urls.n, 2);
    assert_int_equal(duration_ms(c->grpc_keepalive_min_time), 5000);
    assert_int_equal(duration_ms(c->grpc_keepalive_timeout), 7000);
    assert_int_equal(c->heartbeat_interval_ms, 150);
    assert_int_equal(c->compaction_period_ms, 3600000);
    assert_int_equal(c->log_outputs.n, 2);
    assert_true(c->socket_reuse_port && c->gates.initial_corrupt_check);
    assert_int_equal(duration_ms(c->discovery_dial_timeout), 1000);
    assert_false(c->gates.fast_lease_keep_alive);
    assert_int_equal(c->quota_bytes, 0);
    loaded_fini(&l);

    l = load_yaml("auto-compaction-retention: 2\nfeature-gates: InitialCorruptCheck=true\n");
    assert_int_equal(l.cfg->compaction_period_ms, 7200000);
    assert_true(l.cfg->gates.initial_corrupt_check);
    loaded_fini(&l);
}

static void security_is_nested(void **state)
{
    (void)state;
    load_fails(yaml("client-transport-security:\n  cert-file: /c\n"), CONFIG_ERROR, 1,
               "TLS is not available in this build yet: --cert-file=/c");
    load_fails(yaml("peer-transport-security: {allowed-cn: [a, b]}\n"), CONFIG_ERROR, 1,
               "TLS is not available in this build yet: --peer-cert-allowed-cn=a,b");
    load_fails(yaml("peer-transport-security: {ca-file: /c}\n"), CONFIG_ERROR, 1,
               "TLS is not available in this build yet: --peer-trusted-ca-file=/c");
    struct loaded l = load_yaml("cert-file: /c\npeers: x\nv: 1\n"); /* not keys of the file */
    assert_int_equal(count_notes(&l, LOG_DEBUG_), 3);
    loaded_fini(&l);
}

static void mistakes(void **state)
{
    (void)state;
#define TO_JSON "error converting YAML to JSON: yaml: "
#define OF_JSON "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
    static const char *const rows[][2] = {
        {"name: [\n", TO_JSON "line 1: did not find expected node content"},
        {"name: a\n\tfoo: b\n", TO_JSON "line 2: found a tab character that violates indentation"},
        {"a: b: c\n", TO_JSON "line 1: mapping values are not allowed in this context"},
        {"name: \"a\n", TO_JSON "line 2: found unexpected end of stream"},
        {"- a\n- b\n", OF_JSON "array into Go value of type embed.configYAML"},
        {"foo\n", OF_JSON "string into Go value of type embed.configYAML"},
        {"\nmax-wals: abc\n",
         "c.yml:2: " OF_JSON "string into Go struct field configYAML.max-wals of type uint"},
        {"pre-vote: maybe\n",
         "c.yml:1: " OF_JSON "string into Go struct field configYAML.pre-vote of type bool"},
        {"grpc-keepalive-min-time: x\n",
         "c.yml:1: " OF_JSON
         "string into Go struct field configYAML.grpc-keepalive-min-time of type time.Duration"},
        {"listen-peer-urls: foo\n",
         "c.yml:1: unexpected error setting up listen-peer-urls: URL scheme must be http, https, "
         "unix, or unixs: foo"},
        {"initial-cluster-state: foo\n",
         "c.yml:1: invalid value \"foo\" for initial-cluster-state: invalid value"},
        {"name: [a]\n", "c.yml:1: invalid name"},
        {"name: {a: b}\n", "c.yml:1: invalid name"},
        {"log-outputs: [[a]]\n", "c.yml:1: invalid log-outputs"},
        {"feature-gates: {a: [b]}\n", "c.yml:1: invalid feature-gates"},
        {"peer-transport-security: 5\n", "c.yml:1: invalid peer-transport-security"},
        {"name: \"a\\0b\"\n", "c.yml:1: invalid name"},
        {"heartbeat-interval: 300\n", "--election-timeout[1000ms] should be at least as 5 times "
                                      "as --heartbeat-interval[300ms]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        load_fails(yaml(rows[i][0]), CONFIG_ERROR, 1, rows[i][1]);
    load_fails((struct given){.args = "--config-file|gone.yml"}, CONFIG_ERROR, 1,
               "open gone.yml: no such file or directory");
    load_fails((struct given){.env = "ETCD_CONFIG_FILE=gone.yml"}, CONFIG_ERROR, 1,
               "open gone.yml: no such file or directory");
}

static void old_keys(void **state)
{
    (void)state;
    struct loaded l = load_yaml("experimental-compaction-batch-limit: 9\ndebug: true\n"
                                "log-output: stdout\nproxy: off\nmax-snapshots: 5\n"
                                "discovery-fallback: 'proxy'\n");
    assert_int_equal(l.cfg->compaction_batch_limit, 9);
    assert_int_equal(l.cfg->log_level_value, LOG_DEBUG_);
    assert_string_equal(l.cfg->log_outputs.items[0], "stdout");
    assert_true(has_note(&l, LOG_WARN_, "max-snapshots is accepted, but has no effect here"));
    loaded_fini(&l);
}

/* Refuse, and fast, whatever the reason. */
static void assert_refused(struct buf *text)
{
    struct loaded l = load(yaml(buf_cstr(text)));
    assert_int_equal(l.result, CONFIG_ERROR);
    assert_string_not_equal(l.out.error, "");
    loaded_fini(&l);
    buf_fini(text);
}

static void deep_nesting(void **state)
{
    (void)state;
    static const char *const steps[] = {"[", "{a: ", "- ", "? "};
    for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
        struct buf b = BUF_INIT;
        while (b.n < 200000)
            buf_add_str(&b, steps[k]);
        assert_refused(&b);
    }
}

static void bombs_of_aliases(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_add_str(&b, "a0: &a0 {k0: v, k1: v, k2: v, k3: v, k4: v, k5: v, k6: v, k7: v}\n");
    for (int i = 1; i < 30; i++) {
        buf_addf(&b, "a%d: &a%d {", i, i);
        for (int k = 0; k < 8; k++)
            buf_addf(&b, "%sk%d: *a%d", k ? ", " : "", k, i - 1);
        buf_add_str(&b, "}\n");
    }
    buf_add_str(&b, "name: x\ndiscovery-config: *a29\n");
    struct loaded l = load_yaml(buf_cstr(&b)); /* what is not looked at costs nothing */
    assert_string_equal(l.cfg->name, "x");
    loaded_fini(&l);
    buf_fini(&b);

    b = BUF_INIT;
    buf_add_str(&b, "x: &x {");
    for (int i = 0; i < 1000; i++)
        buf_addf(&b, "token: k%d,", i);
    buf_add_str(&b, "}\n");
    for (int i = 0; i < 1000; i++)
        buf_add_str(&b, "discovery-config: *x\n");
    assert_refused(&b);

    load_fails(yaml("discovery-config: &d\n  client: *d\n  x: 1\nname: [\n"), CONFIG_ERROR, 1,
               TO_JSON "line 4: did not find expected node content");
    l = load(yaml("discovery-config: &d\n  client: *d\n")); /* a circle */
    loaded_fini(&l);
}

static void huge_and_binary(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    while (b.n <= CONFIG_FILE_MAX)
        buf_add_str(&b, "# 0123456789012345678901234567890123456789\n");
    assert_refused(&b);
    b = BUF_INIT;
    buf_add_str(&b, "log-outputs: [a");
    while (b.n < 900000)
        buf_add_str(&b, ",b");
    buf_add_str(&b, "]\n");
    assert_refused(&b);
    static const char *const rows[] = {"name: \x01\n", "name: \xff\xfe\n", "\xc3(", "name: *x\n"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        b = BUF_INIT;
        buf_add_str(&b, rows[i]);
        assert_refused(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml_and_json),   cmocka_unit_test(nothing_is_fine),
        cmocka_unit_test(forms_of_values), cmocka_unit_test(security_is_nested),
        cmocka_unit_test(mistakes),        cmocka_unit_test(old_keys),
        cmocka_unit_test(deep_nesting),    cmocka_unit_test(bombs_of_aliases),
        cmocka_unit_test(huge_and_binary),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
