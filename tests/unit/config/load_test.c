/* Tests of config_load: flags, variables, who wins, what follows, and what is refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include "fixture.h"

static char *urls_text(const struct url_list *l)
{
    struct buf b = BUF_INIT;
    url_list_format(&b, l);
    return buf_take_cstr(&b);
}

static void assert_urls(const struct url_list *l, const char *expected)
{
    char *text = urls_text(l);
    assert_string_equal(text, expected);
    free(text);
}

static void defaults(void **state)
{
    (void)state;
    struct loaded l = load_ok((struct given){0});
    const struct config *c = l.cfg;
    assert_string_equal(c->name, "default");
    assert_string_equal(c->data_dir, "default.etcd");
    assert_string_equal(c->wal_dir, "");
    assert_string_equal(c->initial_cluster, "default=http://localhost:2380");
    assert_int_equal(c->n_members, 1);
    assert_string_equal(c->members[0].name, "default");
    assert_urls(&c->members[0].peer_urls, "http://localhost:2380");
    assert_urls(&c->listen_peer_urls, "http://localhost:2380");
    assert_urls(&c->listen_client_urls, "http://localhost:2379");
    assert_urls(&c->advertise_client_urls, "http://localhost:2379");
    assert_int_equal(c->listen_metrics_urls.n, 0);
    assert_int_equal(c->snapshot_count, 10000);
    assert_int_equal(c->heartbeat_interval_ms, 100);
    assert_int_equal(c->election_timeout_ms, 1000);
    assert_true(c->initial_election_tick_advance && c->pre_vote && c->strict_reconfig_check);
    assert_true(c->quota_bytes == (int64_t)2 << 30);
    assert_int_equal(c->max_txn_ops, 128);
    assert_int_equal(c->max_request_bytes, 1572864);
    assert_int_equal(c->max_concurrent_streams, UINT32_MAX);
    assert_int_equal(duration_ms(c->grpc_keepalive_interval), 7200000);
    assert_int_equal(duration_ms(c->grpc_keepalive_min_time), 5000);
    assert_int_equal(duration_ms(c->grpc_keepalive_timeout), 20000);
    assert_string_equal(c->cors.items[0], "*");
    assert_string_equal(c->log_outputs.items[0], "default");
    assert_int_equal(c->log_level_value, LOG_INFO_);
    assert_true(c->log_json);
    assert_false(c->metrics_extensive);
    assert_int_equal(c->compaction_mode, CONFIG_COMPACT_OFF);
    assert_int_equal(c->auth_token_ttl_s, 300);
    assert_true(c->gates.txn_mode_write_with_shared_buffer && c->gates.fast_lease_keep_alive);
    assert_true(c->gates.initial_corrupt_check && c->gates.compact_hash_check);
    assert_false(c->gates.priority_request);
    assert_int_equal(c->client_threads, 0);
    assert_string_equal(c->env_file, "etcd.conf");
    assert_int_equal(l.out.n_notes, 2); /* the default name, the default folder */
    loaded_fini(&l);
}

static void flag_forms(void **state)
{
    (void)state;
    static const char *const same[] = {
        "--name|x", "-name|x", "--name=x", "-name=x", "--name|y|--name|x", "--name|x|--",
    };
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        struct loaded l = load_ok((struct given){.args = same[i]});
        assert_string_equal(l.cfg->name, "x");
        loaded_fini(&l);
    }
    static const struct {
        const char *args;
        bool pre_vote;
    } bools[] = {
        {"-pre-vote", true},     {"--pre-vote=true", true},   {"--pre-vote=T", true},
        {"--pre-vote=1", true},  {"--pre-vote=false", false}, {"--pre-vote=0|--name|x", false},
        {"--pre-vote=F", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(bools); i++) {
        struct loaded l = load_ok((struct given){.args = bools[i].args});
        assert_int_equal(l.cfg->pre_vote, bools[i].pre_vote);
        loaded_fini(&l);
    }
}

static void wrong_flags(void **state)
{
    (void)state;
    static const struct {
        const char *args, *error;
    } rows[] = {
        {"--nosuch", "flag provided but not defined: -nosuch"},
        {"-nosuch=1", "flag provided but not defined: -nosuch"},
        {"-=x", "bad flag syntax: -=x"},
        {"---x", "bad flag syntax: ---x"},
        {"--name", "flag needs an argument: -name"},
        {"--max-wals|abc", "invalid value \"abc\" for flag -max-wals: parse error"},
        {"--max-wals|-1", "invalid value \"-1\" for flag -max-wals: parse error"},
        {"--max-wals=", "invalid value \"\" for flag -max-wals: parse error"},
        {"--max-wals|99999999999999999999",
         "invalid value \"99999999999999999999\" for flag -max-wals: value out of range"},
        {"--quota-backend-bytes|1x",
         "invalid value \"1x\" for flag -quota-backend-bytes: parse error"},
        {"--pre-vote=foo", "invalid boolean value \"foo\" for -pre-vote: parse error"},
        {"--grpc-keepalive-min-time|5",
         "invalid value \"5\" for flag -grpc-keepalive-min-time: parse error"},
        {"--max-concurrent-streams|x", "invalid value \"x\" for flag -max-concurrent-streams: "
                                       "strconv.ParseUint: parsing \"x\": invalid syntax"},
        {"--max-concurrent-streams|4294967296",
         "invalid value \"4294967296\" for flag -max-concurrent-streams: "
         "strconv.ParseUint: parsing \"4294967296\": value out of range"},
        {"--initial-cluster-state|foo",
         "invalid value \"foo\" for flag -initial-cluster-state: invalid value"},
        {"--proxy|foo", "invalid value \"foo\" for flag -proxy: invalid value"},
        {"--listen-client-urls|foo", "invalid value \"foo\" for flag -listen-client-urls: URL "
                                     "scheme must be http, https, unix, or unixs: foo"},
        {"--listen-client-urls|http://1.2.3.4/a",
         "invalid value \"http://1.2.3.4/a\" for flag -listen-client-urls: URL address does not "
         "have the form \"host:port\": http://1.2.3.4/a"},
        {"--cors|foo", "invalid value \"foo\" for flag -cors: URL scheme must be http, https, "
                       "unix, or unixs: foo"},
        {"--feature-gates|Nope=true",
         "invalid value \"Nope=true\" for flag -feature-gates: unrecognized feature gate: Nope"},
        {"--feature-gates|LeaseCheckpoint",
         "invalid value \"LeaseCheckpoint\" for flag "
         "-feature-gates: missing bool value for LeaseCheckpoint"},
        {"--feature-gates|LeaseCheckpoint=x",
         "invalid value \"LeaseCheckpoint=x\" for flag -feature-gates: invalid value of "
         "LeaseCheckpoint=x, err: strconv.ParseBool: parsing \"x\": invalid syntax"},
        {"--peers|x", "invalid value \"x\" for flag -peers: flag \"-peers\" is no longer "
                      "supported: use --initial-cluster instead"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        load_fails((struct given){.args = rows[i].args}, CONFIG_USAGE_ERROR, 2, rows[i].error);
}

static void words_that_are_no_flags(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"foo", "\"foo\" is not a valid flag"},
        {"--|foo", "\"foo\" is not a valid flag"},
        {"-", "\"-\" is not a valid flag"},
        {"--version|foo", "\"foo\" is not a valid flag"},
        {"--pre-vote|true", "\"true\" is not a valid flag"},
        {"--snapshot|12", "\"12\" is not a valid flag"},
        {"gateway", "\"etcd gateway\" is not available in this build yet"},
        {"grpc-proxy|start", "\"etcd grpc-proxy\" is not available in this build yet"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        load_fails((struct given){.args = rows[i][0]}, CONFIG_ERROR, 1, rows[i][1]);
}

static void actions(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        enum config_result result;
    } rows[] = {
        {"--version", CONFIG_PRINT_VERSION},
        {"-version", CONFIG_PRINT_VERSION},
        {"--version|--name|x", CONFIG_PRINT_VERSION},
        {"-h", CONFIG_PRINT_HELP},
        {"--help", CONFIG_PRINT_HELP},
        {"--name|x|-help|--nosuch", CONFIG_PRINT_HELP},
        {"--check-config", CONFIG_CHECKED_OK},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct loaded l = load((struct given){.args = rows[i].args});
        assert_int_equal(l.result, rows[i].result);
        assert_int_equal(l.out.exit_code, 0);
        loaded_fini(&l);
    }
}

/* For each source its name for the option and the value it gives. */
static void precedence(void **state)
{
    (void)state;
    static const char *const winners[] = {"default", "conf", "env", "yaml", "flag"};
    for (unsigned set = 0; set < 16; set++) {
        struct given g = {0};
        char args[64] = "", env[64] = "A=b";
        const char *yaml = set & 4 ? "name: yaml\n" : "nosuch: 1\n";
        snprintf(args, sizeof(args), "--config-file|c.yml%s", set & 8 ? "|--name|flag" : "");
        snprintf(env, sizeof(env), "A=b%s", set & 2 ? "|ETCD_NAME=env" : "");
        g.conf = set & 1 ? "ETCD_NAME=conf\n" : "";
        g.args = args;
        g.env = env;
        g.yaml = yaml;
        struct loaded l = load_ok(g);
        int win = set & 8 ? 4 : set & 4 ? 3 : set & 2 ? 2 : set & 1 ? 1 : 0;
        assert_string_equal(l.cfg->name, winners[win]);
        int given = __builtin_popcount(set);
        assert_int_equal(count_notes(&l, LOG_INFO_), given ? given - 1 : 0);
        loaded_fini(&l);
    }
}

static void losers_are_told(void **state)
{
    (void)state;
    struct loaded l = load_ok((struct given){.args = "--config-file|c.yml|--name|f",
                                             .env = "ETCD_NAME=e|ETCD_MAX_TXN_OPS=5",
                                             .conf = "\nETCD_NAME=c\nETCD_MAX_TXN_OPS=5\n",
                                             .yaml = "name: y\n"});
    assert_true(has_note(&l, LOG_INFO_, "name (c.yml:1) is overridden by --name (command line)"));
    assert_true(
        has_note(&l, LOG_INFO_, "ETCD_NAME (environment) is overridden by --name (command line)"));
    assert_true(
        has_note(&l, LOG_INFO_, "ETCD_NAME (etcd.conf:2) is overridden by --name (command line)"));
    assert_int_equal(count_notes(&l, LOG_INFO_), 3); /* the same value twice is no news */
    assert_int_equal(l.cfg->max_txn_ops, 5);
    loaded_fini(&l);
}

static void old_names(void **state)
{
    (void)state;
    struct loaded l = load_ok((struct given){
        .args = "--debug|--experimental-compaction-batch-limit|7|--addr|1.2.3.4:4001|--peer-addr|"
                "1.2.3.4:7001|--vv|--initial-cluster|default=http://1.2.3.4:7001",
        .env = "ETCD_EXPERIMENTAL_WATCH_PROGRESS_NOTIFY_INTERVAL=1m|ETCD_LOG_OUTPUT=stdout|"
               "ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK=true|ETCD_SNAPSHOT_COUNTER=5",
        .conf = "ETCD_LOG_PACKAGE_LEVELS=\"x=DEBUG\"\nETCD_PROXY_DIAL_TIMEOUT=\"1000\"\n"
                "ETCD_PROXY=\"off\"\nETCD_V2_DEPRECATION=not-yet\n"});
    assert_int_equal(l.cfg->log_level_value, LOG_DEBUG_);
    assert_int_equal(l.cfg->compaction_batch_limit, 7);
    assert_urls(&l.cfg->advertise_client_urls, "http://1.2.3.4:4001");
    assert_urls(&l.cfg->initial_advertise_peer_urls, "http://1.2.3.4:7001");
    assert_int_equal(duration_ms(l.cfg->watch_progress_notify_interval), 60000);
    assert_string_equal(l.cfg->log_outputs.items[0], "stdout");
    assert_true(l.cfg->gates.initial_corrupt_check);
    static const char *const warnings[] = {
        "--debug is an old name; use --log-level",
        "--experimental-compaction-batch-limit is an old name; use --compaction-batch-limit",
        "ETCD_LOG_OUTPUT is an old name; use --log-outputs",
        "flag \"-vv\" is no longer supported - ignoring.",
        "ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK is an old name; use --feature-gates",
        "ETCD_SNAPSHOT_COUNTER is accepted, but has no effect here",
        "ETCD_LOG_PACKAGE_LEVELS is accepted, but has no effect here",
        "ETCD_PROXY_DIAL_TIMEOUT is accepted, but has no effect here",
    };
    for (size_t i = 0; i < ARRAY_LEN(warnings); i++) {
        if (!has_note(&l, LOG_WARN_, warnings[i]))
            fail_msg("no warning: %s", warnings[i]);
    }
    loaded_fini(&l);
}

static void the_new_name_wins_over_the_old(void **state)
{
    (void)state;
    struct loaded l = load_ok((struct given){.env = "ETCD_LOG_LEVEL=warn|ETCD_DEBUG=true"});
    assert_int_equal(l.cfg->log_level_value, LOG_WARN_);
    loaded_fini(&l);
    l = load_ok((struct given){.env = "ETCD_DEBUG=true|ETCD_LOG_LEVEL=warn"});
    assert_int_equal(l.cfg->log_level_value, LOG_WARN_);
    loaded_fini(&l);
    l = load_ok((struct given){.args = "--log-level|warn|--debug"});
    assert_int_equal(l.cfg->log_level_value, LOG_DEBUG_);
    loaded_fini(&l);
    l = load_ok((struct given){.env = "ETCD_DEBUG=\"true\""});
    assert_int_equal(l.cfg->log_level_value, LOG_DEBUG_);
    loaded_fini(&l);
    l = load_ok((struct given){.env = "ETCD_DEBUG=false"});
    assert_int_equal(l.cfg->log_level_value, LOG_INFO_);
    loaded_fini(&l);
}

static void environment(void **state)
{
    (void)state;
    struct loaded l = load_ok((struct given){
        .env = "ETCD_NAME=|ETCD_PORT_2379_TCP=tcp://1|ETCD_SERVICE_HOST=1|ETCD_VERSION=3|"
               "ETCDCTL_API=3|ETCD_UNSUPPORTED_ARCH=arm64|ETCD|ETCD_NOVALUE"});
    assert_string_equal(l.cfg->name, "default");
    assert_true(has_note(&l, LOG_INFO_, "2 unrecognized environment variables"));
    assert_int_equal(count_notes(&l, LOG_INFO_), 1);
    assert_int_equal(count_notes(&l, LOG_DEBUG_), 2);
    assert_true(has_note(&l, LOG_WARN_, "cannot set special environment variable ETCD_VERSION"));
    loaded_fini(&l);
    load_fails((struct given){.env = "ETCD_MAX_TXN_OPS=x"}, CONFIG_ERROR, 1,
               "invalid value \"x\" for ETCD_MAX_TXN_OPS: parse error");
}

static void notes_are_bounded(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    for (int i = 0; i < CONFIG_NOTES_MAX + 50; i++)
        buf_addf(&b, "ETCD_UNKNOWN_%d=1\n", i);
    struct loaded l = load_ok((struct given){.conf = buf_cstr(&b)});
    assert_int_equal(l.out.n_notes, CONFIG_NOTES_MAX);
    assert_int_equal(l.out.n_notes_dropped, 52);
    loaded_fini(&l);
    buf_fini(&b);
}

/* What real etcd.conf files hold. */
static void conf_file(void **state)
{
    (void)state;
    struct loaded l = load_ok((struct given){
        .conf = "#[Member]\r\n[member]\nETCD_NAME=\"n1\"  # comment\n"
                "ETCD_DATA_DIR='/var/lib/etcd/default.etcd'\nETCD_TRUSTED_CA_FILE=\n"
                "ETCD_HEARTBEAT_INTERVAL=200   \nETCD_PRE_VOTE=False\nETCD_ENABLE_PPROF=1\n"
                "ETCD_ENABLE_GRPC_GATEWAY=\"true\"\n"
                "ETCD_INITIAL_CLUSTER=\"n1=http://localhost:2380,\\\nn1=http://127.0.0.1:1\"\n"
                "ETCD_INITIAL_ADVERTISE_PEER_URLS=http://localhost:2380,http://127.0.0.1:1\n"
                "DAEMON_ARGS=\"\"\nETCD_NOSUCH=1\n"});
    assert_string_equal(l.cfg->name, "n1");
    assert_string_equal(l.cfg->data_dir, "/var/lib/etcd/default.etcd");
    assert_string_equal(l.cfg->client_tls.trusted_ca_file, "");
    assert_int_equal(l.cfg->heartbeat_interval_ms, 200);
    assert_true(l.cfg->enable_pprof && l.cfg->enable_grpc_gateway && !l.cfg->pre_vote);
    assert_int_equal(l.cfg->n_members, 1);
    assert_int_equal(l.cfg->members[0].peer_urls.n, 2);
    assert_true(has_note(&l, LOG_WARN_, "etcd.conf:3: a comment behind a quoted value"));
    assert_true(has_note(&l, LOG_WARN_, "etcd.conf:14: unrecognized variable ETCD_NOSUCH"));
    assert_true(has_note(&l, LOG_DEBUG_, "etcd.conf:13: variable DAEMON_ARGS"));
    loaded_fini(&l);

    load_fails((struct given){.conf = "\nETCD_MAX_TXN_OPS=x\n"}, CONFIG_ERROR, 1,
               "etcd.conf:2: invalid value \"x\" for ETCD_MAX_TXN_OPS: parse error");
    load_fails((struct given){.conf = "A\n\xff\n"}, CONFIG_ERROR, 1,
               "etcd.conf: line 2: the file is not UTF-8 text");
}

static void which_conf_file(void **state)
{
    (void)state;
    struct loaded l = load_ok((struct given){.args = "--env-file=", .conf = "ETCD_NAME=x\n"});
    assert_string_equal(l.cfg->name, "default");
    assert_string_equal(l.cfg->env_file, "");
    loaded_fini(&l);
    l = load_ok((struct given){.args = "--env-file|c.yml", .yaml = "ETCD_NAME=other\n"});
    assert_string_equal(l.cfg->name, "other");
    loaded_fini(&l);
    l = load_ok((struct given){.env = "ETCD_ENV_FILE=c.yml", .yaml = "ETCD_NAME=other\n"});
    assert_string_equal(l.cfg->name, "other");
    loaded_fini(&l);
    load_fails((struct given){.args = "--env-file|gone"}, CONFIG_ERROR, 1,
               "open gone: no such file or directory");
    load_fails((struct given){.args = "--env-file|."}, CONFIG_ERROR, 1, "read .: is a directory");
    load_fails((struct given){.args = "--env-file|/dev/zero"}, CONFIG_ERROR, 1,
               "read /dev/zero: the file is larger than 1048576 bytes");
}

static void refused_values(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"--listen-client-urls|http://foo.com:2379|--advertise-client-urls|http://foo.com:2379",
         "expected IP in URL for binding (http://foo.com:2379)"},
        {"--listen-peer-urls|http://foo.com:2380",
         "expected IP in URL for binding (http://foo.com:2380)"},
        {"--listen-client-urls|http://127.0.0.1:2379",
         "--advertise-client-urls is required when --listen-client-urls is set explicitly"},
        {"--listen-client-urls=",
         "--advertise-client-urls is required when --listen-client-urls is set explicitly"},
        {"--initial-advertise-peer-urls|http://:2380",
         "--initial-advertise-peer-urls \"http://:2380\" must be \"host:port\" (unexpected empty "
         "host (http://:2380))"},
        {"--heartbeat-interval|300", "--election-timeout[1000ms] should be at least as 5 times as "
                                     "--heartbeat-interval[300ms]"},
        {"--heartbeat-interval|18446744073709551615",
         "--election-timeout[1000ms] should be at least as 5 times as "
         "--heartbeat-interval[18446744073709551615ms]"},
        {"--heartbeat-interval|0", "--heartbeat-interval must be >0 (set to 0ms)"},
        {"--election-timeout|0", "--election-timeout must be >0 (set to 0ms)"},
        {"--election-timeout|60000",
         "--election-timeout[60000ms] is too long, and should be set less than 50000ms"},
        {"--initial-cluster|a=http://localhost:2380",
         "couldn't find local name \"default\" in the initial cluster configuration"},
        {"--initial-cluster|default", "error setting up initial cluster: URL scheme must be http, "
                                      "https, unix, or unixs: "},
        {"--initial-cluster|default=http://a/b",
         "error setting up initial cluster: URL address does not have the form \"host:port\": "
         "http://a/b"},
        {"--initial-cluster=", "initial cluster unset and no discovery endpoints found"},
        {"--initial-advertise-peer-urls|http://1.1.1.1:2380",
         "--initial-cluster has default=http://localhost:2380 but missing from "
         "--initial-advertise-peer-urls=http://1.1.1.1:2380"},
        {"--initial-advertise-peer-urls|http://1.1.1.1:1,http://localhost:2380",
         "--initial-advertise-peer-urls has http://1.1.1.1:1 but missing from "
         "--initial-cluster=default=http://localhost:2380"},
        {"--initial-cluster|default=http://localhost:2380,default=http://localhost:2380",
         "failed to resolve http://localhost:2380 to match "
         "--initial-cluster=default=http://localhost:2380,default=http://localhost:2380"},
        {"--initial-cluster|a=http://a:1|--discovery-srv|x",
         "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", "
         "\"discovery-endpoints\" or \"discovery-srv\""},
        {"--discovery|http://x|--discovery-srv|x",
         "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", "
         "\"discovery\" or \"discovery-srv\""},
        {"--discovery-token|x", "both --discovery-token and --discovery-endpoints must be set"},
        {"--discovery-fallback|proxy",
         "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\""},
        {"--auto-compaction-mode|zz", "unknown auto-compaction-mode \"zz\""},
        {"--auto-compaction-mode=", "undefined auto-compaction-mode"},
        {"--auto-compaction-retention|zz",
         "error parsing CompactionRetention: time: invalid duration \"zz\""},
        {"--auto-compaction-retention|99999999999999",
         "error parsing CompactionRetention: time: invalid duration \"99999999999999\""},
        {"--auto-compaction-mode|revision|--auto-compaction-retention|5m",
         "error parsing CompactionRetention: time: invalid duration \"5m\""},
        {"--logger|foo", "unknown logger option \"foo\""},
        {"--log-level|foo", "unrecognized level: \"foo\""},
        {"--log-format|foo", "unknown log format: foo, supported values json, console"},
        {"--log-outputs|default,stdout", "multi logoutput for \"default\" is not supported yet"},
        {"--compact-hash-check-time|0", "--compact-hash-check-time must be >0 (set to 0s)"},
        {"--grpc-keepalive-timeout|-1s", "--grpc-keepalive-timeout must not be negative"},
        {"--client-threads|9", "--client-threads must be between 0 and 8 (set to 9)"},
        {"--feature-gates|LeaseCheckpointPersist=true",
         "enabling feature gate LeaseCheckpointPersist requires enabling feature gate "
         "LeaseCheckpoint"},
        {"--tls-min-version|x", "unexpected TLS version \"x\" (must be one of: TLS1.2, TLS1.3)"},
        {"--tls-min-version|TLS1.3|--tls-max-version|TLS1.2",
         "min version (TLS1.3) is greater than max version (TLS1.2)"},
        {"--tls-min-version|TLS1.3|--cipher-suites|A",
         "cipher suites cannot be configured when only TLS1.3 is enabled"},
        {"--auth-token|foo", "auth: invalid auth options: \"foo\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        load_fails((struct given){.args = rows[i][0]}, CONFIG_ERROR, 1, rows[i][1]);
}

static void not_there_yet(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"--cert-file|x", "TLS is not available in this build yet: --cert-file=x"},
        {"--ca-file|x", "TLS is not available in this build yet: --trusted-ca-file=x"},
        {"--auto-tls", "TLS is not available in this build yet: --auto-tls=true"},
        {"--peer-client-cert-auth",
         "TLS is not available in this build yet: --peer-client-cert-auth=true"},
        {"--listen-metrics-urls|https://127.0.0.1:1",
         "TLS is not available in this build yet: --listen-metrics-urls=https://127.0.0.1:1"},
        {"--listen-metrics-urls|unixs:///a",
         "TLS is not available in this build yet: --listen-metrics-urls=unixs:///a"},
        {"--proxy|on", "The v2 proxy is not available in this build yet: --proxy=on"},
        {"--discovery|http://x", "Discovery is not available in this build yet: "
                                 "--discovery=http://x"},
        {"--discovery-srv|x", "Discovery is not available in this build yet: --discovery-srv=x"},
        {"--discovery-token|x|--discovery-endpoints|a:1",
         "Discovery is not available in this build yet: --discovery-token=x"},
        {"--initial-cluster|default=http://localhost:2380,b=https://b:1",
         "TLS is not available in this build yet: --initial-cluster=https://b:1"},
        {"--auth-token|jwt,sign-method=RS256",
         "JWT is not available in this build yet: --auth-token=jwt,sign-method=RS256"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        load_fails((struct given){.args = rows[i][0]}, CONFIG_ERROR, 1, rows[i][1]);
}

static void several_members(void **state)
{
    (void)state;
    static const char *const states[] = {"new", "existing"};
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        char *args = xasprintf("--name|b|--initial-advertise-peer-urls|http://b:1|"
                               "--initial-cluster-state|%s|--initial-cluster|"
                               "c=http://c:1,b=http://b:1,a=http://a:1,c=http://c:0",
                               states[i]);
        struct loaded l = load_ok((struct given){.args = args});
        assert_string_equal(l.cfg->initial_cluster_state, states[i]);
        assert_int_equal(l.cfg->n_members, 3);
        assert_string_equal(l.cfg->members[0].name, "a");
        assert_urls(&l.cfg->members[2].peer_urls, "http://c:0,http://c:1");
        assert_ptr_equal(config_self(l.cfg), &l.cfg->members[1]);
        loaded_fini(&l);
        free(args);
    }
}

/* What is asked of a first start, of either kind. */
static void who_begins(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"--initial-cluster-state|existing",
         "--initial-cluster-state=existing needs the other members in --initial-cluster, as "
         "\"etcdctl member add\" prints it"},
        {"--initial-cluster-state|existing|--initial-cluster|a=http://a:1,b=http://b:1",
         "couldn't find local name \"default\" in the initial cluster configuration"},
        {"--initial-cluster-state|existing|--initial-cluster|default=http://a:1,b=http://b:1",
         "--initial-cluster has default=http://a:1 but missing from "
         "--initial-advertise-peer-urls=http://localhost:2380"},
        {"--initial-cluster|default=http://localhost:2380,b=http://localhost:2380",
         "initial cluster default=http://localhost:2380,b=http://localhost:2380 has duplicate url"},
        {"--initial-cluster|default", "error setting up initial cluster: URL scheme must be http, "
                                      "https, unix, or unixs: "},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        load_fails((struct given){.args = rows[i][0]}, CONFIG_ERROR, 1, rows[i][1]);
}

static void a_member_with_data_needs_no_cluster(void **state)
{
    (void)state;
    assert_int_equal(mkdir("d", 0700), 0);
    assert_int_equal(mkdir("d/member", 0700), 0);
    struct loaded l = load_ok(
        (struct given){.args = "--data-dir|d|--initial-cluster|other=http://localhost:2380"});
    assert_int_equal(config_check_bootstrap(l.cfg, NULL), ERR_INVALID);
    assert_null(config_self(l.cfg));
    loaded_fini(&l);
    l = load_ok((struct given){.args = "--data-dir|d|--initial-cluster|a=http://a:1,garbage"});
    assert_int_equal(l.cfg->n_members, 0);
    assert_int_equal(config_check_bootstrap(l.cfg, NULL), ERR_INVALID);
    assert_true(has_note(&l, LOG_WARN_, "--initial-cluster is ignored, for the member has data: "));
    loaded_fini(&l);
    l = load_ok((struct given){.args = "--data-dir|d|--initial-cluster-state|existing"});
    loaded_fini(&l);
}

static void names_and_hosts_follow(void **state)
{
    (void)state;
    static char host[] = "192.0.2.2", host6[] = "2001:db8::1";
    struct loaded l = load_ok((struct given){.args = "--name|abc"});
    assert_string_equal(l.cfg->initial_cluster, "abc=http://localhost:2380");
    assert_string_equal(l.cfg->data_dir, "abc.etcd");
    assert_string_equal(l.cfg->members[0].name, "abc");
    loaded_fini(&l);

    const char *args = "--name|abc|--listen-peer-urls|http://0.0.0.0:12380|--listen-client-urls|"
                       "http://0.0.0.0:12379|--advertise-client-urls|http://localhost:2379";
    l = load_ok((struct given){.args = args, .host = host});
    assert_urls(&l.cfg->initial_advertise_peer_urls, "http://192.0.2.2:12380");
    assert_urls(&l.cfg->advertise_client_urls, "http://192.0.2.2:12379");
    assert_string_equal(l.cfg->initial_cluster, "abc=http://192.0.2.2:12380");
    assert_true(has_note(&l, LOG_INFO_, "detected default host for advertise: 192.0.2.2"));
    loaded_fini(&l);
    l = load_ok((struct given){.args = args, .host = host6});
    assert_urls(&l.cfg->advertise_client_urls, "http://[2001:db8::1]:12379");
    loaded_fini(&l);
    l = load_ok((struct given){.args = args});
    assert_urls(&l.cfg->advertise_client_urls, "http://localhost:2379");
    loaded_fini(&l);
    l = load_ok((struct given){.args = "--name|a|--initial-advertise-peer-urls|http://h:1"});
    assert_string_equal(l.cfg->initial_cluster, "a=http://h:1");
    loaded_fini(&l);
}

static void compaction_follows(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        enum config_compaction_mode mode;
        msec period;
        int64_t revisions;
    } rows[] = {
        {"--auto-compaction-retention|5", CONFIG_COMPACT_PERIODIC, 5 * 3600000, 0},
        {"--auto-compaction-retention|5m", CONFIG_COMPACT_PERIODIC, 300000, 0},
        {"--auto-compaction-retention|0", CONFIG_COMPACT_OFF, 0, 0},
        {"--auto-compaction-retention|0s", CONFIG_COMPACT_OFF, 0, 0},
        {"--auto-compaction-mode|revision|--auto-compaction-retention|1000",
         CONFIG_COMPACT_REVISION, 0, 1000},
        {"--auto-compaction-mode|revision", CONFIG_COMPACT_OFF, 0, 0},
        {"--experimental-auto-compaction-retention|1", CONFIG_COMPACT_PERIODIC, 3600000, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct loaded l = load_ok((struct given){.args = rows[i].args});
        assert_int_equal(l.cfg->compaction_mode, rows[i].mode);
        assert_int_equal(l.cfg->compaction_period_ms, rows[i].period);
        assert_int_equal(l.cfg->compaction_revisions, rows[i].revisions);
        loaded_fini(&l);
    }
}

static void limits(void **state)
{
    (void)state;
    struct loaded l = load_ok((struct given){
        .args = "--quota-backend-bytes|-1|--snapshot-count|0|--bcrypt-cost|99|--raft-read-timeout|"
                "1s|--watch-progress-notify-interval|1ms|--max-request-bytes|99999999999"});
    assert_int_equal(l.cfg->quota_bytes, 0);
    assert_int_equal(l.cfg->snapshot_count, 10000);
    assert_int_equal(l.cfg->bcrypt_cost, 10);
    assert_int_equal(duration_ms(l.cfg->raft_read_timeout), 5000);
    assert_int_equal(duration_ms(l.cfg->watch_progress_notify_interval), 100);
    assert_int_equal(l.cfg->max_request_bytes, 1 << 30);
    assert_true(has_note(&l, LOG_WARN_, "exceeded recommended request limit"));
    assert_true(has_note(&l, LOG_INFO_, "raft-read-timeout increased to minimum value: 5s"));
    loaded_fini(&l);
    l = load_ok((struct given){.args = "--quota-backend-bytes|9000000000"});
    assert_true(l.cfg->quota_bytes == 9000000000);
    assert_true(has_note(&l, LOG_WARN_, "quota exceeds the maximum value"));
    loaded_fini(&l);
}

static void lists_and_words(void **state)
{
    (void)state;
    struct loaded l = load_ok((struct given){
        .args = "--log-outputs|stdout, /x,stdout|--cors|http://a:1,http://b:2|--host-whitelist|h|"
                "--metrics|extensive|--log-format|console|--feature-gates|InitialCorruptCheck=true,"
                "LeaseCheckpoint=true,LeaseCheckpointPersist=1,FastLeaseKeepAlive=false"});
    assert_int_equal(l.cfg->log_outputs.n, 2);
    assert_string_equal(l.cfg->log_outputs.items[1], "/x");
    assert_int_equal(l.cfg->cors.n, 2);
    assert_string_equal(l.cfg->host_whitelist.items[0], "h");
    assert_true(l.cfg->metrics_extensive);
    assert_false(l.cfg->log_json);
    assert_true(l.cfg->gates.initial_corrupt_check && l.cfg->gates.lease_checkpoint_persist);
    assert_false(l.cfg->gates.fast_lease_keep_alive);
    assert_true(has_note(&l, LOG_WARN_,
                         "feature gate FastLeaseKeepAlive is accepted, but has no effect here"));
    assert_false(has_note(&l, LOG_WARN_,
                          "feature gate LeaseCheckpoint is accepted, but has no effect here"));
    loaded_fini(&l);
}

static void unix_sockets(void **state)
{
    (void)state;
    struct loaded l = load_ok((struct given){
        .args = "--listen-client-urls|unix:///run/e.sock|--advertise-client-urls|unix:///run/e"});
    assert_string_equal(l.cfg->listen_client_urls.items[0].path, "/run/e.sock");
    loaded_fini(&l);
}

static void check_config(void **state)
{
    (void)state;
    struct loaded l = load((struct given){
        .args = "--check-config|--config-file|c.yml|--discovery-password|hush|--max-wals|3",
        .env = "ETCD_METRICS=basic",
        .conf = "\nETCD_NAME=n\n",
        .yaml = "# x\n\npre-vote: false\n"});
    assert_int_equal(l.result, CONFIG_CHECKED_OK);
    static const char *const lines[] = {
        "name = \"n\"  # etcd.conf:2\n",
        "data-dir = \"n.etcd\"  # follows from other values\n",
        "pre-vote = \"false\"  # c.yml:3\n",
        "metrics = \"basic\"  # environment\n",
        "max-wals = \"3\"  # command line\n",
        "max-txn-ops = \"128\"  # default\n",
        "discovery-password = \"***\"  # command line\n",
        "# warning: --max-wals is accepted, but has no effect here\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        if (!strstr(l.out.report, lines[i]))
            fail_msg("no line %s in %s", lines[i], l.out.report);
    }
    assert_null(strstr(l.out.report, "hush"));
    loaded_fini(&l);

    load_fails((struct given){.args = "--check-config|--nosuch"}, CONFIG_ERROR, 78,
               "flag provided but not defined: -nosuch");
    load_fails((struct given){.args = "--nosuch|--check-config"}, CONFIG_ERROR, 78,
               "flag provided but not defined: -nosuch");
    load_fails((struct given){.args = "--check-config",
                              .conf = "ETCD_NAME=n\nETCD_METRICS='b\n"
                                      "'\nETCD_MAX_TXN_OPS=x\n"},
               CONFIG_ERROR, 78,
               "etcd.conf:4: invalid value \"x\" for ETCD_MAX_TXN_OPS: parse error");
    load_fails((struct given){.args = "--check-config", .conf = "\nETCD_ELECTION_TIMEOUT=60000\n"},
               CONFIG_ERROR, 78,
               "--election-timeout[60000ms] is too long, and should be set less than 50000ms "
               "(election-timeout: etcd.conf:2)");
    load_fails((struct given){.args = "--check-config|--config-file|c.yml",
                              .yaml = "name: x\nproxy: on\n"},
               CONFIG_ERROR, 78,
               "The v2 proxy is not available in this build yet: --proxy=on (proxy: "
               "c.yml:2)");
}

static void help_names_every_flag(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    config_add_help(&b);
    const char *text = buf_cstr(&b);
    static const char *const parts[] = {
        "Member:\n  --name 'default'\n    Human-readable name for this member.\n",
        "  --data-dir '${name}.etcd'\n",
        "\nClustering:\n",
        "\nSecurity:\n",
        "\nAuth:\n",
        "\nProfiling and Monitoring:\n",
        "\nLogging:\n",
        "\nUnsafe feature:\n",
        "  --env-file '/etc/etcd/etcd.conf'\n",
        "  --check-config\n",
        "    InitialCorruptCheck=true|false (ALPHA - default=true)\n",
        "  --experimental-memory-mlock\n    --memory-mlock\n",
        "  --cluster-active-size\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (!strstr(text, parts[i]))
            fail_msg("no %s", parts[i]);
    }
    buf_clear(&b);
    config_add_usage(&b);
    assert_non_null(strstr(buf_cstr(&b), "Usage:\n\n  etcd [flags]\n"));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(flag_forms),
        cmocka_unit_test(wrong_flags),
        cmocka_unit_test(words_that_are_no_flags),
        cmocka_unit_test(actions),
        cmocka_unit_test(precedence),
        cmocka_unit_test(losers_are_told),
        cmocka_unit_test(old_names),
        cmocka_unit_test(the_new_name_wins_over_the_old),
        cmocka_unit_test(environment),
        cmocka_unit_test(notes_are_bounded),
        cmocka_unit_test(conf_file),
        cmocka_unit_test(which_conf_file),
        cmocka_unit_test(refused_values),
        cmocka_unit_test(not_there_yet),
        cmocka_unit_test(several_members),
        cmocka_unit_test(who_begins),
        cmocka_unit_test(a_member_with_data_needs_no_cluster),
        cmocka_unit_test(names_and_hosts_follow),
        cmocka_unit_test(compaction_follows),
        cmocka_unit_test(limits),
        cmocka_unit_test(lists_and_words),
        cmocka_unit_test(unix_sockets),
        cmocka_unit_test(check_config),
        cmocka_unit_test(help_names_every_flag),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
