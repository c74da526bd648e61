# SPDX-License-Identifier: Apache-2.0
"""Random calls from a seed: few keys and values, so that they meet; every option now and then."""
from proto import pb

# Twelve: up to that many, Go sorts equal items stably, and so answers can be compared.
KEYS = [b"a", b"aa", b"ab", b"b", b"b\0", b"b\xff", b"c", b"c/1", b"\0", b"\xff\xff",
        b"k" * 300, "ключ".encode()]
VALUES = [b"", b"1", b"2", b"v", b"\0\1\2", b"x" * 2000]
LEASES = [1, 2, 3, 0x7fffffffffffffff, -5, 1 << 40]


class Generator:
    def __init__(self, rng):
        self.rng = rng
        self.revision, self.compacted = 1, 0

    def maybe(self, chance):
        return self.rng.random() < chance

    def key(self):
        return b"" if self.maybe(0.01) else self.rng.choice(KEYS)

    def end(self):
        """A range end: mostly none or sensible, sometimes before its key."""
        return self.rng.choice([b"", b"", b"", b"\0", b"b", b"c0", b"d", b"\xff", b"z", b"a"])

    def some_revision(self):
        r = self.rng.random()
        if r < 0.6:
            return 0
        if r < 0.65:
            return self.rng.choice([-1, self.revision + 1, self.revision + 1000, self.compacted])
        return self.rng.randint(max(1, self.compacted - 2), max(self.revision, 1))

    def range(self):
        r = pb().RangeRequest(key=self.key(), range_end=self.end())
        if self.maybe(0.3):
            r.limit = self.rng.choice([1, 2, 3, 5, 100, -1])
        if self.maybe(0.4):
            r.revision = self.some_revision()
        if self.maybe(0.4):
            r.sort_order = self.rng.randrange(3)
            r.sort_target = self.rng.randrange(5)
        r.serializable = self.maybe(0.2)
        r.keys_only = self.maybe(0.15)
        r.count_only = self.maybe(0.1)
        for field in ("min_mod_revision", "max_mod_revision", "min_create_revision",
                      "max_create_revision"):
            if self.maybe(0.07):
                setattr(r, field, self.rng.randint(1, self.revision + 1))
        return r

    def put(self):
        r = pb().PutRequest(key=self.key(), value=self.rng.choice(VALUES))
        if self.maybe(0.2):
            r.lease = self.rng.choice(LEASES)
        r.prev_kv = self.maybe(0.2)
        r.ignore_value = self.maybe(0.06)
        r.ignore_lease = self.maybe(0.06)
        if r.ignore_value and self.maybe(0.8):
            r.value = b""
        if r.ignore_lease and self.maybe(0.8):
            r.lease = 0
        return r

    def delete(self):
        return pb().DeleteRangeRequest(key=self.key(), range_end=self.end(),
                                       prev_kv=self.maybe(0.4))

    def compare(self):
        c = pb().Compare(key=self.key(), result=self.rng.randrange(4),
                         target=self.rng.randrange(5))
        number = self.rng.choice([0, 1, 2, self.revision, self.rng.randint(0, self.revision)])
        if self.maybe(0.95):
            if c.target == 0:
                c.version = self.rng.randrange(4)
            elif c.target == 1:
                c.create_revision = number
            elif c.target == 2:
                c.mod_revision = number
            elif c.target == 3:
                c.value = self.rng.choice(VALUES)
            else:
                c.lease = self.rng.choice([0, *LEASES])
        if self.maybe(0.2):
            c.range_end = self.end()
        return c

    def op(self, depth):
        op = pb().RequestOp()
        r = self.rng.random()
        if r < 0.4:
            op.request_put.CopyFrom(self.put())
        elif r < 0.7:
            op.request_range.CopyFrom(self.range())
        elif r < 0.85 or depth == 0:
            delete = self.delete()
            if delete.range_end == b"\0":
                # 3.4.23 does not see that this overlaps a put, and panics if that one ignores
                # the value or lease of a key which is deleted by then.
                delete.range_end = b""
            op.request_delete_range.CopyFrom(delete)
        elif r < 0.99:
            op.request_txn.CopyFrom(self.txn(depth - 1))
        return op

    def txn(self, depth=2):
        few = [0, 0, 1, 1, 2, 3]
        return pb().TxnRequest(
            compare=[self.compare() for _ in range(self.rng.choice(few))],
            success=[self.op(depth) for _ in range(self.rng.choice(few))],
            failure=[self.op(depth) for _ in range(self.rng.choice(few))])

    def watch(self, start=0):
        """Arguments of a WatchCreateRequest over a range that is not empty."""
        spec = {"key": self.rng.choice(KEYS), "start_revision": start}
        end = self.rng.choice([b"", b"\0", b"\xff\xff\xff"])
        spec["range_end"] = end
        spec["prev_kv"] = self.maybe(0.5)
        spec["filters"] = self.rng.choice([[], [], [], [0], [1], [0, 1]])
        return spec

    def call(self):
        """Return (method, request)."""
        r = self.rng.random()
        if r < 0.33:
            return "put", self.put()
        if r < 0.58:
            request = self.range()
            if self.maybe(0.02):
                request.sort_order, request.sort_target = 7, 0  # an unknown target panics 3.4.23
            return "range", request
        if r < 0.68:
            return "delete", self.delete()
        if r < 0.88:
            return "txn", self.txn()
        if r < 0.91:
            return "grant", pb().LeaseGrantRequest(
                ID=self.rng.choice(LEASES),
                TTL=self.rng.choice([6000, 60000, 9000000000, 9000000001]))
        if r < 0.93:
            return "revoke", pb().LeaseRevokeRequest(ID=self.rng.choice([*LEASES, 99]))
        if r < 0.97:
            return "timetolive", pb().LeaseTimeToLiveRequest(
                ID=self.rng.choice([*LEASES, 99]), keys=self.maybe(0.6))
        if r < 0.98:
            return "leases", pb().LeaseLeasesRequest()
        return "status", pb().StatusRequest()
