# SPDX-License-Identifier: Apache-2.0
"""A service manager for one test: it listens where NOTIFY_SOCKET points, keeps what it is given (FDSTORE),
and passes sockets, those of its units and those it keeps, at the start as systemd does (LISTEN_FDS and
the like)."""
import array
import fcntl
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import harness  # noqa: E402

FIRST_FD = 3
FDS_MAX = 64
MARK = b"the test reads up to here"
# The pid that the variables name is that of the program, so it is set behind the fork.
STARTER = """
import os, sys
n = int(sys.argv[1])
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """Collects notifications: a list of (time, {name: value}); keeps stored descriptors by name."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="etcd-notify-")
        self.path = os.path.join(self.folder, "socket")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.messages = []
        self.stored = []  # (name, fd)
        self.marks = self.marks_read = 0
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                data, extra, _, _ = self.socket.recvmsg(
                    65536, socket.CMSG_SPACE(FDS_MAX * 4), socket.MSG_CMSG_CLOEXEC)
            except OSError:
                return
            if not data:
                return
            fds = array.array("i")
            for level, kind, body in extra:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    fds.frombytes(body[:len(body) - len(body) % fds.itemsize])
            fields = dict(line.split("=", 1) for line in data.decode().split("\n") if "=" in line)
            self._keep(fields, list(fds))
            with self.changed:
                if data == MARK:
                    self.marks_read += 1
                else:
                    self.messages.append((time.monotonic(), fields))
                self.changed.notify_all()

    def _keep(self, fields, fds):
        name = fields.get("FDNAME", "stored")
        if fields.get("FDSTORE") == "1":
            for fd in fds:
                if any(os.path.sameopenfile(fd, kept) for _, kept in self.stored):
                    os.close(fd)
                else:
                    self.stored.append((name, fd))
            return
        if fields.get("FDSTOREREMOVE") == "1":
            for kept, fd in self.stored:
                if kept == name:
                    os.close(fd)
            self.stored = [(kept, fd) for kept, fd in self.stored if kept != name]
        for fd in fds:
            os.close(fd)

    def catch_up(self):
        """Read all that was sent so far: what a process said before it ended may not be read yet."""
        with self.changed:
            self.marks += 1
            wanted = self.marks
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(MARK, self.path)
        with self.changed:
            if not self.changed.wait_for(lambda: self.marks_read >= wanted, 30):
                raise TimeoutError("the notifications are not read")

    def all(self, name):
        self.catch_up()
        with self.changed:
            return [fields[name] for _, fields in self.messages if name in fields]

    def wait(self, test, timeout=30, text="the notification"):
        """Wait for a message for which test(fields) is true, from the first one on; return its time."""
        limit = time.monotonic() + timeout
        at = 0
        with self.changed:
            while True:
                while at < len(self.messages):
                    if test(self.messages[at][1]):
                        return self.messages[at][0]
                    at += 1
                left = limit - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    raise TimeoutError(f"{text} did not come: {self.messages[-5:]}")

    def wait_ready(self, timeout=60):
        return self.wait(lambda f: f.get("READY") == "1", timeout, "READY=1")

    def forget(self):
        self.catch_up()
        with self.changed:
            self.messages.clear()

    def close(self):
        self.socket.close()
        for _, fd in self.stored:
            os.close(fd)
        os.unlink(self.path)
        os.rmdir(self.folder)


class Service(harness.Server):
    """A server as a unit: notifications go to `manager`, `passed` is a list of (name, socket or fd)."""

    def __init__(self, manager, args=(), passed=(), env=None, with_urls=True, **more):
        self.manager = manager
        self.passed = list(passed)
        self.with_urls = with_urls
        self.cluster = None
        self.wrap = []
        super().__init__(args=args, env=dict(env or {}, NOTIFY_SOCKET=manager.path), **more)

    def command(self):
        if self.cluster is not None:
            return [self.binary] + self.cluster + self.args
        if self.with_urls:
            return super().command() + ["--env-file="]
        return [self.binary, "--name", "m1", "--data-dir", self.data_dir] + self.args

    def spawn(self):
        env = dict(os.environ, **self.extra_env)
        env.setdefault("ASAN_OPTIONS", "abort_on_error=0:detect_leaks=1:exitcode=99")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        command = self.wrap + self.command()
        keep, high = {}, []
        passed = self.passed + self.manager.stored
        if passed:
            env["LISTEN_FDS"] = str(len(passed))
            env["LISTEN_FDNAMES"] = ":".join(name for name, _ in passed)
            command = [sys.executable, "-c", STARTER, str(len(passed))] + command
            fds = [s if isinstance(s, int) else s.fileno() for _, s in passed]
            high = [os.dup(fd) for fd in fds]

            def place():
                # First out of the way, then to their places.
                moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200) for fd in high]
                for i, fd in enumerate(moved):
                    os.dup2(fd, FIRST_FD + i, inheritable=True)
            keep = dict(preexec_fn=place, close_fds=False)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=env,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        cwd=self.base, **keep)
        for fd in high:
            os.close(fd)
        with self.changed:
            self.mark = len(self.lines)
            self.seen = []
        self.reader = threading.Thread(target=self._read, args=(self.process, self.seen), daemon=True)
        self.reader.start()
        if self not in harness.Server.living:
            harness.Server.living.append(self)
        return self

    def start(self, timeout=60):
        self.manager.forget()
        self.spawn()
        self.manager.wait(lambda f: f.get("READY") == "1", timeout, f"READY=1 ({self.tail()})")
        return self


def listening(address=("127.0.0.1", 0)):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(address)
    s.listen(4096)
    return s
