#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a cluster promises an operator: start, grow, shrink, change leaders, lose and regain
members.

Every test starts its own members on loopback; etcdctl is Debian's. ETCD=/usr/bin/etcd checks the
tests.
"""
import concurrent.futures
import os
import pathlib
import re
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import cluster  # noqa: E402
import harness  # noqa: E402
from cluster import Cluster, Load, Member, hexid  # noqa: E402
from harness import equal, wait_for  # noqa: E402
from proto import pb  # noqa: E402

UPSTREAM = harness.is_upstream(harness.server_path())

# What differs on purpose between the upstream release that is served and 3.4.23.
#   expectation                     3.4.23                      served
LEARNER_CODE = "UNAVAILABLE" if UPSTREAM else "FAILED_PRECONDITION"  # A107
NOT_STARTED_CODE = "UNKNOWN" if UPSTREAM else "FAILED_PRECONDITION"  # A100
WAITS_BY_NAME = not UPSTREAM        # 3.4.23 names no peer it waits for, only ids
DEADLINE_CODE = "UNKNOWN" if UPSTREAM else "DEADLINE_EXCEEDED"  # A85, a proposal without a leader
NO_MAJORITY = {("UNAVAILABLE", text) for text in cluster.TIMEOUT_TEXTS}
NO_MAJORITY.add((DEADLINE_CODE, "context deadline exceeded"))
NOT_LEARNER_TEXT = "etcdserver: can only promote a learner member"


def refused(member, method, request, code, details):
    equal(member.client.settled(method, request)[:2], (code, details), method)


def same_everywhere(members, key, value):
    for member in members:
        kvs = member.client.get(key).kvs
        equal([kv.value for kv in kvs], [value], f"{key} on {member.name}")


def ends_with(member, text, status=1):
    """Start a member that refuses to run, and says why."""
    member.spawn()
    equal(member.wait_exit(), status, f"the exit status of {member.name}\n{member.tail()}")
    if not member.said(text):
        raise AssertionError(f"{member.name} did not say {text!r}\n{member.tail()}")


# ---- the three ways to start ---------------------------------------------------------------------

def works(c):
    """What the introductions show: put on one, get on all; tables; through any member."""
    leader = c.leader()
    for i, member in enumerate(c.members):
        equal(c.ctl("put", f"web{i}", f"value{i}", endpoints=member.endpoint), "OK\n")
        for other in c.members:
            equal(c.ctl("get", f"web{i}", endpoints=other.endpoint), f"web{i}\nvalue{i}\n")
    table = c.ctl("member", "list", "-w", "table", endpoints=c[0].endpoint)
    for title in ("ID", "STATUS", "NAME", "PEER ADDRS", "CLIENT ADDRS", "IS LEARNER"):
        if f"| {title} " not in re.sub(r"\| +", "| ", table):
            raise AssertionError(f"no {title} in\n{table}")
    status = c.ctl("endpoint", "status", "--cluster", "-w", "table", endpoints=c[-1].endpoint)
    for member in c.members:
        row = next(line for line in table.split("\n") if hexid(member.id) in line)
        equal([cell.strip() for cell in row.strip("|").split("|")],
              [hexid(member.id), "started", member.name, member.peer_url, member.url, "false"])
        cells = next(line for line in status.split("\n") if hexid(member.id) in line).split("|")
        equal((cells[1].strip(), cells[5].strip(), cells[6].strip()),
              (member.url, str(member is leader).lower(), "false"))
    c.wait_equal()
    hashes = dict(line.split(", ") for line in
                  c.ctl("endpoint", "hashkv", "--cluster").strip().split("\n"))
    equal(set(hashes), {m.url for m in c.members}, "the endpoints of hashkv --cluster")
    equal(len(set(hashes.values())), 1, f"different hashes {hashes}")
    equal(c.ctl("endpoint", "health", "--cluster").count("is healthy"), len(c.members))


def static_by_flags():
    with Cluster(3) as c:
        works(c)


def static_by_environment():
    with Cluster(3, in_environment=True) as c:
        works(c)


def members_one_by_one():
    """`member add` prints the environment with which the new one starts."""
    with Cluster(1) as c:
        for name in ("m2", "m3"):
            member = Member(name, in_environment=True)
            text = c.ctl("member", "add", name, f"--peer-urls={member.peer_url}")
            given = dict(re.findall(r'^ETCD_(\w+)="(.*)"$', text, re.M))
            equal(set(given), {"NAME", "INITIAL_CLUSTER", "INITIAL_ADVERTISE_PEER_URLS",
                               "INITIAL_CLUSTER_STATE"}, text)
            equal(given["INITIAL_CLUSTER_STATE"], "existing")
            for flag, value in given.items():
                member.flags[flag.lower().replace("_", "-")] = value
            member.flags["initial-cluster-token"] = "of no consequence when joining"
            c.members.append(member)
            member.start()
            c.learn_ids()
        works(c)
        same_cluster = {m.must("status").header.cluster_id for m in c.members}
        equal(len(same_cluster), 1, "cluster ids")


def two_then_loses_one():
    """Even sizes: half of two is no majority."""
    with Cluster(2) as c:
        c.wait_put()
        c.followers()[0].kill()
        code, details, _ = c.running[0].client.call("put", pb().PutRequest(key=b"k"), timeout=15)
        if code == "OK":
            raise AssertionError("one of two accepted a write")
        dead = next(m for m in c.members if not m.running)
        dead.start()
        c.wait_put()


# ---- what is checked at the start ----------------------------------------------------------------

def tokens_make_ids():
    ids = []
    ports = None
    for token in ("one", "two", "one"):
        with Cluster(1) as c:
            member = c[0]
            member.stop()
            member.wipe()
            ports = ports or (member.client_port, member.peer_port)
            member.client_port, member.peer_port = ports
            member.flags.update({"initial-cluster-token": token,
                                 "listen-peer-urls": member.peer_url,
                                 "initial-advertise-peer-urls": member.peer_url,
                                 "initial-cluster": f"m1={member.peer_url}",
                                 "listen-client-urls": member.url,
                                 "advertise-client-urls": member.url})
            member._client = None
            member.start()
            header = member.must("status").header
            ids.append((header.cluster_id, header.member_id))
    equal(ids[0], ids[2], "ids of one token")
    if ids[0][0] == ids[1][0] or ids[0][1] == ids[1][1]:
        raise AssertionError(f"two tokens, ids {ids}")


def foreign_token_stays_out():
    """A member of another token is in another cluster: refused by the others, and harmless."""
    c = Cluster(3)
    c[2].flags["initial-cluster-token"] = "another"
    try:
        for member in c.members:
            member.spawn()
        for member in c.members[:2]:
            member.wait_ready()
        c.wait_put(c.members[:2])
        wait_for(lambda: any(m.said("cluster ID mismatch") for m in c.members),
                 text="a line about the cluster ID mismatch")
        if c[2].said(harness.READY_TEXT):
            raise AssertionError("the foreign member became ready")
        for member in c.members:
            member.check_alive()
    finally:
        c.__exit__(*sys.exc_info())


def mismatches_are_named():
    c = Cluster(3)
    try:
        member = c[0]
        wrong = "http://127.0.0.1:1"
        member.flags["initial-advertise-peer-urls"] = wrong
        ends_with(member, f"--initial-cluster has m1={member.peer_url} but missing from "
                          f"--initial-advertise-peer-urls={wrong}")
        member.flags["initial-advertise-peer-urls"] = member.peer_url
        member.flags["name"] = "m7"
        ends_with(member, 'couldn\'t find local name "m7" in the initial cluster configuration')
    finally:
        c.__exit__(*sys.exc_info())


def first_one_waits():
    """Alone of three: alive, says whom it waits for, and goes on when a second comes."""
    c = Cluster(3)
    try:
        c[0].spawn()
        if WAITS_BY_NAME:
            c[0].wait_said("waiting for peers", "m2", "m3")
        else:
            wait_for(lambda: cluster.port_is_open(c[0].host, c[0].peer_port),
                     text="the peer port")
        if c[0].said(harness.READY_TEXT):
            raise AssertionError("ready without a majority")
        c[1].spawn()
        for member in c.members[:2]:
            member.wait_ready()
        c[2].start()
        c.learn_ids()
        c.wait_put()
        c.wait_equal()
    finally:
        c.__exit__(*sys.exc_info())


def reads_wait_for_the_first_leader():
    """A client that asks before anybody leads gets its answer from the first leader."""
    c = Cluster(3)
    answers = []

    def ask():
        answers.append(client.call("range", pb().RangeRequest(key=b"x"), timeout=60)[:2])

    try:
        c[0].spawn()
        wait_for(lambda: cluster.port_is_open(c[0].host, c[0].client_port),
                 text="the client port")
        client = c[0].client
        readers = [threading.Thread(target=ask) for _ in range(8)]
        for reader in readers:
            reader.start()
        for member in c.members[1:]:
            member.spawn()
        for reader in readers:
            reader.join()
        equal(set(answers), {("OK", "")}, "the answers")
    finally:
        c.__exit__(*sys.exc_info())


def initial_cluster_is_ignored_later():
    with Cluster(3) as c:
        member = c.followers()[0]
        member.stop()
        for garbage in (f"{member.name}=http://127.0.0.1:9,other=http://192.0.2.1:2380",
                        c.initial_cluster()):
            member.flags["initial-cluster"] = garbage
            member.flags["initial-advertise-peer-urls"] = garbage.split(",")[0].split("=")[1]
            member.start()
            c.wait_put([member])
            member.stop()
        member.start()
        c.wait_equal()


def wal_dir_is_used():
    c = Cluster(3)
    for member in c.members:
        member.flags["wal-dir"] = os.path.join(member.base, "wal")
    with c:
        c.wait_put()
        for member in c.members:
            if not os.listdir(member.flags["wal-dir"]):
                raise AssertionError("the --wal-dir is empty")
            inside = {path.name for path in pathlib.Path(member.data_dir).rglob("*")}
            if "log.db" in inside or any(name.endswith(".wal") for name in inside):
                raise AssertionError(f"a log in the data directory: {inside}")
        leader = c.leader()
        leader.kill()
        leader.start()
        c.wait_equal()


def wiped_member_is_refused():
    with Cluster(3) as c:
        c.wait_put()
        member = c.followers()[0]
        member.stop()
        member.wipe()
        ends_with(member, f"member {hexid(member.id)} has already been bootstrapped")
        c.wait_put()


# ---- leaders -------------------------------------------------------------------------------------

def leader_moves():
    with Cluster(3) as c:
        leader, follower = c.leader(), c.followers()[0]
        refused(follower, "move_leader", pb().MoveLeaderRequest(targetID=follower.id),
                "FAILED_PRECONDITION", "etcdserver: not leader")
        refused(leader, "move_leader", pb().MoveLeaderRequest(targetID=5),
                "FAILED_PRECONDITION", "etcdserver: bad leader transferee")
        text = c.ctl("move-leader", hexid(follower.id))
        equal(text, f"Leadership transferred from {hexid(leader.id)} to {hexid(follower.id)}\n")
        wait_for(lambda: c.leader() is follower, text="the new leader")
        c.wait_put()


def kill_of_leader_loses_nothing():
    """etcdctl puts in a loop; the leader is killed twice; whatever said OK is there."""
    with Cluster(3) as c:
        said_ok, over = [], threading.Event()

        def put():
            n = 0
            while not over.is_set():
                n += 1
                done = cluster.etcdctl(c.endpoint, "--command-timeout=1500ms", "put", f"k{n}",
                                       f"v{n}")
                if done.stdout == "OK\n":
                    said_ok.append(n)

        c.ctl("version")
        thread = threading.Thread(target=put, daemon=True)
        thread.start()
        try:
            for _ in range(2):
                goal = len(said_ok) + 15
                wait_for(lambda: len(said_ok) >= goal, 120, text="etcdctl's OK")
                leader = c.leader()
                leader.kill()
                goal = len(said_ok) + 5
                wait_for(lambda: len(said_ok) >= goal, 120, text="OK after the kill")
                leader.start()
        finally:
            over.set()
            thread.join(40)
        for member in c.members:
            there = cluster.everything(member, b"k", b"l")
            for n in said_ok:
                equal(there[b"k%d" % n].value, b"v%d" % n)
        c.wait_equal()


def sigterm_hands_over():
    """A leader that is told to end makes another one leader first: nobody waits for an election."""
    args = ["--heartbeat-interval=100", "--election-timeout=10000"]
    with Cluster(3, args=args) as c:
        times = []
        for _ in range(3):
            leader = c.leader()
            others = [m for m in c.members if m is not leader]
            began = time.monotonic()
            leader.process.terminate()
            wait_for(lambda: all(m.must("status").leader not in (0, leader.id) for m in others),
                     text="another leader")
            c.wait_put(others)
            times.append(time.monotonic() - began)
            leader.wait_exit()
            leader.start()
        if min(times) > 5:
            raise AssertionError(f"hand-overs took {times}, election timeout 10 s")


# ---- members -------------------------------------------------------------------------------------

def learner_comes_and_is_promoted():
    with Cluster(3) as c:
        follower = c.followers()[0]
        c.wait_put()
        member = Member("m4")
        text = c.ctl("member", "add", "m4", "--learner", f"--peer-urls={member.peer_url}",
                     endpoints=follower.endpoint)
        member.id = int(re.search(r"Member *([0-9a-f]+) added to cluster", text)[1], 16)
        given = dict(re.findall(r'^ETCD_(\w+)="(.*)"$', text, re.M))
        member.flags["initial-cluster"] = given["INITIAL_CLUSTER"]
        member.flags["initial-cluster-state"] = "existing"
        c.members.append(member)
        refused(follower, "member_promote", pb().MemberPromoteRequest(ID=member.id),
                "FAILED_PRECONDITION", cluster.READY_EARLY_TEXT)
        refused(follower, "member_promote", pb().MemberPromoteRequest(ID=77), "NOT_FOUND",
                "etcdserver: member not found")
        refused(follower, "member_promote", pb().MemberPromoteRequest(ID=follower.id),
                "FAILED_PRECONDITION", NOT_LEARNER_TEXT)
        refused(follower, "member_add", pb().MemberAddRequest(
            peerURLs=["http://127.0.0.1:1"], isLearner=True), "FAILED_PRECONDITION",
            "etcdserver: too many learner members in cluster")
        member.start()
        learner_serves_little(member)
        refused(c.leader(), "move_leader", pb().MoveLeaderRequest(targetID=member.id),
                "FAILED_PRECONDITION", "etcdserver: bad leader transferee")
        row = next(line for line in c.ctl("member", "list", endpoints=follower.endpoint)
                   .split("\n") if hexid(member.id) in line)
        equal(row, f"{hexid(member.id)}, started, m4, {member.peer_url}, {member.url}, true")
        c.promote(member, through=follower)
        refused(follower, "member_promote", pb().MemberPromoteRequest(ID=member.id),
                "FAILED_PRECONDITION", NOT_LEARNER_TEXT)
        c.wait_put([member])
        c.lead(member)
        c.wait_equal()


def learner_serves_little(member):
    for method, request in (("put", pb().PutRequest(key=b"k")),
                            ("delete", pb().DeleteRangeRequest(key=b"k")),
                            ("range", pb().RangeRequest(key=b"k")),
                            ("txn", pb().TxnRequest()), ("compact", pb().CompactionRequest()),
                            ("grant", pb().LeaseGrantRequest(TTL=5)), ("member_list", None),
                            ("hashkv", None), ("alarm", None), ("defragment", None)):
        refused(member, method, request, LEARNER_CODE, cluster.LEARNER_TEXT)
    equal(member.must("status").isLearner, True, "Status of a learner")
    wait_for(lambda: member.client.get(b"probe", serializable=True).kvs,
             text="a serializable read of a learner")


def removed_member_stays_away():
    with Cluster(3) as c:
        for member in (c.followers()[0], c.leader()):
            name = member.name
            text = c.ctl("member", "remove", hexid(member.id),
                         endpoints=next(m for m in c.running if m is not member).endpoint)
            if f"Member {member.id:16x} removed from cluster" not in text:
                raise AssertionError(text)
            member.wait_exit()
            if not member.said(cluster.REMOVED_TEXT):
                raise AssertionError(f"{name} ended without a word\n{member.tail()}")
            member.spawn()
            member.wait_exit()
            if not member.said(cluster.REMOVED_TEXT):
                raise AssertionError(f"{name}, restarted, ended without a word\n{member.tail()}")
            c.wait_put()
            listed = c.running[0].client.must("member_list").members
            equal({m.ID for m in listed}, {m.id for m in c.running}, "the members left")
            c.add(name + "again")
            c.wait_equal()


def member_gets_another_address():
    with Cluster(3) as c:
        member = c.followers()[0]
        member.peer_port, = harness.free_ports(1)
        text = c.ctl("member", "update", hexid(member.id), f"--peer-urls={member.peer_url}")
        if f"Member {member.id:16x} updated in cluster" not in text:
            raise AssertionError(text)
        member.stop()
        c.wait_put()
        member.flags["listen-peer-urls"] = member.peer_url
        member.start()
        next(m for m in c.followers() if m is not member).kill()
        c.wait_put()  # the majority needs the moved one
        wait_for(lambda: member.client.get(b"probe", serializable=True).kvs, text="the put")


def reconfiguration_is_strict():
    with Cluster(1) as c:
        first = c[0]
        refused(first, "member_add", pb().MemberAddRequest(peerURLs=["127.0.0.1:1"]),
                "INVALID_ARGUMENT", "etcdserver: given member URLs are invalid")
        refused(first, "member_add", pb().MemberAddRequest(), "INVALID_ARGUMENT",
                "etcdserver: given member URLs are invalid")
        refused(first, "member_add", pb().MemberAddRequest(peerURLs=[first.peer_url]),
                "FAILED_PRECONDITION", "etcdserver: Peer URLs already exists")
        refused(first, "member_remove", pb().MemberRemoveRequest(ID=77), "NOT_FOUND",
                "etcdserver: member not found")
        c.add("m2", start=False)  # from one to two is always allowed
        refused(first, "member_add", pb().MemberAddRequest(peerURLs=["http://127.0.0.1:1"]),
                NOT_STARTED_CODE,
                "etcdserver: re-configuration failed due to not enough started members")
    with Cluster(3) as c:
        never_started = c.add("m4", start=False)
        refused(c.leader(), "member_add", pb().MemberAddRequest(peerURLs=["http://127.0.0.1:1"]),
                "UNAVAILABLE", cluster.UNHEALTHY_TEXT)
        c.remove(never_started)
        c.members.remove(never_started)
        c.followers()[0].kill()
        wait_for(lambda: c.leader().client.call("member_add", pb().MemberAddRequest(
            peerURLs=["http://127.0.0.1:1"]))[1] == cluster.UNHEALTHY_TEXT, text="unhealthy")
        wait_for(lambda: c.leader().client.call("member_remove", pb().MemberRemoveRequest(
            ID=c.followers()[0].id))[0] != "OK", text="a refusal to remove a live one of two")


def force_new_cluster():
    with Cluster(3) as c:
        for i in range(20):
            c.leader().client.put(b"k%d" % i, b"v")
        c.wait_put()  # the last entry may lack its commit index on disk, those before do not
        c.wait_equal()
        survivor = c.followers()[0]
        for member in c.members:
            member.kill()
        survivor.args = ["--force-new-cluster"]
        survivor.start()
        listed = survivor.client.must("member_list").members
        equal([(m.name, list(m.peerURLs)) for m in listed],
              [(survivor.name, [survivor.peer_url])], "the members")
        equal(len(cluster.everything(survivor, b"k", b"l")), 20, "keys kept")
        survivor.stop()
        survivor.args = []
        survivor.start()
        c.members = [survivor]
        c.learn_ids()
        c.wait_put()
        c.add("m4")
        equal(len(cluster.everything(c[1], b"k", b"l")), 20, "keys of the new member")
        c.wait_equal()


# ---- without a majority --------------------------------------------------------------------------

def times_out(member, method, request):
    began = time.monotonic()
    code, details, _ = member.client.call(method, request, timeout=60)
    took = time.monotonic() - began
    if (code, details) not in NO_MAJORITY:
        raise AssertionError(f"{method} without a majority: {code}: {details}")
    if took < cluster.REQUEST_LIMIT_S - 1:
        raise AssertionError(f"{method} was answered after {took:.1f} s")


def minority_serves_old_data_only():
    with Cluster(3) as c:
        c.leader().client.put(b"k", b"v")
        c.wait_equal()
        last = c.leader()
        watch = last.client.watch()
        try:
            watch_needs_a_leader = last.client.channel.stream_stream(
                "/etcdserverpb.Watch/Watch",
                request_serializer=lambda m: m.SerializeToString(),
                response_deserializer=pb().WatchResponse.FromString)
            wish = pb().WatchRequest(create_request=pb().WatchCreateRequest(key=b"k"))
            gate = threading.Event()

            def requests():
                yield wish
                gate.wait(120)

            call = watch_needs_a_leader(requests(), timeout=120, metadata=[("hasleader", "true")])
            equal(next(call).created, True)
            for member in c.members:
                if member is not last:
                    member.kill()
            wait_for(lambda: last.must("status").leader == 0, text="the loss of leadership")
            equal(last.client.get(b"k", serializable=True).kvs[0].value, b"v")
            wishes = (("put", pb().PutRequest(key=b"k", value=b"new")),
                      ("range", pb().RangeRequest(key=b"k")),
                      ("grant", pb().LeaseGrantRequest(TTL=60)))
            for method, request in wishes:
                got = last.client.call(method, request, metadata=[("hasleader", "true")])
                equal(got[:2], ("UNAVAILABLE", "etcdserver: no leader"), f"{method}, hasleader")
            with concurrent.futures.ThreadPoolExecutor() as pool:
                for _ in pool.map(lambda wish: times_out(last, *wish), wishes):
                    pass
            try:
                for reply in call:
                    raise AssertionError(f"the watch said {reply}")
            except cluster.proto.grpc.RpcError as error:
                equal((error.code().name, error.details()),
                      ("UNAVAILABLE", "etcdserver: no leader"), "a watch with hasleader")
            gate.set()
            equal(last.client.get(b"k", serializable=True).kvs[0].value, b"v")
            equal(last.http("/health")[0], 503, "health without a leader")
        finally:
            watch.close()
        for member in c.members:
            if not member.running:
                member.spawn()
        c.wait_put()
        for member in c.members:
            member.wait_ready()
        c.wait_equal()


# ---- leases and versions -------------------------------------------------------------------------

def leases_outlive_leaders():
    with Cluster(3) as c:
        follower = c.followers()[0]
        lease = follower.client.must("grant", pb().LeaseGrantRequest(TTL=5)).ID
        follower.client.put(b"kept", b"v", lease=lease)
        stream = follower.client.keepalive()
        began, pause = time.monotonic(), threading.Event()
        while time.monotonic() - began < 7:  # well beyond the TTL
            n = len(stream.got) + 1
            stream.send(pb().LeaseKeepAliveRequest(ID=lease))
            stream.wait(lambda got: len(got) >= n, text="an answer to a keepalive")
            equal(stream.got[-1].TTL, 5, "TTL")
            pause.wait(0.5)
        n = len(stream.got) + 1
        stream.send(pb().LeaseKeepAliveRequest(ID=4711))
        stream.wait(lambda got: len(got) >= n, text="an answer for an unknown lease")
        equal(stream.got[-1].TTL, 0, "the TTL of an unknown lease")
        equal(len(follower.client.get(b"kept").kvs), 1, "a key whose lease is kept alive")
        stream.close()
        wait_for(lambda: not follower.client.get(b"kept").kvs, text="the end of the lease")

        lease = follower.client.must("grant", pb().LeaseGrantRequest(TTL=12)).ID
        follower.client.put(b"extended", b"v", lease=lease)
        question = pb().LeaseTimeToLiveRequest(ID=lease, keys=True)
        wait_for(lambda: follower.client.must("timetolive", question).TTL <= 8,
                 text="the lease to get older")
        began = time.monotonic()
        c.lead(follower)
        answer = c.followers()[0].client.must("timetolive", question)
        if answer.TTL < 12 - 2 - (time.monotonic() - began):  # else 8 would be left, less that time
            raise AssertionError(f"not extended by a change of leaders: {answer}")
        equal((answer.grantedTTL, list(answer.keys)), (12, [b"extended"]), "the lease")
        c.leader().kill()
        survivor = c.running[0]
        c.wait_put()
        equal(len(survivor.client.get(b"extended").kvs), 1, "the key under the third leader")
        wait_for(lambda: not survivor.client.get(b"extended").kvs, 60,
                 text="the end of the lease under the third leader")
        equal(survivor.client.must("timetolive", question).TTL, -1, "TTL of an ended lease")
        c.wait_equal()


def cluster_version_is_decided():
    with Cluster(3) as c:
        server = cluster.version(c[0])["etcdserver"]
        wanted = ".".join(server.split(".")[:2]) + ".0"
        for member in c.members:
            for peer in (False, True):
                wait_for(lambda: cluster.version(member, peer)["etcdcluster"] == wanted,
                         text=f"cluster version {wanted}")


def watch_sees_all_through_changes():
    """Leaders change by request and by SIGTERM under load; clients see neither gaps nor repeats."""
    with Cluster(3) as c:
        with Load(c) as load:
            for i in range(4):
                load.wait_acks(100)
                target = c.followers()[i % 2]
                c.leader().client.call("move_leader", pb().MoveLeaderRequest(targetID=target.id))
            load.wait_acks(50)
            for member in list(c.members):
                member.stop()
                load.wait_acks(50)
                member.start()
            load.finish()
            print(f"# {load.summary()}", flush=True)


TESTS = [static_by_flags, static_by_environment, members_one_by_one, two_then_loses_one,
         tokens_make_ids, foreign_token_stays_out, mismatches_are_named, first_one_waits,
         reads_wait_for_the_first_leader,
         initial_cluster_is_ignored_later, wal_dir_is_used, wiped_member_is_refused, leader_moves,
         kill_of_leader_loses_nothing, sigterm_hands_over, learner_comes_and_is_promoted,
         removed_member_stays_away, member_gets_another_address, reconfiguration_is_strict,
         force_new_cluster, minority_serves_old_data_only, leases_outlive_leaders,
         cluster_version_is_decided, watch_sees_all_through_changes]


def main():
    suite = harness.Suite(limit_s=880)
    chosen = sys.argv[1:]
    for test in TESTS:
        if not chosen or test.__name__ in chosen:
            suite.run(test)
    suite.finish()


if __name__ == "__main__":
    main()
