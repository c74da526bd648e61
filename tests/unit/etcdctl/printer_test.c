/* Tests of etcdctl's printers: each format of the answers, to the byte.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/mem.h"
#include "cli/command.h"
#include "etcdctl/printer.h"

/* ---- answers ---------------------------------------------------------------------------------- */

static Etcdserverpb__ResponseHeader header = ETCDSERVERPB__RESPONSE_HEADER__INIT;
static Mvccpb__KeyValue kv = MVCCPB__KEY_VALUE__INIT, old = MVCCPB__KEY_VALUE__INIT;
static Mvccpb__KeyValue *kvs[] = {&kv, &old};

static ProtobufCBinaryData bytes(const char *s)
{
    return (ProtobufCBinaryData){strlen(s), (uint8_t *)(uintptr_t)s};
}

static int fill(void **state)
{
    (void)state;
    header.cluster_id = UINT64_C(14841639068965178418);
    header.member_id = UINT64_C(10276657743932975437);
    header.revision = 5;
    header.raft_term = 2;
    kv.key = bytes("k<1>");
    kv.value = bytes("v\n\xff");
    kv.create_revision = 2;
    kv.mod_revision = 5;
    kv.version = 3;
    kv.lease = 0x1234;
    old.key = bytes("k2");
    old.value = bytes("");
    old.create_revision = old.mod_revision = 4;
    old.version = 1;
    return 0;
}

/* ---- printing into memory ---------------------------------------------------------------------- */

static char *out_text, *err_text_;
static size_t out_n, err_n;

static struct printer begin(const char *format, bool hex)
{
    struct printer p;
    FILE *out = open_memstream(&out_text, &out_n), *err = open_memstream(&err_text_, &err_n);
    assert_true(printer_init(&p, format, hex, out, err));
    return p;
}

static void end(struct printer *p, const char *out, const char *err)
{
    fclose(p->out);
    fclose(p->err);
    assert_string_equal(out_text, out);
    assert_string_equal(err_text_, err);
    free(out_text);
    free(err_text_);
}

#define PRINTS(format_, hex_, call_, out_)                                                         \
    do {                                                                                           \
        struct printer p = begin(format_, hex_);                                                   \
        assert_int_equal(call_, CLI_OK);                                                           \
        end(&p, out_, "");                                                                         \
    } while (0)
#define REFUSES(format_, call_)                                                                    \
    do {                                                                                           \
        struct printer p = begin(format_, false);                                                  \
        assert_int_equal(call_, CLI_BAD_FEATURE);                                                  \
        end(&p, "", "Error: " format_ " not supported as output format\n");                        \
    } while (0)

/* ---- tests --------------------------------------------------------------------------------------- */

static void unknown_formats_are_none(void **state)
{
    (void)state;
    struct printer p;
    assert_false(printer_init(&p, "yaml", false, stdout, stderr));
    assert_false(printer_init(&p, "", false, stdout, stderr));
}

static void get_in_every_format(void **state)
{
    (void)state;
    Etcdserverpb__RangeResponse r = ETCDSERVERPB__RANGE_RESPONSE__INIT;
    r.header = &header;
    r.kvs = kvs;
    r.n_kvs = 2;
    r.count = 2;
    PRINTS("simple", false, print_get(&p, &r), "k<1>\nv\n\xff\nk2\n\n");
    PRINTS("simple", true, print_get(&p, &r),
           "\\x6b\\x3c\\x31\\x3e\n\\x76\\x0a\\xff\n\\x6b\\x32\n\n");
    PRINTS("json", false, print_get(&p, &r),
           "{\"header\":{\"cluster_id\":14841639068965178418,\"member_id\":10276657743932975437,"
           "\"revision\":5,\"raft_term\":2},\"kvs\":[{\"key\":\"azwxPg==\",\"create_revision\":2,"
           "\"mod_revision\":5,\"version\":3,\"value\":\"dgr/\",\"lease\":4660},{\"key\":\"azI=\","
           "\"create_revision\":4,\"mod_revision\":4,\"version\":1}],\"count\":2}\n");
    PRINTS("fields", true, print_get(&p, &r),
           "\"ClusterID\" : cdf818194e3a8c32\n\"MemberID\" : 8e9e05c52164694d\n\"Revision\" : 5\n"
           "\"RaftTerm\" : 2\n\"Key\" : \"k<1>\"\n\"CreateRevision\" : 2\n\"ModRevision\" : 5\n"
           "\"Version\" : 3\n\"Value\" : \"v\\n\\xff\"\n\"Lease\" : 0000000000001234\n"
           "\"Key\" : \"k2\"\n\"CreateRevision\" : 4\n\"ModRevision\" : 4\n\"Version\" : 1\n"
           "\"Value\" : \"\"\n\"Lease\" : 0000000000000000\n\"More\" : false\n\"Count\" : 2\n");
    REFUSES("table", print_get(&p, &r));
}

static void get_as_text_or_values_only(void **state)
{
    (void)state;
    Etcdserverpb__RangeResponse r = ETCDSERVERPB__RANGE_RESPONSE__INIT;
    r.kvs = kvs;
    r.n_kvs = 1;
    struct printer p = begin("json", false);
    p.utf8 = true;
    assert_int_equal(print_get(&p, &r), CLI_OK);
    end(&p,
        "{\"kvs\":[{\"key\":\"k\\u003c1\\u003e\",\"create_revision\":2,\"mod_revision\":5,"
        "\"version\":3,\"value\":\"v\\n\\ufffd\",\"lease\":4660}]}\n", "");
    p = begin("simple", false);
    p.value_only = true;
    assert_int_equal(print_get(&p, &r), CLI_OK);
    end(&p, "v\n\xff\n", "");
}

static void protobuf_is_the_message(void **state)
{
    (void)state;
    Etcdserverpb__PutResponse r = ETCDSERVERPB__PUT_RESPONSE__INIT;
    r.header = &header;
    struct printer p = begin("protobuf", false);
    assert_int_equal(print_put(&p, &r), CLI_OK);
    fclose(p.out);
    fclose(p.err);
    Etcdserverpb__PutResponse *back =
        etcdserverpb__put_response__unpack(NULL, out_n, (uint8_t *)out_text);
    assert_non_null(back);
    assert_int_equal(back->header->revision, 5);
    etcdserverpb__put_response__free_unpacked(back, NULL);
    free(out_text);
    free(err_text_);
}

static void a_txn_shows_each_answer(void **state)
{
    (void)state;
    Etcdserverpb__DeleteRangeResponse del = ETCDSERVERPB__DELETE_RANGE_RESPONSE__INIT;
    Etcdserverpb__PutResponse put = ETCDSERVERPB__PUT_RESPONSE__INIT;
    Etcdserverpb__RangeResponse range = ETCDSERVERPB__RANGE_RESPONSE__INIT;
    Etcdserverpb__ResponseOp ops[3] = {ETCDSERVERPB__RESPONSE_OP__INIT, ETCDSERVERPB__RESPONSE_OP__INIT,
                                       ETCDSERVERPB__RESPONSE_OP__INIT};
    Etcdserverpb__TxnResponse r = ETCDSERVERPB__TXN_RESPONSE__INIT;
    del.deleted = 1;
    put.prev_kv = &old;
    range.kvs = kvs + 1;
    range.n_kvs = 1;
    range.count = 1;
    ops[0].response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE;
    ops[0].response_delete_range = &del;
    ops[1].response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT;
    ops[1].response_put = &put;
    ops[2].response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE;
    ops[2].response_range = &range;
    r.succeeded = 1;
    r.responses = (Etcdserverpb__ResponseOp *[]){&ops[0], &ops[1], &ops[2]};
    r.n_responses = 3;
    PRINTS("simple", false, print_txn(&p, &r), "SUCCESS\n\n1\n\nOK\nk2\n\n\nk2\n\n");
    PRINTS("json", false, print_txn(&p, &r),
           "{\"succeeded\":true,\"responses\":[{\"Response\":{\"response_delete_range\":{\"deleted\":1}}},"
           "{\"Response\":{\"response_put\":{\"prev_kv\":{\"key\":\"azI=\",\"create_revision\":4,"
           "\"mod_revision\":4,\"version\":1}}}},{\"Response\":{\"response_range\":{\"kvs\":[{\"key\":"
           "\"azI=\",\"create_revision\":4,\"mod_revision\":4,\"version\":1}],\"count\":1}}}]}\n");
    r.succeeded = 0;
    r.n_responses = 0;
    PRINTS("simple", false, print_txn(&p, &r), "FAILURE\n");
    REFUSES("table", print_txn(&p, &r));
}

static void watch_events(void **state)
{
    (void)state;
    Mvccpb__KeyValue gone = MVCCPB__KEY_VALUE__INIT;
    gone.key = bytes("k2");
    gone.mod_revision = 5;
    Mvccpb__Event put = MVCCPB__EVENT__INIT, del = MVCCPB__EVENT__INIT;
    put.kv = &old;
    del.type = MVCCPB__EVENT__EVENT_TYPE__DELETE;
    del.kv = &gone;
    del.prev_kv = &old;
    Etcdserverpb__WatchResponse r = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    r.watch_id = 9;
    r.events = (Mvccpb__Event *[]){&put, &del};
    r.n_events = 2;
    PRINTS("simple", false, print_watch(&p, &r), "PUT\nk2\n\nDELETE\nk2\n\nk2\n\n");
    PRINTS("json", false, print_watch(&p, &r),
           "{\"Header\":null,\"Events\":[{\"kv\":{\"key\":\"azI=\",\"create_revision\":4,"
           "\"mod_revision\":4,\"version\":1}},{\"type\":1,\"kv\":{\"key\":\"azI=\",\"mod_revision\":5},"
           "\"prev_kv\":{\"key\":\"azI=\",\"create_revision\":4,\"mod_revision\":4,\"version\":1}}],"
           "\"CompactRevision\":0,\"Canceled\":false,\"Created\":false,\"CancelReason\":\"\"}\n");
}

static void leases(void **state)
{
    (void)state;
    Etcdserverpb__LeaseTimeToLiveResponse r = ETCDSERVERPB__LEASE_TIME_TO_LIVE_RESPONSE__INIT;
    r.id = 0x1234;
    r.ttl = 59;
    r.grantedttl = 60;
    r.keys = (ProtobufCBinaryData[]){bytes("a"), bytes("b")};
    r.n_keys = 2;
    PRINTS("simple", false, print_lease_time_to_live(&p, true, &r),
           "lease 0000000000001234 granted with TTL(60s), remaining(59s), attached keys([a b])\n");
    PRINTS("json", false, print_lease_time_to_live(&p, true, &r),
           "{\"id\":4660,\"ttl\":59,\"granted-ttl\":60,\"keys\":[\"YQ==\",\"Yg==\"]}\n");
    r.grantedttl = 0;
    r.ttl = -1;
    r.n_keys = 0;
    PRINTS("simple", false, print_lease_time_to_live(&p, true, &r),
           "lease 0000000000001234 already expired\n");
    PRINTS("json", false, print_lease_time_to_live(&p, false, &r),
           "{\"id\":4660,\"ttl\":-1,\"granted-ttl\":0,\"keys\":null}\n");
    Etcdserverpb__LeaseRevokeResponse revoked = ETCDSERVERPB__LEASE_REVOKE_RESPONSE__INIT;
    revoked.header = &header;
    PRINTS("simple", false, print_lease_revoke(&p, -1, &revoked), "lease ffffffffffffffff revoked\n");
    PRINTS("fields", false, print_lease_revoke(&p, 1, &revoked),
           "\"ClusterID\" : 14841639068965178418\n\"MemberID\" : 10276657743932975437\n"
           "\"Revision\" : 5\n\"RaftTerm\" : 2\n");
}

static void members(void **state)
{
    (void)state;
    Etcdserverpb__Member m = ETCDSERVERPB__MEMBER__INIT, n = ETCDSERVERPB__MEMBER__INIT;
    m.id = 0xabc;
    m.name = (char[]){"m1"};
    m.peerurls = (char *[]){(char[]){"http://a:2380"}, (char[]){"http://b:2380"}};
    m.n_peerurls = 2;
    n.id = 0xd;
    n.islearner = 1;
    Etcdserverpb__MemberListResponse r = ETCDSERVERPB__MEMBER_LIST_RESPONSE__INIT;
    r.header = &header;
    r.members = (Etcdserverpb__Member *[]){&m, &n};
    r.n_members = 2;
    PRINTS("simple", false, print_member_list(&p, &r),
           "abc, started, m1, http://a:2380,http://b:2380, , false\nd, unstarted, , , , true\n");
    PRINTS("json", true, print_member_list(&p, &r),
           "{\"header\":{\"cluster_id\":\"cdf818194e3a8c32\",\"member_id\":\"8e9e05c52164694d\","
           "\"revision\":5,\"raft_term\":2},\"members\":[{\"ID\":\"abc\",\"name\":\"m1\",\"peerURLs\":["
           "\"http://a:2380\",\"http://b:2380\"]},{\"ID\":\"d\",\"isLearner\":true}]}\n");
    PRINTS("table", false, print_member_list(&p, &r),
           "┌─────┬───────────┬──────┬─────────────────────────────┬──────────────┬────────────┐\n"
           "│ ID  │  STATUS   │ NAME │         PEER ADDRS          │ CLIENT ADDRS │ IS LEARNER │\n"
           "├─────┼───────────┼──────┼─────────────────────────────┼──────────────┼────────────┤\n"
           "│ abc │   started │   m1 │ http://a:2380,http://b:2380 │              │      false │\n"
           "│   d │ unstarted │      │                             │              │       true │\n"
           "└─────┴───────────┴──────┴─────────────────────────────┴──────────────┴────────────┘\n");
    Etcdserverpb__MemberRemoveResponse gone = ETCDSERVERPB__MEMBER_REMOVE_RESPONSE__INIT;
    gone.header = &header;
    PRINTS("simple", false, print_member_remove(&p, 0xabc, &gone),
           "Member              abc removed from cluster cdf818194e3a8c32\n");
    REFUSES("fields", print_member_remove(&p, 0xabc, &gone));
}

static void health_on_both_streams(const struct ep_health *health)
{
    struct printer p = begin("simple", false);
    assert_int_equal(print_endpoint_health(&p, health, 2), CLI_OK);
    end(&p, "a:1 is healthy: successfully committed proposal: took = 1.5ms\n",
        "b:2 is unhealthy: failed to commit proposal: down\n");
}

static void endpoints(void **state)
{
    (void)state;
    Etcdserverpb__StatusResponse s = ETCDSERVERPB__STATUS_RESPONSE__INIT;
    s.header = &header;
    s.version = (char[]){"3.7.1"};
    s.dbsize = 20480;
    s.dbsizeinuse = 5120;
    s.dbsizequota = INT64_C(2147483648);
    s.leader = header.member_id;
    s.raftterm = 2;
    s.raftindex = 8;
    s.raftappliedindex = 8;
    const struct ep_answer status[] = {{"127.0.0.1:2379", &s}};
    PRINTS("simple", false, print_endpoint_status(&p, status, 1),
           "127.0.0.1:2379, 8e9e05c52164694d, 3.7.1, , 20 kB, 5.1 kB, 75%, 2.1 GB, true, false, 2, 8, 8, "
           ", , false\n");
    const struct ep_health health[] = {{"a:1", true, "1.5ms", ""}, {"b:2", false, "2s", "down"}};
    health_on_both_streams(health);
    PRINTS("json", false, print_endpoint_health(&p, health, 2),
           "[{\"endpoint\":\"a:1\",\"health\":true,\"took\":\"1.5ms\"},"
           "{\"endpoint\":\"b:2\",\"health\":false,\"took\":\"2s\",\"error\":\"down\"}]\n");
    REFUSES("protobuf", print_endpoint_health(&p, health, 2));
}

static void roles(void **state)
{
    (void)state;
    Authpb__Permission perms[3] = {AUTHPB__PERMISSION__INIT, AUTHPB__PERMISSION__INIT,
                                   AUTHPB__PERMISSION__INIT};
    perms[0].permtype = AUTHPB__PERMISSION__TYPE__READ;
    perms[0].key = bytes("p/");
    perms[0].range_end = bytes("p0");
    perms[1].permtype = AUTHPB__PERMISSION__TYPE__READWRITE;
    perms[1].key = bytes("k");
    perms[2].permtype = AUTHPB__PERMISSION__TYPE__WRITE;
    perms[2].key = bytes("a");
    perms[2].range_end = (ProtobufCBinaryData){1, (uint8_t[]){0}};
    Etcdserverpb__AuthRoleGetResponse r = ETCDSERVERPB__AUTH_ROLE_GET_RESPONSE__INIT;
    r.perm = (Authpb__Permission *[]){&perms[0], &perms[1], &perms[2]};
    r.n_perm = 3;
    PRINTS("simple", false, print_role_get(&p, "r", &r),
           "Role r\nKV Read:\n\t[p/, p0) (prefix p/)\n\tk\nKV Write:\n\tk\n\t[a, <open ended>\n");
    r.n_perm = 0;
    PRINTS("simple", false, print_role_get(&p, "root", &r),
           "Role root\nKV Read:\n\t[, <open ended>\nKV Write:\n\t[, <open ended>\n");
    Etcdserverpb__AuthRoleRevokePermissionResponse revoked =
        ETCDSERVERPB__AUTH_ROLE_REVOKE_PERMISSION_RESPONSE__INIT;
    PRINTS("simple", false, print_role_revoke_permission(&p, "r", bytes("a"), bytes("b"), &revoked),
           "Permission of range [a, b) is revoked from role r\n");
}

static void alarms(void **state)
{
    (void)state;
    Etcdserverpb__AlarmMember a = ETCDSERVERPB__ALARM_MEMBER__INIT;
    a.memberid = 12;
    a.alarm = ETCDSERVERPB__ALARM_TYPE__NOSPACE;
    Etcdserverpb__AlarmResponse r = ETCDSERVERPB__ALARM_RESPONSE__INIT;
    r.alarms = (Etcdserverpb__AlarmMember *[]){&a};
    r.n_alarms = 1;
    PRINTS("simple", false, print_alarm(&p, &r), "memberID:12 alarm:NOSPACE \n");
    PRINTS("fields", true, print_alarm(&p, &r),
           "\"ClusterID\" : 0\n\"MemberID\" : 0\n\"RaftTerm\" : 0\n\"MemberID\" : c\n"
           "\"AlarmType\" : NOSPACE\n\n");
    PRINTS("json", false, print_alarm(&p, &r), "{\"alarms\":[{\"memberID\":12,\"alarm\":1}]}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_formats_are_none),
        cmocka_unit_test(get_in_every_format),
        cmocka_unit_test(get_as_text_or_values_only),
        cmocka_unit_test(protobuf_is_the_message),
        cmocka_unit_test(a_txn_shows_each_answer),
        cmocka_unit_test(watch_events),
        cmocka_unit_test(leases),
        cmocka_unit_test(members),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(roles),
        cmocka_unit_test(alarms),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
