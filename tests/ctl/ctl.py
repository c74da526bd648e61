# SPDX-License-Identifier: Apache-2.0
"""What the tests of etcdctl share: two programs, two servers alike, and what may differ.

A Twin pair is two servers of one kind that hold the same: their advertised URLs, and so their ids, are
equal. The distribution's etcdctl 3.4.23 works on one and ours on the other, line by line of the same
script, and what they say is compared to the byte. What cannot be equal (endpoints, times, lease ids,
sizes) is masked in both.
"""
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import harness  # noqa: E402
from harness import ROOT, Skip  # noqa: E402

THEIRS = shutil.which("etcdctl", path="/usr/bin:/usr/local/bin")
ADVERTISE = ("http://127.0.0.1:2379", "http://127.0.0.1:2380")
FORMATS = ("simple", "json", "fields", "protobuf", "table")
LIMIT_S = 90
GOLDEN = pathlib.Path(__file__).parent / "golden"
# 3.4's library logs each retry; its snapshot tells what it does. Neither is a message to the user.
LOG_LINE = re.compile(rb'^\{"level":"(warn|info)".*\n', re.M)


def ours():
    """$ETCDCTL, else the one beside the server under test, else the newest build."""
    if os.environ.get("ETCDCTL"):
        return os.environ["ETCDCTL"]
    beside = pathlib.Path(os.environ.get("ETCD", "/none")).parent / "etcdctl"
    if beside.exists() and str(beside) != THEIRS:
        return str(beside)
    for tree in ("build/release", "build/sanitized", "build"):
        candidate = ROOT / tree / "etcdctl"
        if candidate.exists():
            return str(candidate)
    sys.exit("no etcdctl to test: build one, or name it in $ETCDCTL")


OURS = ours()


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __eq__(self, other):
        return (self.status, self.out, self.err) == (other.status, other.out, other.err)

    def __str__(self):
        return f"status {self.status}\n  stdout {self.out!r}\n  stderr {self.err!r}"


def environment(endpoint, env=None):
    result = {k: v for k, v in os.environ.items() if not k.startswith("ETCDCTL_")}
    result["ETCDCTL_API"] = "3"
    result.setdefault("ASAN_OPTIONS", "exitcode=99")
    if endpoint:
        result["ETCDCTL_ENDPOINTS"] = endpoint
    result.update(env or {})
    return result


def run(program, args, endpoint=None, stdin=b"", env=None, cwd=None, timeout=LIMIT_S):
    if any(a.startswith("--endpoints") for a in args):
        endpoint = None  # 3.4 does not take it twice
    done = subprocess.run([program, *args], input=stdin, capture_output=True, timeout=timeout,
                          env=environment(endpoint, env), cwd=cwd, check=False)
    return Result(done.returncode, done.stdout, done.stderr)


# ---- masks ----------------------------------------------------------------------------------------

DURATION = rb"-?(?:\d+(?:\.\d+)?(?:h|ms|m|\xc2\xb5s|us|ns|s))+"
MASKS = [
    (LOG_LINE, b""),
    (re.compile(rb"(took(?: =)? )" + DURATION), rb"\g<1>TIME"),
    (re.compile(rb'("took":|"Took" : )"' + DURATION + rb'"'), rb'\1"TIME"'),
    (re.compile(rb"(EP, [0-9a-f]{16}, [^,]*, [^,]*, )[\d.]+ .?B, [\d.]+ .?B, \d+%, ([\d.]+ .?B, "
                rb"\w+, \w+, )\d+, \d+, \d+,"), rb"\1SIZE, SIZE, N%, \2N, N, N,"),
    (re.compile(rb"remaining\(\d+s\)"), b"remaining(Ns)"),
    (re.compile(rb'("ttl":|"TTL" : )9\d\d\b'), rb"\g<1>NNN"),
    (re.compile(rb'("raft_term":|"RaftTerm" : )\d+'), rb"\g<1>N"),
    (re.compile(rb'("(?:raftIndex|raftAppliedIndex|dbSize|dbSizeInUse|raftTerm)":)\d+'), rb"\g<1>N"),
    (re.compile(rb'("(?:RaftIndex|RaftAppliedIndex|DBSize|DBSizeInUse)" : )\d+'), rb"\g<1>N"),
]


def varint(n):
    out = bytearray()
    while n > 0x7f:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


class Twin:
    """One server and the program that works on it."""

    def __init__(self, program, binary):
        self.program = program
        self.server = harness.Server(binary, advertise=ADVERTISE).start()
        self.dir = tempfile.mkdtemp(prefix="etcdctl-test-", dir=self.server.base)
        self.leases = []

    def fill_in(self, text):
        for i, lease in enumerate(self.leases):
            text = text.replace("{lease%d}" % i, "%x" % lease)
        return text.replace("{ep}", self.server.endpoint)

    def run(self, args, stdin=b"", env=None):
        result = run(self.program, [self.fill_in(a) for a in args], self.server.endpoint,
                     stdin, env, self.dir)
        self.learn_leases(args, result)
        return self.masked(result)

    def learn_leases(self, args, result):
        if args[:2] == ["lease", "list"]:
            for word in re.findall(rb"^([0-9a-f]{16})$", result.out, re.M):
                if int(word, 16) not in self.leases:
                    self.leases.append(int(word, 16))
            return
        if "grant" not in args or "protobuf" in args:  # protobuf does not show it
            return
        found = (re.search(rb"lease ([0-9a-f]{16}) granted", result.out)
                 or re.search(rb'"ID" ?: ?(\d+)', result.out))
        if found:
            base = 16 if b"granted" in result.out else 10
            self.leases.append(int(found.group(1), base))

    def masked(self, result):
        return Result(result.status, self.mask(result.out), self.mask(result.err))

    def mask(self, data):
        for i, lease in enumerate(self.leases):
            mark = b"LEASE%d" % i
            data = data.replace(b"%016x" % lease, mark).replace(b"%x" % lease, mark)
            data = data.replace(b"%d" % lease, mark).replace(varint(lease), mark)
        data = data.replace(self.server.endpoint.encode(), b"EP")
        for pattern, text in MASKS:
            data = pattern.sub(text, data)
        return data

    def close(self):
        self.server.close()


class Twins:
    """The pair: theirs and ours."""

    def __init__(self, binary):
        self.theirs, self.ours = Twin(THEIRS, binary), Twin(OURS, binary)
        self.wrong = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for twin in (self.theirs, self.ours):
            twin.server.kill() if kind else twin.close()
        if kind is None and self.wrong:
            raise AssertionError(f"{len(self.wrong)} differ:\n" + "\n".join(self.wrong))

    def same(self, line, stdin=b"", env=None, want=None):
        """Run one line with both. `want`, a function of their result, is what ours must say where
        3.7 differs."""
        args = line if isinstance(line, list) else line.split()
        if isinstance(stdin, str):
            stdin = stdin.encode()
        theirs = boxed(self.theirs.run(args, stdin, env))
        ours_ = self.ours.run(args, stdin, env)
        wanted = want(theirs) if want else theirs
        if ours_ != wanted:
            self.wrong.append(f"{' '.join(args)}\n wanted {wanted}\n got    {ours_}")
        return ours_

    def ours_only(self, line, want, stdin=b"", env=None):
        """What 3.4 does not know: ours, against the golden text."""
        args = line if isinstance(line, list) else line.split()
        got = self.ours.run(args, stdin, env)
        if isinstance(want, str) and os.environ.get("UPDATE"):
            write_golden(want, got)
        wanted = want if isinstance(want, Result) else golden(want)
        if got != wanted:
            self.wrong.append(f"{' '.join(args)}\n wanted {wanted}\n got    {got}")

    def every_format(self, line, want=None, formats=FORMATS, stdin=b""):
        """A line that changes nothing, in all formats."""
        args = line if isinstance(line, list) else line.split()
        for name in formats:
            f = want.get(name) if isinstance(want, dict) else want
            self.same([*args, "-w", name], stdin, want=f)


def boxed(theirs):
    """A table as 3.7 draws it: the lines of 3.6's and before in other characters."""
    if not theirs.out.startswith(b"+-"):
        return theirs
    lines = theirs.out.decode().splitlines()
    rules = iter(("\u250c\u252c\u2510", "\u251c\u253c\u2524", "\u2514\u2534\u2518"))
    out = []
    for line in lines:
        if line.startswith("+"):
            left, cross, right = next(rules)
            out.append(left + line[1:-1].replace("+", cross).replace("-", "\u2500") + right)
        else:
            out.append(line.replace("|", "\u2502"))
    return Result(theirs.status, ("\n".join(out) + "\n").encode(), theirs.err)


def golden(name):
    """A golden file: the status, then stdout, then stderr, each behind a line that names it."""
    text = (GOLDEN / f"{name}.txt").read_bytes()
    head, rest = text.split(b"--- stdout\n", 1)
    out, err = rest.split(b"--- stderr\n", 1)
    return Result(int(head.split()[1]), out, err)


def write_golden(name, result):
    """UPDATE=1 writes what is printed; whoever reviews it compares it with upstream's sources."""
    GOLDEN.mkdir(exist_ok=True)
    (GOLDEN / f"{name}.txt").write_bytes(b"status %d\n--- stdout\n%s--- stderr\n%s"
                                         % (result.status, result.out, result.err))


def need_auth(binary):
    if binary != harness.UPSTREAM:
        raise Skip("the server has no users yet")


def run_tests(tests):
    """Each test with the distribution's server and with ours; those named in the arguments, or all."""
    suite = harness.Suite(880)
    chosen = sys.argv[1:]
    for kind, binary in (("upstream", harness.UPSTREAM), ("ours", harness.server_path())):
        for test in tests:
            name = f"{test.__name__}_on_{kind}"
            if chosen and test.__name__ not in chosen and name not in chosen:
                continue
            suite.run(test if binary and THEIRS else lacking, binary, name=name)
    suite.finish()


def lacking(_):
    raise Skip("the distribution's etcd is not installed")


# ---- a terminal -----------------------------------------------------------------------------------

class Terminal:
    """A program in a pseudo terminal. What it prints is collected; `expect` waits for a text."""

    def __init__(self, args, endpoint=None, env=None, program=None, cwd=None):
        self.text = b""
        self.at = 0
        environ = environment(endpoint, dict(env or {}, TERM="xterm"))
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                if cwd:
                    os.chdir(cwd)
                os.execve(program or OURS, [program or OURS, *args], environ)
            finally:
                os._exit(127)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def _read(self, limit):
        left = limit - time.monotonic()
        if left <= 0 or not select.select([self.fd], [], [], left)[0]:
            raise TimeoutError(f"the terminal shows {self.text!r}")
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            data = b""
        self.text += data
        return data

    def expect(self, wanted, timeout=LIMIT_S):
        """Wait for `wanted` behind what was expected before. Return what stood in between."""
        wanted = wanted.encode() if isinstance(wanted, str) else wanted
        limit = time.monotonic() + timeout
        while True:
            found = self.text.find(wanted, self.at)
            if found >= 0:
                before = self.text[self.at:found]
                self.at = found + len(wanted)
                return before
            if not self._read(limit):
                raise EOFError(f"no {wanted!r} in {self.text!r}")

    def glance(self):
        """Take what is there already."""
        while select.select([self.fd], [], [], 0)[0] and self._read(time.monotonic() + LIMIT_S):
            pass
        return self.text

    def send(self, text):
        os.write(self.fd, text.encode() if isinstance(text, str) else text)

    def interrupt(self):
        self.send(b"\x03")

    def end(self, timeout=LIMIT_S):
        """Read on to the end. Return the exit status; minus the signal where one ended it."""
        limit = time.monotonic() + timeout
        while self._read(limit):
            pass
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        return os.waitstatus_to_exitcode(status)

    @property
    def screen(self):
        return self.text.replace(b"\r\n", b"\n")
