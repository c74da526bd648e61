#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bytes that no client should send: the server answers with an error or hangs up, and lives.

Random bytes, half frames, header bombs, wrong lengths, deep nesting, malformed HPACK, JSON and
protobuf. Seeded: SEED repeats a run.
"""
import json
import os
import random
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hpack

from attack import (GRPC_HEADERS, PREFACE, SETTINGS, Http2, Innocent, check, connect, frame,  # noqa: E402
                    growth, harness, proto, read_until_closed, send_quietly)
from harness import equal  # noqa: E402

ROUNDS = 150
HANG_UP_S = 30
BOMB = 64 << 20
HEADERS_MAX_MIB = 32


def random_bytes(server, rng):
    """Plain noise, and noise after the start of each protocol that the port speaks."""
    starts = [b"", b"GET /", b"POST /v3/kv/range HTTP/1.1\r\n", PREFACE, PREFACE + SETTINGS,
              b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0", b"PRI * HTTP/2.0\r\n"]
    with Innocent(server):
        for _ in range(ROUNDS):
            s = connect(server)
            send_quietly(s, rng.choice(starts) + rng.randbytes(rng.choice([1, 9, 100, 5000])))
            s.close()
    check(server)


def mutated_frames(server, rng):
    """A good conversation with some bytes changed, cut at a random place."""
    headers = hpack.Encoder().encode([(":path", "/etcdserverpb.KV/Range")] + GRPC_HEADERS)
    message = proto.pb().RangeRequest(key=b"a", range_end=b"b").SerializeToString()
    good = (PREFACE + SETTINGS + frame(1, 4, 1, headers)
            + frame(0, 1, 1, b"\0" + struct.pack(">I", len(message)) + message))
    with Innocent(server):
        for _ in range(ROUNDS * 2):
            data = bytearray(good)
            for _ in range(rng.randint(0, 6)):
                data[rng.randrange(len(PREFACE), len(data))] = rng.randrange(256)
            s = connect(server)
            send_quietly(s, bytes(data[:rng.randint(len(PREFACE), len(data))]))
            s.close()
    check(server)


def bad_frames(server, _):
    """Each breaks one rule of HTTP/2: the connection must end, with GOAWAY or without."""
    cases = {
        "an oversized frame": b"\xff\xff\xff\0\0\0\0\0\1" + b"x" * 20000,
        "DATA on stream 0": frame(0, 0, 0, b"x"),
        "HEADERS on stream 0": frame(1, 4, 0, b"\x82"),
        "an even stream": frame(1, 5, 2, b"\x82"),
        "a bad HPACK index": frame(1, 5, 1, b"\xff\xff\xff\xff\x7f"),
        "CONTINUATION alone": frame(9, 4, 1, b"\x82"),
        "SETTINGS of 5 bytes": frame(4, 0, 0, b"12345"),
        "SETTINGS on a stream": frame(4, 0, 1, b""),
        "a PING of 7 bytes": frame(6, 0, 0, b"1234567"),
        "a zero WINDOW_UPDATE": frame(8, 0, 0, b"\0\0\0\0"),
        "a window past 2^31": frame(8, 0, 0, b"\x7f\xff\xff\xff") * 2,
        "padding longer than the frame": frame(0, 8, 1, b"\xff"),
        "PUSH_PROMISE from a client": frame(5, 4, 1, b"\0\0\0\2\x82"),
    }
    if harness.is_upstream(server.binary):
        for what in ("an even stream", "a window past 2^31",
                     "PUSH_PROMISE from a client"):
            del cases[what]  # upstream keeps these connections
    with Innocent(server):
        for what, data in cases.items():
            s = connect(server, HANG_UP_S)
            send_quietly(s, PREFACE + SETTINGS + data)
            if read_until_closed(s) is None:
                raise AssertionError(f"after {what} the connection stayed open")
            s.close()
    check(server)


def hung_up_on(server, opening, piece):
    """Send up to BOMB bytes; the server must hang up, whether or not it took them."""
    s = connect(server, HANG_UP_S)
    send_quietly(s, opening)
    for _ in range(BOMB // len(piece)):
        if not send_quietly(s, piece):
            break
    if read_until_closed(s) is None:
        raise AssertionError("the connection stayed open")
    s.close()


def header_bomb(server, _):
    """Header blocks without end, and HPACK that makes much of few bytes."""
    if harness.is_upstream(server.binary):
        raise harness.Skip("upstream 3.4.23 reads header blocks without end")
    before = server.memory_kib()
    literal = b"\0\x04evil\x7f\x00" + b"x" * 127
    entry = b"\x40\x01a\x7f\xa1\x1e" + b"v" * 4000  # enters the dynamic table
    with Innocent(server):
        hung_up_on(server, PREFACE + SETTINGS + frame(1, 0, 1, b"\x82"),
                   frame(9, 0, 1, literal * 119))
        for _ in range(20):
            s = connect(server, HANG_UP_S)
            send_quietly(s, PREFACE + SETTINGS + frame(1, 5, 1, entry + b"\xbe" * 12000))
            s.close()
        hung_up_on(server, b"GET /version HTTP/1.1\r\nHost: x\r\n",
                   (b"X-Header: " + b"y" * 8000 + b"\r\n") * 16)
        hung_up_on(server, b"GET /version HTTP/1.1\r\nHost: x\r\nX-Header: ", b"y" * 65536)
        hung_up_on(server, b"GET /", b"y" * 65536)
        growth(server, before, HEADERS_MAX_MIB, "header bombs")
    check(server)


def grpc_framing(server, _):
    """Wrong message frames inside a sound HTTP/2 stream get a status, not silence."""
    path = "/etcdserverpb.KV/Range"
    cases = {"a length beyond the data": b"\0\0\0\0\x64abc",
             "a length of 4 GiB": b"\0\xff\xff\xff\xff",
             "compressed without encoding": b"\1\0\0\0\x03abc",
             "nothing": b"", "half a prefix": b"\0\0",
             "malformed protobuf": b"\0\0\0\0\x02\x0a\xff",
             "a bad wire type": b"\0\0\0\0\x02\x0f\x01"}
    with Innocent(server):
        for what, data in cases.items():
            client = Http2(server)
            stream = client.open(path)
            client.h2.send_data(stream, data, end_stream=True)
            client.flush()
            status = grpc_status(client)
            if status in (None, "0"):
                raise AssertionError(f"{what}: grpc-status {status}")
            client.close()
    check(server)


def grpc_status(client):
    """The status of the first stream that ends; "reset" when it was reset, None at the end."""
    import h2.events
    while True:
        events = client.events()
        if not events:
            return None
        for event in events:
            headers = dict(getattr(event, "headers", None) or [])
            if "grpc-status" in headers:
                return headers["grpc-status"]
            if isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                return "reset"
        client.flush()


def one_byte_over(server, _):
    """The largest request is taken, one byte more is refused; so is a little more and much more."""
    pb = proto.pb()
    largest = 1572864
    client = proto.Client(server.endpoint)
    for n, code in ((largest - 1000, "OK"), (largest + 1, "INVALID_ARGUMENT"),
                    (largest + (1 << 20), "RESOURCE_EXHAUSTED"),
                    (64 << 20, "RESOURCE_EXHAUSTED")):
        got, details, _ = client.call("put", pb.PutRequest(key=b"k", value=b"x" * n), timeout=30)
        if n > 2 << 20 and got in ("UNAVAILABLE", "INTERNAL"):
            continue  # the refusal came while the rest was on its way
        equal(got, code, f"a put of {n} bytes: {details}")
    client.close()
    check(server)


def deep_nesting(server, _):
    """Transactions in transactions, arrays in arrays: refused, without a stack running over."""
    inner = b""
    for _ in range(20000):
        for tag in (b"\x22", b"\x12"):  # RequestOp.request_txn, TxnRequest.success
            inner = tag + varint(len(inner)) + inner
    client = proto.Client(server.endpoint)
    code, _, _ = client.unary_raw("/etcdserverpb.KV/Txn", inner[:0] + inner)
    if code == "OK":
        raise AssertionError("a transaction of 20000 levels was taken")
    client.close()
    for body in ("[" * 200000, '{"success":[{"request_txn":' * 5000,
                 '{"a":' * 100000 + "1" + "}" * 100000):
        status = post(server, "/v3/kv/txn", body)
        if not 400 <= status < 500:
            raise AssertionError(f"status {status} for deep JSON")
    check(server)


def varint(n):
    out = b""
    while n > 0x7f:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def post(server, path, body):
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", server.client_port, timeout=20)
    connection.request("POST", path, body=body, headers={"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return status


def bad_json(server, rng):
    """Broken and odd JSON gets a 4xx."""
    bodies = ["", "{", "}", '{"key":', '"x"', "null", "[]", '{"key":"a"}', '{"key":"\\u12"}',
              '{"limit":1e400}', '{"limit":"99999999999999999999"}', '{"key":"Zm9v"} trailing',
              '{"key":"' + "A" * (3 << 20) + '"}', "\xff\xfe", '{"sort_order":"NONSENSE"}']
    with Innocent(server):
        for body in bodies:
            status = post(server, "/v3/kv/range", body.encode("latin-1"))
            if status >= 500 or status < 200:
                raise AssertionError(f"status {status} for {body[:50]!r}")
        template = json.dumps({"key": "Zm9v", "range_end": "Z28=", "limit": "5"})
        for _ in range(ROUNDS):
            text = bytearray(template.encode())
            for _ in range(rng.randint(1, 5)):
                text[rng.randrange(len(text))] = rng.randrange(256)
            if post(server, "/v3/kv/range", bytes(text)) >= 500:
                raise AssertionError(f"a server's error for {bytes(text)!r}")
    check(server)


def random_protobuf(server, rng):
    """Noise as a request of every unary method: any answer, but an answer."""
    client = proto.Client(server.endpoint)
    with Innocent(server):
        for _ in range(ROUNDS):
            path, _, _ = rng.choice([v for k, v in proto.UNARY.items()
                                     if not k.startswith(("member_", "lock", "campaign"))])
            data = rng.randbytes(rng.choice([1, 3, 10, 200]))
            client.unary_raw("/" + path, data, timeout=20)
            server.check_alive()
    client.close()
    check(server)


def main():
    suite = harness.Suite(limit_s=850)
    seed = harness.seed_from_environment()
    for test in (random_bytes, mutated_frames, bad_frames, header_bomb, grpc_framing,
                 one_byte_over, deep_nesting, bad_json, random_protobuf):
        with_server(suite, test, random.Random(seed))
    suite.finish()


def with_server(suite, test, rng):
    def run():
        with harness.Server() as server:
            test(server, rng)
    suite.run(run, name=test.__name__)


if __name__ == "__main__":
    main()
