#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Too much of everything: connections, pings, resets, settings, streams, slow and idle clients.

Memory stays within a named bound, and an innocent client is served all the while.
"""
import os
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from attack import (PREFACE, SETTINGS, Http2, Innocent, check, connect, frame,  # noqa: E402
                    growth, harness, proto, raise_file_limit, send_quietly)

CONNECTIONS = 10000
PER_CONNECTION_KIB = 32
SLOW_LORISES = 500
PINGS = 200000
RESETS = 20000
FLOOD_LIMIT_S = 120
STREAMS = 2000


def many_connections(server):
    """10,000 at once, a third silent, a third half way through a request, a third HTTP/2."""
    files = raise_file_limit()
    n = min(CONNECTIONS, files - 200)
    if n < CONNECTIONS:
        raise harness.Skip(f"only {files} open files are allowed here")
    before = server.memory_kib()
    held = []
    openings = [b"", b"POST /v3/kv/range HTTP/1.1\r\nHost: a\r\nContent-Le", PREFACE + SETTINGS]
    limit = time.monotonic() + FLOOD_LIMIT_S
    with Innocent(server):
        try:
            for i in range(n):
                s = connect(server)
                s.sendall(openings[i % 3])
                held.append(s)
                if time.monotonic() > limit:
                    raise AssertionError(f"{i} connections in {FLOOD_LIMIT_S} s")
            check(server)
            growth(server, before, n * PER_CONNECTION_KIB / 1024, f"{n} connections")
        finally:
            for s in held:
                s.close()
    check(server)


def silent_connection_is_dropped(server):
    """A connection that never says a word does not stay for ever, or costs nothing to keep."""
    before = server.memory_kib()
    held = [connect(server) for _ in range(200)]
    check(server)
    growth(server, before, 10, "200 silent connections")
    for s in held:
        s.close()


def slow_loris(server):
    """Headers that come one byte at a time, on many connections."""
    before = server.memory_kib()
    held = [connect(server) for _ in range(SLOW_LORISES)]
    text = b"GET /version HTTP/1.1\r\nHost: localhost\r\nX-Slow: 1\r\n"
    with Innocent(server):
        for i in range(len(text)):
            for s in held:
                send_quietly(s, text[i:i + 1])
        check(server)
        growth(server, before, 50, f"{SLOW_LORISES} slow clients")
    for s in held:
        s.close()
    check(server)


def drain(s):
    """Read what is there; False at the end of the connection."""
    try:
        while select.select([s], [], [], 0)[0]:
            if not s.recv(65536):
                return False
    except OSError:
        return False
    return True


def flood(server, pieces, read):
    """Send all of `pieces` on one connection; return how many went before the server hung up."""
    s = connect(server)
    s.sendall(PREFACE + SETTINGS)
    limit = time.monotonic() + FLOOD_LIMIT_S
    sent = 0
    for piece in pieces:
        if not send_quietly(s, piece) or time.monotonic() > limit:
            break
        sent += 1
        if read and not drain(s):
            break
    s.close()
    return sent


def bounded_flood(server, what, pieces, read=True, limit_mib=64):
    before = server.memory_kib()
    with Innocent(server):
        sent = flood(server, pieces, read)
        print(f"  {sent} pieces of {what} were taken")
        growth(server, before, limit_mib, what)
    check(server)


def ping_flood(server):
    pings = frame(6, 0, 0, b"12345678") * 100
    bounded_flood(server, "100 pings", (pings for _ in range(PINGS // 100)))


def ping_flood_unread(server):
    """The answers are never read: they must not pile up."""
    pings = frame(6, 0, 0, b"12345678") * 100
    bounded_flood(server, "100 pings", (pings for _ in range(PINGS // 100)), read=False)


def settings_flood(server):
    settings = SETTINGS * 100
    bounded_flood(server, "100 settings", (settings for _ in range(PINGS // 200)), read=False)


def too_many_pings(server):
    """gRPC's own rule: pings without a stream end in GOAWAY with `too_many_pings`."""
    import h2.events
    client = Http2(server)
    for _ in range(20):
        client.h2.ping(b"12345678")
        if not client.flush():
            break
    told = []
    while not told:
        events = client.events()
        if not events:
            break
        told = [e for e in events if isinstance(e, h2.events.ConnectionTerminated)]
    client.close()
    if not told or b"too_many_pings" not in (told[0].additional_data or b""):
        raise AssertionError(f"no GOAWAY with too_many_pings, but {told}")


def rapid_reset(server):
    """Streams that are opened and reset at once (CVE-2023-44487)."""
    import hpack
    encoder = hpack.Encoder()
    headers = [(":method", "POST"), (":scheme", "http"), (":path", "/etcdserverpb.KV/Range"),
               (":authority", "a"), ("content-type", "application/grpc"), ("te", "trailers")]
    body = b"\0" + struct.pack(">I", 3) + b"\x0a\x01a"

    def pieces():
        for i in range(RESETS):
            stream = 2 * i + 1
            yield (frame(1, 4, stream, encoder.encode(headers)) + frame(0, 1, stream, body)
                   + frame(3, 0, stream, b"\0\0\0\x08"))
    bounded_flood(server, "open, send and reset", pieces())


def empty_frames(server):
    """DATA without data, for ever, on one stream."""
    import hpack
    headers = hpack.Encoder().encode([
        (":method", "POST"), (":scheme", "http"), (":path", "/etcdserverpb.KV/Put"),
        (":authority", "a"), ("content-type", "application/grpc"), ("te", "trailers")])

    def pieces():
        yield frame(1, 4, 1, headers)
        for _ in range(PINGS // 100):
            yield frame(0, 0, 1, b"") * 100
    bounded_flood(server, "100 empty frames", pieces())


def many_streams(server):
    """More streams at once than most clients use; each holds a watch."""
    before = server.memory_kib()
    client = proto.Client(server.endpoint)
    with Innocent(server):
        streams = []
        for i in range(STREAMS // 20):
            stream = client.watch()
            stream.send(*(proto.pb().WatchRequest(create_request=proto.pb().WatchCreateRequest(
                key=b"w%d" % (i * 20 + j))) for j in range(20)))
            streams.append(stream)
        for stream in streams:
            stream.wait(lambda got: sum(r.created for r in got) >= 20, text="20 watchers")
        growth(server, before, 100, f"{STREAMS} watchers on {STREAMS // 20} streams")
        client.put(b"w1", b"x")
        streams[0].wait(lambda got: any(r.events for r in got), text="the event")
        for stream in streams:
            stream.close()
    client.close()
    check(server)


def half_closed(server):
    """Clients that vanish without a word, in the middle of a call."""
    with Innocent(server):
        for i in range(500):
            s = connect(server)
            s.sendall((PREFACE + SETTINGS)[:i % 33 + 1])
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()  # a reset
    check(server)


def main():
    suite = harness.Suite(limit_s=850)
    for test in (many_connections, silent_connection_is_dropped, slow_loris, ping_flood,
                 ping_flood_unread, settings_flood, too_many_pings, rapid_reset, empty_frames,
                 many_streams, half_closed):
        run_with_server(suite, test)
    suite.finish()


def run_with_server(suite, test):
    def run():
        raise_file_limit()  # the server inherits it
        with harness.Server() as server:
            test(server)
    suite.run(run, name=test.__name__)


if __name__ == "__main__":
    main()
