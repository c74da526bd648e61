/* tests/unit/config/reload_test.c -- a configuration read again, and files as people have them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/reload.h"

#include "fixture.h"

#define SEEN_MAX 16

struct seen {
    size_t n;
    struct {
        char option[64], before[64], after[64];
        bool at_once;
    } v[SEEN_MAX];
};

static void on_difference(void *arg, const struct config_difference *d)
{
    struct seen *s = arg;
    assert_true(s->n < SEEN_MAX);
    snprintf(s->v[s->n].option, sizeof s->v[0].option, "%s", d->option);
    snprintf(s->v[s->n].before, sizeof s->v[0].before, "%s", d->before);
    snprintf(s->v[s->n].after, sizeof s->v[0].after, "%s", d->after);
    s->v[s->n++].at_once = d->at_once;
}

/* Merge two loads; the result is in `b`. */
static struct seen merge(struct loaded *a, struct loaded *b)
{
    struct seen s = {0};
    assert_ptr_equal(config_merge(a->cfg, b->cfg, on_difference, &s), b->cfg);
    return s;
}

static void expect(const struct seen *s, const char *option, const char *before, const char *after,
                   bool at_once)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->v[i].option, option) != 0)
            continue;
        assert_string_equal(s->v[i].before, before);
        assert_string_equal(s->v[i].after, after);
        assert_int_equal(s->v[i].at_once, at_once);
        return;
    }
    fail_msg("%s is not among the differences", option);
}

static void the_same_file_changes_nothing(void **state)
{
    (void)state;
    struct given g = {.args = "--name|a", .conf = "ETCD_QUOTA_BACKEND_BYTES=5\nETCD_CORS=http://x:1\n"};
    struct loaded a = load_ok(g), b = load_ok(g);
    struct seen s = merge(&a, &b);
    assert_int_equal(s.n, 0);
    loaded_fini(&a);
    loaded_fini(&b);
}

static void what_can_change_comes_from_the_new_one(void **state)
{
    (void)state;
    struct loaded a = load_ok((struct given){.args = "--name|a"});
    struct loaded b = load_ok((struct given){
        .args = "--name|a",
        .conf = "ETCD_QUOTA_BACKEND_BYTES=1000000\nETCD_LOG_LEVEL=warn\n"
                "ETCD_AUTO_COMPACTION_RETENTION=5m\nETCD_MAX_REQUEST_BYTES=7\n"
                "ETCD_HOST_WHITELIST=x,y\nETCD_WARNING_APPLY_DURATION=1s\n"});
    struct seen s = merge(&a, &b);
    assert_int_equal(s.n, 6);
    expect(&s, "quota-backend-bytes", "0", "1000000", true);
    expect(&s, "log-level", "info", "warn", true);
    expect(&s, "auto-compaction-retention", "0", "5m", true);
    expect(&s, "host-whitelist", "*", "x,y", true);
    assert_int_equal(b.cfg->quota_bytes, 1000000);
    assert_int_equal(b.cfg->log_level_value, LOG_WARN_);
    assert_int_equal(b.cfg->compaction_mode, CONFIG_COMPACT_PERIODIC);
    assert_int_equal(b.cfg->compaction_period_ms, 300000);
    assert_int_equal(b.cfg->max_request_bytes, 7);
    assert_int_equal(b.cfg->host_whitelist.n, 2);
    loaded_fini(&a);
    loaded_fini(&b);
}

static void what_needs_a_restart_stays(void **state)
{
    (void)state;
    struct loaded a = load_ok((struct given){
        .args = "--name|a|--initial-cluster|a=http://localhost:2380,b=http://b:1"});
    struct loaded b = load_ok((struct given){
        .args = "--name|a|--initial-cluster|a=http://localhost:2380,c=http://c:1,d=http://d:1",
        .conf = "ETCD_DATA_DIR=/elsewhere\nETCD_METRICS=extensive\nETCD_LOG_FORMAT=console\n"
                "ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:1\n"
                "ETCD_ADVERTISE_CLIENT_URLS=http://127.0.0.1:1\nETCD_PRE_VOTE=false\nETCD_MAX_LEARNERS=3\n"
                "ETCD_FEATURE_GATES=InitialCorruptCheck=false\nETCD_DISCOVERY_PASSWORD=secret\n"});
    struct seen s = merge(&a, &b);
    expect(&s, "data-dir", "a.etcd", "/elsewhere", false);
    expect(&s, "metrics", "basic", "extensive", false);
    expect(&s, "discovery-password", "(secret)", "(secret)", false);
    for (size_t i = 0; i < s.n; i++)
        assert_false(s.v[i].at_once);
    assert_string_equal(b.cfg->data_dir, "a.etcd");
    assert_int_equal(b.cfg->max_learners, 1); /* all members must have the same */
    assert_string_equal(b.cfg->discovery_password, "");
    assert_false(b.cfg->metrics_extensive);
    assert_true(b.cfg->log_json);
    assert_true(b.cfg->pre_vote);
    assert_int_equal(b.cfg->gates.initial_corrupt_check, a.cfg->gates.initial_corrupt_check);
    assert_string_equal(b.cfg->listen_client_urls.items[0].text, "http://localhost:2379");
    assert_int_equal(b.cfg->n_members, 2);
    assert_string_equal(b.cfg->members[1].name, "b");
    assert_string_equal(b.cfg->members[1].peer_urls.items[0].text, "http://b:1");
    loaded_fini(&a);
    loaded_fini(&b);
}

static void count_difference(void *arg, const struct config_difference *d)
{
    (void)d;
    ++*(size_t *)arg;
}

/* Whatever an option may be, its text is good for taking it back. */
static void odd_values_stay(void **state)
{
    (void)state;
    static const char *const odd =
        "--name=a|--data-dir= x,\"y\nz|--wal-dir=/|--snapshot-count=18446744073709551615"
        "|--heartbeat-interval=0x64|--election-timeout=0o2000"
        "|--listen-peer-urls=http://[::1]:1,http://127.0.0.1:65535,unix://a.sock:0"
        "|--listen-client-urls=http://localhost:0,unix:///x/y"
        "|--advertise-client-urls=http://a.example:1,http://[fe80::1%25eth0]:2"
        "|--listen-metrics-urls=http://127.0.0.1:3|--initial-advertise-peer-urls=http://b.example:7"
        "|--initial-cluster=a=http://b.example:7,b=http://c.example:8"
        "|--initial-cluster-token=\xff\n=,|--backend-batch-interval=1h2m3.000000004s"
        "|--backend-batch-limit=9223372036854775807|--grpc-keepalive-min-time=1ns"
        "|--grpc-keepalive-interval=1.5us|--raft-read-timeout=2562047h47m16.854775807s"
        "|--log-outputs=stderr, /a b ,stdout|--feature-gates=InitialCorruptCheck=true"
        "|--bcrypt-cost=4|--client-threads=8|--unsafe-no-fsync|--socket-reuse-port|--pre-vote=F";
    size_t n = 0, back = 0;
    struct loaded a = load_ok((struct given){.args = odd});
    struct loaded b = load_ok((struct given){.args = "--name|other"});
    struct loaded c = load_ok((struct given){.args = "--name|other"});
    struct loaded d = load_ok((struct given){.args = odd});
    config_merge(a.cfg, b.cfg, count_difference, &n); /* b holds what a does */
    assert_true(n >= 20);
    assert_string_equal(b.cfg->data_dir, a.cfg->data_dir);
    assert_int_equal(b.cfg->listen_peer_urls.n, 3);
    assert_int_equal(b.cfg->raft_read_timeout, INT64_MAX);
    config_merge(c.cfg, d.cfg, count_difference, &back);
    assert_int_equal(back, n);
    loaded_fini(&a);
    loaded_fini(&b);
    loaded_fini(&c);
    loaded_fini(&d);
}

/* systemd's EnvironmentFile= puts the file into the environment: that is still the file. */
static void variables_of_the_file_belong_to_the_file(void **state)
{
    (void)state;
    struct given g = {.args = "--name|a",
                      .env = "ETCD_MAX_TXN_OPS=5|ETCD_SNAPSHOT_COUNT=7|ETCD_METRICS=basic|ETCD_X=1",
                      .conf = "ETCD_MAX_TXN_OPS=4\nETCD_MAX_TXN_OPS=5\nETCD_SNAPSHOT_COUNT=8\n"
                              "ETCD_X=1\n"};
    struct loaded l = load_ok(g);
    assert_int_equal(l.out.from_file.n, 2);
    assert_string_equal(l.out.from_file.items[0], "ETCD_MAX_TXN_OPS");
    assert_string_equal(l.out.from_file.items[1], "ETCD_X");
    assert_int_equal(l.cfg->max_txn_ops, 5);
    assert_int_equal(l.cfg->snapshot_count, 7); /* somebody else's: it is stronger */
    assert_true(has_note(&l, LOG_WARN_, "etcd.conf:4: unrecognized variable ETCD_X"));
    assert_false(has_note(&l, LOG_INFO_, "unrecognized environment variable"));

    /* A mistake is then one of the file, with its line. */
    load_fails((struct given){.args = "--name|a",
                              .env = "ETCD_MAX_TXN_OPS=many",
                              .conf = "\nETCD_MAX_TXN_OPS=many\n"},
               CONFIG_ERROR, 1,
               "etcd.conf:2: invalid value \"many\" for ETCD_MAX_TXN_OPS: parse error");

    /* Read again: the file has changed, the environment has not. */
    char *argv[] = {(char[]){"etcd"}, (char[]){"--name=a"}};
    char *envp[] = {(char[]){"ETCD_MAX_TXN_OPS=5"}, (char[]){"ETCD_SNAPSHOT_COUNT=7"}, NULL};
    struct config_input in = {.argc = 2,
                              .argv = argv,
                              .envp = envp,
                              .env_file_default = "etcd.conf",
                              .env_passed_over = &l.out.from_file};
    static const char text[] = "ETCD_MAX_TXN_OPS=6\n";
    file_write("etcd.conf", text, sizeof text - 1);
    struct loaded again = {0};
    assert_int_equal(config_load(&in, &again.cfg, &again.out), CONFIG_RUN);
    assert_int_equal(again.cfg->max_txn_ops, 6);
    assert_int_equal(again.cfg->snapshot_count, 7);
    loaded_fini(&again);
    loaded_fini(&l);
}

/* What is found in files that were written for other releases, by hand, on other systems. */
static void files_as_people_have_them(void **state)
{
    (void)state;
    struct loaded l = load_ok((struct given){
        .env = "ETCD_PORT=tcp://1.2.3.4:2379|ETCD_SERVICE_HOST=1.2.3.4|ETCD_PRE_VOTE=\"true\"",
        .conf = "#[Member]\r\n[Member]\r\n  ; a note\r\n"
                "ETCD_NAME=\"n1\"   # the name\r\n"
                "ETCD_DATA_DIR=/var/lib/etcd/pgnode1   \r\n"
                "ETCD_INITIAL_CLUSTER=\"n1=http://127.0.0.1:2380,\\\nn2=http://127.0.0.2:2380\"\r\n"
                "ETCD_INITIAL_ADVERTISE_PEER_URLS=\"http://127.0.0.1:2380\"\r\n"
                "ETCD_DEBUG=\"true\"\r\n"
                "ETCD_LOG_PACKAGE_LEVELS=\"etcdserver=WARNING\"\r\n"
                "ETCD_PROXY=\"off\"\r\nETCD_PROXY_FAILURE_WAIT=\"5000\"\r\n"
                "ETCD_DISCOVERY_FALLBACK=\"proxy\"\r\nETCD_ENABLE_V2=\"true\"\r\n"
                "ETCD_SNAPSHOT_COUNTER=1000\r\nETCD_MAX_SNAPSHOTS=\"5\"\r\n"
                "ETCD_STRICT_RECONFIG_CHECK=True\r\nETCD_AUTO_TLS=False\r\nETCD_PEER_AUTO_TLS=0\r\n"
                "ETCD_TRUSTED_CA_FILE=\r\nETCD_CORS='*'\r\nETCD_FROBNICATE=1\r\n"
                "ETCD_HEARTBEAT_INTERVAL=\"200\" \t\r\n"});
    assert_string_equal(l.cfg->name, "n1");
    assert_string_equal(l.cfg->data_dir, "/var/lib/etcd/pgnode1");
    assert_int_equal(l.cfg->n_members, 2);
    assert_string_equal(l.cfg->log_level, "debug");
    assert_int_equal(l.cfg->heartbeat_interval_ms, 200);
    assert_true(l.cfg->strict_reconfig_check && l.cfg->pre_vote);
    assert_true(has_note(&l, LOG_WARN_, "etcd.conf:4: a comment behind a quoted value is left out"));
    assert_true(has_note(&l, LOG_WARN_, "ETCD_DEBUG is an old name; use --log-level"));
    assert_true(has_note(&l, LOG_WARN_, "ETCD_LOG_PACKAGE_LEVELS is accepted, but has no effect"));
    assert_true(has_note(&l, LOG_WARN_, "ETCD_SNAPSHOT_COUNTER is accepted, but has no effect"));
    assert_true(has_note(&l, LOG_WARN_, "--enable-v2 has no effect"));
    assert_true(has_note(&l, LOG_WARN_, "unrecognized variable ETCD_FROBNICATE"));
    assert_true(has_note(&l, LOG_INFO_, "2 unrecognized environment variables beginning with ETCD_"));
    assert_true(has_note(&l, LOG_DEBUG_, "ETCD_SERVICE_HOST"));
    loaded_fini(&l);
}

static void a_config_file_and_variables_are_layers(void **state)
{
    (void)state;
    struct loaded l = load_ok((struct given){.args = "--config-file|c.yml",
                                             .env = "ETCD_MAX_TXN_OPS=5|ETCD_NAME=other",
                                             .yaml = "name: x\n"});
    assert_string_equal(l.cfg->name, "x");
    assert_int_equal(l.cfg->max_txn_ops, 5);
    assert_true(has_note(&l, LOG_WARN_,
                         "variables count as well where c.yml says nothing: ETCD_MAX_TXN_OPS"));
    loaded_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_file_changes_nothing),
        cmocka_unit_test(what_can_change_comes_from_the_new_one),
        cmocka_unit_test(what_needs_a_restart_stays),
        cmocka_unit_test(odd_values_stay),
        cmocka_unit_test(variables_of_the_file_belong_to_the_file),
        cmocka_unit_test(files_as_people_have_them),
        cmocka_unit_test(a_config_file_and_variables_are_layers),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
