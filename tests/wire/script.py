# SPDX-License-Identifier: Apache-2.0
"""Scripted calls for the differential test: what random calls rarely meet.

Each function takes the pair of servers; the comparison happens in `pair.call` and `pair.post`, so a
call stands here without an expected answer: the other server is the expectation.
"""
import base64
import hashlib
import http.client
import json

import harness
import proto
from proto import pb

MAX_REQUEST = 1572864  # the default of --max-request-bytes
MAX_TXN_OPS = 128


def put_op(key, value=b"v", **more):
    return pb().RequestOp(request_put=pb().PutRequest(key=key, value=value, **more))


def get_op(key, **more):
    return pb().RequestOp(request_range=pb().RangeRequest(key=key, **more))


def delete_op(key, **more):
    return pb().RequestOp(request_delete_range=pb().DeleteRangeRequest(key=key, **more))


def txn_op(**parts):
    return pb().RequestOp(request_txn=pb().TxnRequest(**parts))


def kv(pair):
    put, get = pb().PutRequest, pb().RangeRequest
    for key, value in ((b"foo", b"bar"), (b"foo", b"bar"), (b"foo1", b""), (b"\0", b"zero"),
                       (b"\xff\xfe", b"high"), (b"a" * 4000, b"long key")):
        pair.call("put", put(key=key, value=value, prev_kv=True))
    for r in (put(), put(value=b"x"), put(key=b"no", ignore_value=True),
              put(key=b"no", ignore_lease=True), put(key=b"foo", value=b"x", ignore_value=True),
              put(key=b"foo", lease=5, ignore_lease=True), put(key=b"foo", lease=12345),
              put(key=b"no", lease=12345, ignore_value=True),
              put(key=b"foo", ignore_value=True, prev_kv=True),
              put(key=b"foo", value=b"kept lease", ignore_lease=True)):
        pair.call("put", r)
    for r in (get(), get(key=b"foo"), get(key=b"foo", range_end=b"foo"),
              get(key=b"foo", range_end=b"fop"), get(key=b"foo", range_end=b"a"),
              get(key=b"foo", range_end=b"\0"), get(key=b"\0", range_end=b"\0"),
              get(key=b"foo", revision=1000), get(key=b"foo", revision=-7),
              get(key=b"foo", revision=2), get(key=b"\0", range_end=b"\0", limit=2),
              get(key=b"\0", range_end=b"\0", limit=-2),
              get(key=b"\0", range_end=b"\0", limit=2, count_only=True),
              get(key=b"\0", range_end=b"\0", keys_only=True, sort_target=3, sort_order=2),
              get(key=b"\0", range_end=b"\0", sort_target=4),
              get(key=b"\0", range_end=b"\0", min_mod_revision=4, max_mod_revision=6, limit=1)):
        pair.call("range", r)
    for r in (pb().DeleteRangeRequest(), pb().DeleteRangeRequest(key=b"none"),
              pb().DeleteRangeRequest(key=b"foo", range_end=b"fop", prev_kv=True),
              pb().DeleteRangeRequest(key=b"z", range_end=b"a")):
        pair.call("delete", r)
    sizes(pair)
    compactions(pair)


def sizes(pair):
    """One byte around the largest request."""
    overhead = len(pb().PutRequest(key=b"big", value=b"x" * MAX_REQUEST).SerializeToString()) \
        - MAX_REQUEST
    for n in (MAX_REQUEST - overhead - 64, MAX_REQUEST + 1000, MAX_REQUEST + (512 << 10) - 100):
        pair.call("put", pb().PutRequest(key=b"big", value=b"x" * n))
    code, _, _ = pair.clients[0].call(
        "put", pb().PutRequest(key=b"big", value=b"x" * (MAX_REQUEST + (512 << 10) + 1)))
    harness.equal(code, "RESOURCE_EXHAUSTED", "a message above the transport's limit")
    pair.call("range", pb().RangeRequest(key=b"big", keys_only=True))


def compactions(pair):
    compact = pb().CompactionRequest
    for r in (compact(revision=100000), compact(revision=-1), compact(),
              compact(revision=4, physical=True), compact(revision=4), compact(revision=3)):
        pair.call("compact", r)
    for revision in (0, 3, 5, 6, -1, 100000):
        pair.call("range", pb().RangeRequest(key=b"foo", revision=revision))
        pair.call("hashkv", pb().HashKVRequest(revision=revision))


def transactions(pair):
    def txn(**parts):
        pair.call("txn", pb().TxnRequest(**parts))

    compare = pb().Compare
    txn()
    txn(success=[pb().RequestOp()])
    txn(compare=[compare()])
    txn(success=[put_op(b"t1"), put_op(b"t2"), get_op(b"t1"), get_op(b"t", range_end=b"u")])
    txn(success=[put_op(b"t1"), put_op(b"t1")])
    txn(failure=[put_op(b"t1"), put_op(b"t1")])
    txn(success=[put_op(b"t1"), delete_op(b"t", range_end=b"u")])
    txn(success=[delete_op(b"t", range_end=b"u"), put_op(b"t1")])
    txn(success=[delete_op(b"t1"), delete_op(b"t", range_end=b"u", prev_kv=True)])
    txn(success=[delete_op(b"t9", range_end=b"\0"), put_op(b"zz")])
    txn(success=[put_op(b"n1"), txn_op(success=[put_op(b"n1")])])
    txn(success=[txn_op(success=[put_op(b"n1")], failure=[put_op(b"n1")])])
    txn(success=[txn_op(success=[put_op(b"n1")]), txn_op(success=[put_op(b"n1")])])
    txn(success=[txn_op(success=[delete_op(b"n", range_end=b"o")]), put_op(b"n5")])
    txn(success=[put_op(b"n1"), txn_op(compare=[compare(key=b"n1", target=0, result=0, version=1)],
                                       success=[get_op(b"n1")], failure=[put_op(b"n2")])])
    txn(success=[put_op(b"lost"), put_op(b"other", lease=999)])
    txn(success=[put_op(b"lost"), get_op(b"lost", revision=1 << 40)])
    txn(success=[put_op(b"lost"), put_op(b"absent", b"", ignore_value=True)])
    pair.call("range", pb().RangeRequest(key=b"lost"))
    for n in (MAX_TXN_OPS, MAX_TXN_OPS + 1):
        txn(success=[put_op(b"many%d" % i) for i in range(n)])
        txn(compare=[compare(key=b"x") for _ in range(n)])
    txn(success=[txn_op(success=[put_op(b"m%d" % i) for i in range(127)])])
    txn(success=[txn_op(success=[put_op(b"m%d" % i) for i in range(128)])])
    for target in range(5):
        for result in range(4):
            for key in (b"t1", b"missing"):
                txn(compare=[compare(key=key, target=target, result=result)],
                    success=[get_op(b"t1")])
            txn(compare=[compare(key=b"m", range_end=b"n", target=target, result=result)])
            txn(compare=[compare(key=b"q", range_end=b"r", target=target, result=result)])
    txn(compare=[compare(key=b"t1", target=3, result=0, value=b"")])


def leases(pair):
    grant, revoke, ttl = (pb().LeaseGrantRequest, pb().LeaseRevokeRequest,
                          pb().LeaseTimeToLiveRequest)
    for r in (grant(ID=1, TTL=600), grant(ID=1, TTL=600), grant(ID=-3, TTL=600),
              grant(ID=2, TTL=9000000001), grant(ID=4, TTL=9000000000)):
        pair.call("grant", r)
    for r in (grant(ID=9, TTL=1), grant(ID=10, TTL=0), grant(ID=11, TTL=-5)):
        pair.call("grant", r)  # of the shortest time: it is given back before that is over
        pair.call("revoke", revoke(ID=r.ID))
    pair.call("put", pb().PutRequest(key=b"l1", lease=1))
    pair.call("put", pb().PutRequest(key=b"l2", lease=1))
    pair.call("put", pb().PutRequest(key=b"l2", lease=4))
    for id_ in (1, 4, -3, 77):
        pair.call("timetolive", ttl(ID=id_, keys=True))
        pair.call("timetolive", ttl(ID=id_))
    pair.call("put", pb().PutRequest(key=b"l1"))
    pair.call("timetolive", ttl(ID=1, keys=True))
    keepalives(pair)
    pair.call("revoke", revoke(ID=4))
    pair.call("range", pb().RangeRequest(key=b"l", range_end=b"m"))
    for id_ in (4, 0, 1, -3):
        pair.call("revoke", revoke(ID=id_))
    pair.call("leases", pb().LeaseLeasesRequest())
    pair.call("grant", grant(ID=20, TTL=5))
    pair.call("put", pb().PutRequest(key=b"short", lease=20))
    for client in pair.clients:
        harness.wait_for(lambda: not client.get(b"short").kvs, text="the end of a lease of 5 s")
    pair.call("range", pb().RangeRequest(key=b"short"))
    picked = [client.must("grant", pb().LeaseGrantRequest(TTL=600)) for client in pair.clients]
    if any(reply.ID <= 0 for reply in picked):
        raise AssertionError(f"ids that servers chose: {picked}")
    for client, reply in zip(pair.clients, picked):
        client.must("revoke", revoke(ID=reply.ID))


def keepalives(pair):
    seen = []
    for client in pair.clients:
        stream = client.keepalive()
        ids = (1, 4, 12345, 1)
        stream.send(*(pb().LeaseKeepAliveRequest(ID=i) for i in ids))
        replies = stream.wait(lambda got: len(got) >= len(ids) and list(got))
        seen.append([(r.ID, r.TTL, r.header.revision, r.header.member_id) for r in replies])
        stream.half_close()
        stream.thread.join(10)
        harness.equal(stream.ended, ("OK", ""), "a keep-alive stream that the client ended")
    harness.equal(*seen, "keep-alives")


def cluster(pair):
    pair.call("member_list", pb().MemberListRequest())
    me = pair.clients[1].must("member_list").members[0].ID
    for r in (pb().MemberAddRequest(), pb().MemberAddRequest(peerURLs=["bad"]),
              pb().MemberAddRequest(peerURLs=["http://127.0.0.1:2380"]),
              pb().MemberAddRequest(peerURLs=["ftp://127.0.0.1:9999"])):
        pair.call("member_add", r)
    pair.call("member_remove", pb().MemberRemoveRequest(ID=12345))
    pair.call("member_update", pb().MemberUpdateRequest(ID=12345, peerURLs=["http://127.0.0.1:1"]))
    pair.call("member_promote", pb().MemberPromoteRequest(ID=12345))
    pair.call("member_promote", pb().MemberPromoteRequest(ID=me))
    pair.call("move_leader", pb().MoveLeaderRequest(targetID=12345))


def maintenance(pair):
    pair.call("status", pb().StatusRequest())
    pair.call("alarm", pb().AlarmRequest())
    for action, kind in ((0, 1), (1, 1), (0, 0), (2, 0), (2, 1), (2, 1), (0, 0)):
        pair.call("alarm", pb().AlarmRequest(action=action, alarm=kind, memberID=5))
    pair.call("defragment", pb().DefragmentRequest())
    for path in ("/etcdserverpb.KV/Nothing", "/no.Such/Method"):
        results = [client.unary_raw(path, b"") for client in pair.clients]
        harness.equal(*results, path)
    for data in (b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05ab"):
        codes = [client.unary_raw("/etcdserverpb.KV/Range", data)[0] for client in pair.clients]
        harness.equal(*codes, f"the code for a request of {data!r}")
    snapshots(pair)


def snapshots(pair):
    """The stream has the form that tools expect: blobs, then the SHA-256 of all of them."""
    for client in pair.clients:
        digest, held, last = hashlib.sha256(), b"", None
        for reply in client.snapshot():
            digest.update(held)
            held = reply.blob
            last = reply.remaining_bytes
        harness.equal(held, digest.digest(), "the last message of a snapshot")
        harness.equal(last, 0, "what remains after a snapshot")


def watch(pair):
    create = pb().WatchCreateRequest

    def both(*requests, replies):
        """Send to both; compare the first `replies` answers, batches and all."""
        seen = []
        for client in pair.clients:
            stream = client.watch()
            stream.send(*requests)
            got = stream.wait(lambda got: len(got) >= replies and list(got))
            for r in got:
                r.header.raft_term = 0
            seen.append([str(r) for r in got[:replies]])
            stream.close()
        harness.equal(*seen, f"watch {requests}")

    def w(**spec):
        return pb().WatchRequest(create_request=create(**spec))

    def cancel(watch_id):
        return pb().WatchRequest(cancel_request=pb().WatchCancelRequest(watch_id=watch_id))

    pair.call("put", pb().PutRequest(key=b"w", value=b"1"))
    pair.call("put", pb().PutRequest(key=b"w", value=b"2"))
    pair.call("delete", pb().DeleteRangeRequest(key=b"w"))
    pair.call("txn", pb().TxnRequest(success=[put_op(b"w1"), put_op(b"w2"), put_op(b"w3")]))
    both(w(key=b"w"), replies=1)
    both(w(key=b"w", start_revision=2, prev_kv=True), replies=2)
    both(w(key=b"w", range_end=b"x", start_revision=3), replies=2)
    both(w(key=b"z", range_end=b"a"), replies=1)
    both(w(key=b"w", watch_id=7), w(key=b"w", watch_id=7), replies=2)
    both(w(key=b"w", watch_id=1), w(key=b"w"), w(key=b"w"), replies=3)
    both(w(key=b"w"), cancel(0), replies=2)
    both(w(key=b"w"), cancel(55), w(key=b"w"), replies=2)
    both(w(key=b"w"), pb().WatchRequest(progress_request=pb().WatchProgressRequest()), replies=2)
    both(w(start_revision=2), replies=1)
    both(w(range_end=b"\0", start_revision=2), replies=2)
    both(w(key=b"w", filters=[0], start_revision=2), replies=2)
    both(w(key=b"w", filters=[1], start_revision=2), replies=2)
    pair.call("compact", pb().CompactionRequest(revision=3, physical=True))
    both(w(key=b"w", start_revision=1), replies=2)
    both(w(key=b"w", start_revision=3, prev_kv=True), replies=2)
    future(pair)
    fragments(pair)


def future(pair):
    """A start in the future is silent until then."""
    now = pair.clients[1].get(b"w").header.revision
    streams = [client.watch() for client in pair.clients]
    for stream in streams:
        stream.send(pb().WatchRequest(create_request=pb().WatchCreateRequest(
            key=b"f", start_revision=now + 3)))
        stream.wait(lambda got: got)
    for i in range(4):
        pair.call("put", pb().PutRequest(key=b"f", value=b"%d" % i))
    seen = []
    for stream in streams:
        got = stream.wait(lambda got: sum(len(r.events) for r in got) >= 2 and list(got))
        seen.append([str(e) for r in got for e in r.events])
        stream.close()
    harness.equal(*seen, "a watch from the future")


def fragments(pair):
    """Events of one revision, larger than one message: split only where that was asked for."""
    value = b"x" * (1 << 20)
    start = pair.clients[1].get(b"w").header.revision + 1
    for i in range(4):
        pair.call("put", pb().PutRequest(key=b"g%d" % i, value=value))
    pair.call("delete", pb().DeleteRangeRequest(key=b"g", range_end=b"h"))
    for fragment in (False, True):
        seen = []
        for client in pair.clients:
            stream = client.watch()
            stream.send(pb().WatchRequest(create_request=pb().WatchCreateRequest(
                key=b"g", range_end=b"h", start_revision=start, prev_kv=True, fragment=fragment)))
            got = stream.wait(lambda got: sum(len(r.events) for r in got) >= 8 and list(got))
            seen.append([(e.type, e.kv.key, len(e.kv.value), len(e.prev_kv.value))
                         for r in got for e in r.events])
            if fragment and max(r.ByteSize() for r in got) > MAX_REQUEST + (512 << 10):
                raise AssertionError("a fragment is larger than one message may be")
            stream.close()
        harness.equal(*seen, f"fragment={fragment}")


def gateway(pair):
    def b64(data):
        return base64.b64encode(data).decode()

    def post(path, body, **more):
        pair.post(path, body if isinstance(body, str) else json.dumps(body), **more)

    post("/v3/kv/put", {"key": b64(b"foo"), "value": b64(b"bar")})
    post("/v3/kv/put", {"key": b64(b"foo"), "value": b64(b"baz"), "prev_kv": True})
    post("/v3/kv/put", {"key": b64(b"foo2"), "prevKv": True, "unknown": 1})
    post("/v3/kv/range", {"key": b64(b"foo")})
    post("/v3beta/kv/range", {"key": b64(b"foo")})
    post("/v3alpha/kv/range", {"key": b64(b"foo")})
    post("/v3/kv/range", {"key": b64(b"f"), "range_end": b64(b"g"), "limit": "1"})
    post("/v3/kv/range", {"key": b64(b"f"), "rangeEnd": b64(b"g"), "limit": 1})
    post("/v3/kv/range", {"key": b64(b"f"), "range_end": b64(b"g"), "sort_order": "DESCEND",
                          "sort_target": "MOD"})
    post("/v3/kv/range", {"key": b64(b"f"), "range_end": b64(b"g"), "sort_order": 2})
    post("/v3/kv/range", {"key": b64(b"\xff\xfe\xfd")})
    post("/v3/kv/range", {})
    post("/v3/kv/range", {"key": b64(b"foo"), "revision": 1000})
    post("/v3/kv/txn", {"compare": [{"key": b64(b"foo"), "target": "VALUE", "result": "EQUAL",
                                     "value": b64(b"baz")}],
                        "success": [{"request_put": {"key": b64(b"foo"), "value": b64(b"x")}},
                                    {"requestRange": {"key": b64(b"foo")}}]})
    post("/v3/kv/txn", {"success": [{"request_txn": {"success": [
        {"request_delete_range": {"key": b64(b"foo2"), "prev_kv": True}}]}}]})
    post("/v3/kv/deleterange", {"key": b64(b"foo")})
    post("/v3/lease/grant", {"ID": "7", "TTL": 600})
    post("/v3/lease/grant", {"ID": 7, "TTL": "600"})
    post("/v3/kv/put", {"key": b64(b"leased"), "lease": "7"})
    post("/v3/lease/timetolive", {"ID": "7", "keys": True})
    post("/v3/kv/lease/timetolive", {"ID": "8"})
    post("/v3/lease/leases", {})
    post("/v3/kv/lease/leases", {})
    post("/v3/kv/lease/revoke", {"ID": "7"})
    post("/v3/lease/revoke", {"ID": "7"})
    post("/v3/kv/compaction", {"revision": "2", "physical": True})
    post("/v3/kv/compaction", {"revision": "2"})
    post("/v3/kv/range", "", verb="GET")
    post("/v3/nothing", {})
    post("/nothing", {})
    malformed(pair)
    streams(pair)


def malformed(pair):
    """The text of a parser differs, its status and code do not."""
    for body in ("{", "nonsense", '{"key":1}', '{"key":"***"}', '{"limit":"x"}', "[]"):
        seen = []
        for server in (pair.subject, pair.oracle):
            seen.append(status_and_code(server, "/v3/kv/range", body))
        harness.equal(*seen, f"the body {body}")


def status_and_code(server, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", server.client_port, timeout=60)
    connection.request("POST", path, body=body)
    reply = connection.getresponse()
    code = json.loads(reply.read()).get("code")
    connection.close()
    return reply.status, code


def streams(pair):
    """The first lines of a watch over HTTP/1.1, then one keep-alive."""
    seen = []
    for server in (pair.subject, pair.oracle):
        connection = http.client.HTTPConnection("127.0.0.1", server.client_port, timeout=60)
        connection.request("POST", "/v3/watch", body=json.dumps(
            {"create_request": {"key": "Zm9v", "start_revision": "3"}}))
        reply = connection.getresponse()
        lines = [json.loads(reply.readline()) for _ in range(2)]
        connection.close()
        for line in lines:
            line["result"]["header"].pop("raft_term", None)
        seen.append(lines)
    harness.equal(*seen, "a watch through the gateway")
    pair.post("/v3/lease/grant", json.dumps({"ID": "70", "TTL": 6000}))
    pair.post("/v3/lease/keepalive", json.dumps({"ID": "70"}))
    pair.post("/v3/lease/keepalive", json.dumps({"ID": "71"}))


def quota(pair):
    """Fill 16 MiB: the refusal, the alarm, what still works, and the way out."""
    value = b"x" * (1 << 20)
    codes = []
    for client in pair.clients:
        for i in range(64):
            code, details, _ = client.call("put", pb().PutRequest(key=b"q%d" % (i % 4),
                                                                  value=value))
            if code != "OK":
                break
        codes.append((code, details))
        harness.wait_for(lambda: client.must("alarm").alarms, text="the alarm")
    harness.equal(*codes, "a put above the quota")
    harness.equal(codes[0], ("RESOURCE_EXHAUSTED",
                             "etcdserver: mvcc: database space exceeded"), "the refusal")
    for method, request in (
            ("alarm", pb().AlarmRequest()), ("put", pb().PutRequest(key=b"small")),
            ("grant", pb().LeaseGrantRequest(ID=5, TTL=600)),
            ("txn", pb().TxnRequest(success=[put_op(b"small")])),
            ("range", pb().RangeRequest(key=b"small"))):
        results = [client.call(method, request)[:2] for client in pair.clients]
        harness.equal(*results, f"{method} under NOSPACE")
    for client in pair.clients:
        revision = client.get(b"q").header.revision
        client.must("delete", pb().DeleteRangeRequest(key=b"q", range_end=b"r"))
        client.must("compact", pb().CompactionRequest(revision=revision + 1, physical=True))
        client.must("defragment", timeout=60)
        for alarm in client.must("alarm").alarms:
            client.must("alarm", pb().AlarmRequest(action=2, memberID=alarm.memberID,
                                                   alarm=alarm.alarm))
        harness.equal(len(client.must("alarm").alarms), 0, "alarms after disarming")
        client.put(b"small", b"again")


def locks(pair):
    """Lock and Election through their services; keys carry the lease that was given."""
    pair.call("grant", pb().LeaseGrantRequest(ID=0x1234, TTL=6000))
    pair.call("grant", pb().LeaseGrantRequest(ID=0x5678, TTL=6000))
    key = pair.call("lock", pb().LockRequest(name=b"lock", lease=0x1234))[2].key
    pair.call("lock", pb().LockRequest(name=b"lock", lease=0x1234))
    waiting = [client.channel.unary_unary(
        "/v3lockpb.Lock/Lock", request_serializer=lambda m: m.SerializeToString(),
        response_deserializer=pb().LockResponse.FromString).future(
            pb().LockRequest(name=b"lock", lease=0x5678), timeout=60) for client in pair.clients]
    for client in pair.clients:
        harness.wait_for(lambda: client.get(b"lock/", range_end=b"lock0").count == 2,
                         text="the second in the queue")
    pair.call("unlock", pb().UnlockRequest(key=key))
    harness.equal(*(str(w.result().key) for w in waiting), "the second owner")
    pair.call("range", pb().RangeRequest(key=b"lock/", range_end=b"lock0"))
    elections(pair)


def elections(pair):
    pair.call("leader", pb().LeaderRequest(name=b"e"))
    pair.call("resign", pb().ResignRequest())
    pair.call("proclaim", pb().ProclaimRequest(value=b"x"))
    reply = pair.call("campaign", pb().CampaignRequest(name=b"e", lease=0x1234, value=b"me"))[2]
    pair.call("leader", pb().LeaderRequest(name=b"e"))
    pair.call("proclaim", pb().ProclaimRequest(leader=reply.leader, value=b"still me"))
    pair.call("leader", pb().LeaderRequest(name=b"e"))
    pair.call("resign", pb().ResignRequest(leader=reply.leader))
    pair.call("proclaim", pb().ProclaimRequest(leader=reply.leader, value=b"no more"))
    pair.call("leader", pb().LeaderRequest(name=b"e"))
