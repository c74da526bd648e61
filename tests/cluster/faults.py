#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, under load: kills, stops, cuts in the network, a full disk, changing membership.

After each scenario every acknowledged write is on every member, no read was stale, the watch had
every event once, and HashKV is equal. The program runs in name spaces of its own (processes,
mounts, network), so that nothing of it outlives it; where those are not permitted, what needs them
is skipped.
SEED repeats a run; ETCD=/usr/bin/etcd checks the tests.
"""
import os
import pathlib
import random
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cluster import Cluster, Load, harness  # noqa: E402
from harness import equal, wait_for  # noqa: E402
from proto import pb  # noqa: E402

UPSTREAM = harness.is_upstream(harness.server_path())
PRE_VOTE = not UPSTREAM    # A89: off in 3.4.23, on in the release that is served
ISOLATED = "TEST_IS_ISOLATED"  # the harness forgets all ETCD_*
UNSHARE = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
CALM = ["--election-timeout=4000"]  # where a leader stays, though the machine be busy
STORM_ROUNDS = 8
DISK = 200 << 20           # upstream's log alone preallocates twice 64 MiB
DISK_LEFT = 1 << 20


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
    return done.stdout


def isolate():
    """Run this program again in its own name spaces, if that is permitted. Return why not."""
    if os.environ.pop(ISOLATED, None):
        run("mount", "-t", "tmpfs", "tmpfs", "/run")  # for `ip netns`
        run("ip", "link", "set", "lo", "up")
        return None
    missing = [tool for tool in ("unshare", "ip", "nft", "mount") if not shutil.which(tool)]
    if missing:
        return f"{', '.join(missing)} not installed"
    probe = subprocess.run(UNSHARE + ["ip", "link", "set", "lo", "up"], capture_output=True,
                           text=True, timeout=30, stdin=subprocess.DEVNULL)
    if probe.returncode:
        return f"name spaces are not permitted: {probe.stderr.strip()}"
    os.environ[ISOLATED] = "yes"
    os.execvp("unshare", UNSHARE + [sys.executable] + sys.argv)
    return None


def told(load):
    print(f"# {load.summary()}", flush=True)


# ---- processes -----------------------------------------------------------------------------------

def kill_storm(rng):
    """kill -9 of one, of two, of all; the leader more often than others."""
    with Cluster(3) as c, Load(c, rng.random()) as load:
        for _ in range(STORM_ROUNDS):
            load.wait_acks(rng.randint(1, 150))
            victims = rng.sample(c.members, rng.choice((1, 1, 2, 3)))
            if rng.random() < 0.5:
                victims = [c.leader()]
            for member in victims:
                member.kill()
            if len(victims) == 1:
                load.wait_acks(20)
            for member in victims:
                member.spawn()
            for member in victims:
                member.wait_ready()
            load.wait_acks(20)
        load.finish()
        told(load)


def stops(rng):
    """SIGSTOP of the leader, of a follower, of both followers: nobody reads old data."""
    with Cluster(3) as c, Load(c, rng.random()) as load:
        for _ in range(2):
            old = c.leader()
            old.pause()
            load.wait_acks(50)
            c.leader()
            new = c.running[0].client.put(b"newer", b"v").header.revision
            old.resume()
            code, _, reply = old.client.call("range", pb().RangeRequest(key=b"newer"))
            if code == "OK" and reply.header.revision < new:
                raise AssertionError(f"{old.name} read revision {reply.header.revision} when it "
                                     f"woke up, {new} was acknowledged")
            load.wait_acks(20)
        follower = c.followers()[0]
        follower.pause()
        load.wait_acks(100)
        follower.resume()
        for follower in c.followers():
            follower.pause()
        lonely = c.running[0]
        wait_for(lambda: lonely.must("status").leader == 0, text="a leader to notice it is alone")
        for member in c.members:
            if member.paused:
                member.resume()
        load.wait_acks(50)
        load.finish()
        told(load)


def members_change(rng):
    """Learners come and are promoted, voters come, the leader is removed: all under load."""
    with Cluster(3) as c, Load(c, rng.random()) as load:
        load.wait_acks(50)
        learner = c.add("m4", learner=True)
        load.wait_acks(50)
        c.promote(learner)
        load.wait_acks(50)
        c.add("m5")
        load.wait_acks(50)
        for leaving in (c.leader(), c.followers()[0]):
            c.remove(leaving)
            leaving.wait_exit()
            c.members.remove(leaving)
            leaving.close()
            load.wait_acks(50)
        lost = c.followers()[0]
        lost.kill()
        c.remove(lost)
        c.members.remove(lost)
        lost.close()
        load.wait_acks(50)
        c.add("m6")
        load.wait_acks(50)
        load.finish()
        told(load)


# ---- the network ---------------------------------------------------------------------------------

class Network:
    """A bridge, and a network name space for each member; a cut drops what one sends to another."""

    def __init__(self, n):
        self.places = []
        run("ip", "link", "add", "br0", "type", "bridge")
        run("ip", "addr", "add", "10.77.0.254/24", "dev", "br0")
        run("ip", "link", "set", "br0", "up")
        for i in range(1, n + 1):
            space, host = f"n{i}", f"10.77.0.{i}"
            run("ip", "netns", "add", space)
            run("ip", "link", "add", f"v{i}", "type", "veth", "peer", "name", "eth0",
                "netns", space)
            run("ip", "link", "set", f"v{i}", "master", "br0", "up")
            inside = ["ip", "-n", space]
            run(*inside, "addr", "add", f"{host}/24", "dev", "eth0")
            run(*inside, "link", "set", "eth0", "up")
            run(*inside, "link", "set", "lo", "up")
            self.nft(space, "add table ip cut")
            self.nft(space, "add chain ip cut in { type filter hook input priority 0; }")
            self.places.append({"host": host, "enter": ["ip", "netns", "exec", space]})

    @staticmethod
    def nft(space, rule):
        run("ip", "netns", "exec", space, "nft", rule)

    def cut(self, sender, receiver):
        """One way: nothing of `sender` comes to `receiver`."""
        self.nft(receiver.enter[-1], f"add rule ip cut in ip saddr {sender.host} drop")

    def cut_both(self, one, other):
        self.cut(one, other)
        self.cut(other, one)

    def heal(self):
        for place in self.places:
            self.nft(place["enter"][-1], "flush chain ip cut in")


class Cuts:
    """A cluster in a Network, with load: what each scenario of it begins and ends with."""

    network = None  # one for the whole program; it ends with the name space

    def __init__(self, reason, rng, args=()):
        if reason:
            raise harness.Skip(reason)
        self.rng, self.args = rng, args

    def __enter__(self):
        Cuts.network = Cuts.network or Network(3)
        self.cluster = Cluster(places=self.network.places, args=self.args)
        try:
            self.cluster.__enter__()
            self.load = Load(self.cluster, self.rng.random()).__enter__()
            self.load.wait_acks(30)
        except BaseException:
            self.cluster.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *rest):
        self.network.heal()
        self.load.stop(timeout=0)
        self.cluster.__exit__(kind, *rest)

    def heal_and_check(self):
        self.network.heal()
        self.load.wait_acks(50)
        self.cluster.leader()
        self.load.finish()
        told(self.load)

    def goes_on_without(self, lonely):
        """The others elect a leader and write; the lonely one does neither."""
        others = [m for m in self.cluster.members if m is not lonely]
        leader = self.cluster.leader(among=others)
        self.load.wait_acks(100)
        wait_for(lambda: lonely.must("status").leader == 0, text="the lonely one to notice")
        lonely.client.get(b"counter", serializable=True)
        for method, request in (("range", pb().RangeRequest(key=b"counter")),
                                ("put", pb().PutRequest(key=b"lost", value=b"v"))):
            if lonely.client.call(method, request, timeout=1)[0] == "OK":
                raise AssertionError(f"{lonely.name}, cut off, did a {method}")
        return leader


def leader_is_cut_off(reason, rng):
    with Cuts(reason, rng) as t:
        leader = t.cluster.leader()
        for other in t.cluster.followers():
            t.network.cut_both(leader, other)
        t.goes_on_without(leader)
        t.heal_and_check()


def follower_is_cut_off(reason, rng):
    """With pre-vote it comes back without an election: the leader stays, in its term."""
    with Cuts(reason, rng, CALM) as t:
        leader, follower = t.cluster.leader(), t.cluster.followers()[0]
        term = leader.must("status").raftTerm
        for other in t.cluster.members:
            if other is not follower:
                t.network.cut_both(follower, other)
        t.goes_on_without(follower)
        t.heal_and_check()
        if PRE_VOTE:
            equal((t.cluster.leader(), leader.must("status").raftTerm), (leader, term),
                  "leader and term after a follower came back")


def leader_is_deaf(reason, rng):
    """It sends and hears nothing: it steps down by itself, and others lead."""
    with Cuts(reason, rng) as t:
        leader = t.cluster.leader()
        for other in t.cluster.followers():
            t.network.cut(other, leader)
        t.goes_on_without(leader)
        t.heal_and_check()


def leader_is_mute(reason, rng):
    with Cuts(reason, rng) as t:
        leader = t.cluster.leader()
        for other in t.cluster.followers():
            t.network.cut(leader, other)
        t.goes_on_without(leader)
        t.heal_and_check()


def followers_are_cut_apart(reason, rng):
    """Both still have the leader: nothing changes."""
    with Cuts(reason, rng, CALM) as t:
        leader = t.cluster.leader()
        term = leader.must("status").raftTerm
        t.network.cut_both(*t.cluster.followers())
        t.load.wait_acks(300)
        equal((t.cluster.leader(), leader.must("status").raftTerm), (leader, term), "leader and term")
        t.heal_and_check()


def leader_and_one_are_cut(reason, rng):
    """A chain: the third still hears both. Writes go on, whoever leads."""
    with Cuts(reason, rng) as t:
        leader, follower = t.cluster.leader(), t.cluster.followers()[0]
        t.network.cut_both(leader, follower)
        t.load.wait_acks(100)
        t.heal_and_check()


# ---- the disk ------------------------------------------------------------------------------------

def disk_is_full(reason, rng):
    """A member whose disk is full ends with an error; the others go on; with room it comes back."""
    if reason:
        raise harness.Skip(reason)
    c = Cluster(3)
    for member in c.members:
        os.mkdir(member.data_dir, 0o700)
        run("mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "tmpfs", member.data_dir)
    try:
        with c, Load(c, rng.random()) as load:
            for victim in (c.followers()[0], c.leader()):
                filler = os.path.join(victim.data_dir, "filler")
                fill(filler)
                others = [m for m in c.members if m is not victim]
                write_until_it_ends(victim, others)
                load.wait_acks(50)
                victim.lines.clear()  # upstream says it with a panic
                os.unlink(filler)
                victim.start()
                load.wait_acks(20)
            load.finish()
            told(load)
    finally:
        for member in c.members:
            run("umount", "--lazy", member.data_dir)
            shutil.rmtree(member.base, ignore_errors=True)


def fill(path):
    """Leave DISK_LEFT, about: the member takes room at the same time."""
    with open(path, "wb") as f:
        while True:
            room = os.statvfs(path)
            rest = room.f_bavail * room.f_frsize - DISK_LEFT
            if rest <= 0:
                return
            os.posix_fallocate(f.fileno(), os.fstat(f.fileno()).st_size, min(rest, DISK_LEFT))


def write_until_it_ends(victim, others):
    value = b"v" * (256 << 10)
    for i in range(600):
        others[i % len(others)].client.call("put", pb().PutRequest(key=b"big/%d" % (i % 20),
                                                                   value=value), timeout=2)
        if not victim.running:
            break
    status = victim.wait_exit()
    if status <= 0:
        raise AssertionError(f"{victim.name} with a full disk ended with {status}")
    if not any("no space left on device" in line or "disk is full" in line
               for line in victim.lines):
        raise AssertionError(f"{victim.name} did not say why it ended\n{victim.tail()}")


def main():
    reason = isolate()
    suite = harness.Suite(limit_s=800)
    rng = random.Random(harness.seed_from_environment())
    chosen = sys.argv[1:]
    for test in (kill_storm, stops, members_change):
        if not chosen or test.__name__ in chosen:
            suite.run(test, rng)
    for test in (leader_is_cut_off, follower_is_cut_off, leader_is_deaf, leader_is_mute,
                 followers_are_cut_apart, leader_and_one_are_cut, disk_is_full):
        if not chosen or test.__name__ in chosen:
            suite.run(test, reason, rng)
    suite.finish()


if __name__ == "__main__":
    main()
