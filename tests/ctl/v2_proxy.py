#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The v2 commands of etcdctl behind an HTTP proxy: what the proxy is asked for, and what is made of it,
is the same as with the distribution's etcdctl. Nothing but the proxy knows where etcd.example is.
"""
import pathlib
import re
import socket
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import beside  # noqa: E402
import v2  # noqa: E402
from beside import THEIRS, Ctl, fresh_server, ours_path, plain  # noqa: E402
from harness import equal, free_ports  # noqa: E402

NAME = "etcd.example"
TOLD = re.compile(rb"^(?:(?:GET|PUT|POST|DELETE|CONNECT) .*|(?:Host|Authorization|Proxy-Authorization):"
                  rb" .*)\r$", re.M)


def read_head(peer):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = peer.recv(4096)
        if not piece:
            break
        head += piece
    return head


class Listener:
    """A socket on 127.0.0.1; each connection has a thread."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.url = "http://" + self.address

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()

    def accept(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.safely, args=[peer], daemon=True).start()

    def safely(self, peer):
        try:
            with peer:
                self.serve(peer)
        except OSError:
            pass


class Proxy(Listener):
    """Whatever it is asked for, it asks one port of this machine."""

    def __init__(self, port):
        super().__init__()
        self.port, self.heard = port, b""

    def serve(self, peer):
        with socket.create_connection(("127.0.0.1", self.port)) as server:
            head = read_head(peer)
            tunnel = head.startswith(b"CONNECT ")
            if tunnel:
                self.heard += head
                peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                self.send(server, head, True)
            back = threading.Thread(target=self.pump, args=(server, peer, False), daemon=True)
            back.start()
            self.pump(peer, server, not tunnel)
            back.join()

    def send(self, to, piece, listen):
        if listen:
            self.heard += piece
        to.sendall(piece)

    def pump(self, source, to, listen):
        try:
            while piece := source.recv(65536):
                self.send(to, piece, listen)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def told(self):
        heard, self.heard = self.heard, b""
        return sorted(set(TOLD.findall(heard)))  # how many connections there are is not the point


class Liar(Listener):
    """A proxy that gives one answer to everything; None: it waits."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def serve(self, peer):
        read_head(peer)
        if self.answer is not None:
            peer.sendall(self.answer)
            peer.shutdown(socket.SHUT_WR)
        while peer.recv(4096):
            pass


def beside_each_other(line, url, proxy, env):
    """Run it with both; what they print and what the proxy heard must be the same. Return that."""
    results = []
    for path in (THEIRS, ours_path()):
        result = plain(Ctl(path, url).run(line, env=env))
        results.append((result, proxy.told()))
    equal(results[1], results[0], f"{line} {env}")
    return results[1]


def plain_http():
    server = fresh_server(free_ports(2))
    url = f"http://{NAME}:{server.client_port}"
    server.args += ["--advertise-client-urls", url]
    with server, Proxy(server.client_port) as proxy:
        for line in ("set /a 1", "get /a", "--no-sync -u root:x get /a", "ls -r /", "member list",
                     "cluster-health", "--debug get /a", "get /nothing"):
            told = beside_each_other(line, url, proxy, {"HTTP_PROXY": proxy.url})[1]
            equal(f"Host: {NAME}:{server.client_port}\r".encode() in told, True, "the name")
        with_user = "http://user:p%40ss@" + proxy.address
        used = [{"http_proxy": proxy.url}, {"http_proxy": proxy.address},
                {"HTTP_PROXY": proxy.url, "http_proxy": "http://127.0.0.1:1"},
                {"HTTP_PROXY": with_user}, {"HTTP_PROXY": f"http://me@{proxy.address}/path"},
                {"HTTP_PROXY": proxy.url, "NO_PROXY": "example.org,.etcd.example,127.0.0.0/8,:80"},
                {"HTTP_PROXY": proxy.url, "NO_PROXY": f"{NAME}:1"}]
        for env in used:
            result, told = beside_each_other("--no-sync set /a 1", url, proxy, env)
            equal((result, len(told) >= 2), ((0, "1\n", ""), True), env)
        unused = [{"HTTPS_PROXY": proxy.url}, {"HTTP_PROXY": "http://%zz"},
                  {"HTTP_PROXY": "http://127.0.0.1:1"},
                  {"HTTP_PROXY": proxy.url, "REQUEST_METHOD": "GET"},
                  {"HTTP_PROXY": proxy.url, "NO_PROXY": "*"},
                  {"HTTP_PROXY": proxy.url, "NO_PROXY": "a, Example"},
                  {"HTTP_PROXY": proxy.url, "no_proxy": f"{NAME}:{server.client_port}"}]
        for env in unused:
            for line in ("--no-sync set /a 1", "set /a 1"):
                result, told = beside_each_other(line, url, proxy, env)
                equal((result[0] != 0, told), (True, []), env)
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            told = beside_each_other("--no-sync get /a", f"http://{host}:{server.client_port}",
                                     proxy, {"HTTP_PROXY": proxy.url})[1]
            equal(told, [], host)


def tls():
    with tempfile.TemporaryDirectory() as folder:
        v2.make_certificates(folder)
        server = fresh_server(free_ports(2))
        here, url = (f"https://{host}:{server.client_port}" for host in ("127.0.0.1", NAME))
        server.args += ["--listen-client-urls", here, "--advertise-client-urls", url,
                        "--cert-file", folder + "/cert", "--key-file", folder + "/key"]
        trust = f"--ca-file {folder}/ca.pem "
        with server, Proxy(server.client_port) as proxy:
            env = {"HTTPS_PROXY": "http://user:p%40ss@" + proxy.address, "HTTP_PROXY": "http://a:1"}
            for line in ("set /a 1", "get /a", "cluster-health", "--no-sync -u root:x get /a"):
                told = beside_each_other(trust + line, url, proxy, env)[1]
                equal(told, [f"CONNECT {NAME}:{server.client_port} HTTP/1.1\r".encode(),
                             f"Host: {NAME}:{server.client_port}\r".encode(),
                             b"Proxy-Authorization: Basic dXNlcjpwQHNz\r"], "what it heard")
            beside_each_other(trust + "--no-sync get /a", here, proxy, env)
            for more in ({"HTTPS_PROXY": "http://127.0.0.1:1"}, {"HTTP_PROXY": proxy.url}):
                beside_each_other(trust + "--no-sync get /a", url, proxy, more)
            for untrusting in ("--no-sync get /a", "get /a"):
                results = [Ctl(p, url).run(untrusting, env=env)[:2] for p in (THEIRS, ours_path())]
                equal(results[1], results[0], "an unknown authority")


ANSWERS = [b"", b"garbage", b"HTTP/1.1 403 Forbidden\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
           b"HTTP/1.1 407 Who are you\r\nContent-Length: 5\r\n\r\nhello", b"HTTP/1.1 200 OK\r\n",
           b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100000, b"HTTP/1.1 200 OK\r\na: " + b"b" * 1000000,
           b"HTTP/1.1 999 \r\n\r\n", b"\xff" * 70000]


def hostile_proxies():
    """Whatever it answers to CONNECT, the command ends, and says that it was the proxy."""
    url = f"https://{NAME}:2379"
    for answer in ANSWERS:
        with Liar(answer) as liar:
            for line in ("--no-sync get /a", "get /a"):
                status, out, err = Ctl(ours_path(), url).run(line, env={"HTTPS_PROXY": liar.url})
                equal((status, out, "; error #0: proxy: " in err), (4, "", True),
                      f"{answer[:40]} {err}")
    with Liar(b"HTTP/1.1 200 OK\r\n\r\nand more") as liar:
        equal(Ctl(ours_path(), url).run("--no-sync get /a", env={"HTTPS_PROXY": liar.url})[:2],
              (4, ""), "what comes before it was asked for")
    with Liar(None) as liar:
        for scheme in ("http", "https"):
            env = {f"{scheme}_proxy": liar.url}
            line = "--total-timeout 300ms --timeout 10s --no-sync get /a"
            theirs, ours = (plain(Ctl(p, f"{scheme}://{NAME}:2379").run(line, env=env))
                            for p in (THEIRS, ours_path()))
            equal(ours, theirs, f"{scheme}: silence")
    with Liar(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnonsense!") as liar:
        for line in ("--no-sync get /a", "get /a"):
            theirs, ours = (plain(Ctl(p, f"http://{NAME}:2379").run(line, env={"http_proxy": liar.url}))
                            for p in (THEIRS, ours_path()))
            equal(ours, theirs, "nonsense in place of etcd")


def other_kinds():
    """Said, not passed over."""
    for proxy in ("https://127.0.0.1:1", "socks5://127.0.0.1:1"):
        status, out, err = Ctl(ours_path(), f"http://{NAME}:2379").run(
            "--no-sync get /a", env={"HTTP_PROXY": proxy})
        equal((status, out, "is not supported" in err), (4, "", True), err)


TESTS = [plain_http, tls, hostile_proxies, other_kinds]

if __name__ == "__main__":
    beside.main(TESTS)
