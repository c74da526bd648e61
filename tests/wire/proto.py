# SPDX-License-Identifier: Apache-2.0
"""gRPC without generated stubs: messages compiled from src/pb/*.proto at test time, calls by path.

`pb()` holds every message class of the API; `Client` makes any call and returns (code, details,
message) instead of raising, because the tests compare refusals as much as answers.
"""
import atexit
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

os.environ.setdefault("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "cpp")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc  # noqa: E402

import harness  # noqa: E402

_loaded = None
MODULES = ("mvccpb", "authpb", "etcdserverpb", "v3lockpb", "v3electionpb", "health")


class _Messages:
    """One namespace over all the modules."""


def pb():
    global _loaded
    if _loaded is None:
        _loaded = _compile()
    return _loaded


def _compile():
    out = tempfile.mkdtemp(prefix="etcd-test-pb-")
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    source = harness.ROOT / "src" / "pb"
    present = [f"{m}.proto" for m in MODULES if (source / f"{m}.proto").exists()]
    subprocess.run(["protoc", f"-I{source}", f"--python_out={out}", *present], check=True,
                   timeout=60, stdin=subprocess.DEVNULL)
    sys.path.insert(0, out)
    space = _Messages()
    for name in present:
        module = importlib.import_module(name[:-len(".proto")] + "_pb2")
        for symbol in module.DESCRIPTOR.message_types_by_name:
            setattr(space, symbol, getattr(module, symbol))
    return space


# Method -> (path, request, reply). Streams are named where they are used.
UNARY = {
    "range": ("etcdserverpb.KV/Range", "RangeRequest", "RangeResponse"),
    "put": ("etcdserverpb.KV/Put", "PutRequest", "PutResponse"),
    "delete": ("etcdserverpb.KV/DeleteRange", "DeleteRangeRequest", "DeleteRangeResponse"),
    "txn": ("etcdserverpb.KV/Txn", "TxnRequest", "TxnResponse"),
    "compact": ("etcdserverpb.KV/Compact", "CompactionRequest", "CompactionResponse"),
    "grant": ("etcdserverpb.Lease/LeaseGrant", "LeaseGrantRequest", "LeaseGrantResponse"),
    "revoke": ("etcdserverpb.Lease/LeaseRevoke", "LeaseRevokeRequest", "LeaseRevokeResponse"),
    "timetolive": ("etcdserverpb.Lease/LeaseTimeToLive", "LeaseTimeToLiveRequest",
                   "LeaseTimeToLiveResponse"),
    "leases": ("etcdserverpb.Lease/LeaseLeases", "LeaseLeasesRequest", "LeaseLeasesResponse"),
    "member_list": ("etcdserverpb.Cluster/MemberList", "MemberListRequest", "MemberListResponse"),
    "member_add": ("etcdserverpb.Cluster/MemberAdd", "MemberAddRequest", "MemberAddResponse"),
    "member_remove": ("etcdserverpb.Cluster/MemberRemove", "MemberRemoveRequest",
                      "MemberRemoveResponse"),
    "member_update": ("etcdserverpb.Cluster/MemberUpdate", "MemberUpdateRequest",
                      "MemberUpdateResponse"),
    "member_promote": ("etcdserverpb.Cluster/MemberPromote", "MemberPromoteRequest",
                       "MemberPromoteResponse"),
    "alarm": ("etcdserverpb.Maintenance/Alarm", "AlarmRequest", "AlarmResponse"),
    "status": ("etcdserverpb.Maintenance/Status", "StatusRequest", "StatusResponse"),
    "defragment": ("etcdserverpb.Maintenance/Defragment", "DefragmentRequest",
                   "DefragmentResponse"),
    "hash": ("etcdserverpb.Maintenance/Hash", "HashRequest", "HashResponse"),
    "hashkv": ("etcdserverpb.Maintenance/HashKV", "HashKVRequest", "HashKVResponse"),
    "move_leader": ("etcdserverpb.Maintenance/MoveLeader", "MoveLeaderRequest",
                    "MoveLeaderResponse"),
    "auth_status": ("etcdserverpb.Auth/AuthStatus", "AuthStatusRequest", "AuthStatusResponse"),
    "authenticate": ("etcdserverpb.Auth/Authenticate", "AuthenticateRequest",
                     "AuthenticateResponse"),
    "lock": ("v3lockpb.Lock/Lock", "LockRequest", "LockResponse"),
    "unlock": ("v3lockpb.Lock/Unlock", "UnlockRequest", "UnlockResponse"),
    "leader": ("v3electionpb.Election/Leader", "LeaderRequest", "LeaderResponse"),
    "campaign": ("v3electionpb.Election/Campaign", "CampaignRequest", "CampaignResponse"),
    "proclaim": ("v3electionpb.Election/Proclaim", "ProclaimRequest", "ProclaimResponse"),
    "resign": ("v3electionpb.Election/Resign", "ResignRequest", "ResignResponse"),
}


class Client:
    """One channel to one server."""

    def __init__(self, endpoint):
        self.channel = grpc.insecure_channel(endpoint, options=[
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.min_reconnect_backoff_ms", 5000),  # how long one attempt to connect may take
            ("grpc.max_reconnect_backoff_ms", 200),
        ])
        self.calls = {}

    def close(self):
        self.channel.close()

    def call(self, method, request=None, timeout=30, metadata=None):
        """Return (code name, details, reply). The reply is None unless the code is OK."""
        if method not in self.calls:
            path, _, reply = UNARY[method]
            self.calls[method] = self.channel.unary_unary(
                "/" + path, request_serializer=lambda m: m.SerializeToString(),
                response_deserializer=getattr(pb(), reply).FromString)
        if request is None:
            request = getattr(pb(), UNARY[method][1])()
        try:
            return "OK", "", self.calls[method](request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            return error.code().name, error.details(), None

    def must(self, method, request=None, timeout=30):
        code, details, reply = self.call(method, request, timeout)
        if code != "OK":
            raise AssertionError(f"{method}: {code}: {details}")
        return reply

    def unary_raw(self, path, data, timeout=30):
        """A call with bytes as they are, both ways."""
        try:
            return "OK", "", self.channel.unary_unary(path)(data, timeout=timeout)
        except grpc.RpcError as error:
            return error.code().name, error.details(), None

    def put(self, key, value, **more):
        return self.must("put", pb().PutRequest(key=key, value=value, **more))

    def get(self, key, **more):
        return self.must("range", pb().RangeRequest(key=key, **more))

    def snapshot(self, timeout=60):
        """Yield the messages of a snapshot stream."""
        stub = self.channel.unary_stream(
            "/etcdserverpb.Maintenance/Snapshot",
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=pb().SnapshotResponse.FromString)
        return stub(pb().SnapshotRequest(), timeout=timeout)

    def watch(self):
        return Stream(self.channel, "/etcdserverpb.Watch/Watch", pb().WatchResponse)

    def keepalive(self):
        return Stream(self.channel, "/etcdserverpb.Lease/LeaseKeepAlive",
                      pb().LeaseKeepAliveResponse)


class Stream:
    """A bidirectional stream whose replies a thread collects in `self.got`."""

    def __init__(self, channel, path, reply):
        self.outbox = []
        self.got = []
        self.ended = None
        self.closing = False
        self.changed = threading.Condition()
        stub = channel.stream_stream(path, request_serializer=lambda m: m.SerializeToString(),
                                     response_deserializer=reply.FromString)
        self.call = stub(self._requests(), timeout=600)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _requests(self):
        while True:
            with self.changed:
                while not self.outbox and not self.closing:
                    self.changed.wait()
                if not self.outbox:
                    return
                request = self.outbox.pop(0)
            yield request

    def _read(self):
        try:
            for reply in self.call:
                with self.changed:
                    self.got.append(reply)
                    self.changed.notify_all()
            ended = ("OK", "")
        except grpc.RpcError as error:
            ended = (error.code().name, error.details())
        with self.changed:
            self.ended = ended
            self.changed.notify_all()

    def send(self, *requests):
        with self.changed:
            self.outbox.extend(requests)
            self.changed.notify_all()

    def wait(self, ready, timeout=60, text="a reply"):
        """Wait until ready(replies) is true, and return it."""
        limit = time.monotonic() + timeout
        with self.changed:
            while True:
                value = ready(self.got)
                if value:
                    return value
                if self.ended:
                    raise AssertionError(f"the stream ended with {self.ended} before {text}")
                left = limit - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    raise TimeoutError(f"{text} did not come; {len(self.got)} replies did, "
                                       f"last {self.got[-1:]}")

    def half_close(self):
        with self.changed:
            self.closing = True
            self.changed.notify_all()

    def close(self):
        self.half_close()
        self.call.cancel()
        self.thread.join(10)
