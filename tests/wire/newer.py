#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What releases after 3.4 brought, and the differential test can therefore not compare.

Row ids are those of the feature list. Where the server is upstream's 3.4, all of it is skipped.
"""
import contextlib
import hashlib
import http.client
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import proto  # noqa: E402
from harness import equal  # noqa: E402
from proto import pb  # noqa: E402

KEYS = 500


def range_stream(server, client):
    """G2: chunks in order, the first small, header and count on the last alone."""
    for i in range(KEYS):
        client.put(b"rs/%04d" % i, b"x" * 5000)
    whole = client.get(b"rs/", range_end=b"rs0")
    stub = client.channel.unary_stream(
        "/etcdserverpb.KV/RangeStream", request_serializer=lambda m: m.SerializeToString(),
        response_deserializer=pb().RangeStreamResponse.FromString)
    chunks = [m.range_response for m in
              stub(pb().RangeRequest(key=b"rs/", range_end=b"rs0"), timeout=20)]
    equal([kv.key for c in chunks for kv in c.kvs], [kv.key for kv in whole.kvs], "the keys")
    if len(chunks) < 3 or len(chunks[0].kvs) > 10:
        raise AssertionError(f"chunks of {[len(c.kvs) for c in chunks]}")
    equal([c.HasField("header") for c in chunks], [False] * (len(chunks) - 1) + [True], "headers")
    equal([c.count for c in chunks], [0] * (len(chunks) - 1) + [KEYS], "counts")


def range_stream_refusals(server, client):
    """E65."""
    for request, text in ((pb().RangeRequest(key=b"a", sort_order=2), "custom sort orders"),
                          (pb().RangeRequest(key=b"a", min_mod_revision=1), "revision filters")):
        code, details, _ = client.unary_raw("/etcdserverpb.KV/RangeStream",
                                            request.SerializeToString())
        equal((code, details), ("UNIMPLEMENTED", f"RangeStream does not support {text}"))


def unknown_sort_options(server, client):
    """A25; 3.4.23 panics on an unknown target."""
    for target, order in ((9, 0), (-1, 1), (0, -1), (0, 7)):
        code, details, _ = client.call("range", pb().RangeRequest(
            key=b"a", sort_target=target, sort_order=order))
        equal((code, details), ("INVALID_ARGUMENT", "etcdserver: invalid sort option"))
    inner = pb().RequestOp(request_range=pb().RangeRequest(key=b"a", sort_order=7))
    code, details, _ = client.call("txn", pb().TxnRequest(failure=[pb().RequestOp(
        request_txn=pb().TxnRequest(success=[inner]))]))
    equal((code, details), ("INVALID_ARGUMENT", "etcdserver: invalid sort option"), "in a txn")


def watch_from_a_negative_revision(server, client):
    """A54: one reply, created and canceled, with the reason."""
    stream = client.watch()
    stream.send(pb().WatchRequest(create_request=pb().WatchCreateRequest(
        key=b"a", start_revision=-1)))
    reply = stream.wait(lambda got: got and got[0])
    equal((reply.created, reply.canceled, reply.watch_id), (True, True, -1))
    if not reply.cancel_reason:
        raise AssertionError("no reason")
    stream.close()


def status_fields(server, client):
    """Q16, Q17."""
    status = client.must("status")
    equal(status.dbSizeQuota, 2 << 30, "the default quota")
    equal(status.downgradeInfo.enabled, False)
    equal(status.raftAppliedIndex, status.raftIndex, "applied and committed")
    if not status.version.startswith("3.7."):
        raise AssertionError(status.version)
    harness.wait_for(lambda: client.must("status").storageVersion.startswith("3.7."),
                     text="the storage version")


def headers_are_filled(server, client):
    """Q23: the headers that 3.4 leaves out."""
    member = client.must("status").header.member_id
    for method in ("alarm", "member_list", "leases", "hashkv"):
        header = client.must(method).header
        equal(header.member_id, member, method)
        if header.raft_term < 2:
            raise AssertionError(f"{method}: term {header.raft_term}")


def hash_revision(server, client):
    """Q19."""
    now = client.put(b"h", b"1").header.revision
    client.put(b"h", b"2")
    equal(client.must("hashkv", pb().HashKVRequest(revision=now)).hash_revision, now)
    equal(client.must("hashkv").hash_revision, now + 1)
    client.must("compact", pb().CompactionRequest(revision=now, physical=True))
    reply = client.must("hashkv", pb().HashKVRequest(revision=now))
    equal((reply.hash_revision, reply.compact_revision), (now, now), "at the compacted revision")


def tombstone_at_the_compacted_revision(server, client):
    """A34: 3.4.23 removes it, later releases keep it for watchers that begin there."""
    client.put(b"tomb", b"1")
    at = client.must("delete", pb().DeleteRangeRequest(key=b"tomb")).header.revision
    client.must("compact", pb().CompactionRequest(revision=at, physical=True))
    stream = client.watch()
    stream.send(pb().WatchRequest(create_request=pb().WatchCreateRequest(
        key=b"tomb", start_revision=at)))
    reply = stream.wait(lambda got: len(got) >= 2 and got[1])
    equal([(e.type, e.kv.mod_revision) for e in reply.events], [(1, at)])
    stream.close()


def alarm_of_no_kind(server, client):
    """3.4 raises an alarm that has no kind; later releases do nothing."""
    equal(len(client.must("alarm", pb().AlarmRequest(action=1, alarm=0, memberID=5)).alarms), 0)
    equal(len(client.must("alarm").alarms), 0)


def auth_is_off(server, client):
    """G29, E31."""
    status = client.must("auth_status")
    equal((status.enabled, status.authRevision), (False, status.authRevision))
    code, details, _ = client.call("authenticate", pb().AuthenticateRequest(name="a", password="b"))
    equal((code, details), ("FAILED_PRECONDITION", "etcdserver: authentication is not enabled"))


def snapshot_version(server, client):
    """Q21, and the checksum at the end."""
    digest, held, version = hashlib.sha256(), b"", None
    for reply in client.snapshot():
        digest.update(held)
        held, version = reply.blob, reply.version or version
    equal(held, digest.digest(), "the last message")
    if not (version or "").startswith("3."):
        raise AssertionError(f"storage version {version!r}")


def health_service(server, client):
    """G51."""
    stub = client.channel.unary_unary(
        "/grpc.health.v1.Health/Check", request_serializer=lambda m: m.SerializeToString(),
        response_deserializer=pb().HealthCheckResponse.FromString)
    equal(stub(pb().HealthCheckRequest(), timeout=10).status, 1, "SERVING")


def metadata(server, client):
    """Q25, Q26: a leader is demanded and there; a client names its version."""
    request = pb().RangeRequest(key=b"a")
    for pair in (("hasleader", "true"), ("client-api-version", "3.7.1"), ("token", "none")):
        code, details, _ = client.call("range", request, metadata=[pair])
        equal((code, details), ("OK", ""), pair)


def base64_of_urls(server, client):
    """The newer gateway takes the alphabet for URLs and missing padding too."""
    client.put(b"\xff\xef", b"v")
    for key in ("/+8=", "_-8=", "_-8"):
        connection = http.client.HTTPConnection("127.0.0.1", server.client_port, timeout=20)
        connection.request("POST", "/v3/kv/range", body=json.dumps({"key": key}))
        reply = connection.getresponse()
        equal((reply.status, json.loads(reply.read()).get("count")), (200, "1"), key)
        connection.close()


def progress_notify(server, client):
    """A63: a watcher that asked for it hears of progress though nothing happened."""
    stream = client.watch()
    stream.send(pb().WatchRequest(create_request=pb().WatchCreateRequest(
        key=b"quiet", progress_notify=True)))
    replies = stream.wait(lambda got: len(got) >= 2 and list(got))
    equal((len(replies[1].events), replies[1].created, replies[1].watch_id), (0, False, 0))
    stream.close()


def wait_for_lock(server, answers):
    """Ask for a lock that another has, as long as it takes."""
    connection = http.client.HTTPConnection("127.0.0.1", server.client_port, timeout=60)
    connection.request("POST", "/v3/lock/lock", body='{"name": "bG9jaw=="}')
    reply = connection.getresponse()
    answers.append((reply.status, json.loads(reply.read()).get("message")))
    connection.close()


def who_waits_holds_no_stop_up(_server, _client):
    """Who watches, renews a lease or waits for a lock is told at once; what was waited with goes.

    Of several stops one is not held up by the machine either."""
    took = []
    while not took or min(took) > 2.5:
        took.append(stop_beside_who_waits())
        if len(took) > 5:
            raise AssertionError(f"the stops took {took}")


def stop_beside_who_waits():
    locks = pb().RangeRequest(key=b"lock/", range_end=b"lock0", count_only=True)
    stopped, answers = "etcdserver: server stopped", []
    with harness.Server() as server, contextlib.ExitStack() as stack:
        client, idle = proto.Client(server.endpoint), proto.Client(server.endpoint)
        stack.callback(client.close)
        stack.callback(idle.close)
        idle.put(b"k", b"v")
        watch, renewals = client.watch(), client.keepalive()
        watch.send(pb().WatchRequest(create_request=pb().WatchCreateRequest(key=b"k")))
        watch.wait(lambda got: got and got[0].created)
        lease = client.must("grant", pb().LeaseGrantRequest(TTL=600)).ID
        renewals.send(pb().LeaseKeepAliveRequest(ID=lease))
        renewals.wait(lambda got: got)
        wait_for_lock(server, answers)
        waiter = threading.Thread(target=wait_for_lock, args=(server, answers))
        waiter.start()
        harness.wait_for(lambda: client.must("range", locks).count == 2, text="who waits for the lock")
        began = time.monotonic()
        server.stop()
        took = time.monotonic() - began
        for what in (watch, renewals):
            what.thread.join(60)
        waiter.join(60)
        equal((watch.ended, renewals.ended), (("UNAVAILABLE", stopped),) * 2, "what streams hear")
        equal(answers, [(200, None), (503, stopped)], "who has the lock, and who waits for it")
        server.start()
        left = harness.wait_for(lambda: client.call("range", locks)[2], text="an answer")
        equal(left.count, 1, "keys of the lock")
    return took


def main():
    suite = harness.Suite(limit_s=400)
    upstream = harness.is_upstream(harness.server_path())
    server = client = None
    if not upstream:
        server = harness.Server(args=["--watch-progress-notify-interval=200ms"]).start()
        client = proto.Client(server.endpoint)
    for test in (range_stream, range_stream_refusals, unknown_sort_options,
                 watch_from_a_negative_revision, status_fields, headers_are_filled, hash_revision,
                 tombstone_at_the_compacted_revision, alarm_of_no_kind, auth_is_off,
                 snapshot_version, health_service, metadata, base64_of_urls, progress_notify,
                 who_waits_holds_no_stop_up):
        suite.run(skip_all if upstream else test, server, client, name=test.__name__)
    if server:
        client.close()
        suite.run(server.close, name="the_server_stops_cleanly")
    suite.finish()


def skip_all(*_):
    raise harness.Skip("the server is upstream's 3.4")


if __name__ == "__main__":
    main()
