#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that ask and never read: what waits for them stays bounded, and costs nobody else.

A watch that is not read, large ranges that are not read, a snapshot that is not read. A watcher that
reads again has missed nothing.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from attack import Http2, Innocent, check, growth, harness, proto  # noqa: E402
from proto import pb  # noqa: E402

EVENTS = 3000
VALUE = b"x" * 20000
UNREAD_MAX_MIB = 48
RANGES = 100


def ours_only(server, why):
    if harness.is_upstream(server.binary):
        raise harness.Skip(why)


def unread_watch(server):
    """60 MB of events for a client that does not read; then it reads them all, in order."""
    reader = Http2(server)
    stream = reader.open("/etcdserverpb.Watch/Watch")
    reader.message(stream, pb().WatchRequest(create_request=pb().WatchCreateRequest(
        key=b"unread")).SerializeToString())
    reader.flush()
    replies = (pb().WatchResponse.FromString(m) for m in reader.messages(stream))
    harness.equal(next(replies).created, True)
    writer = proto.Client(server.endpoint)
    before = server.memory_kib()
    with Innocent(server):
        wanted = [writer.put(b"unread", VALUE).header.revision for _ in range(EVENTS)]
        if not harness.is_upstream(server.binary):
            growth(server, before, UNREAD_MAX_MIB, "an unread watch")
        got = []
        for reply in replies:
            got.extend(event.kv.mod_revision for event in reply.events)
            if got and got[-1] == wanted[-1]:
                break
    harness.equal(len(got), len(wanted), "events that came in the end")
    harness.equal(got, wanted, "their revisions")
    reader.close()
    writer.close()
    check(server)


def many_unread_watches(server):
    """100 such clients for the same 20 MB."""
    ours_only(server, "upstream keeps a copy for each client")
    readers = []
    for _ in range(100):
        reader = Http2(server)
        stream = reader.open("/etcdserverpb.Watch/Watch")
        reader.message(stream, pb().WatchRequest(create_request=pb().WatchCreateRequest(
            key=b"shared")).SerializeToString())
        reader.flush()
        next(reader.messages(stream))
        readers.append(reader)
    writer = proto.Client(server.endpoint)
    before = server.memory_kib()
    with Innocent(server):
        for _ in range(1000):
            writer.put(b"shared", VALUE)
        growth(server, before, 3 * UNREAD_MAX_MIB, "100 unread watches")
    for reader in readers:
        reader.close()
    writer.close()
    check(server)


def unread_ranges(server):
    """100 answers of 10 MB each, on one connection that nobody reads."""
    ours_only(server, "upstream makes every answer ready and keeps it")
    writer = proto.Client(server.endpoint)
    for i in range(500):
        writer.put(b"big/%03d" % i, VALUE)
    before = server.memory_kib()
    reader = Http2(server)
    request = pb().RangeRequest(key=b"big/", range_end=b"big0").SerializeToString()
    with Innocent(server):
        for _ in range(RANGES):
            stream = reader.open("/etcdserverpb.KV/Range")
            reader.message(stream, request, end=True)
            if not reader.flush():
                break
        for _ in range(50):  # later answers, to a client that reads, come all the same
            writer.get(b"big/", range_end=b"big0", limit=1)
        growth(server, before, 256, f"{RANGES} unread ranges")
    reader.close()
    writer.close()
    check(server)


def unread_snapshot(server):
    """A snapshot of 60 MB that is not read."""
    writer = proto.Client(server.endpoint)
    for i in range(EVENTS):
        writer.put(b"snap/%04d" % i, VALUE)
    before = server.memory_kib()
    readers = []
    with Innocent(server):
        for _ in range(5):
            reader = Http2(server)
            stream = reader.open("/etcdserverpb.Maintenance/Snapshot")
            reader.message(stream, b"", end=True)
            reader.flush()
            readers.append((reader, stream))
        for reader, stream in readers:
            next(reader.messages(stream))
        growth(server, before, UNREAD_MAX_MIB, "5 unread snapshots")
    for reader, _ in readers:
        reader.close()
    writer.close()
    check(server)


def unread_gateway_watch(server):
    """The same through HTTP/1.1: the socket's buffers fill, nothing else does."""
    import http.client
    writer = proto.Client(server.endpoint)
    connection = http.client.HTTPConnection("127.0.0.1", server.client_port, timeout=20)
    connection.request("POST", "/v3/watch", body='{"create_request":{"key":"dw=="}}')
    reply = connection.getresponse()
    reply.readline()
    before = server.memory_kib()
    with Innocent(server):
        for _ in range(1000):
            writer.put(b"w", VALUE)
        if not harness.is_upstream(server.binary):
            growth(server, before, UNREAD_MAX_MIB, "an unread watch through the gateway")
    connection.close()
    writer.close()
    check(server)


def main():
    suite = harness.Suite(limit_s=850)
    for test in (unread_watch, many_unread_watches, unread_ranges, unread_snapshot,
                 unread_gateway_watch):
        run_with_server(suite, test)
    suite.finish()


def run_with_server(suite, test):
    def run():
        with harness.Server() as server:
            test(server)
    suite.run(run, name=test.__name__)


if __name__ == "__main__":
    main()
