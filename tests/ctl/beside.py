# SPDX-License-Identifier: Apache-2.0
"""Runs the v2 commands of our etcdctl beside those of the distribution's 3.4.

Each of them talks to a fresh distribution's etcd on the same ports. What both print and end with must
be the same to the byte, but for what `plain` takes out.
"""
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import harness  # noqa: E402
from harness import Server, free_ports  # noqa: E402

THEIRS = "/usr/bin/etcdctl"
LIMIT_S = 60
E = "{E}"  # the server's URL, in a table


def ours_path():
    if os.environ.get("ETCDCTL"):
        return os.environ["ETCDCTL"]
    beside = pathlib.Path(harness.server_path()).with_name("etcdctl")
    if not beside.exists():
        sys.exit("no etcdctl to test: build one, or name it in $ETCDCTL")
    return str(beside)


def environment(**more):
    ours = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    env = dict(ours, ETCDCTL_API="2", **more)
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=99")
    env.setdefault("UBSAN_OPTIONS", "halt_on_error=1:exitcode=99")
    return env


class Ctl:
    """One of the two programs, and the server that it talks to."""

    def __init__(self, path, url):
        self.path, self.url = path, url

    def command(self, line):
        args = line if isinstance(line, list) else line.split(" ")
        args = [a.replace(E, self.url) for a in args]
        named = any(a.startswith(("--endpoint", "--peers", "-C", "-D")) for a in args)
        return [self.path] + ([] if named else ["--endpoints", self.url]) + args

    def run(self, line, stdin=b"", env=None):
        done = subprocess.run(self.command(line), input=stdin, capture_output=True,
                              timeout=LIMIT_S, env=environment(**(env or {})))
        return done.returncode, done.stdout.decode("utf-8", "replace"), \
            done.stderr.decode("utf-8", "replace")

    def watch(self, line, stderr=subprocess.DEVNULL):
        return subprocess.Popen(self.command(line), stdin=subprocess.DEVNULL, env=environment(),
                                stdout=subprocess.PIPE, stderr=stderr, bufsize=0)


def plain(result):
    """An answer without what may differ: version, time, the distribution's noise."""
    status, out, err = result
    out = re.sub(r"(VERSION:\n   |etcdctl version: )\S+", r"\1X", out)
    out = re.sub(r'"expiration":"[^"]*","ttl":\d+', '"expiration":"T","ttl":N', out)
    # A new member's ID is made from the time, and lists are in the order of IDs.
    out, err = (re.sub(r"\b[0-9a-f]{12,16}\b", "ID", t) for t in (out, err))
    out = re.sub(r'(ETCD_INITIAL_CLUSTER)="(.*)"',
                 lambda m: m[1] + "=" + ",".join(sorted(m[2].split(","))), out)
    if "ID[unstarted]" in out or "member ID is" in out:
        out = "\n".join(sorted(out.split("\n")))
    # A prompt for a password runs stty there, which complains where there is no terminal.
    err = re.sub(r"stty: [^\n]*\n", "", err)
    # Go names the name server that it asked; getaddrinfo() does not tell.
    out, err = (re.sub(r"(dial tcp: lookup \S+) on \S+:53", r"\1", t) for t in (out, err))
    return status, out, err


def fresh_server(ports):
    server = Server(binary=harness.UPSTREAM, args=["--enable-v2=true"])
    server.client_port, server.peer_port = ports
    return server


def both(play):
    """Call `play(ctl)` for either program with a fresh server; return what each call returned."""
    ports = free_ports(2)
    results = []
    for path in (THEIRS, ours_path()):
        with fresh_server(ports) as server:
            results.append(play(Ctl(path, server.url)))
    return results


def compare(lines, theirs, ours):
    wrong = [f"{line!r}:\n  theirs {a!r}\n  ours   {b!r}"
             for line, a, b in zip(lines, theirs, ours) if a != b]
    if wrong:
        raise AssertionError(f"{len(wrong)} of {len(lines)} differ\n" + "\n".join(wrong[:20]))


def compare_table(lines):
    lines = [x for x in lines.split("\n") if x] if isinstance(lines, str) else lines
    theirs, ours = both(lambda ctl: [plain(ctl.run(line)) for line in lines])
    compare(lines, theirs, ours)


def main(tests):
    suite = harness.Suite(880)
    chosen = sys.argv[1:]
    if not (harness.UPSTREAM and os.path.exists(THEIRS)):
        print("skip v2: the distribution's etcd and etcdctl are not installed")
        print("0 passed, 0 failed, 1 skipped")
        return
    for test in tests:
        if not chosen or test.__name__ in chosen:
            suite.run(test)
    suite.finish()
