# SPDX-License-Identifier: Apache-2.0
"""What the hostile tests share: an innocent client beside the attack, and a raw HTTP/2 client.

Every attack is bounded in count and in time. The innocent client puts and gets all the while; an
attack fails the test when one of its calls fails or takes longer than it may.
"""
import pathlib
import resource
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import harness  # noqa: E402
import proto  # noqa: E402

LATENCY_MAX_S = 10.0  # of a server that is not held up, on a busy machine whose disk takes its time
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"


def raise_file_limit():
    """As many descriptors as the system gives; return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Innocent:
    """Another client, served all the while: `with Innocent(server): attack()`."""

    def __init__(self, server):
        self.client = proto.Client(server.endpoint)
        self.stop = threading.Event()
        self.calls, self.slowest, self.trouble = 0, 0.0, None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.stop.is_set():
            key = b"innocent/%d" % (self.calls % 50)
            for method, request in (("put", proto.pb().PutRequest(key=key, value=b"v" * 100)),
                                    ("range", proto.pb().RangeRequest(key=key))):
                began = time.monotonic()
                code, details, _ = self.client.call(method, request, timeout=30)
                if code != "OK":
                    self.trouble = f"{method}: {code}: {details}"
                    return
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.calls += 1
            self.stop.wait(0.005)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        if kind is None:  # at least one call after the attack
            goal = self.calls + 2
            harness.wait_for(lambda: self.calls >= goal or self.trouble, timeout=60,
                             text="an answer to the innocent client")
        self.stop.set()
        self.thread.join(40)
        self.client.close()
        if kind is not None:
            return
        if self.trouble:
            raise AssertionError(f"the innocent client got {self.trouble}")
        if self.slowest > LATENCY_MAX_S:
            raise AssertionError(f"the innocent client waited {self.slowest:.2f} s")
        print(f"  {self.calls} innocent calls, the slowest {self.slowest * 1000:.0f} ms")


def connect(server, timeout=30):
    s = socket.create_connection(("127.0.0.1", server.client_port), timeout=timeout)
    s.settimeout(timeout)
    return s


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def send_quietly(s, data):
    """Send; False when the server has hung up, which is its right."""
    try:
        s.sendall(data)
        return True
    except (ConnectionError, TimeoutError, socket.timeout):
        return False


def read_until_closed(s, limit=1 << 20):
    """What comes until the server hangs up; None when it did not within the socket's timeout."""
    got = b""
    try:
        while len(got) < limit:
            piece = s.recv(65536)
            if not piece:
                return got
            got += piece
    except ConnectionError:
        return got
    except (TimeoutError, socket.timeout):
        return None
    return got


GRPC_HEADERS = [(":method", "POST"), (":scheme", "http"), (":authority", "127.0.0.1"),
                ("content-type", "application/grpc"), ("te", "trailers")]


class Http2:
    """A python-h2 connection over a plain socket, read only when asked to."""

    def __init__(self, server):
        import h2.config
        import h2.connection
        self.socket = connect(server)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False))
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        return send_quietly(self.socket, self.h2.data_to_send())

    def open(self, path, end=False):
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, [(":path", path)] + GRPC_HEADERS, end_stream=end)
        return stream

    def message(self, stream, data, end=False):
        self.h2.send_data(stream, b"\0" + struct.pack(">I", len(data)) + data, end_stream=end)

    def events(self):
        """The events of what comes next; [] at the end or when nothing comes. A frame may come in parts."""
        while True:
            try:
                data = self.socket.recv(65536)
            except (ConnectionError, TimeoutError, socket.timeout):
                return []
            events = self.h2.receive_data(data) if data else []
            if events or not data:
                return events

    def messages(self, stream):
        """Yield the gRPC messages of `stream` as they come, until it ends or nothing more comes."""
        import h2.events
        held = b""
        while True:
            events = self.events()
            if not events:
                return
            for event in events:
                if isinstance(event, h2.events.DataReceived) and event.stream_id == stream:
                    held += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            self.flush()
            while len(held) >= 5 and len(held) >= 5 + struct.unpack(">I", held[1:5])[0]:
                end = 5 + struct.unpack(">I", held[1:5])[0]
                yield held[5:end]
                held = held[end:]

    def close(self):
        self.socket.close()


def check(server):
    """The server lives, and a new client is served."""
    server.check_alive()
    client = proto.Client(server.endpoint)
    client.put(b"check", b"ok")
    client.close()


def growth(server, before_kib, limit_mib, what):
    grown = (server.memory_kib() - before_kib) / 1024
    print(f"  {what}: {grown:+.1f} MiB resident")
    if grown > limit_mib:
        raise AssertionError(f"{what} cost {grown:.0f} MiB, more than {limit_mib}")
