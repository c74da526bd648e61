#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random under load, over and over, on one data directory.

Promised and looked for after every restart: each acknowledged put, transaction, lease and revocation
is there with the revision it was acknowledged with; a transaction is there whole or not at all; the
revision never goes back; HashKV of a state that did not change did not change.

KILLS sets how many (200), SEED repeats a run.
"""
import os
import pathlib
import random
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import harness  # noqa: E402
import proto  # noqa: E402
from harness import equal  # noqa: E402
from proto import pb  # noqa: E402

KILLS = int(os.environ.get("KILLS") or 200)
LIMIT_S = int(os.environ.get("KILL_LIMIT_S") or 850)
WRITERS = 4
FULL_CHECK_EVERY = 20
LEASE_TTL = 100000
ACKS_MAX = 250
LOAD_LIMIT_S = 10


class Ledger:
    """What was acknowledged, and what was only tried."""

    def __init__(self):
        self.lock = threading.Condition()
        self.keys = {}       # key -> (value, mod_revision)
        self.fresh = []      # keys acknowledged since the last check
        self.leases = set()
        self.gone = set()    # revoked, acknowledged
        self.unsure = set()  # ids whose revocation was not answered
        self.revision = 1
        self.acks = 0

    def ack(self, revision, keys=()):
        with self.lock:
            self.acks += 1
            self.revision = max(self.revision, revision)
            for key, value in keys:
                self.keys[key] = (value, revision)
                self.fresh.append(key)
            self.lock.notify_all()

    def wait_acks(self, n, timeout):
        with self.lock:
            goal = self.acks + n
            self.lock.wait_for(lambda: self.acks >= goal, timeout)


class Writer(threading.Thread):
    """Writes unique keys until a call fails: then the server is gone."""

    def __init__(self, endpoint, ledger, name, seed):
        super().__init__(daemon=True)
        self.client = proto.Client(endpoint)
        self.ledger, self.prefix, self.rng = ledger, name, random.Random(seed)
        self.leases = []
        self.n = 0

    def run(self):
        try:
            while self.step():
                self.n += 1
        finally:
            self.client.close()

    def step(self):
        r = self.rng.random()
        if r < 0.55:
            return self.put()
        if r < 0.85:
            return self.txn()
        if r < 0.93 or not self.leases:
            return self.grant()
        return self.revoke() if r < 0.97 else self.compact()

    def value(self):
        return b"%d" % self.n * self.rng.choice([1, 1, 1, 50, 1000])

    def put(self):
        key, value = b"put/%s/%06d" % (self.prefix, self.n), self.value()
        code, _, reply = self.client.call("put", pb().PutRequest(key=key, value=value))
        if code == "OK":
            self.ledger.ack(reply.header.revision, [(key, value)])
        return code == "OK"

    def txn(self):
        """Two keys and the deletion of a third, all or nothing."""
        one, two = (b"txn%d/%s/%06d" % (i, self.prefix, self.n) for i in (1, 2))
        value = self.value()
        request = pb().TxnRequest(
            compare=[pb().Compare(key=one, target=0, version=0)],
            success=[pb().RequestOp(request_put=pb().PutRequest(key=key, value=value))
                     for key in (one, two)])
        code, _, reply = self.client.call("txn", request)
        if code == "OK":
            self.ledger.ack(reply.header.revision, [(one, value), (two, value)])
        return code == "OK"

    def grant(self):
        lease = self.rng.randrange(1, 1 << 62)
        code, _, reply = self.client.call("grant", pb().LeaseGrantRequest(ID=lease, TTL=LEASE_TTL))
        if code != "OK":
            return False
        self.ledger.ack(reply.header.revision)
        with self.ledger.lock:
            self.ledger.leases.add(lease)
        self.leases.append(lease)
        key = b"lease/%016x" % lease
        return self.client.call("put", pb().PutRequest(key=key, value=b"l", lease=lease))[0] == "OK"

    def revoke(self):
        lease = self.leases.pop(0)
        with self.ledger.lock:
            self.ledger.leases.discard(lease)
            self.ledger.unsure.add(lease)
        code, _, reply = self.client.call("revoke", pb().LeaseRevokeRequest(ID=lease))
        if code != "OK":
            return False
        self.ledger.ack(reply.header.revision)
        with self.ledger.lock:
            self.ledger.unsure.discard(lease)
            self.ledger.gone.add(lease)
        return True

    def compact(self):
        at = self.ledger.revision - 50
        code, details, _ = self.client.call("compact", pb().CompactionRequest(
            revision=at, physical=self.rng.random() < 0.3))
        return code == "OK" or code == "OUT_OF_RANGE"


class Checker:
    def __init__(self, server, ledger):
        self.server, self.ledger = server, ledger
        self.hashes = {}  # (revision, compact revision) -> hash

    def check(self, full):
        client = proto.Client(self.server.endpoint)
        try:
            self.keys(client, full)
            self.leases(client)
            self.hash(client)
        finally:
            client.close()

    def keys(self, client, full):
        ledger = self.ledger
        header = client.get(b"?").header
        if header.revision < ledger.revision:
            raise AssertionError(f"revision {header.revision} after {ledger.revision} was "
                                 "acknowledged")
        wanted = list(ledger.keys) if full else ledger.fresh
        if full:
            there = self.everything(client)
        else:
            there = {key: self.one(client, key) for key in wanted}
        for key in wanted:
            value, revision = ledger.keys[key]
            kv = there.get(key)
            if kv is None:
                raise AssertionError(f"{key} of revision {revision} was acknowledged and is lost")
            if kv.value != value or kv.mod_revision != revision:
                raise AssertionError(f"{key}: revision {kv.mod_revision}, not {revision}, or "
                                     "another value")
        ledger.fresh = []
        self.whole_transactions(there if full else self.everything(client, b"txn", b"txo", True))

    @staticmethod
    def one(client, key):
        kvs = client.get(key).kvs
        return kvs[0] if kvs else None

    @staticmethod
    def everything(client, start=b"\0", end=b"\0", keys_only=False):
        """All pairs, in pages of 10000."""
        found = {}
        while True:
            page = client.get(start, range_end=end, limit=10000, keys_only=keys_only)
            found.update((kv.key, kv) for kv in page.kvs)
            if not page.more:
                return found
            start = page.kvs[-1].key + b"\0"

    @staticmethod
    def whole_transactions(there):
        for key, kv in there.items():
            if key.startswith((b"txn1/", b"txn2/")):
                other = there.get((b"txn2" if key[3:4] == b"1" else b"txn1") + key[4:])
                if other is None or other.mod_revision != kv.mod_revision:
                    raise AssertionError(f"half a transaction: {key}")

    def leases(self, client):
        ledger = self.ledger
        there = {lease.ID for lease in client.must("leases").leases}
        if ledger.leases - there:
            raise AssertionError(f"{len(ledger.leases - there)} acknowledged leases are lost")
        if ledger.gone & there:
            raise AssertionError(f"{len(ledger.gone & there)} revoked leases are back")
        ledger.gone.clear()
        for lease in list(ledger.unsure):
            if lease in there:
                client.must("revoke", pb().LeaseRevokeRequest(ID=lease))
            ledger.unsure.discard(lease)
        keys = {int(key[6:], 16) for key in self.everything(client, b"lease/", b"lease0", True)}
        if keys - there:
            raise AssertionError("a key outlived its lease")

    def hash(self, client):
        reply = client.must("hashkv")
        at = (reply.header.revision, reply.compact_revision)
        equal(self.hashes.setdefault(at, reply.hash), reply.hash, f"HashKV of {at}")


def kill_under_load(server, ledger, rng, round_):
    writers = [Writer(server.endpoint, ledger, b"%d.%d" % (round_, i), rng.random())
               for i in range(WRITERS)]
    for writer in writers:
        writer.start()
    ledger.wait_acks(rng.randint(1, ACKS_MAX), LOAD_LIMIT_S)
    server.process.kill()
    server.wait_exit()
    for writer in writers:
        writer.join(60)
        if writer.is_alive():
            raise AssertionError("a call on a dead server did not end")


def kill_while_starting(server, rng):
    """Wait for some line of the log, then kill: recovery itself is interrupted."""
    server.spawn()
    with server.changed:
        goal = rng.randint(1, 6)
        server.changed.wait_for(lambda: len(server.seen) >= goal or None in server.seen, 10)
    server.kill()


def random_kills(seed):
    rng, ledger = random.Random(seed), Ledger()
    server = harness.Server().start()
    checker = Checker(server, ledger)
    print(f"{KILLS} kills of {server.binary}", flush=True)
    try:
        for round_ in range(KILLS):
            kill_under_load(server, ledger, rng, round_)
            if rng.random() < 0.1:
                kill_while_starting(server, rng)
            server.start()
            last = round_ == KILLS - 1
            checker.check(full=last or round_ % FULL_CHECK_EVERY == FULL_CHECK_EVERY - 1)
            if round_ % 25 == 24:
                restart_idle(server, checker)
                print(f"{round_ + 1} kills, {ledger.acks} acknowledged, revision "
                      f"{ledger.revision}", flush=True)
        server.close()
    except BaseException:
        server.__exit__(*sys.exc_info())
        raise


def restart_idle(server, checker):
    """Nothing was written in between: the hash is the same."""
    server.kill()
    server.start()
    checker.check(full=False)


def main():
    suite = harness.Suite(limit_s=LIMIT_S)
    suite.run(random_kills, harness.seed_from_environment())
    suite.finish()


if __name__ == "__main__":
    main()
