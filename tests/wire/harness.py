# SPDX-License-Identifier: Apache-2.0
"""What the Python tests share: a suite that counts, and a server under test.

A suite prints `ok NAME`, `not ok NAME: why` and `skip NAME: reason`, and ends with exactly one line
`N passed, N failed, N skipped`. A Server owns one process, its ports and its data directory; whatever
the sanitizers say about it makes the running test fail. Traffic stays on 127.0.0.1, processes are ended
by their own id, nothing waits without a bound.
"""
import atexit
import collections
import faulthandler
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
UPSTREAM = shutil.which("etcd", path="/usr/bin:/usr/local/bin")
READY_TEXT = "ready to serve client requests"
SANITIZER_TEXT = re.compile(
    r"ERROR: (Address|Leak|Thread|Memory)Sanitizer|WARNING: ThreadSanitizer|runtime error: "
    r"|Assertion .* failed|invariant")
LINES_KEPT = 20000

for name in list(os.environ):
    if name.lower().endswith("_proxy") or name.startswith("ETCD_") or name.startswith("ETCDCTL_"):
        del os.environ[name]


def server_path():
    """The program under test: $ETCD, else the newest build that there is."""
    if os.environ.get("ETCD"):
        return os.environ["ETCD"]
    for tree in ("build/release", "build/sanitized", "build"):
        candidate = ROOT / tree / "etcd"
        if candidate.exists():
            return str(candidate)
    sys.exit("no server to test: build one, or name it in $ETCD")


def is_upstream(binary):
    """True when `binary` is the distribution's etcd 3.4, the one that answers are compared with."""
    text = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL).stdout
    return "etcd Version: 3.4." in text


def seed_from_environment():
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed} (SEED={seed} runs this again)", flush=True)
    return seed


_reservations = []


def reserve(port):
    """Take a port that nobody listens at. A name of the kernel keeps it for this program until it ends,
    so that no test beside it chooses the port of a server that is not there yet, or not at the moment."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0etcd-test-port-{port}")
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", port))
    except OSError:
        name.close()
        return False
    _reservations.append(name)
    return True


def free_ports(n):
    """Ports below the ephemeral range, so that no outgoing connection takes one before the server."""
    ports, chooser = [], random.SystemRandom()
    for _ in range(2000):
        port = chooser.randrange(15000, 32000)
        if reserve(port):
            ports.append(port)
        if len(ports) == n:
            return ports
    raise RuntimeError("no free port")


class Skip(Exception):
    """Raised by a test that cannot run here; says why."""


class Suite:
    def __init__(self, limit_s):
        """The whole program ends after `limit_s`, whatever hangs."""
        self.passed = self.failed = self.skipped = 0
        self.watched = []
        faulthandler.enable()
        faulthandler.dump_traceback_later(limit_s + 30, exit=True)
        signal.signal(signal.SIGALRM, self._too_long)
        signal.alarm(limit_s)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))

    @staticmethod
    def _too_long(*_):
        raise TimeoutError("the suite's time is over")

    def run(self, test, *args, name=None):
        name = name or test.__name__
        began = time.monotonic()
        try:
            test(*args)
            for server in Server.living:
                server.check_sanitizers()
        except Skip as why:
            self.skipped += 1
            print(f"skip {name}: {why}", flush=True)
        except Exception as why:
            self.failed += 1
            traceback.print_exc(file=sys.stdout)
            text = " ".join(str(why).split())[:400]
            print(f"not ok {name}: {type(why).__name__}: {text}", flush=True)
        else:
            self.passed += 1
            print(f"ok {name} ({time.monotonic() - began:.1f} s)", flush=True)

    def finish(self):
        signal.alarm(0)
        Server.stop_all()
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped", flush=True)
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(1 if self.failed else 0)  # gRPC's threads would otherwise hold the exit up


class Server:
    """One server process. `start` returns when it says it is ready; `kill` and `stop` end it by id."""

    living = []

    def __init__(self, binary=None, args=(), data_dir=None, advertise=None, env=None):
        self.binary = binary or server_path()
        self.args = list(args)
        self.extra_env = env or {}
        self.base = tempfile.mkdtemp(prefix="etcd-test-")
        self.data_dir = data_dir or os.path.join(self.base, "data")
        self.client_port, self.peer_port = free_ports(2)
        self.advertise = advertise
        self.process = None
        self.lines = collections.deque(maxlen=LINES_KEPT)
        self.alarming = []
        self.changed = threading.Condition()

    @property
    def endpoint(self):
        return f"127.0.0.1:{self.client_port}"

    @property
    def url(self):
        return f"http://{self.endpoint}"

    def command(self):
        client = f"http://127.0.0.1:{self.client_port}"
        peer = f"http://127.0.0.1:{self.peer_port}"
        advertised_client, advertised_peer = self.advertise or (client, peer)
        return [self.binary, "--name", "m1", "--data-dir", self.data_dir,
                "--listen-client-urls", client, "--advertise-client-urls", advertised_client,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", advertised_peer,
                "--initial-cluster", f"m1={advertised_peer}"] + self.args

    def spawn(self):
        """Start the process without waiting for anything."""
        env = dict(os.environ, **self.extra_env)
        env.setdefault("ASAN_OPTIONS", "abort_on_error=0:detect_leaks=1:exitcode=99")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, env=env,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        cwd=self.base)
        with self.changed:
            self.mark = len(self.lines)
            self.seen = []
        reader = threading.Thread(target=self._read, args=(self.process, self.seen), daemon=True)
        self.reader = reader
        reader.start()
        if self not in Server.living:
            Server.living.append(self)
        return self

    def _read(self, process, seen):
        for raw in process.stderr:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            with self.changed:
                self.lines.append(line)
                if len(seen) < LINES_KEPT:
                    seen.append(line)
                if SANITIZER_TEXT.search(line):
                    self.alarming.append(line)
                self.changed.notify_all()
        process.stderr.close()
        with self.changed:
            seen.append(None)  # the end
            self.changed.notify_all()

    def wait_line(self, wanted, timeout=60):
        """Wait until this run of the process has said `wanted`; False when it ended before."""
        limit = time.monotonic() + timeout
        at = 0
        with self.changed:
            while True:
                while at < len(self.seen):
                    if self.seen[at] is None:
                        return False
                    if wanted in self.seen[at]:
                        return True
                    at += 1
                left = limit - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    raise TimeoutError(f"no {wanted!r} after {timeout} s\n{self.tail()}")

    def start(self, timeout=60):
        for _ in range(3):
            self.spawn()
            if self.wait_line(READY_TEXT, timeout):
                return self
            self.process.wait(timeout)
            if "address already in use" not in self.tail():
                break
            self.client_port, self.peer_port = free_ports(2)
        raise RuntimeError(f"the server ended with {self.process.returncode}\n{self.tail()}")

    def tail(self, n=25):
        return "\n".join(line[:300] for line in list(self.lines)[-n:])

    def wait_exit(self, timeout=60):
        status = self.process.wait(timeout)
        self.reader.join(timeout)
        return status

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.wait_exit()

    def stop(self, timeout=60):
        """SIGTERM, and wait. A server that does not end is killed, and that is an error."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.wait_exit(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"the server did not stop within {timeout} s\n{self.tail()}")

    def close(self):
        """Stop, look for what sanitizers said, and forget the directory."""
        try:
            self.stop()
            self.check_sanitizers()
        finally:
            self.kill()
            if self in Server.living:
                Server.living.remove(self)
            shutil.rmtree(self.base, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
            return
        if not issubclass(kind, Skip):
            n = 12 if self.process.poll() is None else 60
            print(f"the last lines of {self.binary}:\n" + self.tail(n), flush=True)
        self.kill()
        if self in Server.living:
            Server.living.remove(self)
        shutil.rmtree(self.base, ignore_errors=True)

    def check_sanitizers(self):
        if self.alarming:
            first, self.alarming = self.alarming[0], []
            raise AssertionError(f"the server said: {first}\n{self.tail(60)}")

    def check_alive(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}\n{self.tail()}")

    def memory_kib(self):
        """Anonymous resident memory: what the process holds beyond pages of its files."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1])
        raise RuntimeError("no RssAnon")

    @classmethod
    def stop_all(cls):
        for server in list(cls.living):
            server.kill()
            shutil.rmtree(server.base, ignore_errors=True)
        cls.living.clear()


atexit.register(Server.stop_all)


def wait_for(what, timeout=30, every=0.02, text="the condition"):
    """Poll `what` until it is true; for states that no event announces."""
    limit = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > limit:
            raise TimeoutError(f"{text} did not come within {timeout} s")
        pause.wait(every)


def equal(got, want, text=""):
    if got != want:
        raise AssertionError(f"{text}: got {got!r}, want {want!r}")
