#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One of ours in a live cluster of the distribution's etcd 3.4.

As a learner, as a voter, as the leader; by the log and by a snapshot, each way; killed, stopped and
removed. After every batch of changes the hashes of all members are equal, and no upstream process
ended or panicked. ETCD=/usr/bin/etcd checks the tests: then all members are upstream's.
"""
import pathlib
import random
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import cluster  # noqa: E402
import harness  # noqa: E402
from cluster import Cluster, Load, Member, hexid  # noqa: E402
from harness import equal, wait_for  # noqa: E402
from proto import pb  # noqa: E402

UPSTREAM = shutil.which("etcd", path="/usr/bin:/usr/local/bin")
OURS = harness.server_path()
CATCH_UP_ENTRIES = 5000  # upstream keeps that many behind a snapshot
SNAPSHOT_ARGS = ["--snapshot-count=100"]
BATCH = 150


def upstream_cluster(args=()):
    if UPSTREAM is None or not harness.is_upstream(UPSTREAM):
        raise harness.Skip("no etcd 3.4 of the distribution is installed")
    return Cluster(2, binary=UPSTREAM, args=args)


class Changes:
    """Random requests of every kind that changes the history, through all members in turn."""

    def __init__(self, c, rng):
        self.cluster, self.rng = c, rng
        self.leases = []
        self.n = 0

    def batch(self, through=None, n=BATCH):
        """Make changes and compare. A learner serves none, so it is not asked."""
        through = through or [m for m in self.cluster.running if not m.must("status").isLearner]
        for _ in range(n):
            self.n += 1
            kind = self.rng.choices((self.put, self.delete, self.txn, self.grant, self.revoke,
                                     self.compact), (12, 3, 6, 2, 1, 1))[0]
            kind(self.rng.choice(through))
        self.cluster.wait_equal()

    def key(self):
        return b"k%02d" % self.rng.randrange(60)

    def some_put(self):
        lease = self.rng.choice([0, 0, 0] + self.leases)
        value = b"%d" % self.n * self.rng.choice((0, 1, 10, 500))
        return pb().PutRequest(key=self.key(), value=value, lease=lease)

    def some_delete(self):
        start = self.key()
        return pb().DeleteRangeRequest(key=start, range_end=self.rng.choice((b"", start + b"\xff",
                                                                             b"\0")[:2]))

    def put(self, member):
        member.must("put", self.some_put())

    def delete(self, member):
        member.must("delete", self.some_delete())

    def txn(self, member):
        """Several changes at once; the keys differ, since a key may be put only once."""
        puts = {request.key: request for request in (self.some_put() for _ in range(3))}
        ops = [pb().RequestOp(request_put=request) for request in puts.values()]
        inner = pb().TxnRequest(
            compare=[pb().Compare(key=self.key(), target=0, version=self.rng.randrange(3))],
            success=[pb().RequestOp(request_delete_range=pb().DeleteRangeRequest(key=b"gone"))],
            failure=[pb().RequestOp(request_put=pb().PutRequest(key=b"gone", value=b"v"))])
        member.must("txn", pb().TxnRequest(
            compare=[pb().Compare(key=self.key(), target=2, result=self.rng.choice((1, 2)),
                                  mod_revision=self.rng.randrange(1 + self.n))],
            success=ops + [pb().RequestOp(request_txn=inner)],
            failure=[pb().RequestOp(request_delete_range=self.some_delete())]))

    def grant(self, member):
        self.leases.append(member.must("grant", pb().LeaseGrantRequest(TTL=3600)).ID)

    def revoke(self, member):
        if self.leases:
            lease = self.leases.pop(self.rng.randrange(len(self.leases)))
            request = pb().LeaseRevokeRequest(ID=lease)
            wait_for(lambda: member.client.call("revoke", request)[0] in ("OK", "NOT_FOUND"), 60,
                     text="a lease to be revoked")

    def compact(self, member):
        at = member.must("range", pb().RangeRequest(key=b"?")).header.revision
        member.client.call("compact", pb().CompactionRequest(
            revision=self.rng.randint(max(1, at - 50), at), physical=self.rng.random() < 0.5))

    def many(self, n):
        """Enough entries that upstream no longer has its log from the beginning."""
        member = self.cluster.leader()
        member.client.put(b"many", b"v")
        put = member.client.calls["put"]
        requests = [pb().PutRequest(key=b"many%04d" % (i % 2000), value=b"v%d" % i)
                    for i in range(n)]
        for start in range(0, n, 200):
            part = requests[start:start + 200]
            calls = [put.future(request, timeout=60) for request in part]
            for call, request in zip(calls, part):
                if call.exception() is not None:  # another leader
                    member.must("put", request)


def check_upstream(c):
    for member in c.members:
        if member.binary == UPSTREAM:
            member.check_panic()
            member.check_alive()


def joins_and_follows(rng):
    """By the log, from its first entry: learner, voter, restarts, removal."""
    with upstream_cluster() as c:
        changes = Changes(c, rng)
        changes.batch()
        ours = c.add("ours", learner=True, binary=OURS)
        changes.batch()
        wait_for(lambda: ours.client.get(b"k00", serializable=True).header.revision
                 == c[0].client.get(b"k00").header.revision, text="our learner to follow")
        c.promote(ours, through=c[1])
        changes.batch()
        changes.batch(through=[ours])
        cluster_version = {cluster.version(m)["etcdcluster"] for m in c.members}
        equal(cluster_version, {"3.4.0"}, "cluster version")
        for end in (ours.stop, ours.kill):
            end()
            changes.batch()
            ours.start()
            changes.batch()
        ours.kill()
        ours.start()
        check_upstream(c)
        follows_and_votes(c, ours, changes)
        c.remove(ours)
        ours.wait_exit()
        if not ours.said(cluster.REMOVED_TEXT):
            raise AssertionError(f"ours did not say that it was removed\n{ours.tail()}")
        c.members.remove(ours)
        ours.close()
        changes.batch()
        check_upstream(c)


def follows_and_votes(c, ours, changes):
    """The leader dies: without our vote the two that are left have none."""
    lease = ours.must("grant", pb().LeaseGrantRequest(TTL=10)).ID
    ours.client.put(b"leased", b"v", lease=lease)
    for _ in range(2):
        c.leader()
        leader = next(m for m in c.members if m is not ours)
        c.lead(leader)
        leader.kill()
        c.wait_put()
        changes.batch()
        leader.start()
        changes.batch()
    stream = ours.client.keepalive()
    lease = ours.must("grant", pb().LeaseGrantRequest(TTL=60)).ID
    stream.send(pb().LeaseKeepAliveRequest(ID=lease))
    stream.wait(lambda got: got and got[0].TTL == 60, text="a keepalive through ours")
    stream.close()
    answer = ours.must("timetolive", pb().LeaseTimeToLiveRequest(ID=lease))
    if not 30 <= answer.TTL <= 60:
        raise AssertionError(f"time to live through ours: {answer}")
    wait_for(lambda: not ours.client.get(b"leased").kvs, text="the lease to end everywhere")
    c.wait_equal()


def joins_by_snapshot(rng):
    """Upstream's log begins behind the first entry: it sends its database."""
    with upstream_cluster(SNAPSHOT_ARGS) as c:
        changes = Changes(c, rng)
        changes.batch()
        changes.many(CATCH_UP_ENTRIES + 500)
        changes.batch()
        ours = c.add("ours", learner=True, binary=OURS, args=[])
        changes.batch()
        c.promote(ours)
        changes.batch()
        ours.stop()
        changes.many(CATCH_UP_ENTRIES + 500)
        ours.start()
        changes.batch()
        equal(len(cluster.everything(ours, b"\0", b"\0")),
              len(cluster.everything(c[0], b"\0", b"\0")), "the number of keys")
        check_upstream(c)


def leads_upstream(rng):
    """Ours leads: appends, leases, votes; a wiped upstream member gets our snapshot."""
    with upstream_cluster() as c:
        changes = Changes(c, rng)
        ours = c.add("ours", learner=True, binary=OURS, args=SNAPSHOT_ARGS)
        c.promote(ours)
        c.lead(ours)
        changes.batch()
        lease = c[0].must("grant", pb().LeaseGrantRequest(TTL=8)).ID
        c[1].client.put(b"leased", b"v", lease=lease)
        wait_for(lambda: not c[0].client.get(b"leased").kvs, text="our end of the lease")
        changes.many(CATCH_UP_ENTRIES + 500)
        changes.batch()
        lost = c[1]
        lost.kill()
        c.remove(lost, through=ours)
        c.members.remove(lost)
        lost.close()
        c.lead(ours)
        again = c.add("again", learner=True, binary=UPSTREAM, through=ours, args=[])
        changes.batch()
        c.promote(again)
        changes.batch()
        c.lead(again)
        changes.batch()
        check_upstream(c)


def storm(rng):
    """Leaders change and ours is killed and stopped, under load."""
    with upstream_cluster() as c:
        ours = c.add("ours", learner=True, binary=OURS)
        c.promote(ours)
        with Load(c, rng.random()) as load:
            for _ in range(3):
                load.wait_acks(60)
                ours.kill()
                load.wait_acks(60)
                ours.start()
                c.lead(rng.choice(c.members))
                load.wait_acks(60)
                ours.pause()
                load.wait_acks(30)
                ours.resume()
            load.finish()
            print(f"# {load.summary()}", flush=True)
        check_upstream(c)


def does_not_join_unasked(rng):
    """Not added as a member, or of another cluster: ours ends with a message, upstream goes on."""
    del rng
    with upstream_cluster() as c:
        stranger = Member("ours", OURS)
        try:
            stranger.flags["initial-cluster-state"] = "existing"
            stranger.flags["initial-cluster"] = c.initial_cluster(c.members + [stranger])
            stranger.spawn()
            equal(stranger.wait_exit(60), 1, "the status of one that was not added")
            if not stranger.said("member count is unequal"):
                raise AssertionError(f"no reason given\n{stranger.tail()}")
        finally:
            stranger.close()
        c.wait_put()
        check_upstream(c)


def keys_of_the_old_api(rng):
    """Upstream's v2 keys are not ours: they do no harm to what is."""
    with upstream_cluster(["--enable-v2"]) as c:
        changes = Changes(c, rng)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        equal(c[0].http("/v2/keys/old", "PUT", "value=v", form)[0], 201, "a v2 put")
        ours = c.add("ours", learner=True, binary=OURS, args=[])
        changes.batch()
        equal(c[0].http("/v2/keys/old", "PUT", "value=w&ttl=1", form)[0], 200, "a v2 put")
        changes.batch()
        ours.stop()
        ours.start()
        changes.batch()
        listed = c.ctl("member", "list", endpoints=c[0].endpoint)  # a learner does not answer it
        equal(hexid(ours.id) in listed, True, "ours in the list")
        check_upstream(c)


TESTS = [does_not_join_unasked, joins_and_follows, joins_by_snapshot, keys_of_the_old_api, storm,
         leads_upstream]


def main():
    suite = harness.Suite(limit_s=800)
    rng = random.Random(harness.seed_from_environment())
    chosen = sys.argv[1:]
    for test in TESTS:
        if not chosen or test.__name__ in chosen:
            suite.run(test, rng)
    suite.finish()


if __name__ == "__main__":
    main()
