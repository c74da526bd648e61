# SPDX-License-Identifier: Apache-2.0
"""Clusters of real processes, and a client that checks what it is told.

A Member is a harness.Server with a place in a cluster; a Cluster starts, stops, kills and pauses
them, and waits for states by asking the API. Load writes, reads and watches through all members at
once and afterwards proves, on every member, that what was acknowledged is there, that no read was
stale, and that every event was seen once and in order. Nothing waits without a bound.
"""
import atexit
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import harness  # noqa: E402
import proto  # noqa: E402
from harness import equal, wait_for  # noqa: E402
from proto import pb  # noqa: E402

ETCDCTL = shutil.which("etcdctl", path="/usr/bin:/usr/local/bin")
REQUEST_LIMIT_S = 7   # upstream's own: 5 s and two election timeouts
ELECTION_S = 1.0      # the default election timeout
START_LIMIT_S = 60
REMOVED_TEXT = "permanently removed from the cluster"
UNHEALTHY_TEXT = "etcdserver: unhealthy cluster"
LEARNER_TEXT = "etcdserver: rpc not supported for learner"
READY_EARLY_TEXT = "etcdserver: can only promote a learner member which is in sync with leader"
TIMEOUT_TEXTS = {"etcdserver: request timed out",
                 "etcdserver: request timed out, possibly due to previous leader failure",
                 "etcdserver: request timed out, possibly due to connection lost"}
ELECTION_TEXTS = TIMEOUT_TEXTS | {"etcdserver: leader changed", "etcdserver: no leader"}
# What a change of members is told that has been made already.
MADE_TEXTS = {"member_add": "etcdserver: Peer URLs already exists",
              "member_remove": "etcdserver: member not found",
              "member_promote": "etcdserver: can only promote a learner member"}

def is_panic(line):
    """What Go prints when it dies of its own bug."""
    return line.startswith(("panic:", "goroutine ")) or "[recovered]" in line


class Client(proto.Client):
    """One that is patient: a busy machine may need an election at any time."""

    def settled(self, method, request=None, timeout=20):
        """The answer to a call, when it is not that of an election."""
        def answered():
            got = self.call(method, request, timeout)
            return got if got[1] not in ELECTION_TEXTS else None

        return wait_for(answered, 60, every=0.1, text=f"an answer to {method}")

    def must(self, method, request=None, timeout=20):
        code, details, reply = self.settled(method, request, timeout)
        if code != "OK":
            raise AssertionError(f"{method}: {code}: {details}")
        return reply


class Member(harness.Server):
    """One member. `flags` (without dashes) may be changed between two starts."""

    def __init__(self, name, binary=None, args=(), host="127.0.0.1", enter=(),
                 in_environment=False):
        super().__init__(binary, args)
        atexit.register(shutil.rmtree, self.base, ignore_errors=True)  # some are never started
        self.name, self.host = name, host
        self.enter = list(enter)  # a command that goes before, and executes what follows it
        self.in_environment = in_environment
        self.client_port, self.peer_port = harness.free_ports(2)
        self.paused = False
        self.id = None
        self._client = None
        self.flags = {"name": name, "data-dir": self.data_dir,
                      "listen-client-urls": self.url, "advertise-client-urls": self.url,
                      "listen-peer-urls": self.peer_url,
                      "initial-advertise-peer-urls": self.peer_url,
                      "initial-cluster-state": "new", "initial-cluster-token": "tests"}

    @property
    def endpoint(self):
        return f"{self.host}:{self.client_port}"

    @property
    def peer_url(self):
        return f"http://{self.host}:{self.peer_port}"

    @property
    def client(self):
        if self._client is None:
            self._client = Client(self.endpoint)
        return self._client

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def command(self):
        flags = [] if self.in_environment else [f"--{k}={v}" for k, v in self.flags.items()]
        return self.enter + [self.binary] + flags + self.args

    def spawn(self):
        self.forget_client()  # a channel to a dead process fails one more call
        if self.in_environment:
            self.extra_env = {"ETCD_" + name.upper().replace("-", "_"): value
                              for name, value in self.flags.items()}
        return super().spawn()

    def forget_client(self):
        if self._client:
            self._client.close()
            self._client = None

    def start(self, timeout=START_LIMIT_S):
        """Ports are part of the membership: unlike a lone server, this one never changes them."""
        self.spawn()
        return self.wait_ready(timeout)

    def wait_ready(self, timeout=START_LIMIT_S):
        if not self.wait_line(harness.READY_TEXT, timeout):
            status = self.wait_exit()
            raise RuntimeError(f"{self.name} ended with {status}\n{self.tail()}")
        return self

    def said(self, *words):
        """Some line of this run that has all the words, or None."""
        with self.changed:
            return next((line for line in self.seen
                         if line and all(word in line for word in words)), None)

    def wait_said(self, *words, timeout=60):
        return wait_for(lambda: self.said(*words), timeout, text=f"{words} from {self.name}")

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.paused = True

    def resume(self):
        self.process.send_signal(signal.SIGCONT)
        self.paused = False

    def kill(self):
        super().kill()
        self.paused = False

    def stop(self, timeout=60):
        if self.paused:
            self.resume()
        super().stop(timeout)

    def wipe(self):
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def status(self, timeout=2):
        """The answer of Status, or None."""
        return self.client.call("status", timeout=timeout)[2]

    def must(self, method, request=None, timeout=60):
        """Call until it is answered: an election may be under way."""
        return wait_for(lambda: self.client.call(method, request)[2], timeout,
                        text=f"{method} of {self.name}")

    def hash(self):
        """(revision, compact revision, hash), or None now. A learner tells it to peers only."""
        code, details, reply = self.client.call("hashkv")
        if code == "OK":
            return reply.header.revision, reply.compact_revision, reply.hash
        if LEARNER_TEXT not in details:
            return None
        status, body = self.http("/members/hashkv", body='{"revision":0}', peer=True)
        if status != 200:
            return None
        told = json.loads(body)
        return told["header"]["revision"], told["compact_revision"], told["hash"]

    def http(self, path, method="GET", body=None, headers=None, peer=False, timeout=30):
        """Return (status, body) of one request to the client or the peer port."""
        port = self.peer_port if peer else self.client_port
        connection = http.client.HTTPConnection(self.host, port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, whole_or_part(answer).decode("utf-8", "replace")
        finally:
            connection.close()

    def check_panic(self):
        line = next((line for line in self.lines if is_panic(line)), None)
        if line:
            raise AssertionError(f"{self.name} said: {line}\n{self.tail(40)}")

    def close(self):
        try:
            super().close()
        finally:
            self.forget_client()


class Cluster:
    """Members that belong together. As a context manager it starts them, and removes all of it."""

    def __init__(self, n=3, binary=None, args=(), in_environment=False, places=None):
        places = places or [{} for _ in range(n)]
        self.binary, self.args = binary, list(args)
        self.members = [Member(f"m{i + 1}", binary, args, in_environment=in_environment, **place)
                        for i, place in enumerate(places)]
        for member in self.members:
            member.flags["initial-cluster"] = self.initial_cluster()

    def __getitem__(self, i):
        return self.members[i]

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                for member in self.members:
                    member.check_panic()
                self.close()
            elif not issubclass(kind, harness.Skip):
                for member in self.members:
                    print(f"the last lines of {member.name} {member.binary}:\n{member.tail(15)}",
                          flush=True)
        finally:
            for member in self.members:
                if member.process:
                    member.kill()
                if member in harness.Server.living:
                    harness.Server.living.remove(member)
                shutil.rmtree(member.base, ignore_errors=True)

    def initial_cluster(self, members=None):
        return ",".join(f"{m.name}={m.peer_url}" for m in members or self.members)

    def start(self):
        for member in self.members:
            member.spawn()
        for member in self.members:
            member.wait_ready()
        self.learn_ids()
        return self

    def close(self):
        """Stop followers first: no election is needed then."""
        for member in sorted(self.members, key=lambda m: m.running and self.leads(m)):
            if member.process:
                member.close()

    @staticmethod
    def leads(member):
        status = member.status(timeout=1) if not member.paused else None
        return status is not None and status.leader == status.header.member_id

    @property
    def running(self):
        return [m for m in self.members if m.running and not m.paused]

    @property
    def endpoint(self):
        return ",".join(m.endpoint for m in self.members)

    def member(self, member_id):
        return next(m for m in self.members if m.id == member_id)

    def learn_ids(self):
        for member in self.running:
            status = wait_for(member.status, text=f"the status of {member.name}")
            member.id = status.header.member_id

    def leader(self, among=None, timeout=60):
        """The member that all running ones name as leader, itself one of them."""
        among = among or self.running

        def agreed():
            named = set()
            for member in among:
                status = member.status()
                named.add(status.leader if status else 0)
            return next((m for m in among if named == {m.id}), None)

        return wait_for(agreed, timeout, text="a leader that all name")

    def followers(self):
        leader = self.leader()
        return [m for m in self.running if m is not leader]

    def lead(self, member):
        """Make `member` the leader. A transfer that takes too long is given up, and tried again."""
        def leads():
            leader = self.leader()
            if leader is not member:
                leader.client.call("move_leader", pb().MoveLeaderRequest(targetID=member.id))
            return leader is member

        wait_for(leads, 60, text=f"{member.name} as leader")

    def wait_put(self, members=None, timeout=60, key=b"probe"):
        """Put until one of the members says OK; return the seconds that took."""
        began = time.monotonic()
        members = members or self.running

        def tried():
            return any(m.client.call("put", pb().PutRequest(key=key, value=b"v"), timeout=2)[0]
                       == "OK" for m in members)

        wait_for(tried, timeout, text="a put that succeeds")
        return time.monotonic() - began

    def add(self, name, learner=False, binary=None, through=None, start=True, args=None,
            place=None):
        """Add one member the way an operator does: `member add`, then start it."""
        member = Member(name, binary or self.binary, self.args if args is None else args,
                        **(place or {}))
        through = through or self.leader()
        request = pb().MemberAddRequest(peerURLs=[member.peer_url], isLearner=learner)
        reply = change_members(through, "member_add", request)
        member.id = next(m.ID for m in reply.members if list(m.peerURLs) == [member.peer_url])
        names = {m.ID: m.name for m in reply.members}
        names[member.id] = name
        member.flags["initial-cluster-state"] = "existing"
        member.flags["initial-cluster"] = ",".join(
            f"{names[m.ID]}={url}" for m in reply.members for url in m.peerURLs)
        self.members.append(member)
        if start:
            member.start()
        return member

    def remove(self, member, through=None):
        through = through or next(m for m in self.running if m is not member)
        change_members(through, "member_remove", pb().MemberRemoveRequest(ID=member.id))

    def promote(self, member, through=None):
        through = through or self.leader(among=[m for m in self.running if m is not member])
        change_members(through, "member_promote", pb().MemberPromoteRequest(ID=member.id))

    def hashes(self, members=None):
        """(revision, compact revision, hash) of each running member."""
        return [member.hash() for member in members or self.running]

    def wait_equal(self, members=None, timeout=60):
        """Wait until all members are at one revision; then their hashes are equal."""
        members = members or self.running
        try:
            return wait_for(lambda: len(set(self.hashes(members)) | {None}) == 2, timeout,
                            every=0.1)
        except TimeoutError:
            named = dict(zip((m.name for m in members), self.hashes(members)))
            raise AssertionError(f"HashKV differs: {named}") from None

    def ctl(self, *words, status=0, endpoints=None, timeout=60):
        """Debian's etcdctl with all endpoints, or those given: what it prints."""
        done = etcdctl(endpoints or self.endpoint, *words, timeout=timeout)
        limit = time.monotonic() + timeout
        while UNHEALTHY_TEXT in done.stderr and time.monotonic() < limit:
            threading.Event().wait(0.2)  # refused for 5 s after a member came
            done = etcdctl(endpoints or self.endpoint, *words, timeout=timeout)
        if done.returncode != status:
            raise AssertionError(f"etcdctl {' '.join(words)}: status {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done.stdout or done.stderr


def etcdctl(endpoints, *words, timeout=60):
    if ETCDCTL is None:
        raise harness.Skip("etcdctl is not installed")
    return subprocess.run([ETCDCTL, "--endpoints", endpoints, "--dial-timeout=20s",
                           "--command-timeout=30s", *words], capture_output=True, text=True,
                          timeout=timeout, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, ETCDCTL_API="3"))


def whole_or_part(answer):
    """The body. Some refusals of 3.4.23 are shorter than their Content-Length."""
    try:
        return answer.read()
    except http.client.IncompleteRead as part:
        return part.partial


def change_members(through, method, request):
    """Return an answer that has the members. Changes are refused for 5 s after a member came, and while a
    learner is behind; one that was not answered in time may have been made all the same."""
    unsure = False

    def answered():
        nonlocal unsure
        code, details, reply = through.client.call(method, request)
        if unsure and details == MADE_TEXTS[method]:
            return through.must("member_list")
        if code != "OK" and details not in (UNHEALTHY_TEXT, READY_EARLY_TEXT, *ELECTION_TEXTS):
            raise AssertionError(f"{method}: {code}: {details}")
        unsure = unsure or details in ELECTION_TEXTS
        return reply

    return wait_for(answered, 60, every=0.2, text=method)


def hexid(member_id):
    return f"{member_id:x}"


def version(member, peer=False):
    return json.loads(member.http("/version", peer=peer)[1])


# ---- the client that checks ----------------------------------------------------------------------

class Record:
    """What was acknowledged to anybody. `unsure` counts calls without an answer."""

    def __init__(self):
        self.changed = threading.Condition()
        self.puts = {}        # key -> (value, revision)
        self.counts = set()   # values of the counter that were acknowledged
        self.revision = 0     # the newest acknowledged
        self.count = 0
        self.acks = self.reads = self.unsure = 0
        self.wrong = []
        self.last_ack = self.worst_gap = 0.0

    def ack(self, revision):
        """Call with `changed` held."""
        now = time.monotonic()
        if self.last_ack:
            self.worst_gap = max(self.worst_gap, now - self.last_ack)
        self.last_ack = now
        self.acks += 1
        self.revision = max(self.revision, revision)
        self.changed.notify_all()


class Worker(threading.Thread):
    """A client that goes to another member when a call fails."""

    def __init__(self, load, name):
        super().__init__(daemon=True, name=name)
        self.load, self.record, self.over = load, load.record, load.over
        self.rng = random.Random(f"{load.seed} {name}")
        self.clients = {}
        self.member = None

    def run(self):
        try:
            while not self.over.is_set():
                self.step()
        except Exception as why:  # a worker that dies would make the test pass
            self.load.blame(f"{self.name}: {type(why).__name__}: {why}")
        finally:
            for client in self.clients.values():
                client.close()

    def client(self):
        members = self.load.members()
        if self.member not in members:
            self.member = self.rng.choice(members)
        if self.member not in self.clients:
            self.clients[self.member] = proto.Client(self.member.endpoint)
        return self.clients[self.member]

    def call(self, method, request):
        code, details, reply = self.client().call(method, request, timeout=self.load.call_limit_s)
        if code != "OK":
            self.member = None
            with self.record.changed:
                self.record.unsure += 1
            self.over.wait(0.05)
        return reply


class Writer(Worker):
    """Puts of keys that are never used again, and additions to one counter."""

    n = 0

    def step(self):
        self.n += 1
        if self.rng.random() < 0.25:
            self.add_one()
        else:
            self.put()

    def put(self):
        key = f"load/{self.name}/{self.n:06d}".encode()
        value = key * self.rng.choice((1, 1, 4, 100))
        reply = self.call("put", pb().PutRequest(key=key, value=value))
        if reply:
            with self.record.changed:
                self.record.puts[key] = (value, reply.header.revision)
                self.record.ack(reply.header.revision)

    def add_one(self):
        reply = self.call("range", pb().RangeRequest(key=b"counter"))
        if not reply:
            return
        kv = reply.kvs[0] if reply.kvs else None
        count = int(kv.value) + 1 if kv else 1
        request = pb().TxnRequest(
            compare=[pb().Compare(key=b"counter", target=2,
                                  mod_revision=kv.mod_revision if kv else 0)],
            success=[pb().RequestOp(request_put=pb().PutRequest(key=b"counter",
                                                                value=b"%d" % count))])
        reply = self.call("txn", request)
        if reply and reply.succeeded:
            with self.record.changed:
                if count in self.record.counts:
                    self.load.blame(f"the counter became {count} twice")
                self.record.counts.add(count)
                self.record.count = max(self.record.count, count)
                self.record.ack(reply.header.revision)


class Reader(Worker):
    """Linearizable reads: never older than what was acknowledged before the read began."""

    def step(self):
        with self.record.changed:
            revision, count = self.record.revision, self.record.count
        reply = self.call("range", pb().RangeRequest(key=b"counter"))
        if not reply:
            return
        got = int(reply.kvs[0].value) if reply.kvs else 0
        if reply.header.revision < revision or got < count:
            self.load.blame(f"a stale read through {self.member.name}: revision "
                            f"{reply.header.revision} after {revision}, counter {got} "
                            f"after {count}")
        with self.record.changed:
            self.record.reads += 1


class Watcher(Worker):
    """One watch from the beginning of the load; it goes on elsewhere when its member dies."""

    def __init__(self, load, name, start):
        super().__init__(load, name)
        self.over = load.seen_all
        self.next = start
        self.seen = {}  # key -> revision, of load/
        self.moves = 0

    def step(self):
        self.moves += 1
        client = proto.Client(self.rng.choice(self.load.members()).endpoint)
        stream = client.watch()
        try:
            stream.send(pb().WatchRequest(create_request=pb().WatchCreateRequest(
                key=b"load/", range_end=b"load0", start_revision=self.next)))
            self.follow(stream)
        finally:
            stream.close()
            client.close()
            self.over.wait(0.05)

    def follow(self, stream):
        """Take replies until the stream ends, or says nothing for long enough to try another."""
        taken, quiet_since = 0, time.monotonic()
        while not self.over.is_set():
            with stream.changed:
                if len(stream.got) == taken and not stream.ended:
                    stream.changed.wait(0.2)
                fresh, ended = stream.got[taken:], stream.ended
                taken = len(stream.got)
            for reply in fresh:
                self.take(reply)
            if fresh:
                quiet_since = time.monotonic()
            elif ended or time.monotonic() - quiet_since > self.load.watch_quiet_s:
                return

    def take(self, reply):
        if reply.canceled:
            raise AssertionError(f"the watch was cancelled: {reply.cancel_reason}")
        for event in reply.events:
            key, revision = event.kv.key, event.kv.mod_revision
            if revision < self.next:
                raise AssertionError(f"event {key} of revision {revision} after {self.next - 1}")
            if key in self.seen:
                raise AssertionError(f"event {key} twice")
            self.seen[key] = revision
        if reply.events:
            with self.record.changed:
                self.next = reply.events[-1].kv.mod_revision + 1
                self.record.changed.notify_all()


class Load:
    """Writers, readers and a watcher while something happens; `verify` is the proof afterwards."""

    call_limit_s = 3
    watch_quiet_s = 4

    def __init__(self, cluster, seed=0, writers=3, readers=1, members=None):
        self.cluster, self.seed = cluster, seed
        self.chosen = members
        self.record = Record()
        self.over = threading.Event()    # for writers and readers
        self.seen_all = threading.Event()  # for the watcher, which ends last
        start = self.cluster.leader().must("range", pb().RangeRequest(key=b"?")).header.revision + 1
        self.watcher = Watcher(self, "watcher", start)
        self.workers = [Writer(self, f"w{i}") for i in range(writers)]
        self.workers += [Reader(self, f"r{i}") for i in range(readers)]

    def members(self):
        """Where clients may go; a paused or dead one is for them to find out."""
        return [m for m in list(self.chosen or self.cluster.members) if m.process is not None]

    def blame(self, text):
        self.record.wrong.append(text)

    def __enter__(self):
        self.cluster.leader().must("delete", pb().DeleteRangeRequest(key=b"counter"))
        for worker in [self.watcher] + self.workers:
            worker.start()
        return self

    def __exit__(self, *_):
        self.stop(timeout=0)

    def wait_acks(self, n, timeout=60):
        """Wait for n more acknowledgements, and fail if they do not come."""
        with self.record.changed:
            goal = self.record.acks + n
            if not self.record.changed.wait_for(lambda: self.record.acks >= goal, timeout):
                raise AssertionError(f"{goal - self.record.acks} of {n} puts still missing after "
                                     f"{timeout} s")

    def stop(self, timeout=60):
        """End the writers and readers, let the watcher catch up, and end it."""
        self.over.set()
        self.join(self.workers)
        record = self.record
        newest = max((revision for _, revision in record.puts.values()), default=0)
        with record.changed:
            record.changed.wait_for(lambda: self.watcher.next > newest or record.wrong, timeout)
        self.seen_all.set()
        self.join([self.watcher])

    def join(self, workers):
        for worker in workers:
            worker.join(30)
            if worker.is_alive():
                self.blame(f"a call of {worker.name} did not end")

    def finish(self):
        """End, and prove everything on every running member."""
        self.stop()
        self.verify()

    def verify(self):
        record = self.record
        if record.wrong:
            raise AssertionError("; ".join(record.wrong[:5]))
        if not record.puts:
            raise AssertionError("nothing was acknowledged")
        for member in self.cluster.running:
            self.verify_member(member)
        missing = [key for key in record.puts if key not in self.watcher.seen]
        if missing:
            raise AssertionError(f"{len(missing)} acknowledged puts had no event, as {missing[0]}")
        for key, (_, revision) in record.puts.items():
            equal(self.watcher.seen[key], revision, f"the revision of the event of {key}")
        self.cluster.wait_equal()

    def verify_member(self, member):
        record, there = self.record, everything(member, b"load/", b"load0")
        for key, (value, revision) in record.puts.items():
            kv = there.get(key)
            if kv is None:
                raise AssertionError(f"{key} of revision {revision} was acknowledged and is lost "
                                     f"on {member.name}")
            if kv.value != value or kv.mod_revision != revision or kv.version != 1:
                raise AssertionError(f"{key} on {member.name}: revision {kv.mod_revision}, not "
                                     f"{revision}, or another value")
        kvs = member.must("range", pb().RangeRequest(key=b"counter")).kvs
        got = int(kvs[0].value) if kvs else 0
        if not record.count <= got <= len(record.counts) + record.unsure:
            raise AssertionError(f"the counter is {got} on {member.name}; {len(record.counts)} "
                                 f"additions were acknowledged, {record.unsure} calls failed")

    def summary(self):
        record = self.record
        return (f"{record.acks} acknowledged, {record.reads} reads, {record.unsure} unanswered, "
                f"{self.watcher.moves} watches, longest gap {record.worst_gap:.1f} s")


def everything(member, start, end):
    """All pairs of a range, in pages, as of one revision."""
    found, revision = {}, 0
    while True:
        page = member.must("range", pb().RangeRequest(key=start, range_end=end, limit=10000,
                                                      revision=revision))
        revision = revision or page.header.revision
        found.update((kv.key, kv) for kv in page.kvs)
        if not page.more:
            return found
        start = page.kvs[-1].key + b"\0"


def port_is_open(host, port):
    with socket.socket() as s:
        s.settimeout(2)
        return s.connect_ex((host, port)) == 0
