#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that people have, unmodified, against the server under test.

Debian's etcdctl, the python3-etcd3 library and curl. Output is compared with what these programs
print for upstream, so a script that reads it keeps working.
"""
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import equal  # noqa: E402

ETCDCTL = shutil.which("etcdctl", path="/usr/bin:/usr/local/bin")
COMMAND_LIMIT_S = 90


def ctl(server, *words, stdin="", status=0, timeout=COMMAND_LIMIT_S):
    """Run etcdctl and return its standard output; `status` is the exit status that must come."""
    done = subprocess.run([ETCDCTL, "--endpoints", server.endpoint, *words], input=stdin,
                          capture_output=True, text=True, timeout=timeout,
                          env=dict(os.environ, ETCDCTL_API="3"))
    if done.returncode != status:
        raise AssertionError(f"etcdctl {' '.join(words)}: status {done.returncode}\n"
                             f"{done.stdout}{done.stderr}")
    return done.stdout if status == 0 else done.stdout + done.stderr


def curl(server, *words):
    """Return (status, headers in lower case, body)."""
    done = subprocess.run(["curl", "--silent", "--show-error", "--include", "--noproxy", "*",
                           "--max-time", "60", *words[:-1], server.url + words[-1]],
                          capture_output=True, timeout=COMMAND_LIMIT_S,
                          stdin=subprocess.DEVNULL)
    equal(done.returncode, 0, f"curl {words}: {done.stderr}")
    head, _, body = done.stdout.decode().partition("\r\n\r\n")
    lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split()[1]), headers, body


class Watching:
    """An `etcdctl watch` in the background, whose lines can be waited for."""

    def __init__(self, server, *words, stdin=None):
        self.process = subprocess.Popen(
            [ETCDCTL, "--endpoints", server.endpoint, "watch", *words], text=True,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        if stdin:
            self.process.stdin.write(stdin)
            self.process.stdin.flush()
        self.lines = []
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()

    def expect(self, *wanted):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.lines) >= len(wanted), 60):
                raise AssertionError(f"watch printed {self.lines}, not {wanted}")
        equal(self.lines[:len(wanted)], list(wanted), "what watch printed")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()


# ---- etcdctl --------------------------------------------------------------------------------------

def etcdctl_put_get(server):
    equal(ctl(server, "put", "mykey", "this is a test"), "OK\n")
    equal(ctl(server, "get", "mykey"), "mykey\nthis is a test\n")
    for i in "123":
        ctl(server, "put", "foo" + i, i)
    equal(ctl(server, "get", "--prefix", "foo"), "foo1\n1\nfoo2\n2\nfoo3\n3\n")
    answer = json.loads(ctl(server, "get", "--prefix", "--limit=2", "foo", "-w", "json"))
    equal(answer["count"], 3, "count")
    equal(answer["more"], True, "more")
    equal([base64.b64decode(kv["key"]) for kv in answer["kvs"]], [b"foo1", b"foo2"], "keys")
    equal(ctl(server, "get", "foo1", "foo3"), "foo1\n1\nfoo2\n2\n")
    equal(ctl(server, "get", "--from-key", "foo3", "--limit=1", "--print-value-only"), "3\n")
    equal(ctl(server, "get", "--prefix", "foo", "--order=DESCEND", "--keys-only"),
          "foo3\n\nfoo2\n\nfoo1\n\n")
    if '"Count" : 3' not in ctl(server, "get", "--prefix", "foo", "-w", "fields"):
        raise AssertionError("the fields format has no count")
    equal(ctl(server, "put", "foo1", "new", "--prev-kv"), "OK\nfoo1\n1\n")
    revision = json.loads(ctl(server, "get", "foo1", "-w", "json"))["header"]["revision"]
    equal(ctl(server, "get", "foo1", f"--rev={revision - 1}"), "foo1\n1\n")
    equal(ctl(server, "put", "foo1", "--ignore-value"), "OK\n")
    equal(ctl(server, "put", "from-stdin", stdin="text"), "OK\n")
    equal(ctl(server, "get", "from-stdin", "--hex"),
          r"\x66\x72\x6f\x6d\x2d\x73\x74\x64\x69\x6e" + "\n" + r"\x74\x65\x78\x74" + "\n")
    equal(ctl(server, "del", "--prefix", "foo", "--prev-kv").splitlines()[0], "3")
    equal(ctl(server, "del", "absent"), "0\n")
    equal(ctl(server, "get", "foo1"), "")
    text = ctl(server, "get", "mykey", "--rev=100000", status=1)
    if "mvcc: required revision is a future revision" not in text:
        raise AssertionError(text)


def etcdctl_watch(server):
    with Watching(server, "--prefix", "/", "--prev-kv") as watch:
        # No event says that the watcher is there: write until it has seen one.
        harness.wait_for(lambda: ctl(server, "put", "/probe", "x") and watch.lines, text="a watch")
    start = json.loads(ctl(server, "get", "x", "-w", "json"))["header"]["revision"] + 1
    ctl(server, "put", "/a", "1")
    with Watching(server, "--prefix", "/", f"--rev={start}", "--prev-kv") as watch:
        watch.expect("PUT", "/a", "1")
        ctl(server, "put", "/a", "2")
        ctl(server, "del", "/a")
        watch.expect("PUT", "/a", "1", "PUT", "/a", "1", "/a", "2",
                     "DELETE", "/a", "2", "/a", "")


def etcdctl_txn(server):
    ctl(server, "put", "flag", "1")
    equal(ctl(server, "txn", stdin='value("flag") = "1"\n\nput result true\nget result\n\n'
                                   'put result false\n\n'),
          "SUCCESS\n\nOK\n\nresult\ntrue\n")
    equal(ctl(server, "txn", stdin='mod("flag") < "1"\nversion("flag") > "0"\n\nput x y\n\n'
                                   'get flag\ndel flag\n\n'),
          "FAILURE\n\nflag\n1\n\n1\n")
    text = ctl(server, "txn", stdin="\nput twice 1\nput twice 2\n\n\n", status=1)
    if "duplicate key given in txn request" not in text:
        raise AssertionError(text)


def etcdctl_lease(server):
    text = ctl(server, "lease", "grant", "60")
    lease = re.fullmatch(r"lease ([0-9a-f]{16}) granted with TTL\(60s\)\n", text).group(1)
    equal(ctl(server, "put", "leased", "v", f"--lease={lease}"), "OK\n")
    equal(ctl(server, "lease", "keep-alive", "--once", lease),
          f"lease {lease} keepalived with TTL(60)\n")
    text = ctl(server, "lease", "timetolive", "--keys", lease)
    if not re.fullmatch(rf"lease {lease} granted with TTL\(60s\), remaining\(\d+s\), "
                        r"attached keys\(\[leased\]\)\n", text):
        raise AssertionError(text)
    if lease not in ctl(server, "lease", "list"):
        raise AssertionError("the lease is not in the list")
    equal(ctl(server, "lease", "revoke", lease), f"lease {lease} revoked\n")
    equal(ctl(server, "get", "leased"), "")
    equal(ctl(server, "lease", "timetolive", lease), f"lease {lease} already expired\n")
    text = ctl(server, "lease", "revoke", lease, status=1)
    if "requested lease not found" not in text:
        raise AssertionError(text)


def etcdctl_snapshot(server):
    """A snapshot that Debian's own tools read, restore and serve."""
    for i in range(50):
        ctl(server, "put", f"snap{i:02}", "v" * i)
    path = os.path.join(server.base, "backup.db")
    ctl(server, "snapshot", "save", path)
    status = json.loads(ctl(server, "snapshot", "status", path, "-w", "json"))
    revision = json.loads(ctl(server, "get", "x", "-w", "json"))["header"]["revision"]
    equal(status["revision"], revision, "the snapshot's revision")
    if status["totalKey"] < 50:
        raise AssertionError(status)
    if "HASH" not in ctl(server, "snapshot", "status", path, "-w", "table"):
        raise AssertionError("no table")
    if not harness.UPSTREAM:
        return
    restored = harness.Server(binary=harness.UPSTREAM)
    ctl(server, "snapshot", "restore", path, "--data-dir", restored.data_dir, "--name", "m1",
        "--initial-cluster", f"m1=http://127.0.0.1:{restored.peer_port}",
        "--initial-advertise-peer-urls", f"http://127.0.0.1:{restored.peer_port}")
    with restored:
        equal(ctl(restored, "get", "--prefix", "snap"), ctl(server, "get", "--prefix", "snap"),
              "the keys after a restore")
        both = [json.loads(ctl(s, "endpoint", "hashkv", f"--rev={revision}", "-w", "json"))
                for s in (server, restored)]
        equal(both[0][0]["HashKV"]["hash"], both[1][0]["HashKV"]["hash"], "HashKV of both")


def etcdctl_maintenance(server):
    for i in range(5):
        ctl(server, "put", "compacted", str(i))
    revision = json.loads(ctl(server, "get", "x", "-w", "json"))["header"]["revision"]
    equal(ctl(server, "compaction", "--physical", str(revision)), f"compacted revision {revision}\n")
    if "has been compacted" not in ctl(server, "compaction", str(revision), status=1):
        raise AssertionError("a second compaction")
    if "Finished defragmenting etcd member" not in ctl(server, "defrag"):
        raise AssertionError("defrag")
    table = ctl(server, "endpoint", "status", "-w", "table")
    for word in ("ENDPOINT", "VERSION", "DB SIZE", "IS LEADER", "RAFT TERM", server.endpoint):
        if word not in table:
            raise AssertionError(table)
    status = json.loads(ctl(server, "endpoint", "status", "-w", "json"))[0]["Status"]
    equal(status["leader"], status["header"]["member_id"], "the leader")
    health = json.loads(ctl(server, "endpoint", "health", "-w", "json"))
    equal(health[0]["health"], True, "health")
    if not re.match(rf"{re.escape(server.endpoint)}, \d+\n", ctl(server, "endpoint", "hashkv")):
        raise AssertionError("endpoint hashkv")
    equal(ctl(server, "alarm", "list"), "")
    equal(ctl(server, "alarm", "disarm"), "")
    members = json.loads(ctl(server, "member", "list", "-w", "json"))["members"]
    equal([(m["name"], m["clientURLs"]) for m in members], [("m1", [server.url])], "members")
    if "started" not in ctl(server, "member", "list", "-w", "table"):
        raise AssertionError("the member is not started")


def etcdctl_lock_elect(server):
    """A lock around a command, a second one that waits, and an election."""
    text = ctl(server, "lock", "mutex", "--", "sh", "-c", "echo $ETCD_LOCK_KEY $ETCD_LOCK_REV")
    if not re.match(r"mutex/[0-9a-f]+ \d+\n", text):
        raise AssertionError(text)
    equal(ctl(server, "get", "--prefix", "mutex/"), "", )
    process = subprocess.Popen([ETCDCTL, "--endpoints", server.endpoint, "elect", "vote", "me"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    try:
        key = process.stdout.readline()
        equal(process.stdout.readline(), "me\n", "the value of the leader")
        if not re.match(r"vote/[0-9a-f]+\n", key):
            raise AssertionError(key)
        process.terminate()
        process.wait(60)
        equal(ctl(server, "get", "--prefix", "vote/"), "", "after resigning")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def etcdctl_move_leader_refused(server):
    text = ctl(server, "move-leader", "abcdef", status=1)
    if "bad leader transferee" not in text:
        raise AssertionError(text)


class CheckPerf:
    """`etcdctl check perf` takes a minute: it runs beside the other tests, on a server of its own."""

    def __init__(self):
        self.server = harness.Server().start()
        self.process = subprocess.Popen(
            [ETCDCTL, "--endpoints", self.server.endpoint, "check", "perf", "--load=s"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def finish(self):
        """Every line of the verdict but the latency's passes: that one measures the machine."""
        out, _ = self.process.communicate(timeout=150)
        text = out.decode("utf-8", "replace").split("\r")[-1]
        self.server.close()
        if "PASS: Throughput is" not in text or "Error" in text:
            raise AssertionError(text[-600:])


# ---- curl -----------------------------------------------------------------------------------------

def curl_gateway(server):
    ctl(server, "put", "foo", "bar")
    status, headers, body = curl(server, "-d", '{"key":"Zm9v"}', "/v3/kv/range")
    equal((status, headers["content-type"]), (200, "application/json"))
    kv = json.loads(body)["kvs"][0]
    equal((kv["key"], kv["value"]), ("Zm9v", "YmFy"), "a key through the gateway")
    if not isinstance(kv["mod_revision"], str):
        raise AssertionError("64-bit numbers are JSON strings")
    status, _, body = curl(server, "-d", '{"key":"Zm9v","value":"YmF6"}', "/v3/kv/put")
    equal(status, 200, body)
    equal(ctl(server, "get", "foo"), "foo\nbaz\n")


def curl_endpoints(server):
    status, headers, body = curl(server, "/version")
    equal((status, headers["content-type"]), (200, "application/json"))
    version = json.loads(body)
    if not re.fullmatch(r"\d+\.\d+\.\d+", version["etcdserver"]):
        raise AssertionError(body)
    harness.wait_for(lambda: re.fullmatch(
        r"\d+\.\d+\.\d+", json.loads(curl(server, "/version")[2])["etcdcluster"]),
        text="the cluster version")
    status, _, body = curl(server, "/health")
    equal((status, json.loads(body)["health"]), (200, "true"))
    equal(curl(server, "-X", "POST", "/health")[0], 405)
    status, headers, body = curl(server, "/metrics")
    equal(status, 200)
    if not headers["content-type"].startswith("text/plain; version=0.0.4"):
        raise AssertionError(headers)
    for family in ("etcd_server_has_leader 1", "etcd_server_is_leader 1",
                   "etcd_debugging_mvcc_keys_total", "grpc_server_handled_total",
                   "process_resident_memory_bytes", "etcd_disk_wal_fsync_duration_seconds_bucket",
                   "etcd_mvcc_db_total_size_in_bytes", "etcd_server_proposals_committed_total"):
        if family not in body:
            raise AssertionError(f"{family} is not in /metrics")
    status, _, body = curl(server, "/no/such/path")
    equal((status, body), (404, "404 page not found\n"))
    status, headers, _ = curl(server, "-X", "OPTIONS", "/v3/kv/range")
    equal(status, 200)
    equal(headers.get("access-control-allow-origin"), "*", "CORS")


def curl_health_of_new_releases(server):
    if harness.is_upstream(server.binary):
        raise harness.Skip("3.4.23 has neither /livez nor /readyz")
    for path in ("/livez", "/readyz"):
        status, _, body = curl(server, path)
        equal((status, body), (200, "ok\n"), path)
    status, _, body = curl(server, "/readyz?verbose")
    equal(status, 200)
    if "[+]linearizable_read ok" not in body:
        raise AssertionError(body)
    equal(json.loads(curl(server, "/health")[2]), {"health": "true", "reason": ""})
    if "storage" not in json.loads(curl(server, "/version")[2]):
        raise AssertionError("no storage version")


# ---- python3-etcd3 --------------------------------------------------------------------------------

def library(server):
    import etcd3
    return etcd3.client(host="127.0.0.1", port=server.client_port, timeout=60)


def python_keys(server):
    client = library(server)
    client.put("py/1", "one")
    equal(client.get("py/1")[0], b"one")
    client.put("py/2", "two")
    equal([v for v, _ in client.get_prefix("py/")], [b"one", b"two"])
    equal([v for v, _ in client.get_prefix("py/", sort_order="descend")], [b"two", b"one"])
    equal(client.replace("py/1", "one", "1"), True)
    equal(client.replace("py/1", "one", "2"), False)
    equal(client.put_if_not_exists("py/1", "x"), False)
    equal(client.delete("py/1"), True)
    equal(client.get("py/1"), (None, None))
    equal(client.delete_prefix("py/").deleted, 1)
    equal(client.status().leader.name, "m1")
    equal([m.name for m in client.members], ["m1"])
    client.compact(client.get_response("x").header.revision)
    client.defragment()
    client.hash()
    equal(list(client.list_alarms()), [])
    client.close()


def python_transactions(server):
    client = library(server)
    client.put("tx", "1")
    done, replies = client.transaction(
        compare=[client.transactions.value("tx") == "1", client.transactions.version("tx") > 0],
        success=[client.transactions.put("tx", "2"), client.transactions.get("tx")],
        failure=[client.transactions.delete("tx")])
    equal(done, True)
    equal(replies[1][0][0], b"2")
    client.close()


def python_watch(server):
    client = library(server)
    start = client.get_response("w/").header.revision + 1
    events, cancel = client.watch_prefix("w/", start_revision=start)
    client.put("w/1", "a")
    client.delete("w/1")
    got = [next(events), next(events)]
    equal([type(e).__name__ for e in got], ["PutEvent", "DeleteEvent"])
    equal((got[0].key, got[0].value), (b"w/1", b"a"))
    cancel()  # the library's thread does not survive a close() right after this


def python_lease_lock(server):
    client = library(server)
    lease = client.lease(60)
    client.put("pl", "x", lease=lease)
    equal(list(lease.keys), [b"pl"])
    equal(lease.granted_ttl, 60)
    equal(len(list(lease.refresh())), 1)
    lease.revoke()
    equal(client.get("pl")[0], None)
    first, second = client.lock("lk", ttl=60), client.lock("lk", ttl=60)
    equal(first.acquire(timeout=30), True)
    equal(second.acquire(timeout=0), False)
    equal(first.is_acquired(), True)
    equal(first.release(), True)
    equal(second.acquire(timeout=30), True)
    second.release()
    client.close()


def python_snapshot(server):
    client = library(server)
    with open(os.path.join(server.base, "py.snap"), "wb") as file:
        client.snapshot(file)
        equal(file.tell() % 512, 32, "a snapshot ends with its SHA-256")
    client.close()


def main():
    suite = harness.Suite(limit_s=800)
    perf = CheckPerf()
    server = harness.Server().start()
    for test in (etcdctl_put_get, etcdctl_watch, etcdctl_txn, etcdctl_lease, etcdctl_snapshot,
                 etcdctl_maintenance, etcdctl_lock_elect, etcdctl_move_leader_refused,
                 curl_gateway, curl_endpoints, curl_health_of_new_releases,
                 python_keys, python_transactions, python_watch, python_lease_lock,
                 python_snapshot):
        suite.run(test, server)
        server.check_alive()
    suite.run(perf.finish, name="etcdctl_check_perf")
    suite.run(server.close, name="the_server_stops_cleanly")
    suite.finish()


if __name__ == "__main__":
    main()
