#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""etcdctl for v3 where it goes on, waits, asks, or needs more than one server.

Terminals are pseudo terminals; what happens is waited for, never slept for. Where the distribution's
etcdctl 3.4.23 can do the same, its output is what ours is compared with.
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cluster"))
import cluster  # noqa: E402
import ctl  # noqa: E402
from ctl import OURS, THEIRS, Result, Terminal, harness, need_auth, run  # noqa: E402
from harness import Skip, equal, wait_for  # noqa: E402


# ---- lock, elect, and what else goes on until it is stopped ------------------------------------------

def lock_waits_for_its_turn(binary):
    with harness.Server(binary) as server:
        with Terminal(["lock", "l"], server.endpoint) as first:
            first.expect("l/")
            key = b"l/" + first.expect("\r\n\r\n")
            with Terminal(["lock", "l"], server.endpoint) as second:
                wait_for(lambda: run(OURS, ["get", "l/", "--prefix", "--keys-only"],
                                     server.endpoint).out.count(b"l/") == 2)
                first.interrupt()
                equal(first.end(), 0)
                second.expect("l/")
                second.expect("\r\n\r\n")
                third = Terminal(["lock", "l"], server.endpoint)
                with third:
                    wait_for(lambda: run(OURS, ["get", "l/", "--prefix", "--keys-only"],
                                         server.endpoint).out.count(b"l/") == 2)
                    third.interrupt()
                    equal(third.end(), 1)
                    equal(third.screen, b"^CError: context canceled\n")
                second.interrupt()
                equal(second.end(), 0)
        equal(run(OURS, ["get", key.decode(), "--keys-only"], server.endpoint).out, b"")
        equal(run(OURS, ["get", "l/", "--prefix"], server.endpoint).out, b"")


def lock_of_a_command_goes_with_it(binary):
    with harness.Server(binary) as server:
        command = ["lock", "l", "--", "sh", "-c", "echo up; exec sleep 1000"]
        with Terminal(command, server.endpoint) as t:
            t.expect("up\r\n")
            equal(run(OURS, ["get", "l/", "--prefix", "--keys-only"],
                      server.endpoint).out.count(b"l/"), 1)
            t.interrupt()
            equal(t.end(), 255)
            equal(t.screen, b"up\n^CError: signal: interrupt\n")
        equal(run(OURS, ["get", "l/", "--prefix"], server.endpoint).out, b"")
        equal(run(OURS, ["lease", "list"], server.endpoint).out, b"found 0 leases\n")


def signal_that_comes_twice_is_one(binary):
    """As from timeout(1), which sends it to the process and to its group: all is given back in peace."""
    with harness.Server(binary) as server:
        for line in (["lock", "twice"], ["elect", "twice", "me"]):
            with subprocess.Popen([OURS, *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=ctl.environment(server.endpoint)) as p:
                p.stdout.readline()
                p.stdout.readline()
                for _ in range(200):
                    p.send_signal(signal.SIGTERM)
                equal((p.wait(ctl.LIMIT_S), p.stderr.read()), (0, b""), line[0])
            equal(run(OURS, ["get", "twice", "--prefix"], server.endpoint).out, b"")


def lock_ends_with_its_session(binary):
    with harness.Server(binary) as server, Terminal(["lock", "l", "--ttl=2"], server.endpoint) as t:
        t.expect("\r\n\r\n")
        server.kill()
        t.expect("Error: session expired\r\n")
        equal(t.end(), 1)


def election_is_won_and_seen(binary):
    with harness.Server(binary) as server:
        with Terminal(["elect", "e", "me"], server.endpoint) as first:
            first.expect("e/")
            first.expect("me\r\n")
            with Terminal(["elect", "-l", "e"], server.endpoint) as observer:
                observer.expect("me\r\n")
                with Terminal(["elect", "e", "you"], server.endpoint) as second:
                    wait_for(lambda: run(OURS, ["get", "e/", "--prefix", "--keys-only"],
                                         server.endpoint).out.count(b"e/") == 2)
                    first.interrupt()
                    equal(first.end(), 0)
                    second.expect("you\r\n")
                    observer.expect("you\r\n")
                    observer.interrupt()
                    equal(observer.end(), 0)
                    second.interrupt()
                    equal(second.end(), 0)


# ---- watch -------------------------------------------------------------------------------------------

def lines_of(program, args, endpoint, n, stdin=None, env=None):
    """Start something that goes on, and return its first `n` lines."""
    process = subprocess.Popen([program, *args], env=ctl.environment(endpoint, env),
                               stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        if stdin:
            process.stdin.write(stdin)
            process.stdin.flush()
        timer = threading.Timer(ctl.LIMIT_S, process.kill)
        timer.start()
        found = [process.stdout.readline() for _ in range(n)]
        timer.cancel()
        return b"".join(found)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        if process.stdin:
            process.stdin.close()


def watches(binary):
    with harness.Server(binary) as server:
        for args in ("put w one", "put w two", "put w/1 x", "del w", "put w/2 y"):
            run(OURS, args.split(), server.endpoint)
        json_args = ["watch", "w", "--rev=1", "-w", "json"]
        theirs, ours_ = (lines_of(p, json_args, server.endpoint, 1) for p in (THEIRS, OURS))
        equal(ours_, theirs.replace(b"}\n", b',"CancelReason":""}\n'))  # 3.7 has that field
        for args, n in (("watch w --rev=1", 9), ("watch w --rev=1 --prev-kv", 13),
                        ("watch w --prefix --rev=3", 12), ("watch w/ w/z --rev=1", 6),
                        ("watch w --rev=1 -w fields", 25),
                        ("watch w --rev=1 --hex", 9), ("watch --rev=1 w/1", 3),
                        ("watch w --rev=1 -- sh -c env|grep.ETCD_WATCH|sort", 15)):
            line = [a.replace(".", " ") if "|" in a else a for a in args.split()]
            equal(lines_of(OURS, line, server.endpoint, n),
                  lines_of(THEIRS, line, server.endpoint, n), args)
        args, stdin = ["watch", "-i"], b"watch w --rev=1\n"
        equal(lines_of(OURS, args, server.endpoint, 9, stdin),
              lines_of(THEIRS, args, server.endpoint, 9, stdin))
        stdin = b"watch --rev=1 w/1\nwatch --rev=1 w/2\n"  # who is first is open
        equal(sorted(lines_of(OURS, args, server.endpoint, 6, stdin).split()),
              sorted(lines_of(THEIRS, args, server.endpoint, 6, stdin).split()))
        env = {"ETCDCTL_WATCH_KEY": "w"}
        equal(lines_of(OURS, ["watch", "--rev=1"], server.endpoint, 9, env=env),
              lines_of(THEIRS, ["watch", "--rev=1"], server.endpoint, 9, env=env))
        run(OURS, ["compaction", "5"], server.endpoint)
        for args in ("watch w --rev=1", "watch", "watch w --rev=x", "watch w --prefix x"):
            theirs, ours = (run(p, args.split(), server.endpoint) for p in (THEIRS, OURS))
            if args == "watch w --rev=x":  # usage
                equal((ours.status, ours.err.split(b"\n")[0]),
                      (theirs.status, theirs.err.split(b"\n")[0]), args)
            else:
                equal(str(ours), str(theirs), args)
        equal(str(run(OURS, ["watch", "-i", "w"], server.endpoint)), str(Result(
            3, b"", b"Error: error reading watch request line: EOF\n")))  # 3.4 says "Error reading"


def watch_says_why_nothing_runs(binary):
    with harness.Server(binary) as server:
        run(OURS, ["put", "k", "v"], server.endpoint)
        for program, why in (("/no/such", b"fork/exec /no/such: no such file or directory"),
                             ("nosuch", b'exec: "nosuch": executable file not found in $PATH')):
            got = run(OURS, ["watch", "k", "--rev=1", "--", program], server.endpoint)
            equal((got.status, got.err), (1, b'command ["%s"] error (%s)\n' % (program.encode(), why)))


def watch_is_interrupted(binary):
    with harness.Server(binary) as server, Terminal(["watch", "k"], server.endpoint) as t:
        def seen():
            run(OURS, ["put", "k", "v"], server.endpoint)
            return b"PUT" in t.glance()
        wait_for(seen)
        t.interrupt()
        equal(t.end(), -2)


# ---- at a terminal -----------------------------------------------------------------------------------

def txn_at_a_terminal(binary):
    with harness.Server(binary) as server, Terminal(["txn", "-i"], server.endpoint) as t:
        t.expect("compares:\r\n")
        t.send('create("k") = "0"\n\n')
        t.expect("success requests (get, put, del):\r\n")
        t.send("put k v\nget k\n\n")
        t.expect("failure requests (get, put, del):\r\n")
        t.send("\n")
        t.expect("SUCCESS\r\n\r\nOK\r\n\r\nk\r\nv\r\n")
        equal(t.end(), 0)


def watch_at_a_terminal(binary):
    with harness.Server(binary) as server, Terminal(["watch", "-i"], server.endpoint) as t:
        run(OURS, ["put", "a", "b"], server.endpoint)
        t.send("watch a --rev=1\n")
        t.expect("PUT\r\na\r\nb\r\n")
        t.send("frob\n")
        t.expect("Invalid command frob (only support watch)\r\n")
        t.interrupt()
        equal(t.end(), -2)


def passwords_are_asked(binary):
    need_auth(binary)
    with harness.Server(binary) as server:
        def asked(args, answers, status, last):
            with Terminal(args, server.endpoint) as t:
                for prompt, answer in answers:
                    t.expect(prompt)
                    t.send(answer + "\n")
                t.expect(last)
                equal(t.end(), status)
                for _, answer in answers:
                    if answer and answer.encode() in t.text:
                        raise AssertionError(f"a password was shown: {t.text!r}")

        twice = [("Password of root: ", "s3cret"),
                 ("Type password of root again for confirmation: ", "s3cret")]
        asked(["user", "add", "root"], twice, 0, "User root created\r\n")
        asked(["user", "passwd", "root"], twice, 0, "Password updated\r\n")
        asked(["user", "add", "root"], twice[:1] + [(twice[1][0], "other")], 128,
              "Error: given passwords are different\r\n")
        asked(["user", "add", "x"], [("Password of x: ", "")], 128, "Error: empty password\r\n")
        equal(run(OURS, ["auth", "enable"], server.endpoint).out, b"Authentication Enabled\n")
        asked(["--user=root", "get", "x"], [("Password: ", "s3cret")], 0, "\r\n")
        asked(["--user=root", "get", "x"], [("Password: ", "wr0ng")], 2,
              "authentication failed, invalid user ID or password\r\n")
        got = run(OURS, ["--user=root", "user", "list"], server.endpoint, b"s3cret\n")
        equal((got.status, got.out), (0, b"Password: \nroot\n"))


# ---- snapshots, mirrors, checks ------------------------------------------------------------------------

def snapshots(binary):
    with harness.Server(binary) as server:
        for i in range(20):
            run(OURS, ["put", f"k{i}", "v" * 1000], server.endpoint)
        path = os.path.join(server.base, "snap")
        got = run(OURS, ["snapshot", "save", path], server.endpoint)
        equal((got.status, got.out.split(b"\n")[0]), (0, b"Snapshot saved at " + path.encode()))
        equal(sorted(n for n in os.listdir(server.base) if n.startswith("snap")), ["snap"])
        equal(os.stat(path).st_mode & 0o777, 0o600)
        theirs = run(THEIRS, ["snapshot", "status", path, "-w", "json"])
        equal(theirs.status, 0, str(theirs))
        equal(json.loads(theirs.out)["revision"], 21)
        restored = run(THEIRS, ["snapshot", "restore", path, "--data-dir", path + ".dir"])
        equal(restored.status, 0, str(restored))
        equal(got.err, b"")
        with Terminal(["snapshot", "save", path], server.endpoint) as t:
            t.expect("kB of ")
            t.expect("Snapshot saved at")
            equal(t.end(), 0)
        os.symlink("/dev/full", path + "2.part")
        got = run(OURS, ["snapshot", "save", path + "2"], server.endpoint)
        equal((got.status, got.err), (
            5, f"Error: could not write snapshot: write {path}2.part: no space left on "
               "device\n".encode()))
        forwarded = run(OURS, ["snapshot", "status", path, "-w", "json"])
        equal(forwarded.err, b"Deprecated: Use `etcdutl snapshot status` instead.\n\n")
        equal(json.loads(forwarded.out)["revision"], 21)
        forwarded = run(OURS, ["snapshot", "restore", path, f"--data-dir={path}.ours"])
        equal(forwarded.status, 0, str(forwarded))
        equal(os.path.isdir(path + ".ours/member"), True)


def snapshot_that_does_not_come(binary):
    with harness.Server(binary) as server:
        path = os.path.join(server.base, "snap")
        with Terminal(["snapshot", "save", path], server.endpoint) as t:
            server.process.send_signal(signal.SIGSTOP)
            equal(run(OURS, ["snapshot", "save", path + "2", "--command-timeout=300ms"],
                      server.endpoint), Result(5, b"", b"Error: context deadline exceeded\n"))
            if not os.path.exists(path):  # else it was done before the server stopped
                t.interrupt()
                t.expect("Error: context canceled\r\n")
                equal(t.end(), 5)
            server.process.send_signal(signal.SIGCONT)
        equal([n for n in os.listdir(server.base) if n.endswith(".part")], [])


def keys_below(endpoint, prefix):
    lines = run(OURS, ["get", prefix, "--prefix"], endpoint).out.decode().split("\n")
    return dict(zip(lines[::2], lines[1::2]))


def mirrors(binary):
    with harness.Server(binary) as source, harness.Server() as dest:
        def put(key, value):
            equal(run(OURS, ["put", key, value], source.endpoint).out, b"OK\n")

        for i in range(150):
            put(f"m/{i:03}", f"{i}")
        for i in range(3):  # together more than a message holds
            equal(run(OURS, ["put", f"m/large{i}"], source.endpoint, b"x" * 700000).out, b"OK\n")
        put("other", "stays")
        args = ["make-mirror", "--prefix=m/", "--dest-prefix=copy/", "--max-txn-ops=7",
                dest.endpoint]
        with Terminal(args, source.endpoint) as t:
            wait_for(lambda: len(keys_below(dest.endpoint, "copy/")) == 153, 90)
            put("m/000", "changed")
            ops = "".join(f"put m/t{i} x\n" for i in range(20))
            run(OURS, ["txn"], source.endpoint, f"\n{ops}\n\n".encode())
            run(OURS, ["del", "m/001"], source.endpoint)
            want = {k.replace("m/", "copy/"): v for k, v in
                    keys_below(source.endpoint, "m/").items()}
            wait_for(lambda: keys_below(dest.endpoint, "copy/") == want)
            t.interrupt()
            equal(t.end(), -2)
        equal(run(OURS, ["get", "other"], dest.endpoint).out, b"")
        rev = json.loads(run(OURS, ["get", "x", "-w", "json"], source.endpoint).out)
        rev = rev["header"]["revision"]
        put("m/later", "1")
        with Terminal(["make-mirror", "--prefix=m/", "--no-dest-prefix", f"--rev={rev + 1}",
                       dest.endpoint], source.endpoint):
            wait_for(lambda: "later" in keys_below(dest.endpoint, "later"))
        run(OURS, ["compaction", str(rev + 1)], source.endpoint)
        got = run(OURS, ["make-mirror", "--rev=3", dest.endpoint], source.endpoint)
        equal((got.status, got.err), (
            1, b"Error: etcdserver: mvcc: required revision has been compacted\n"))
        got = run(OURS, ["make-mirror"], source.endpoint)
        equal((got.status, got.err), (
            128, b"Error: make-mirror takes one destination argument\n"))
        got = run(OURS, ["make-mirror", "--no-dest-prefix", "--dest-prefix=a", dest.endpoint],
                  source.endpoint)
        equal((got.status, got.err), (
            128, b"Error: `--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, "
                 b"choose one\n"))


def checks(binary):
    with harness.Server(binary) as server:
        got = run(OURS, ["check", "datascale", "--auto-compact", "--auto-defrag"],
                  server.endpoint, timeout=200)
        equal(got.err, b"")
        lines = got.out.decode().split("\n")
        equal(lines[0], "Start data scale check for work load [10000 key-value pairs, 1024 bytes per "
                        "key-value, 50 concurrent clients].")
        equal([line.split(" ")[0] for line in lines[1:]],
              ["Compacting", "Compacted", "Defragmenting", "Defragmented", "PASS:", ""])
        equal(re.fullmatch(r"PASS: Approximate system memory used : -?\d+\.\d\d MB\.",
                           lines[5]) is not None, True, lines[5])
        with Terminal(["check", "perf"], server.endpoint) as t:
            t.expect("/ 60 [")
            t.expect("1 / 60 [")
            t.interrupt()
            t.expect("writes/s")
            t.end()
            equal(re.search(rb"(PASS: Slowest request took|Slowest request took too long:) "
                            rb"\d+\.\d{6}s\r\n", t.text) is not None, True, t.text)
        equal(run(OURS, ["get", "/etcdctl-check", "--prefix"], server.endpoint).out, b"")
        run(OURS, ["put", "/etcdctl-check-perf/x", "y"], server.endpoint)
        got = run(OURS, ["check", "perf"], server.endpoint)
        equal((got.status, got.err), (
            3, b'Error: prefix "/etcdctl-check-perf/" has keys. Delete with \'etcdctl del --prefix '
               b"/etcdctl-check-perf/' first\n"))


# ---- a cluster of three ----------------------------------------------------------------------------------

def make_certificates(folder):
    """An authority, and a certificate of it for 127.0.0.1."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca",
            "-days", "2")
    openssl("req", *curve, "-keyout", "own.key", "-out", "own.csr", "-subj", "/CN=own")
    with open(os.path.join(folder, "ext"), "w", encoding="ascii") as ext:
        ext.write("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "own.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "own.crt", "-days", "2", "-extfile", "ext")


class TlsServer(harness.Server):
    def command(self):
        command = super().command()
        return [a.replace("http://", "https://") if f"127.0.0.1:{self.client_port}" in a else a
                for a in command]


def secured(binary):
    if binary != harness.UPSTREAM:
        raise Skip("the server has no TLS yet")
    folder = tempfile.mkdtemp(prefix="etcdctl-tls-")
    try:
        make_certificates(folder)
        own, key, ca = (os.path.join(folder, n) for n in ("own.crt", "own.key", "ca.crt"))
        server = TlsServer(binary, ["--cert-file", own, "--key-file", key, "--trusted-ca-file", ca,
                                    "--client-cert-auth"])
        known = [f"--cacert={ca}", f"--cert={own}", f"--key={key}"]
        with server:
            for line in ("put a b", "get a", "member list", "lease list", "endpoint hashkv"):
                args = [*known, f"--endpoints=https://{server.endpoint}", *line.split()]
                theirs, ours = run(THEIRS, args), run(OURS, args)
                equal(ours.status, 0, str(ours))
                if line != "endpoint hashkv":
                    equal(ours, theirs, line)
            for args in (["endpoint", "health"], ["endpoint", "health", "--cluster"],
                         ["snapshot", "save", os.path.join(folder, "snap")],
                         ["lock", "l", "true"]):
                # without a scheme the certificates say that TLS is meant
                got = run(OURS, [*known, f"--endpoints={server.endpoint}", *args])
                equal(got.status, 0, str(got))
            for args in ([f"--cacert={ca}"], ["--insecure-skip-tls-verify"], []):
                args = [*args, f"--endpoints=https://{server.endpoint}", "--command-timeout=500ms",
                        "get", "a"]
                equal(run(OURS, args), ctl.boxed(run_quiet(THEIRS, args)), str(args))
            got = run(OURS, [*known, "--endpoints=https://" + server.endpoint, "check", "datascale"])
            equal(got.status, 0, str(got))
    finally:
        shutil.rmtree(folder)


def run_quiet(program, args):
    """Without what the library logs."""
    result = run(program, args)
    return Result(result.status, result.out, ctl.LOG_LINE.sub(b"", result.err))


# ---- found by DNS ----------------------------------------------------------------------------------------

def labels(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def answer_dns(query, records):
    """The answer to one question: SRV (33) and A (1) records by name, NXDOMAIN for others."""
    end = query.index(b"\0", 12) + 5
    question, kind = query[12:end], int.from_bytes(query[end - 4:end - 2], "big")
    name = query[12:end - 4].lower()
    found = [(k, data) for n, k, data in records if labels(n) == name]
    answers = b"".join(b"\xc0\x0c" + k.to_bytes(2, "big") + b"\0\x01\0\0\0\x3c"
                       + len(data).to_bytes(2, "big") + data for k, data in found if k == kind)
    n = sum(k == kind for k, _ in found)
    flags = b"\x85\x80" if found else b"\x85\x83"
    return (query[:2] + flags + b"\0\x01" + n.to_bytes(2, "big") + b"\0\0\0\0" + question
            + answers)


def serve_dns(server, records):
    while True:
        query, peer = server.recvfrom(4096)
        server.sendto(answer_dns(query, records), peer)


def inside_of_dns(binary):
    """Runs in namespaces of its own, where this process is the name server."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.NamedTemporaryFile("w") as conf:
        conf.write("nameserver 127.0.0.1\noptions timeout:20 attempts:1\n")
        conf.flush()
        subprocess.run(["mount", "--bind", conf.name, "/etc/resolv.conf"], check=True)
        with harness.Server(binary) as server:
            port = server.client_port.to_bytes(2, "big")
            srv = b"\0\0\0\0" + port + labels("one.example.test")
            records = [("_etcd-client._tcp.example.test", 33, srv),
                       ("_etcd-client-blue._tcp.example.test", 33, srv),
                       ("one.example.test", 1, b"\x7f\0\0\x01")]
            asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            asked.bind(("127.0.0.1", 53))
            threading.Thread(target=serve_dns, args=(asked, records), daemon=True).start()
            run(OURS, ["put", "a", "b"], server.endpoint)
            for args in ("--discovery-srv=example.test get a", "-d example.test get a",
                         "-d example.test --discovery-srv-name=blue get a",
                         "-d nowhere.test get a",
                         "-d example.test --insecure-discovery=false --command-timeout=300ms get a"):
                theirs, ours = run_quiet(THEIRS, args.split()), run(OURS, args.split())
                equal(str(ours), str(theirs), args)


def found_by_dns(binary):
    if os.geteuid() != 0 or not shutil.which("unshare"):
        raise Skip("only root has a name server of its own")
    done = subprocess.run(["unshare", "-n", "-m", sys.executable, __file__, "inside", binary],
                          capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)


def cluster_version(server):
    with urllib.request.urlopen(server.url + "/version", timeout=30) as answer:
        return json.load(answer)["etcdcluster"]


def downgrades(binary):
    if binary == harness.UPSTREAM:
        raise Skip("3.4 cannot do that")
    with harness.Server(binary) as server:
        wait_for(lambda: cluster_version(server) == "3.7.0", text="the cluster's version")
        for args, want in (
                ("validate 3.6", Result(0, b"Downgrade validate success, cluster version 3.7\n", b"")),
                ("validate 3.5", Result(1, b"", b"Error: etcdserver: invalid downgrade target "
                                                b"version\n")),
                ("validate x", Result(1, b"", b"Error: etcdserver: wrong downgrade target version "
                                              b"format\n")),
                ("cancel", Result(0, b"Downgrade cancel success, cluster version 3.7\n", b"")),
                ("enable 3.6", Result(0, b"Downgrade enable success, cluster version 3.7\n", b""))):
            got = run(OURS, ["downgrade", *args.split()], server.endpoint)
            equal(str(got), str(want), args)
        got = run(OURS, ["downgrade", "cancel"], server.endpoint)  # perhaps it is at 3.6 by then
        equal(re.fullmatch(rb"Downgrade cancel success, cluster version 3\.[67]\n", got.out)
              is not None, True, str(got))


def three_members(binary):
    with cluster.Cluster(3, binary, ["--election-timeout=4000"]) as c:
        c.leader()
        one, every = c[0].endpoint, c.endpoint
        urls = sorted("http://" + m.endpoint for m in c.members)
        got = run(OURS, ["endpoint", "health", "--cluster"], one)
        equal(got.status, 0, str(got))
        equal(sorted(line.split(" is ")[0] for line in got.out.decode().splitlines()), urls)
        got = run(OURS, ["endpoint", "status", "--cluster", "-w", "json"], one)
        listed = json.loads(got.out)
        equal(sorted(s["Endpoint"] for s in listed), urls)
        leader = listed[0]["Status"]["leader"]
        equal({s["Status"]["leader"] for s in listed}, {leader})
        got = run(OURS, ["endpoint", "hashkv", "--cluster"], one)
        equal(len({line.split(", ")[1] for line in got.out.decode().splitlines()}), 1, str(got))
        got = run(OURS, ["defrag", "--cluster"], one)
        equal(got.out.count(b"Finished defragmenting etcd member[http://"), 3, str(got))
        follower = next(m for m in c.members if m.id != leader)
        for program in (THEIRS, OURS):
            got = run(program, ["move-leader", "%x" % follower.id], follower.endpoint)
            equal((got.status, got.err), (
                128, f"Error: no leader endpoint given at [{follower.endpoint}]\n".encode()))
        got = run(OURS, ["move-leader", "%x" % follower.id], every)
        equal((got.status, got.out), (
            0, b"Leadership transferred from %x to %x\n" % (leader, follower.id)))
        wait_for(lambda: c.leader() is follower)
        c[2].kill()
        got = run(OURS, ["endpoint", "health", "--command-timeout=5s"], every)
        equal((got.status, got.out.count(b"is healthy")), (1, 2), str(got))
        equal(got.err, f"{c[2].endpoint} is unhealthy: failed to commit proposal: context deadline "
                       "exceeded\nError: unhealthy cluster\n".encode())
        got = run(OURS, ["endpoint", "status", "--command-timeout=5s"], every)
        equal((got.status, got.out.count(b"\n")), (1, 2), str(got))
        equal(got.err, f"Failed to get the status of endpoint {c[2].endpoint} (context deadline "
                       "exceeded)\n".encode())
        got = run(OURS, ["member", "remove", "%x" % c[2].id], one)
        equal(re.fullmatch(rb"Member +%x removed from cluster +[0-9a-f]+\n" % c[2].id, got.out)
              is not None, True, str(got))


TESTS = (lock_waits_for_its_turn, lock_of_a_command_goes_with_it,
         signal_that_comes_twice_is_one, lock_ends_with_its_session,
         election_is_won_and_seen, watches, watch_says_why_nothing_runs, watch_is_interrupted, txn_at_a_terminal,
         watch_at_a_terminal, passwords_are_asked, snapshots, snapshot_that_does_not_come, mirrors,
         checks, secured, found_by_dns, downgrades, three_members)


def main():
    if sys.argv[1:2] == ["inside"]:
        inside_of_dns(sys.argv[2])
    else:
        ctl.run_tests(TESTS)


if __name__ == "__main__":
    main()
