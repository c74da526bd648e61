#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The v2 commands of etcdctl against servers that are none: garbage, redirects, bodies without end,
silence. Where the distribution's etcdctl has an answer to that, ours is the same.
"""
import http.server
import pathlib
import socket
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import beside  # noqa: E402
from beside import THEIRS, Ctl, fresh_server, ours_path, plain  # noqa: E402
from harness import equal, free_ports  # noqa: E402

class Liar(http.server.BaseHTTPRequestHandler):
    """Answers what the test says, to every request."""

    protocol_version = "HTTP/1.1"
    status, headers_, body = 200, {}, b""
    endless = False

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        for name, value in self.headers_.items():
            self.send_header(name, value)
        if self.endless:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
            try:
                while True:
                    self.wfile.write(piece)
            except OSError:
                self.close_connection = True
            return
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


class Lies:
    def __init__(self, status=200, body=b"", headers=None, endless=False):
        kind = type("Lie", (Liar,), {"status": status, "body": body, "headers_": headers or {},
                                     "endless": endless})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


NODE = b'{"action":"get","node":{"key":"/x","value":"v","modifiedIndex":%s,"createdIndex":1}}'
GARBAGE = [
    (200, b""), (200, b"{"), (200, b"garbage"), (200, b"{}x"), (404, b""), (404, b"<html>"),
    (200, NODE % b"-1"), (200, NODE % b"1e3"), (200, NODE % b"1.5"), (200, NODE % b'"1"'),
    (200, NODE % b"18446744073709551615"), (200, NODE % b"18446744073709551616"),
    (200, b'{"action":1,"node":{}}'), (200, b'{"action":"get","node":[]}'),
    (200, b'{"action":"get","node":{"key":"/x","dir":true,"nodes":[{"key":7}]}}'),
    (200, b'{"action":"get","node":{"key":"/x","value":"a\\u0000b\\u2028<"}}'),
    (200, b'{"action":"get","node":{"key":"/x","expiration":"yesterday"}}'),
    (200, b'{"action":"get","node":{"key":"/x","nodes":[]},"prevNode":{"key":"/x"}}'),
    (404, b'{"errorCode":100,"message":"m","cause":"c","index":3}'),
    (404, b'{"errorCode":"x"}'), (404, b"{}"), (301, b""), (500, b"x"), (502, b""), (503, b""),
    (504, b""), (505, b""), (599, b""),
]


def garbage():
    """D25: answers that no etcd gives."""
    wrong = []
    for status, body in GARBAGE:
        with Lies(status, body) as lies:
            for line in ("--no-sync get /x", "--no-sync -o json get /x", "--no-sync set /x y",
                         "--no-sync rm /x", "--no-sync -o json ls /", "get /x"):
                theirs, ours = (plain(Ctl(p, lies.url).run(line)) for p in (THEIRS, ours_path()))
                if theirs != ours:
                    wrong.append(f"{status} {body!r} {line}\n  theirs {theirs}\n  ours   {ours}")
    if wrong:
        raise AssertionError(f"{len(wrong)} differ\n" + "\n".join(wrong[:20]))


def garbage_lists():
    """The same for members, users and roles: the words of Go's JSON parser are not all ours."""
    for body in (b"", b"garbage", b"[]", b'{"members":7}', b'{"users":[7]}', b'{"roles":[{"role":1}]}',
                 b'{"health":7}', b"\xff\xfe", b"[" * 100000):
        with Lies(200, body) as lies:
            for line in ("--no-sync member list", "cluster-health", "--no-sync user list",
                         "--no-sync role list", "--no-sync user get x", "--no-sync role get x"):
                theirs, ours = (Ctl(p, lies.url).run(line) for p in (THEIRS, ours_path()))
                if ours[0] not in (0, 1, 4, 5) or ours[0] != theirs[0]:
                    raise AssertionError(f"{body[:40]!r} {line}: theirs {theirs}, ours {ours}")


def redirects():
    with fresh_server(free_ports(2)) as server:
        for location in (server.url + "/v2/keys/x", "", "/v2/keys/x", "http://%zz", "ftp://a/",
                         "self"):
            with Lies(307, b"", {"Location": location} if location else {}) as lies:
                if location == "self":
                    lies.server.RequestHandlerClass.headers_ = {"Location": lies.url + "/x"}
                for line in ("--no-sync get /x", "--no-sync set /x y", "--no-sync mk /x y"):
                    theirs, ours = (plain(Ctl(p, lies.url).run(line))
                                    for p in (THEIRS, ours_path()))
                    equal(ours, theirs, f"{location} {line}")


def endless():
    """A body without end is cut by --total-timeout."""
    with Lies(endless=True) as lies:
        status, out, err = Ctl(ours_path(), lies.url).run(
            "--no-sync --total-timeout 200ms get /x")
    equal((status, out), (4, ""), "the end")
    if err not in ("Error:  context deadline exceeded\n",
                   "Error:  client: the answer is longer than 268435456 bytes\n"):
        raise AssertionError(err)


def silent():
    """A server that accepts and says nothing: --timeout, and what is not tried again."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for line in ("--timeout 100ms --no-sync get /x", "--timeout 100ms get /x",
                     "--timeout 100ms --no-sync mk /x y", "--total-timeout 100ms get /x"):
            theirs, ours = (plain(Ctl(p, url).run(line)) for p in (THEIRS, ours_path()))
            equal(ours, theirs, line)


def cut():
    """A server that hangs up: at once, and in the middle of a body."""
    for answer in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"

            def serve(s=listener, text=answer):
                try:
                    while True:
                        peer, _ = s.accept()
                        peer.recv(65536)
                        peer.sendall(text)
                        peer.shutdown(socket.SHUT_WR)
                        peer.recv(1)
                        peer.close()
                except OSError:
                    pass
            threading.Thread(target=serve, daemon=True).start()
            for line in ("--no-sync get /x", "--no-sync set /x y", "--no-sync mk /x y"):
                theirs, ours = (plain(Ctl(p, url).run(line)) for p in (THEIRS, ours_path()))
                equal(ours, theirs, f"{answer} {line}")
            listener.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    beside.main([garbage, garbage_lists, redirects, endless, silent, cut])
