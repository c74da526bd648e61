#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""etcd-benchmark: each sub-command against our server and the distribution's etcd 3.4.

Small totals: what is checked is that the requests were made, as the server's revision tells, and that
the report has upstream's layout, line by line. $ETCD is our server, $ETCD_BENCHMARK the program under
test, by default the one beside it.
"""
import json
import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cluster"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
BENCHMARK = os.environ.pop("ETCD_BENCHMARK", None)
import harness  # noqa: E402
from cluster import Cluster, Member  # noqa: E402
from harness import UPSTREAM, equal, wait_for  # noqa: E402
from proto import pb  # noqa: E402

SERVER = harness.server_path()
BENCHMARK = BENCHMARK or str(pathlib.Path(SERVER).parent / "etcd-benchmark")
LIMIT_S = 120


# ---- running it ----------------------------------------------------------------------------------

def check_end(args, code, err, want):
    told = f"etcd-benchmark {' '.join(args)} ended with {code}: {err[:2000]}"
    if harness.SANITIZER_TEXT.search(err) or code != want:
        raise AssertionError(told)


def run(*args, status=0, **more):
    """Run it; return (stdout, stderr)."""
    args = [str(a) for a in args]
    done = subprocess.run([BENCHMARK, *args], capture_output=True, text=True, timeout=LIMIT_S,
                          stdin=subprocess.DEVNULL, **more)
    check_end(args, done.returncode, done.stderr, status)
    return done.stdout, done.stderr


def refused(*args, word):
    out, err = run(*args, status=1)
    if word not in err:
        raise AssertionError(f"{args}: said {err!r}, and not {word!r}")


def revision(member):
    return member.must("status").header.revision


# ---- reading the report --------------------------------------------------------------------------

NUMBER = r"[0-9]+\.[0-9]{4}"
PRECISE = r"[0-9]+(?:\.[0-9]+)?(?:e[+-][0-9]{2})?"
PERCENTS = ["10", "25", "50", "75", "90", "95", "99", "99.9"]


class Lines:
    def __init__(self, text):
        self.lines = text.split("\n")

    def take(self, pattern, what="the report"):
        line = self.lines.pop(0) if self.lines else None
        match = re.fullmatch(pattern, line) if line is not None else None
        if not match:
            raise AssertionError(f"{what}: {line!r} is not {pattern!r}; then {self.lines[:5]}")
        return match

    def next_is(self, pattern):
        return bool(self.lines) and re.fullmatch(pattern, self.lines[0]) is not None

    def end(self):
        equal(self.lines, [""], "what follows the report")


def read_report(lines, number=NUMBER, sampled=False):
    """Take one report; return its figures, `n` being the requests that its histogram counts."""
    figures = {"n": 0, "percents": {}}
    lines.take("")
    lines.take("Summary:")
    for name in ("Total", "Slowest", "Fastest", "Average", "Stddev"):
        figures[name] = float(lines.take(rf"  {name}:\t({number}) secs\.")[1])
    figures["rate"] = float(lines.take(rf"  Requests/sec:\t({number})")[1])
    lines.take("")
    lines.take("Response time histogram:")
    bars = []
    for _ in range(11):
        bar = lines.take(rf"  ({number}) \[(\d+)\]\t\|(∎*)")
        bars.append((float(bar[1]), int(bar[2]), len(bar[3])))
    figures["n"] = sum(n for _, n, _ in bars)
    most = max(n for _, n, _ in bars)
    for _, n, width in bars:
        equal(width, n * 40 // most, "a bar's width")
    equal([b for b, _, _ in bars], sorted(b for b, _, _ in bars), "the bounds ascend")
    equal(bars[-1][0], figures["Slowest"], "the last bound")
    lines.take("")
    lines.take("Latency distribution:")
    while lines.next_is(rf"  [0-9.]+% in {number} secs\."):
        match = lines.take(rf"  ([0-9.]+)% in ({number}) secs\.")
        figures["percents"][match[1]] = float(match[2])
    told = list(figures["percents"])
    equal(told, [p for p in PERCENTS if p in told], "the percents")
    if sampled:
        lines.take("")
        lines.take(r"Sample in one second \(unix latency throughput\):")
        lines.take("UNIX-SECOND,MIN-LATENCY-MS,AVG-LATENCY-MS,MAX-LATENCY-MS,AVG-THROUGHPUT")
        figures["seconds"] = 0
        while lines.next_is(r"\d+,[^,]+,[^,]+,[^,]+,\d+"):
            span = r"(?:0s|[0-9.]+(?:ns|µs|ms|s))"
            figures["seconds"] += int(lines.take(rf"\d{{10}},{span},{span},{span},(\d+)")[1])
        lines.take("")
    return figures


def read_errors(lines):
    """Take the distribution of errors, if there is one; return how many, and their texts."""
    if not lines.next_is("") or lines.lines[1:2] != ["Error distribution:"]:
        return 0, []
    lines.take("")
    lines.take("Error distribution:")
    n, texts = 0, []
    while lines.next_is(r"  \[\d+\]\t.+"):
        match = lines.take(r"  \[(\d+)\]\t(.+)")
        n += int(match[1])
        texts.append(match[2])
    return n, texts


def one_report(out, blank_line=False, **more):
    lines = Lines(out)
    figures = read_report(lines, **more)
    if blank_line:
        lines.take("")
    lines.end()
    return figures


# ---- the sub-commands ----------------------------------------------------------------------------

def put(member):
    before = revision(member)
    out, err = run("--endpoints", member.endpoint, "--conns=1", "--clients=1", "put",
                   "--key-size=8", "--sequential-keys", "--total=3000", "--val-size=256",
                   "--sample")
    figures = one_report(out, blank_line=True, sampled=True)
    equal((figures["n"], figures["seconds"], revision(member) - before), (3000,) * 3)
    equal(err, "", "stderr")
    equal(list(figures["percents"]), PERCENTS)
    got = member.must("range", pb().RangeRequest(key=bytes(8)))
    equal((got.count, len(got.kvs[0].value), got.kvs[0].version), (1, 256, 3000))


def put_many_keys(member):
    member.must("delete", pb().DeleteRangeRequest(key=b"\0", range_end=b"\0"))
    out, _ = run("--endpoints", member.endpoint, "--conns=3", "--clients=20", "--precise", "put",
                 "--sequential-keys", "--total=500", "--key-space-size=200", "--key-size=4",
                 "--val-size=0", "--check-hashkv")
    lines = Lines(out)
    equal(read_report(lines, number=PRECISE)["n"], 500)
    lines.take("")
    lines.take("HashKV Summary:")
    hashed = int(lines.take(r"\tHashKV: (\d+)")[1])
    lines.take(rf"\tEndpoint: {member.endpoint}")
    lines.take(r"\tTime taken to get hashkv: [0-9.]+(?:µs|ms|s)")
    lines.take(r"\tDB size: [0-9.]+ (?:B|kB|MB)")
    lines.end()
    equal(hashed, member.hash()[2], "the hash")
    got = member.must("range", pb().RangeRequest(key=b"\0", range_end=b"\0"))
    want = sorted(varint(i << 1).ljust(4, b"\0") for i in range(200))
    equal([kv.key for kv in got.kvs], want, "the keys")


def varint(v):
    out = b""
    while v >= 0x80:
        out += bytes([v & 0x7f | 0x80])
        v >>= 7
    return out + bytes([v])


def put_and_compact(member):
    before = revision(member)
    run("--endpoints", member.endpoint, "--clients=4", "put", "--total=400", "--rate=400",
        "--compact-interval=100ms", "--compact-index-delta=10")
    equal(revision(member) - before, 400)
    old = pb().RangeRequest(key=b"a", revision=before + 1)
    equal(member.client.call("range", old)[0], "OUT_OF_RANGE", "a range before the compaction")


def ranges(member):
    for i in range(25):
        member.must("put", pb().PutRequest(key=b"range/%02d" % i, value=b"v"))
    base = ["--endpoints", member.endpoint, "--conns=2", "--clients=5", "range"]
    kinds = [["range/01"], ["range/", "range0", "--limit=10"], ["range/", "--prefix", "--keys-only"],
             ["--prefix", "--count-only"], ["--prefix", "range/", "--paginate"]]
    if member.binary != UPSTREAM:
        kinds.append(["--prefix", "range/", "--stream"])
    for kind in kinds:
        for letter, word in (("l", "linearizable"), ("s", "serializable")):
            out, _ = run(*base, "--total=60", f"--consistency={letter}", *kind)
            first, rest = out.split("\n", 1)
            equal(first, f"bench with {word} range")
            equal(one_report(rest)["n"], 60, str(kind))


def transactions(member):
    before = revision(member)
    out, _ = run("--endpoints", member.endpoint, "--clients=3", "txn-put", "--total=50",
                 "--txn-ops=4", "--key-space-size=10")
    equal(one_report(out, blank_line=True)["n"], 50)
    equal(revision(member) - before, 50)
    before = revision(member)
    out, _ = run("--endpoints", member.endpoint, "--clients=3", "txn-mixed", "key", "--total=100",
                 "--rw-ratio=3", "--key-space-size=10")
    lines = Lines(out)
    lines.take("bench with linearizable range")
    counts = []
    for name in ("Read", "Write"):
        counts.append(int(lines.take(rf"Total {name} Ops: (\d+)")[1]))
        lines.lines[0] = lines.lines[0].replace("Details:", "", 1)
        equal(read_report(lines)["n"], counts[-1])
        lines.take("")
    lines.end()
    equal((sum(counts), revision(member) - before), (100, counts[1]))
    if not counts[1] < counts[0]:
        raise AssertionError(f"three reads to a write: {counts}")


def watch(member):
    before = revision(member)
    out, _ = run("--endpoints", member.endpoint, "--clients=4", "watch", "--streams=5",
                 "--watch-per-stream=4", "--watched-key-total=3", "--key-space-size=3",
                 "--sequential-keys", "--put-total=50")
    lines = Lines(out)
    lines.take("Watch creation summary:")
    equal(read_report(lines)["n"], 20)
    lines.take("Watch events received summary:")
    events = read_report(lines)["n"]
    lines.end()
    # 20 watches on 3 keys are 7, 7 and 6; 50 puts are 17, 17 and 16
    equal((events, revision(member) - before), (17 * 7 + 17 * 7 + 16 * 6, 50))


def watch_same_key(member):
    out, _ = run("--endpoints", member.endpoint, "watch", "--streams=2", "--watch-per-stream=3",
                 "--watched-key-total=4", "--put-total=10", "--put-rate=1000")
    lines = Lines(out)
    lines.take("Watch creation summary:")
    equal(read_report(lines)["n"], 6)
    lines.take("Watch events received summary:")
    equal(read_report(lines)["n"], 60)
    lines.end()


def watch_get(member):
    before = revision(member)
    out, _ = run("--endpoints", member.endpoint, "watch-get", "--watchers=50", "--streams=3",
                 "--events=7")
    first, rest = out.split("\n", 1)
    equal(first, "Get during watch summary:")
    lines = Lines(rest)
    if rest:
        read_report(lines)
    equal(revision(member) - before, 7)


def watch_latency(member):
    for flag in ("--put-total=30", "--total=30"):
        before = revision(member)
        out, _ = run("--endpoints", member.endpoint, "watch-latency", "--streams=3",
                     "--watchers-per-stream=2", flag, "--put-rate=200", "--prevkv")
        lines = Lines(out)
        lines.take("")
        lines.take("Put summary:")
        equal(read_report(lines)["n"], 30)
        lines.take("")
        lines.take("Watch events summary:")
        equal(read_report(lines)["n"], 180)
        lines.end()
        equal(revision(member) - before, 30)


def lease_keepalive(member):
    before = len(member.must("leases", pb().LeaseLeasesRequest()).leases)
    out, _ = run("--endpoints", member.endpoint, "--clients=3", "lease-keepalive", "--total=40")
    equal(one_report(out)["n"], 40)
    equal(len(member.must("leases", pb().LeaseLeasesRequest()).leases) - before, 3)


def stm(member):
    for isolation in ("r", "c", "s", "ss"):
        before = revision(member)
        out, _ = run("--endpoints", member.endpoint, "--conns=2", "--clients=6", "stm",
                     f"--isolation={isolation}", "--keys=4", "--keys-per-txn=3", "--total=60",
                     "--txn-wr-percent=70")
        equal(one_report(out)["n"], 60, isolation)
        equal(revision(member) - before, 60, isolation)  # each writes, and once only


def stm_lock(member):
    for locker in ("lock-client", "lock-rpc"):
        before = revision(member)
        out, _ = run("--endpoints", member.endpoint, "--clients=5", "stm", f"--stm-locker={locker}",
                     "--total=20", "--txn-wr-percent=100")
        equal(one_report(out)["n"], 20, locker)
        # a key is made and removed for each lock, and there is one write in between
        equal(revision(member) - before, 60, locker)
        got = member.must("range", pb().RangeRequest(key=b"stmlock", range_end=b"stmlocl"))
        equal(got.count, 0, "locks that are left")


# ---- what needs one server only ------------------------------------------------------------------

def rate_is_kept(member):
    began = time.monotonic()
    out, _ = run("--endpoints", member.endpoint, "--clients=10", "put", "--rate=100", "--total=61")
    took = time.monotonic() - began
    figures = one_report(out, blank_line=True)
    if not 0.55 <= took or figures["rate"] > 61 / 0.59:
        raise AssertionError(f"61 puts at 100 a second took {took:.2f} s: {figures}")


def perfdash(member):
    with tempfile.TemporaryDirectory() as folder:
        artifacts = os.path.join(folder, "a", "b")
        out, _ = run("--endpoints", member.endpoint, "--report-perfdash", "put", "--total=50",
                     env=dict(os.environ, ARTIFACTS=artifacts))
        said, rest = out.split("\n", 1)
        prefix = "Successfully created a JSON perf report at "
        path = said.removeprefix(prefix)
        equal(said[:len(prefix)], prefix)
        if not re.fullmatch(r"EtcdAPI_benchmark_put_\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.json",
                            os.path.basename(path)):
            raise AssertionError(path)
        figures = one_report(rest, blank_line=True)
        report = json.loads(pathlib.Path(path).read_text())
        item = report["dataItems"][0]
        equal((report["version"], item["unit"], item["labels"]), ("v1", "ms", {"Operation": "PUT"}))
        equal(sorted(item["data"]), ["Perc50", "Perc90", "Perc99"])
        if abs(item["data"]["Perc50"] / 1000 - figures["percents"]["50"]) > 0.0001:
            raise AssertionError((item, figures))


def progress_on_a_terminal(member):
    master, slave = pty.openpty()
    with subprocess.Popen([BENCHMARK, "--endpoints", member.endpoint, "put", "--total=100",
                           "--rate=100"], stdout=subprocess.DEVNULL, stderr=slave,
                          stdin=subprocess.DEVNULL) as process:
        os.close(slave)
        shown = b""
        while select.select([master], [], [], 30)[0]:
            try:
                shown += os.read(master, 4096)
            except OSError:
                break
        equal(process.wait(LIMIT_S), 0)
    os.close(master)
    if not re.search(rb"\d+ / 100 \d+\.\d\d%", shown):
        raise AssertionError(f"the terminal saw {shown!r}")


def wrong_flags():
    refused("put", "--key-space-size=0", word="expected positive --key-space-size, got (0)")
    refused("put", "--key-size=0", word="--key-size")
    refused("put", "--key-size=1", "--key-space-size=100000", word="--key-size")
    refused("put", "--val-size=-1", word="--val-size")
    refused("put", "--nonsense", word="unknown flag: --nonsense")
    refused("put", "--total=x", word="invalid argument")
    refused("puts", word="unknown command")
    refused("--clients=0", "put", word="--clients")
    refused("--conns=0", "put", word="--conns")
    refused("range", word="expected a key")
    refused("range", "a", "b", "c", word="expected a key")
    refused("range", "a", "--consistency=x", word="--consistency")
    refused("range", "a", "--paginate", "--limit=1", word="mutually exclusive")
    refused("range", "a", "--count-only", "--keys-only", word="cannot be set at the same time")
    refused("txn-put", "--txn-ops=2", word="expected --txn-ops no larger than --key-space-size")
    refused("txn-mixed", "a", "--consistency=x", word="--consistency")
    refused("stm", "--isolation=x", word="--isolation")
    refused("stm", "--txn-wr-percent=101", word="expected [0, 100] --txn-wr-percent, got (101)")
    refused("stm", "--keys-per-txn=2", word="expected --keys-per-txn between 0 and 1, got (2)")
    refused("stm", "--stm-locker=x", word='unexpected stm locker "x"')
    refused("watch", "--key-space-size=0", word="expected positive --key-space-size, got (0)")
    refused("mvcc", "put", "--cpuprofile=x", word="perf record")
    refused("--cacert=/nowhere", "put", word="/nowhere")


def nobody_there():
    port, = harness.free_ports(1)
    out, _ = run("--endpoints", f"127.0.0.1:{port}", "--clients=7", "put", "--total=100", status=1)
    lines = Lines(out)
    n, texts = read_errors(lines)
    equal((n, len(texts)), (100, 1))
    if "connection refused" not in texts[0]:
        raise AssertionError(texts)
    for command in (["watch"], ["watch-latency"], ["watch-get"], ["lease-keepalive"],
                    ["stm", "--stm-locker=lock-client"]):
        refused("--endpoints", f"127.0.0.1:{port}", *command, word="connection refused")
    refused("--endpoints", f"127.0.0.1:{port}", "--target-leader", "put",
            word="failed to get a member list")


def server_goes_away():
    args = ["--clients=5", "put", "--total=3000", "--rate=500", "--val-size=8"]
    with Member("m1") as member:
        with subprocess.Popen([BENCHMARK, "--endpoints", member.endpoint, *args], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            wait_for(lambda: revision(member) > 200, text="200 puts")
            member.kill()
            out, err = process.communicate(timeout=LIMIT_S)
        check_end(args, process.returncode, err, 0)
    lines = Lines(out)
    done = read_report(lines)["n"]
    failed, texts = read_errors(lines)
    lines.take("")
    lines.end()
    equal(done + failed, 3000)
    if done < 190 or not failed or not all("Unavailable" in text for text in texts):
        raise AssertionError(f"{done} puts, {failed} errors: {texts}")


def watched_server_goes_away():
    args = ["watch", "--put-rate=100", "--put-total=1000000"]
    with Member("m1") as member:
        with subprocess.Popen([BENCHMARK, "--endpoints", member.endpoint, *args], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            wait_for(lambda: revision(member) > 10, text="10 puts")
            member.kill()
            _, err = process.communicate(timeout=LIMIT_S)
        check_end(args, process.returncode, err, 1)
        if "Error: " not in err:
            raise AssertionError(err)


def mvcc():
    with tempfile.TemporaryDirectory() as folder:
        out, _ = run("mvcc", "put", "--total=200", cwd=folder)
        equal(one_report(out)["n"], 200)
        out, _ = run("mvcc", "put", "--total=50", "--txn", "--txn-ops=10", "--batch-limit=7",
                     "--batch-interval=0", cwd=folder)
        figures = one_report(out)
        equal(figures["n"], 50)
        # ten puts a transaction: the rate is that of the puts
        want = 500 / max(figures["Total"], 0.00005)
        if figures["Total"] >= 0.01 and abs(figures["rate"] / want - 1) > 0.05:
            raise AssertionError(figures)
        equal(os.listdir(folder), [], "what is left behind")


def target_leader():
    def puts(member):
        found = re.search(r'grpc_server_started_total\{[^}]*grpc_method="Put"[^}]*\} (\S+)',
                          member.http("/metrics")[1])
        return int(float(found[1])) if found else 0

    with Cluster(3, args=["--election-timeout=4000"]) as cluster:
        leader = cluster.leader()
        followers = [m for m in cluster.running if m is not leader]
        run("--endpoints", ",".join(m.endpoint for m in followers), "--target-leader", "--conns=4",
            "--clients=8", "put", "--total=300")
        equal((puts(leader), [puts(m) for m in followers]), (300, [0, 0]))
        run("--endpoints", cluster.endpoint, "--conns=2", "--clients=6", "put", "--total=3000")
        spread = [puts(m) for m in followers]
        if min(spread) < 300:  # the first few hundred go to who answered first
            raise AssertionError(f"without it all members get their share: {spread}")
        run("--endpoints", followers[0].endpoint, "--auto-sync-interval=100ms", "put",
            "--total=600", "--rate=200")
        if puts(followers[1]) <= spread[1]:
            raise AssertionError("--auto-sync-interval found no other member")


def no_upstream():
    raise harness.Skip("the distribution's etcd is not installed")


def main():
    suite = harness.Suite(880)
    suite.run(wrong_flags)
    suite.run(nobody_there)
    suite.run(mvcc)
    for name, binary in (("ours", None), ("3.4", UPSTREAM)):
        if binary is None and name != "ours":
            suite.run(no_upstream, name="all of 3.4")
            continue
        with Member("m1", binary) as member:
            for test in (put, put_many_keys, put_and_compact, ranges, transactions, watch,
                         watch_same_key, watch_get, watch_latency, lease_keepalive, stm, stm_lock):
                suite.run(test, member, name=f"{test.__name__} {name}")
            if name == "ours":
                for test in (rate_is_kept, perfdash, progress_on_a_terminal):
                    suite.run(test, member)
    suite.run(server_goes_away)
    suite.run(watched_server_goes_away)
    suite.run(target_leader)
    suite.finish()


if __name__ == "__main__":
    main()
