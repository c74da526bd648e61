#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same calls to the server under test and to Debian's etcd 3.4.23; every answer compared.

Answers are compared whole: code, message, and every field. Where the release that is served differs
from 3.4 on purpose, INTENDED says how and why, in one table; nothing else is forgiven. Both servers
are given the same advertised URLs, so cluster and member ids must be equal too; only what depends on
the machine's time and disk (raft indexes, terms, sizes) is left out, in `blank`.
"""
import http.client
import json
import os
import random
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import grpc  # noqa: E402
import harness  # noqa: E402
import proto  # noqa: E402
import script  # noqa: E402
from generate import Generator  # noqa: E402
from google.protobuf import json_format, text_format  # noqa: E402
from proto import pb  # noqa: E402

ADVERTISE = ("http://127.0.0.1:2379", "http://127.0.0.1:2380")
OPS = int(os.environ.get("OPS") or 6000)
GATEWAY_SHARE = 0.15
TXN_REFUSALS = {
    ("NOT_FOUND", "etcdserver: requested lease not found"),
    ("INVALID_ARGUMENT", "etcdserver: key not found"),
    ("OUT_OF_RANGE", "etcdserver: mvcc: required revision has been compacted"),
    ("OUT_OF_RANGE", "etcdserver: mvcc: required revision is a future revision"),
}
INVALID_SORT = ("INVALID_ARGUMENT", "etcdserver: invalid sort option", None)


# ---- what 3.7 does otherwise than 3.4.23, by row of the feature list ------------------------------
# (row, why, method, applies(request, result), what 3.7 answers(request, result, the subject's answer))

def _sort_invalid(request, _):
    return request.key and request.sort_order not in (0, 1, 2)


def _ranges(request, reply):
    """Each range request in a transaction that was carried out, with its answer."""
    for op, answer in zip(request.success if reply.succeeded else request.failure,
                          reply.responses):
        if op.HasField("request_range"):
            yield op.request_range, answer.response_range
        elif op.HasField("request_txn"):
            yield from _ranges(op.request_txn, answer.response_txn)


def _without_lease(ranges):
    for request, reply in ranges:
        if request.keys_only and request.sort_target != pb().RangeRequest.VALUE:
            for kv in reply.kvs:
                kv.lease = 0


def _keys_only(request, result, _got):
    _without_lease([(request, result[2])])
    return result


def _keys_only_in_txn(request, result, _got):
    _without_lease(_ranges(request, result[2]))
    return result


def _other_refusal(request, result, got):
    return got if result[:2] in TXN_REFUSALS and got[:2] in TXN_REFUSALS else result


def _answered(_, result):
    return result[0] == "OK"


def _with_hash_revision(request, result, _got):
    result[2].hash_revision = request.revision or result[2].header.revision
    return result


def _at_compacted(request, result, got):
    reply = got[2]
    if got[0] == "OK" and reply.compact_revision == reply.hash_revision == request.revision:
        return got
    return result


INTENDED = [
    ("A25", "3.6 refuses sort options it does not know", "range", _sort_invalid,
     lambda request, result, got: INVALID_SORT),
    ("A26", "3.7 answers keys_only from the index, which has no lease", "range", _answered,
     _keys_only),
    ("A26", "the same inside a transaction", "txn", _answered, _keys_only_in_txn),
    ("A16", "3.5 checks operations in their order, 3.4 all puts before all ranges: of two reasons "
     "to refuse it names the other", "txn", lambda request, result: result[0] != "OK",
     _other_refusal),
    ("Q19", "3.6 names the revision that was hashed", "hashkv", _answered, _with_hash_revision),
    ("A37", "3.5 hashes the compacted revision itself, too", "hashkv",
     lambda request, result: result[0] == "OUT_OF_RANGE", _at_compacted),
]


def intended(method, request, result, got):
    for _, _, for_method, applies, change in INTENDED:
        if for_method == method and applies(request, result):
            return change(request, result, got)
    return result


# ---- what is not compared -------------------------------------------------------------------------

def blank_header(header):
    if header.raft_term:
        header.raft_term = 1


def blank(method, reply):
    """Take out of `reply` what depends on the machine and not on the calls."""
    if reply is None:
        return
    if reply.DESCRIPTOR.fields_by_name.get("header") is not None and reply.HasField("header"):
        blank_header(reply.header)
    if method in ("alarm", "member_list"):  # 3.4 leaves parts of these headers out (Q23)
        reply.header.Clear()
    if method == "status":
        for field in ("version", "storageVersion", "downgradeInfo", "dbSizeQuota"):
            reply.ClearField(field)
        for field in ("dbSize", "dbSizeInUse", "raftIndex", "raftTerm", "raftAppliedIndex"):
            setattr(reply, field, 1 if getattr(reply, field) > 0 else 0)
    if method == "timetolive":
        reply.TTL = settled_ttl(reply.TTL, reply.grantedTTL)
        reply.keys[:] = sorted(reply.keys)  # 3.4 lists them in no order
    if method == "leases":
        ordered = sorted(lease.ID for lease in reply.leases)
        del reply.leases[:]
        reply.leases.extend(pb().LeaseStatus(ID=i) for i in ordered)


def settled_ttl(ttl, granted):
    """Seconds pass between the two calls: what is left counts as what was granted."""
    return granted if granted - 60 <= ttl <= granted else ttl


def show(result):
    code, details, reply = result
    text = text_format.MessageToString(reply, as_one_line=True) if reply is not None else details
    return f"{code}: {text}"[:1500]


class OracleTrouble(Exception):
    """Now and then 3.4's gateway loses its connection to its own server, in the middle of a call."""


class Pair:
    """The two servers, one call to both at a time."""

    def __init__(self, extra=()):
        self.subject = harness.Server(args=extra, advertise=ADVERTISE)
        self.oracle = harness.Server(binary=harness.UPSTREAM, args=extra, advertise=ADVERTISE)
        self.same_release = harness.is_upstream(self.subject.binary)
        self.log = []

    def __enter__(self):
        self.subject.__enter__()
        self.oracle.__enter__()
        self.clients = [proto.Client(self.subject.endpoint), proto.Client(self.oracle.endpoint)]
        return self

    def __exit__(self, *why):
        for client in self.clients:
            client.close()
        try:
            self.subject.__exit__(*why)
        finally:
            self.oracle.__exit__(*why)

    def call(self, method, request, timeout=60):
        """Make the call on both sides, compare, and return the oracle's result."""
        results = []
        for client in self.clients:
            result = client.call(method, request, timeout)
            blank(method, result[2])
            results.append(result)
        got, want = results
        if not self.same_release:
            want = intended(method, request, want, got)
        self.log.append((method, request))
        if got != want:
            self.differ(method, request, got, want)
        if want[0] != "OK" and method != "range":
            self.same_revision(method, request)
        return results[1]

    def same_revision(self, method, request):
        """What was refused must have changed nothing, or the same, on both sides."""
        got, want = [client.get(b"?").header.revision for client in self.clients]
        if got != want:
            self.differ(method, request, ("OK", f"left revision {got}", None),
                        ("OK", f"left revision {want}", None))

    def differ(self, method, request, got, want):
        before = [f"  {m} {self.short(r)[:400]}" for m, r in self.log[-8:]]
        raise AssertionError("\n".join([
            f"answers differ at call {len(self.log)}, {method} {self.short(request)[:1500]}",
            "  subject " + show(got), "  oracle  " + show(want), "the calls before:", *before]))

    @staticmethod
    def short(request):
        """One line, long runs of one letter cut."""
        return re.sub(r"(.)\1{40,}", r"\1...\1", text_format.MessageToString(
            request, as_one_line=True))

    # -- the gateway --

    def post(self, path, body, verb="POST"):
        """The same HTTP request to both; compare status, type and JSON; return the oracle's."""
        got, want = [raw_http(s, verb, path, body) for s in (self.subject, self.oracle)]
        if not self.same_release:
            want = gateway_intended(path, verb, want)
        if got != want:
            raise AssertionError(f"{verb} {path} {body!r}\n  subject {got}\n  oracle  {want}")
        return want

    def gateway(self, method, path, request):
        """One call through the gateway: the same rules as for gRPC, and the same JSON."""
        self.log.append(("gateway " + method, request))
        body = json_format.MessageToJson(request, preserving_proto_field_name=True)
        got, want = [raw_http(s, "POST", "/v3/" + path, body)
                     for s in (self.subject, self.oracle)]
        if want[0] == 503 and "transport is closing" in str(want[2]):
            raise OracleTrouble(str(want))
        if not self.same_release:
            want = gateway_intended(path, "POST", want)
            want = self.gateway_wanted(method, request, want, got)
        if got != want:
            self.differ("gateway " + method, request, ("OK", str(got), None),
                        ("OK", str(want), None))
        if want[0] != 200:
            self.same_revision("gateway " + method, request)

    @staticmethod
    def gateway_wanted(method, request, want, got):
        """Apply INTENDED to what the JSON stands for."""
        if want[0] != 200:
            result = intended(method, request, refusal(want), refusal(got))
            return got if result == refusal(got) else want
        reply = getattr(pb(), proto.UNARY[method][2])()
        json_format.ParseDict(want[2], reply)
        before = reply.SerializeToString(deterministic=True)
        code, details, reply = intended(method, request, ("OK", "", reply), None)
        if code != "OK":
            return 400, ("application/json", None), {"code": 3, "message": details}
        if reply.SerializeToString(deterministic=True) == before:
            return want
        return want[0], want[1], json_format.MessageToDict(reply, preserving_proto_field_name=True)


def refusal(http_answer):
    """The gRPC result that an error of the gateway stands for."""
    value = http_answer[2] if isinstance(http_answer[2], dict) else {}
    codes = {code.value[0]: code.name for code in grpc.StatusCode}
    return codes.get(value.get("code"), "OK"), value.get("message", ""), None


def raw_http(server, verb, path, body):
    """Return (status, (content type, the header that says gRPC answered), JSON or text)."""
    connection = http.client.HTTPConnection("127.0.0.1", server.client_port, timeout=60)
    connection.request(verb, path, body=body, headers={"Content-Type": "application/json"})
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    try:
        value = json.loads(text)
    except ValueError:
        value = text.decode("utf-8", "replace")
    blank_json(value)
    from_grpc = reply.getheader("Grpc-Metadata-Content-Type") if reply.status == 200 else None
    return reply.status, (reply.getheader("Content-Type"), from_grpc), value


def blank_json(value):
    if isinstance(value, dict):
        value.pop("raft_term", None)
        if "grantedTTL" in value:
            value["TTL"] = settled_ttl(int(value["TTL"]), int(value["grantedTTL"]))
            value["keys"] = sorted(value.get("keys", []))
        for inner in value.values():
            blank_json(inner)
    elif isinstance(value, list):
        for inner in value:
            blank_json(inner)


def gateway_intended(path, verb, want):
    """J5, J6, J8: the gateway of 3.6 has one text field less, 400 for 412, 501 for a GET, and says
    in JSON that there is no such path."""
    status, kind, value = want
    if status == 404 and path.startswith("/v3/") and value == "Not Found\n":
        kind, value = ("application/json", None), {"code": 5, "message": "Not Found"}
    if isinstance(value, dict) and "error" in value and "code" in value:
        value = {k: v for k, v in value.items() if k != "error"}
        status = 400 if status == 412 else status
    if verb == "GET" and status == 405:
        kind = ("application/json", None)
        status, value = 501, {"code": 12, "message": "Method Not Allowed"}
    return status, kind, value


# ---- watching both --------------------------------------------------------------------------------

class WatchPair:
    """One watch stream to each side, with the same watchers."""

    def __init__(self, pair):
        self.pair = pair
        self.streams = [client.watch() for client in pair.clients]
        self.specs = []

    def create(self, **spec):
        request = pb().WatchRequest(create_request=pb().WatchCreateRequest(**spec))
        for stream in self.streams:
            stream.send(request)
        self.specs.append(request.create_request)
        n = len(self.specs)
        for stream in self.streams:
            stream.wait(lambda got: sum(r.created for r in got) >= n, text="created")

    @staticmethod
    def of(got, watch_id):
        return [r for r in got if r.watch_id == watch_id]

    def expect(self, counts):
        """Wait until watcher i has had counts[i] events (or was cancelled), on both sides."""
        for stream in self.streams:
            for watch_id, count in counts.items():
                stream.wait(lambda got: self.done(self.of(got, watch_id), count), text=(
                    f"event {count} of watcher {watch_id}, {self.specs[watch_id]}"))

    @staticmethod
    def done(replies, count):
        return sum(len(r.events) for r in replies) >= count or any(r.canceled for r in replies)

    def finish(self):
        """Cancel what is left, wait for the farewells, compare all."""
        for stream in self.streams:
            for watch_id in range(len(self.specs)):
                if not any(r.canceled for r in self.of(stream.got, watch_id)):
                    stream.send(pb().WatchRequest(
                        cancel_request=pb().WatchCancelRequest(watch_id=watch_id)))
        for stream in self.streams:
            stream.wait(lambda got: sum(r.canceled for r in got) >= len(self.specs),
                        text="canceled")
        subject, oracle = self.streams
        for watch_id, spec in enumerate(self.specs):
            got, want = [self.flat(self.of(s.got, watch_id)) for s in (subject, oracle)]
            if got != want:
                raise AssertionError(first_difference(spec, got, want))
        for stream in self.streams:
            stream.close()

    @staticmethod
    def flat(replies):
        """What a watcher saw, without where the batches were cut."""
        flat = []
        for r in replies:
            if r.created or r.canceled:
                flat.append(f"created={r.created} canceled={r.canceled} "
                            f"compact={r.compact_revision} reason={r.cancel_reason!r}")
            flat.extend(text_format.MessageToString(e, as_one_line=True) for e in r.events)
            revisions = {e.kv.mod_revision for e in r.events}
            if revisions and r.header.revision < max(revisions):
                flat.append(f"header {r.header.revision} is older than its events")
        return flat


def first_difference(spec, got, want):
    at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    return (f"watcher {text_format.MessageToString(spec, as_one_line=True)}: {len(got)} and "
            f"{len(want)} items, the first difference at {at}:\n  subject {got[at:at + 2]}\n"
            f"  oracle  {want[at:at + 2]}")


def in_range(spec, key):
    start, end = spec.key or b"\0", spec.range_end
    if not end:
        return key == start
    return key >= start and (end == b"\0" or key < end)


def wanted_events(spec, history):
    """How many events of `history` a watcher must have seen."""
    return sum(1 for e in history
               if in_range(spec, e.kv.key) and e.kv.mod_revision >= spec.start_revision
               and not (e.type == 0 and 0 in spec.filters)
               and not (e.type == 1 and 1 in spec.filters))


class Run:
    """One random run: calls, live watchers, watchers over the past, hashes."""

    def __init__(self, pair, seed, ops):
        self.pair = pair
        self.rng = random.Random(seed)
        self.generator = Generator(self.rng)
        self.ops = ops
        self.revision, self.compacted = 1, 0
        self.all = pair.clients[1].watch()
        self.all.send(pb().WatchRequest(create_request=pb().WatchCreateRequest(
            key=b"\0", range_end=b"\0", start_revision=2)))
        self.live = WatchPair(pair)
        self.live_since = 0

    def history(self):
        return [e for r in list(self.all.got) for e in r.events]

    def settle(self):
        """Wait until the past is known up to the present revision, here and at every live watcher."""
        self.revision = self.pair.call("range", pb().RangeRequest(key=b"?"))[2].header.revision
        if self.revision > 1:
            self.all.wait(lambda got: got and got[-1].events
                          and got[-1].events[-1].kv.mod_revision >= self.revision, text="history")
        history = self.history()
        recent = [e for e in history if e.kv.mod_revision > self.live_since]
        self.live.expect({i: wanted_events(spec, recent)
                          for i, spec in enumerate(self.live.specs)})

    def watch_from_now(self):
        self.settle()
        self.live_since = self.revision
        for _ in range(8):
            self.live.create(**self.generator.watch())

    def watch_past(self):
        """Watchers that begin in the past, before and after the compacted revision."""
        self.settle()
        history, past = self.history(), WatchPair(self.pair)
        starts = [r for r in range(max(1, self.compacted - 3), self.revision + 1)
                  if r != self.compacted]  # there 3.4.23 has lost what was deleted (A34)
        for _ in range(6):
            past.create(**self.generator.watch(start=self.rng.choice(starts)))
        past.expect({i: wanted_events(spec, history) for i, spec in enumerate(past.specs)})
        past.finish()

    def hashes(self):
        for revision in {0, self.compacted - 1, self.compacted + 1, self.revision,
                         *(self.rng.randint(self.compacted + 1, self.revision + 1)
                           for _ in range(4))}:
            self.pair.call("hashkv", pb().HashKVRequest(revision=revision))

    def compact(self):
        self.settle()
        code, _, _ = self.pair.call("compact", pb().CompactionRequest(
            revision=self.rng.randint(max(1, self.compacted - 1), self.revision + 1),
            physical=True))  # at 0 3.4.23 then says that it compacted at 0, not never
        if code == "OK":
            self.compacted = self.pair.log[-1][1].revision
        self.generator.compacted = self.compacted

    def step(self):
        method, request = self.generator.call()
        path = PATHS.get(method)
        if path and self.rng.random() < GATEWAY_SHARE:
            self.pair.gateway(method, path, request)
            return
        reply = self.pair.call(method, request)[2]
        if reply is not None and reply.header.revision:
            self.revision = self.generator.revision = reply.header.revision

    def run(self):
        for i in range(self.ops):
            if i == self.ops // 20:
                self.watch_from_now()
            self.step()
            if i % 100 == 99:
                self.hashes()
            if i % 250 == 249:
                self.watch_past()
            if i % 400 == 399:
                self.compact()
        self.settle()
        self.watch_past()
        self.hashes()
        self.live.finish()
        self.all.close()


PATHS = {"range": "kv/range", "put": "kv/put", "delete": "kv/deleterange", "txn": "kv/txn",
         "compact": "kv/compaction", "grant": "lease/grant", "revoke": "lease/revoke",
         "timetolive": "lease/timetolive"}


# ---- the tests ------------------------------------------------------------------------------------

def random_calls(seed, ops):
    for _ in range(3):
        try:
            with Pair() as pair:
                return Run(pair, seed, ops).run()
        except OracleTrouble as why:
            print(f"# once more: {why}")
    raise harness.Skip("the oracle's gateway failed three times")


def scripted(steps):
    """What chance rarely meets: every refusal, the edges of each limit, other services."""
    with Pair() as pair:
        steps(pair)


def alarms_and_quota():
    with Pair(["--quota-backend-bytes", str(16 << 20)]) as pair:
        script.quota(pair)


def restart_keeps_everything():
    """After a restart the answers, the hashes and the history are what they were."""
    with Pair() as pair:
        run = Run(pair, 7, 300)
        run.run()
        for server in (pair.subject, pair.oracle):
            server.kill()
            server.start()
        for client in pair.clients:
            client.close()
        pair.clients = [proto.Client(s.endpoint) for s in (pair.subject, pair.oracle)]
        pair.call("range", pb().RangeRequest(key=b"\0", range_end=b"\0"))
        pair.call("hashkv", pb().HashKVRequest())
        pair.call("leases", pb().LeaseLeasesRequest())
        pair.call("member_list", pb().MemberListRequest())


def main():
    suite = harness.Suite(limit_s=880)
    if not harness.UPSTREAM:
        suite.run(missing_upstream)
        suite.finish()
    seed = harness.seed_from_environment()
    for steps in (script.kv, script.transactions, script.leases, script.cluster,
                  script.maintenance, script.watch, script.gateway, script.locks):
        suite.run(scripted, steps, name=steps.__name__)
    suite.run(alarms_and_quota)
    suite.run(restart_keeps_everything)
    for i in range(3):
        suite.run(random_calls, seed + i, OPS // 3, name=f"random_calls_{i}")
    suite.finish()


def missing_upstream():
    raise harness.Skip("the distribution's etcd is not installed")


if __name__ == "__main__":
    main()
