#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures of two programs side by side: time without a leader, and how a member comes back.

    tests/cluster/figures.py --a build/release/etcd --b /usr/bin/etcd

failover: kill -9 of the leader; the time until a put succeeds, in election timeouts.
catch-up: a member without its disk is removed and added anew; the time until it has all keys again,
and what a lone client that puts through the leader meets meanwhile.
This is a tool: `tests/run` does not call it.
"""
import argparse
import os
import pathlib
import statistics
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
os.environ.setdefault("ETCD", "/nonexistent")  # both programs come from the command line
from cluster import ELECTION_S, Cluster, harness, pb, wait_for  # noqa: E402

PUTS_IN_TXN = 100
KEEP = ["--snapshot-count=5000"]  # a log that begins at the first entry would need no snapshot
ASK_EVERY_S = 0.01


def time_to_put(members, limit=30):
    """Seconds until one of many overlapping puts succeeds: none of them is waited for alone."""
    began, calls, pause, n = time.monotonic(), [], threading.Event(), 0
    for member in members:
        member.client.call("status", timeout=2)
        member.client.call("put", pb().PutRequest(key=b"f", value=b"v"), timeout=0.001)
    while time.monotonic() - began < limit:
        member = members[n % len(members)]
        calls.append(member.client.calls["put"].future(pb().PutRequest(key=b"f", value=b"v"),
                                                       timeout=limit))
        n += 1
        pause.wait(ASK_EVERY_S)
        if any(call.done() and call.exception() is None for call in calls):
            took = time.monotonic() - began
            for call in calls:
                call.cancel()
            return took
    raise TimeoutError("no put succeeded")


def failover(binary, rounds):
    times = []
    with Cluster(3, binary) as c:
        c.wait_put()
        for _ in range(rounds):
            leader = c.leader()
            others = [m for m in c.members if m is not leader]
            leader.process.kill()
            times.append(time_to_put(others) / ELECTION_S)
            leader.wait_exit()
            leader.start()
            c.wait_equal()
    return {"failover, median": f"{statistics.median(times):.2f} elections",
            "failover, worst": f"{max(times):.2f} elections"}


def fill(client, keys, size):
    value, calls = b"v" * size, []
    client.call("txn", pb().TxnRequest())
    for start in range(0, keys, PUTS_IN_TXN):
        ops = [pb().RequestOp(request_put=pb().PutRequest(key=b"key/%08d" % i, value=value))
               for i in range(start, min(start + PUTS_IN_TXN, keys))]
        calls.append(client.calls["txn"].future(pb().TxnRequest(success=ops), timeout=60))
        if len(calls) == 32:
            calls.pop(0).result()
    for call in calls:
        call.result()


class LoneClient(threading.Thread):
    """One put after the other; the latencies since `reset`."""

    def __init__(self, member):
        super().__init__(daemon=True)
        self.member, self.over, self.times = member, threading.Event(), []

    def run(self):
        while not self.over.is_set():
            began = time.monotonic()
            self.member.client.must("put", pb().PutRequest(key=b"lone", value=b"v" * 100),
                                    timeout=60)
            self.times.append(1000 * (time.monotonic() - began))

    def reset(self):
        times, self.times = self.times, []
        return sorted(times)


def catch_up(binary, keys, size):
    question = pb().RangeRequest(key=b"key/", range_end=b"key0", count_only=True, serializable=True)
    with Cluster(3, binary, KEEP) as c:
        leader = c.leader()
        fill(leader.client, keys, size)
        c.wait_equal(timeout=120)
        lone = LoneClient(leader)
        lone.start()
        wait_for(lambda: len(lone.times) >= 300, 60, text="puts before")
        before = lone.reset()
        lost = c.followers()[0]
        lost.kill()
        c.remove(lost, through=leader)
        c.members.remove(lost)
        lost.close()
        lone.reset()
        began = time.monotonic()
        again = c.add("again", start=False, through=leader)
        again.spawn()

        def counted():
            reply = again.client.call("range", question, timeout=5)[2]
            return reply and reply.count == keys

        wait_for(counted, 600, text="all keys on the member that lost them")
        took = time.monotonic() - began
        during = lone.reset()
        lone.over.set()
        lone.join(70)
        again.wait_ready()
        c.wait_equal(timeout=60)
    return {f"{keys} keys again": f"{took:.1f} s",
            "lone put before, median": f"{statistics.median(before):.2f} ms",
            "lone put meanwhile, median": f"{statistics.median(during):.2f} ms",
            "lone put meanwhile, p99": f"{during[int(len(during) * 0.99)]:.1f} ms",
            "lone put meanwhile, worst": f"{during[-1]:.1f} ms"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--a", required=True, help="a program")
    parser.add_argument("--b", required=True, help="another one")
    parser.add_argument("--rounds", type=int, default=20, help="kills of the leader (20)")
    parser.add_argument("--keys", type=int, default=1000000, help="keys to catch up (1000000)")
    parser.add_argument("--size", type=int, default=100, help="bytes of a value (100)")
    options = parser.parse_args()
    found = []
    for binary in (options.a, options.b):
        figures = failover(binary, options.rounds) if options.rounds else {}
        if options.keys:
            figures.update(catch_up(binary, options.keys, options.size))
        found.append(figures)
    print(f"{'':30} {options.a[-24:]:>24} {options.b[-24:]:>24}")
    for name in found[0]:
        print(f"{name:30} {found[0][name]:>24} {found[1][name]:>24}")
    harness.Server.stop_all()
    os._exit(0)  # gRPC's threads would otherwise hold the exit up


if __name__ == "__main__":
    main()
