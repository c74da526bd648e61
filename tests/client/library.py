#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The client library behind a proxy that cuts, resets and stalls connections.

A watch loses no event and tells none twice, a write is never done twice, a lease is kept: against the
server under test and against the distribution's. And the shared library's example works.
"""
import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import harness  # noqa: E402
from harness import ROOT, equal  # noqa: E402

ETCDCTL = shutil.which("etcdctl", path="/usr/bin:/usr/local/bin")
LIMIT_S = 60
KEYS = 400


def built(name):
    """The newest build of a program of ours; beside the server under test first."""
    trees = [pathlib.Path(harness.server_path()).parent]
    trees += [ROOT / tree for tree in ("build/release", "build/sanitized", "build")]
    for tree in trees:
        if (tree / name).exists():
            return tree / name
    sys.exit(f"no {name} to test: build it")


class Proxy:
    """Forwards connections to a port until it is told otherwise."""

    def __init__(self, port):
        self.target = port
        self.pairs = []
        self.stalled = False
        self.closed = False
        self.accepted = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        threading.Thread(target=self._run, daemon=True).start()

    def _accept(self):
        near, _ = self.listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            near.close()
            return
        self.accepted += 1
        self.pairs.append((near, far))

    def _forward(self, source):
        for pair in self.pairs:
            if source in pair:
                other = pair[1] if source is pair[0] else pair[0]
                try:
                    data = source.recv(65536)
                    if data:
                        other.sendall(data)
                        return
                except OSError:
                    pass
                pair[0].close()
                pair[1].close()
                self.pairs.remove(pair)
                return

    def _run(self):
        while not self.closed:
            with self.lock:
                sockets = [] if self.stalled else [s for pair in self.pairs for s in pair]
            ready = select.select([self.listener] + sockets, [], [], 0.01)[0]
            with self.lock:
                for source in ready:
                    if source is self.listener:
                        self._accept()
                    elif source.fileno() != -1 and not self.stalled:
                        self._forward(source)
        self.listener.close()

    def cut(self, reset):
        """End all connections, with RST or with FIN."""
        with self.lock:
            for near, far in self.pairs:
                if reset:
                    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                near.close()
                far.close()
            self.pairs.clear()

    def close(self):
        self.closed = True
        self.cut(False)


def start(*args, **kw):
    return subprocess.Popen([str(built("tests/client/tool")), *map(str, args)], text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, **kw)


def run(*args):
    tool = start(*args)
    out, _ = tool.communicate(timeout=LIMIT_S)
    return tool.returncode, out.split("\n")[:-1]


def disturb(proxy, process):
    """Cut now and then, until the process has ended."""
    cuts, pause = 0, 0.03
    deadline = time.monotonic() + 2 * LIMIT_S
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
            raise TimeoutError("it does not end")
        try:
            process.wait(pause)
        except subprocess.TimeoutExpired:
            proxy.cut(reset=cuts % 2 == 0)
            cuts += 1
            pause *= 1.02  # a slow machine gets further between two cuts in the end
    return cuts


def a_watch_loses_nothing(server, kind):
    proxy = Proxy(server.client_port)
    tool = start(f"127.0.0.1:{proxy.port}", "watch", f"w-{kind}/", 0, KEYS)
    equal(tool.stdout.readline(), "created\n", "the watch is there")
    writer = start(f"127.0.0.1:{server.client_port}", "put", f"w-{kind}/", KEYS)
    cuts = disturb(proxy, writer)
    out, _ = tool.communicate(timeout=LIMIT_S)
    equal(writer.stdout.read().count("ok "), KEYS, "all was written")
    revisions = [int(line) for line in out.split()]
    equal(revisions, list(range(revisions[0], revisions[0] + KEYS)), "each event once, in order")
    print(f"  {cuts} cuts, {proxy.accepted} connections")
    proxy.close()


def a_write_is_done_once(server, kind):
    proxy = Proxy(server.client_port)
    writer = start(f"127.0.0.1:{proxy.port}", "put", f"p-{kind}/", KEYS)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(writer.stdout))
    reader.start()
    cuts = disturb(proxy, writer)
    reader.join()
    acknowledged = {line.split()[1] for line in lines if line.startswith("ok ")}
    status, rows = run(f"127.0.0.1:{server.client_port}", "list", f"p-{kind}/")
    equal(status, 0, "the keys can be listed")
    there = dict(row.split() for row in rows)
    equal({v for v in there.values()}, {"1"}, "no key was written twice")
    equal(acknowledged - set(there), set(), "what was acknowledged is there")
    print(f"  {cuts} cuts, {KEYS - len(acknowledged)} writes of {KEYS} failed")
    proxy.close()


def a_lease_is_kept(server, kind):
    first, second = Proxy(server.client_port), Proxy(server.client_port)
    tool = start(f"127.0.0.1:{first.port},127.0.0.1:{second.port}", "keep", f"k-{kind}", 6, 14000)
    equal(tool.stdout.readline(), "held\n", "the key is there")
    first.stalled = True  # whichever the stream goes through
    try:
        tool.wait(6.5)  # longer than the TTL
    except subprocess.TimeoutExpired:
        pass
    first.stalled, second.stalled = False, True
    out, _ = tool.communicate(timeout=LIMIT_S)
    equal(out, "alive\n", "the lease was kept")
    equal(run(f"127.0.0.1:{server.client_port}", "list", f"k-{kind}")[1], [f"k-{kind} 1"],
          "and its key")
    first.close()
    second.close()


def a_lock_is_held_by_one(server, kind):
    """Ours and, where there is one, the distribution's etcdctl: each waits for those before it."""
    at, name = f"127.0.0.1:{server.client_port}", f"lock-{kind}"
    first = start(at, "lock", name, 600)
    key = first.stdout.readline().strip()
    equal(key.startswith(f"{name}/"), True, "the first has it")
    second = start(at, "lock", name, 100)
    if ETCDCTL:
        third = subprocess.Popen([ETCDCTL, "--endpoints", at, "lock", name,
                                  str(built("tests/client/tool")), at, "list", name], env=dict(os.environ, ETCDCTL_API="3"), text=True,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL)
        left = [line.split()[0] for line in third.communicate(timeout=LIMIT_S)[0].splitlines()]
        equal((len(left) > 0, key in left), (True, False), "the other kind gets it after the first")
    equal(second.communicate(timeout=LIMIT_S)[0].split("\n")[1], "unlocked", "the second had it")
    equal(first.communicate(timeout=LIMIT_S)[0], "unlocked\n", "the first gave it up")
    equal(run(at, "list", name)[1], [], "no key is left")


def an_election_has_one_leader(server, kind):
    """Two of ours and, where there is one, the distribution's etcdctl; all is seen through cuts."""
    at, name = f"127.0.0.1:{server.client_port}", f"elect-{kind}"
    proxy = Proxy(server.client_port)
    expected = ["one", "one+", "two", "two+"] + (["three"] if ETCDCTL else [])
    observer = start(f"127.0.0.1:{proxy.port}", "observe", name, len(expected))
    first = start(at, "lead", name, "one", 5000)  # half of it is for those who look on
    equal(first.stdout.readline().startswith(f"{name}/"), True, "the first leads")
    equal(observer.stdout.readline(), "one\n", "which is seen")
    proxy.cut(reset=True)
    second = start(at, "lead", name, "two", 2000)
    equal(second.stdout.readline().startswith(f"{name}/"), True, "the second leads")
    equal(first.wait(LIMIT_S), 0, "after the first one")
    equal(first.stdout.read(), "resigned\n", "which resigned, and cannot proclaim any more")
    third = None
    if ETCDCTL:
        third = subprocess.Popen([ETCDCTL, "--endpoints", at, "elect", name, "three"],
                                 env=dict(os.environ, ETCDCTL_API="3"), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    seen = observer.communicate(timeout=LIMIT_S)[0].split()
    equal(seen, expected[1:], "each leader and what it proclaimed was seen, once")
    equal(second.communicate(timeout=LIMIT_S)[0], "resigned\n", "the second resigned")
    if third:
        fourth = start(at, "lead", name, "four", 0)
        third.stdout.readline()  # before it tells, a signal ends it with its key left
        equal(third.stdout.readline(), "three\n", "the other kind leads")
        third.send_signal(signal.SIGINT)
        equal(fourth.communicate(timeout=LIMIT_S)[0].split("\n")[1], "resigned",
              "ours leads after the other kind")
        third.communicate(timeout=LIMIT_S)
    equal(run(at, "list", name)[1], [], "no key is left")
    proxy.close()


def a_leader_that_dies_is_followed(server, kind):
    at, name = f"127.0.0.1:{server.client_port}", f"heir-{kind}"
    first = start(at, "lead", name, "one", 60000)
    equal(first.stdout.readline().startswith(f"{name}/"), True, "the first leads")
    second = start(at, "lead", name, "two", 0)
    first.kill()  # its lease runs out
    first.wait(LIMIT_S)
    equal(second.communicate(timeout=LIMIT_S)[0].split("\n")[1], "resigned", "the second led")


def the_example_works(server, kind):
    hello = built("docs/examples/hello")
    env = dict(os.environ, LD_LIBRARY_PATH=str(hello.parents[2] / "src/client"))
    done = subprocess.run([hello, f"127.0.0.1:{server.client_port}"], env=env, text=True,
                          capture_output=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL)
    equal(done.stderr, "", "no error")
    equal(done.stdout.split()[:3], ["world", "at", "revision"], "what was put is read")


def main():
    suite = harness.Suite(limit_s=800)
    kinds = [("ours", harness.server_path())]
    if harness.UPSTREAM:
        kinds.append(("upstream", harness.UPSTREAM))
    for kind, binary in kinds:
        server = harness.Server(binary).start()
        for test in (a_watch_loses_nothing, a_write_is_done_once, a_lease_is_kept,
                     a_lock_is_held_by_one, an_election_has_one_leader,
                     a_leader_that_dies_is_followed, the_example_works):
            suite.run(test, server, kind, name=f"{test.__name__}_{kind}")
            server.check_alive()
        suite.run(server.close, name=f"the_server_stops_{kind}")
    suite.finish()


if __name__ == "__main__":
    main()
