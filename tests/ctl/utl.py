#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""etcdutl: snapshots and data directories of both kinds, against the distribution's etcd 3.4.

What a command made is started, by our server or by the distribution's, and compared by HashKV.
$ETCD is our server, $ETCDUTL the program under test, by default the one beside it.
"""
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cluster"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import cluster  # noqa: E402
import harness  # noqa: E402
from cluster import ETCDCTL, Cluster, Member  # noqa: E402
from harness import UPSTREAM, equal, wait_for  # noqa: E402
from proto import pb  # noqa: E402

SERVER = harness.server_path()
UTL = os.environ.get("ETCDUTL") or str(pathlib.Path(SERVER).parent / "etcdutl")
LIMIT_S = 240


# ---- commands ------------------------------------------------------------------------------------

def run(*args, status=0, **more):
    """Run etcdutl; return (stdout, stderr). `status` None: any but 0."""
    done = subprocess.run([UTL, *map(str, args)], capture_output=True, text=True, timeout=LIMIT_S,
                          stdin=subprocess.DEVNULL, **more)
    told = (f"etcdutl {' '.join(map(str, args))} ended with {done.returncode}: "
            f"{done.stdout[:500]} {done.stderr[:2000]}")
    if harness.SANITIZER_TEXT.search(done.stderr) or done.returncode < 0:
        raise AssertionError(told)
    if (done.returncode != status) if status is not None else done.returncode == 0:
        raise AssertionError(told)
    return done.stdout, done.stderr


def refused(*args, word="", **more):
    """The command fails with one sentence, that has the word in it."""
    out, err = run(*args, status=None, **more)
    if not err.startswith("Error: ") or word not in err:
        raise AssertionError(f"{args}: said {err!r}, and not {word!r}")
    return err


def etcdctl(*args, endpoint=None):
    env = dict(os.environ, ETCDCTL_API="3")
    command = [ETCDCTL] + (["--endpoints", endpoint] if endpoint else []) + list(map(str, args))
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=env,
                          check=True).stdout


class Place:
    """A folder that is gone afterwards."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="etcd-utl-"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def lone(binary, args=(), data_dir=None, like=None):
    """A cluster of one; with `like`, at the ports of that one."""
    member = Member("m1", binary, args)
    if like:
        member.client_port, member.peer_port = like.client_port, like.peer_port
        for flag in ("listen-client-urls", "advertise-client-urls"):
            member.flags[flag] = member.url
        for flag in ("listen-peer-urls", "initial-advertise-peer-urls"):
            member.flags[flag] = member.peer_url
    member.flags["initial-cluster"] = f"m1={member.peer_url}"
    if data_dir:
        member.data_dir = str(data_dir)
        member.flags["data-dir"] = member.data_dir
    return member


def restore_flags(member):
    return [f"--{name}={member.flags[name]}" for name in
            ("name", "initial-cluster", "initial-cluster-token", "initial-advertise-peer-urls",
             "data-dir")]


def peer_hash(member):
    """HashKV as the peers ask for it: auth does not matter there."""
    def told():
        status, body = member.http("/members/hashkv", body='{"revision":0}', peer=True)
        return status == 200 and json.loads(body)
    reply = wait_for(told, 30, text="the hash")
    return reply["header"]["revision"], reply["compact_revision"], reply["hash"]


def load(member, n=300, seed=1, leases=True, compact=True):
    """Puts, deletes, transactions, leases, a compaction."""
    chance, client = random.Random(seed), member.client
    lease = member.must("grant", pb().LeaseGrantRequest(TTL=3000, ID=7777)).ID if leases else 0
    for i in range(n):
        key = b"key-%d" % chance.randrange(n // 3 + 1)
        kind = chance.randrange(10)
        if kind < 6:
            client.put(key, os.urandom(chance.choice((0, 3, 100, 5000))),
                       lease=lease if chance.randrange(4) == 0 else 0)
        elif kind < 8:
            client.must("delete", pb().DeleteRangeRequest(key=key))
        else:
            ops = [pb().RequestOp(request_put=pb().PutRequest(key=key + b"/%d" % k, value=b"v"))
                   for k in range(3)]
            client.must("txn", pb().TxnRequest(success=ops))
    revision = client.get(b"key").header.revision
    if compact:
        client.must("compact", pb().CompactionRequest(revision=revision // 2, physical=True))
    return revision


def same_data(a, b):
    equal(peer_hash(a), peer_hash(b), "the hashes")


def file_sums(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(pathlib.Path(folder).rglob("*")) if p.is_file()}


# ---- snapshots -----------------------------------------------------------------------------------

def snapshot_of(member, path):
    etcdctl("snapshot", "save", path, endpoint=member.endpoint)
    return path


def restored(source, target_binary, restore):
    """A snapshot of a loaded `source` server, restored and started by the other kind."""
    with Place() as place, lone(source) as member:
        load(member)
        wanted = peer_hash(member)
        snapshot = snapshot_of(member, place / "snap")
        target = lone(target_binary)
        restore(snapshot, target)
        with target:
            equal(peer_hash(target), wanted, "the hash of what was restored")
            target.client.put(b"after", b"v")
            equal(target.client.must("leases").leases[0].ID, 7777, "the lease")
            listed = target.client.must("member_list").members
            equal([(m.name, list(m.peerURLs)) for m in listed], [("m1", [target.peer_url])], "who")


def ours_restores(snapshot, target):
    run("snapshot", "restore", snapshot, *restore_flags(target))


def theirs_restores(snapshot, target):
    etcdctl("snapshot", "restore", snapshot, *restore_flags(target))


def restore_theirs_into_ours():
    restored(UPSTREAM, SERVER, ours_restores)


def restore_ours_into_ours():
    restored(SERVER, SERVER, ours_restores)


def restore_ours_into_theirs():
    with Place() as place, lone(SERVER) as member:
        load(member)
        wanted = peer_hash(member)
        snapshot = snapshot_of(member, place / "snap")
        target = lone(UPSTREAM)
        theirs_restores(snapshot, target)
        with target:
            equal(peer_hash(target), wanted, "the hash of what was restored")


def restore_ids_are_upstreams():
    """Both kinds of restore make the same member of the same cluster."""
    with Place() as place, lone(UPSTREAM) as member:
        snapshot = snapshot_of(member, place / "snap")
        ours, theirs = lone(SERVER), lone(UPSTREAM)
        theirs.flags.update({k: v for k, v in ours.flags.items() if "peer" in k or "cluster" in k})
        theirs.peer_port = ours.peer_port
        ours_restores(snapshot, ours)
        theirs_restores(snapshot, theirs)
        headers = []
        for one in (ours, theirs):
            with one:
                header = one.must("status").header
                headers.append((header.cluster_id, header.member_id))
        equal(*headers, "cluster and member ids")


def restore_three_members():
    with Place() as place, lone(UPSTREAM) as member:
        load(member)
        wanted = peer_hash(member)
        snapshot = snapshot_of(member, place / "snap")
        group = Cluster(3, SERVER)
        for one in group.members:
            ours_restores(snapshot, one)
        with group:
            group.leader()
            for one in group.members:
                equal(peer_hash(one), wanted, f"the hash of {one.name}")
            group.wait_put()
            equal(len(group[1].must("member_list").members), 3, "members")


def restore_raises_the_revision():
    with Place() as place, lone(UPSTREAM) as member:
        revision = load(member, compact=False)
        snapshot = snapshot_of(member, place / "snap")
        target = lone(SERVER)
        refused("snapshot", "restore", snapshot, *restore_flags(target), "--bump-revision=1000",
                word="--mark-compacted required if --revision-bump > 0")
        run("snapshot", "restore", snapshot, *restore_flags(target), "--bump-revision=1000",
            "--mark-compacted")
        with target:
            answer = target.client.get(b"key-1")
            equal(answer.header.revision, revision + 1000, "the revision")
            code, details, _ = target.client.call("range", pb().RangeRequest(
                key=b"key-1", revision=revision))
            equal((code, "compacted" in details), ("OUT_OF_RANGE", True), "an old revision")
            equal(target.client.put(b"a", b"b").header.revision, revision + 1001, "the next one")


def restore_refuses():
    with Place() as place, lone(UPSTREAM) as member:
        load(member, 50)
        snapshot = snapshot_of(member, place / "snap")
        target = lone(SERVER)
        flags = restore_flags(target)
        run("snapshot", "restore", snapshot, *flags)
        refused("snapshot", "restore", snapshot, *flags, word="not empty or could not be read")
        refused("snapshot", "restore", snapshot, "--data-dir", place / "new", "--name=other",
                word='couldn\'t find local name "other"')
        refused("snapshot", "restore", snapshot, "--data-dir", place / "new",
                "--initial-advertise-peer-urls=http://a:1", word="--initial-cluster")
        refused("snapshot", "restore", place / "none", "--data-dir", place / "new",
                word="no such file")
        run("snapshot", "restore", status=128)
        run("snapshot", "restore", snapshot, "--data-dir", place / "tls", "--initial-cluster",
            "default=https://a.example:2380", "--initial-advertise-peer-urls",
            "https://a.example:2380")
        db = pathlib.Path(place / "bare")
        db.write_bytes(pathlib.Path(snapshot).read_bytes()[:-32])
        refused("snapshot", "restore", db, "--data-dir", place / "new",
                word="snapshot missing hash but --skip-hash-check=false")
        run("snapshot", "restore", db, "--data-dir", place / "new", "--skip-hash-check")
        equal((place / "new/member/kv.db").exists(), True, "the database")


def damaged_snapshots_are_refused():
    chance = random.Random(5)
    with Place() as place, lone(UPSTREAM) as member:
        load(member, 100)
        good = pathlib.Path(snapshot_of(member, place / "snap")).read_bytes()
        bad, new = place / "bad", place / "new"
        for _ in range(25):
            at = chance.randrange(len(good))
            bad.write_bytes(good[:at] + bytes([good[at] ^ 1 << chance.randrange(8)])
                            + good[at + 1:])
            refused("snapshot", "restore", bad, "--data-dir", new)
            equal(new.exists(), False, "a directory is left")
        for _ in range(25):
            bad.write_bytes(good[:chance.randrange(len(good))])
            refused("snapshot", "restore", bad, "--data-dir", new)
            equal(new.exists(), False, "a directory is left")
            subprocess.run([UTL, "snapshot", "status", bad], capture_output=True, timeout=LIMIT_S)


def full_disk_leaves_nothing():
    with Place() as place, lone(UPSTREAM) as member:
        load(member, 300)
        snapshot = snapshot_of(member, place / "snap")
        for limit in (4096, 20000, 100000, 200000):
            def small_files():
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            refused("snapshot", "restore", snapshot, "--data-dir", place / "new",
                    preexec_fn=small_files)
            equal((place / "new").exists(), False, f"with {limit} bytes a directory is left")


# ---- numbers -------------------------------------------------------------------------------------

def status_is_upstreams():
    with Place() as place, lone(UPSTREAM) as member:
        load(member)
        snapshot = snapshot_of(member, place / "snap")
        theirs = json.loads(etcdctl("snapshot", "status", snapshot, "-w", "json"))
        ours = json.loads(run("snapshot", "status", snapshot, "-w", "json")[0])
        equal((ours["hash"], ours["revision"], ours["totalSize"], ours["version"]),
              (theirs["hash"], theirs["revision"], theirs["totalSize"], ""), "the status")
        live = member.client.get(b"\0", range_end=b"\0", count_only=True).count
        equal(ours["totalKey"], live, "live keys")
        simple = run("snapshot", "status", snapshot)[0]
        theirs_simple = etcdctl("snapshot", "status", snapshot).strip().split(", ")
        got = simple.rstrip("\n").split(", ")
        equal([got[0], got[1], got[3], got[4]],
              [theirs_simple[0], theirs_simple[1], theirs_simple[3], ""], "the simple form")
        fields = run("snapshot", "status", snapshot, "-w", "fields")[0].splitlines()
        equal(fields[:2], [f'"Hash" : {ours["hash"]}', f'"Revision" : {ours["revision"]}'], "these")
        table = run("snapshot", "status", snapshot, "-w", "table")[0]
        equal("TOTAL KEYS" in table and "VERSION" in table, True, table)
        refused("snapshot", "status", snapshot, "-w", "protobuf", word="protobuf not supported")


def hashkv_is_the_servers():
    with Place() as place, lone(UPSTREAM) as member:
        revision = load(member)
        snapshot = snapshot_of(member, place / "snap")
        for rev in (0, revision, revision - 3, revision // 2 + 5):
            reply = member.must("hashkv", pb().HashKVRequest(revision=rev))
            told = json.loads(run("hashkv", snapshot, "--rev", rev, "-w", "json")[0])
            equal((told["hash"], told["compactRevision"]), (reply.hash, reply.compact_revision),
                  f"the hash at {rev}")
        refused("hashkv", snapshot, "--rev", revision + 1000, word="future revision")
        refused("hashkv", snapshot, "--rev", 2, word="compacted")
        target = lone(SERVER)
        ours_restores(snapshot, target)
        equal(run("hashkv", pathlib.Path(target.data_dir) / "member/kv.db"),
              run("hashkv", snapshot), "of our file")


# ---- import --------------------------------------------------------------------------------------

def import_after_kill(seed, args=(), n=300, **more):
    """Upstream's member is killed under load; its copy, restarted, is what an import must equal."""
    with Place() as place:
        member = lone(UPSTREAM, args).start()
        load(member, n, seed, **more)
        member.kill()
        shutil.copytree(member.data_dir, place / "copy")
        ours = lone(SERVER, data_dir=place / "new", like=member)
        run("import", "--from", member.data_dir, "--data-dir", place / "new")
        theirs = lone(UPSTREAM, args, data_dir=place / "copy", like=member)
        with theirs:
            theirs.must("status")
            wanted = peer_hash(theirs)
            header = theirs.must("status").header
        with ours:
            ours.must("status")
            equal(peer_hash(ours), wanted, "the hash")
            now = ours.must("status").header
            equal((now.cluster_id, now.member_id), (header.cluster_id, header.member_id), "ids")
            if more.get("leases", True):
                equal([one.ID for one in ours.must("leases").leases], [7777], "leases")
            ours.client.put(b"after", b"v")
        equal("is sound" in run("check", place / "new")[0], True, "the check")


def import_of_small_logs():
    for seed in range(4):
        import_after_kill(seed, n=20 + 60 * seed)


def import_with_many_snapshots():
    for seed, count in enumerate((10, 37, 100)):
        import_after_kill(seed, ["--snapshot-count", str(count)])


def import_of_several_files():
    """Values so large that the log has several files of 64 MB."""
    with Place() as place:
        member = lone(UPSTREAM, ["--snapshot-count", "60"]).start()
        for i in range(110):
            member.client.put(b"big-%d" % (i % 7), os.urandom(1 << 20))
        member.kill()
        files = list(pathlib.Path(member.data_dir, "member/wal").glob("*.wal"))
        equal(len(files) >= 2, True, "files of the log")
        ours = lone(SERVER, data_dir=place / "new", like=member)
        run("import", "--from", member.data_dir, "--data-dir", place / "new")
        with lone(UPSTREAM, data_dir=member.data_dir, like=member) as theirs:
            wanted = peer_hash(theirs)
        with ours:
            equal(peer_hash(ours), wanted, "the hash")


def import_in_place():
    member = lone(UPSTREAM).start()
    load(member)
    wanted = peer_hash(member)
    member.stop()
    folder = pathlib.Path(member.data_dir)
    before = file_sums(folder / "member")
    ours = lone(SERVER, data_dir=folder, like=member)
    ours.spawn()
    equal(ours.wait_line(harness.READY_TEXT), False, "it starts on upstream's data")
    ours.wait_exit()
    said = ours.said("etcdutl import") or ours.tail()
    command = re.search(r"etcdutl (import --from \S+)", said).group(1).split()
    out, _ = run(*command)
    kept = next(folder.glob("member.upstream-*"))
    equal(str(kept) in out, True, out)
    equal(file_sums(kept), before, "upstream's files")
    with ours:
        equal(peer_hash(ours), wanted, "the hash")
        equal(ours.said("is not etcd's"), None, "a warning")
    refused("import", "--from", folder, word="imported already")
    shutil.rmtree(member.base)


def import_with_wal_dir():
    with Place() as place:
        member = lone(UPSTREAM, ["--wal-dir", str(place / "wal")]).start()
        load(member)
        wanted = peer_hash(member)
        member.stop()
        run("import", "--from", member.data_dir, "--wal-dir", place / "wal")
        equal((place / "wal/log.db").exists(), True, "our log in the WAL directory")
        with lone(SERVER, ["--wal-dir", str(place / "wal")], member.data_dir, member) as ours:
            equal(peer_hash(ours), wanted, "the hash")


def import_keeps_auth_and_alarms():
    with Place() as place:
        member = lone(UPSTREAM).start()
        load(member, 50)
        member.must("alarm", pb().AlarmRequest(action=1, memberID=member.must("status").header
                                               .member_id, alarm=1))
        etcdctl("user", "add", "root:secret", endpoint=member.endpoint)
        etcdctl("user", "grant-role", "root", "root", endpoint=member.endpoint)
        etcdctl("auth", "enable", endpoint=member.endpoint)
        member.stop()
        out, _ = run("import", "--from", member.data_dir, "--data-dir", place / "new")
        equal("1 leases, 1 alarms, auth is enabled" in out and "auth disable" in out, True, out)
        rows = subprocess.run(
            ["sqlite3", "-readonly", place / "new/member/kv.db",
             "select hex(value) from bucket where bucket = 'auth' "
             "and key = cast('authEnabled' as blob)"],
            capture_output=True, text=True, timeout=30).stdout.strip()
        equal(rows, "01", "authEnabled")
        ours = lone(SERVER, [], place / "new", member)
        ours.spawn()
        equal(ours.wait_exit(), 1, "the exit status")
        equal("authentication is enabled in this data" in ours.tail(), True, ours.tail())


def import_one_of_three():
    """A member of upstream's cluster goes on as ours, beside the others."""
    with Cluster(3, UPSTREAM) as group:
        load(group.leader())
        one = group.followers()[0]
        one.stop()
        group.wait_put()
        out, _ = run("import", "--from", one.data_dir)
        equal("the cluster has 3 members" in out, True, out)
        one.binary = SERVER
        one.start()
        group.wait_put()
        leader = group.leader()
        wait_for(lambda: peer_hash(one) == peer_hash(leader), text="equal hashes")
        equal(one.must("status").header.member_id, one.id, "the id")
        one.stop()  # and the way back
        group.wait_put()
        run("export", "--data-dir", one.data_dir, "--to", one.data_dir + ".back")
        one.binary, one.flags["data-dir"] = UPSTREAM, one.data_dir + ".back"
        one.start()
        group.wait_put()
        leader = group.leader()
        wait_for(lambda: peer_hash(one) == peer_hash(leader), text="equal hashes")


def import_after_member_changes():
    """Some before upstream's snapshot, some behind it."""
    for count in ("5", "1000"):
        with Place() as place:
            member = lone(UPSTREAM, ["--snapshot-count", count]).start()
            learners = []
            for i in range(3):
                added = member.must("member_add", pb().MemberAddRequest(
                    peerURLs=[f"http://127.0.0.1:{i + 1}"], isLearner=True)).member.ID
                learners.append(added)
                member.client.put(b"k%d" % i, b"v")
                if i < 2:
                    member.must("member_remove", pb().MemberRemoveRequest(ID=added))
            member.must("member_update", pb().MemberUpdateRequest(
                ID=learners[2], peerURLs=["http://127.0.0.1:9"]))
            wanted = [(m.ID, m.name, list(m.peerURLs), m.isLearner)
                      for m in member.must("member_list").members]
            member.kill()
            run("import", "--from", member.data_dir, "--data-dir", place / "new")
            with lone(SERVER, data_dir=place / "new", like=member) as ours:
                got = [(m.ID, m.name, list(m.peerURLs), m.isLearner)
                       for m in ours.must("member_list").members]
                equal(sorted(got), sorted(wanted), "members")
            removed = subprocess.run(
                ["sqlite3", "-readonly", place / "new/member/kv.db",
                 "select count(*) from bucket where bucket = 'members_removed'"],
                capture_output=True, text=True, timeout=30).stdout.strip()
            equal(removed, "2", "removed members")


def import_refuses():
    with Place() as place:
        member = lone(UPSTREAM).start()
        load(member, 100)
        refused("import", "--from", member.data_dir, "--timeout", "100ms", word="is in use")
        member.stop()
        refused("import", "--from", place / "none", word="none")
        refused("import", word='required flag(s) "from" not set')
        folder = pathlib.Path(member.data_dir)
        chance = random.Random(3)
        wal = next(folder.glob("member/wal/*.wal"))
        good = wal.read_bytes()
        used = len(good.rstrip(b"\0"))
        before = file_sums(folder)
        whole, _ = run("import", "--from", folder, "--data-dir", place / "whole")
        noticed = 0
        for _ in range(30):
            at = chance.randrange(used - 64)
            with open(wal, "r+b") as f:
                f.seek(at)
                f.write(bytes([good[at] ^ 1 << chance.randrange(8)]))
            done = subprocess.run([UTL, "import", "--from", folder, "--data-dir", place / "new"],
                                  capture_output=True, text=True, timeout=LIMIT_S)
            noticed += done.returncode == 1 and done.stderr.startswith("Error: ")
            if done.returncode == 0:  # it was in what fills a record up to eight bytes
                equal(done.stdout.splitlines()[1:], whole.splitlines()[1:], "what was imported")
                shutil.rmtree(place / "new")
            equal((place / "new").exists(), False, "a directory is left")
            wal.write_bytes(good)
        equal(noticed >= 20, True, f"noticed {noticed} of 30")
        for at in (used // 2, used // 3, 40):
            wal.write_bytes(good[:at])
            refused("import", "--from", folder, "--data-dir", place / "new")
            wal.write_bytes(good)
        db = folder / "member/snap/db"
        whole = db.read_bytes()
        db.write_bytes(whole[:len(whole) // 2])
        refused("import", "--from", folder, "--data-dir", place / "new")
        db.write_bytes(whole)
        for limit in (4096, 10000, 30000):
            def small_files():
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            refused("import", "--from", folder, preexec_fn=small_files)
        equal(file_sums(folder), before, "upstream's files")
        run("import", "--from", folder, "--data-dir", place / "new")


def import_of_a_torn_log():
    """The last record half written: upstream drops it, and so do we."""
    with Place() as place:
        member = lone(UPSTREAM).start()
        load(member, 50)
        member.kill()
        wal = next(pathlib.Path(member.data_dir).glob("member/wal/*.wal"))
        good = wal.read_bytes()
        used = len(good.rstrip(b"\0"))
        torn = (4000).to_bytes(8, "little") + b"\x08\x02\x10\x05" + b"x" * 500
        start = (used + 7) // 8 * 8
        wal.write_bytes(good[:start] + torn + b"\0" * 4000)
        out, _ = run("import", "--from", member.data_dir, "--data-dir", place / "new")
        equal("was not written whole" in out, True, out)
        ours = lone(SERVER, data_dir=place / "new", like=member)
        with ours:
            ours.client.put(b"after", b"v")


def v2_content_is_not_lost():
    with Place() as place:
        member = lone(UPSTREAM, ["--enable-v2", "--snapshot-count", "20"]).start()
        load(member, 5)
        member.stop()
        out, _ = run("check", "v2store", "--data-dir", member.data_dir)
        equal(out, "No custom content found in both v2store and WAL records.\n", "before")
        for puts, word in ((1, "custom v2 content in WAL records"), (30, "custom")):
            member.start()
            for i in range(puts):
                status, _ = member.http(f"/v2/keys/a{i}", "PUT", "value=x",
                                        {"Content-Type": "application/x-www-form-urlencoded"})
                equal(status // 100, 2, "the PUT")
            member.stop()
            refused("check", "v2store", "--data-dir", member.data_dir, word=word)
            refused("import", "--from", member.data_dir, "--data-dir", place / "new",
                    word="--drop-v2")
        run("import", "--from", member.data_dir, "--data-dir", place / "new", "--drop-v2")
        with lone(SERVER, data_dir=place / "new", like=member) as ours:
            ours.client.put(b"after", b"v")


# ---- export --------------------------------------------------------------------------------------

def export_and_back():
    with Place() as place:
        member = lone(SERVER).start()
        load(member)
        member.client.must("status")
        wanted = peer_hash(member)
        refused("export", "--data-dir", member.data_dir, "--to", place / "out", "--timeout", "50ms",
                word="in use")
        header = member.must("status").header
        member.stop()
        run("export", "--data-dir", member.data_dir, "--to", place / "out")
        refused("export", "--data-dir", member.data_dir, "--to", place / "out", word="not empty")
        refused("export", "--data-dir", member.data_dir, "--to", place / "x",
                "--target-version=3.1", word="--target-version")
        theirs = lone(UPSTREAM, data_dir=place / "out", like=member)
        with theirs:
            now = theirs.must("status")
            equal((now.header.cluster_id, now.header.member_id),
                  (header.cluster_id, header.member_id), "ids")
            equal(peer_hash(theirs), wanted, "the hash")
            theirs.client.put(b"after", b"v")
            equal([one.ID for one in theirs.must("leases").leases], [7777], "leases")
            back = peer_hash(theirs)
        theirs.check_panic()
        run("import", "--from", place / "out")
        with lone(SERVER, data_dir=place / "out", like=member) as ours:
            equal(peer_hash(ours), back, "the hash of the way back")


def export_after_kill():
    """What our database lacks of the log goes along in it."""
    with Place() as place:
        member = lone(SERVER).start()
        load(member)
        wanted = peer_hash(member)
        member.kill()
        run("export", "--data-dir", member.data_dir, "--to", place / "out")
        with lone(UPSTREAM, data_dir=place / "out", like=member) as theirs:
            equal(peer_hash(theirs), wanted, "the hash")


# ---- recover, check, defrag, migrate, backup -----------------------------------------------------

def member_add(through, one):
    """What etcdctl says of the new member, or None while the cluster is not healthy."""
    try:
        return etcdctl("member", "add", one.name, f"--peer-urls={one.peer_url}",
                       endpoint=through.endpoint)
    except subprocess.CalledProcessError:
        return None


def recover_from_two_of_three():
    with Place() as place, Cluster(3, SERVER) as group:
        leader = group.leader()
        load(leader)
        group.followers()[0].kill()
        acknowledged = [b"late-%d" % i for i in range(50)]
        for key in acknowledged:
            leader.client.put(key, b"v")
        for member in group.members:
            member.kill()
        dirs = [m.data_dir for m in group.members]
        out, _ = run("recover", *dirs)
        equal("--to NEW_DATA_DIR" in out and "NEWEST" in out, True, out)
        out, _ = run("recover", *dirs, "--to", place / "new")
        commands = re.findall(r"etcdctl member add (\S+) --peer-urls=(\S+)", out)
        equal(len(commands), 2, out)
        name = re.search(r"etcd --name (\S+) --data-dir", out).group(1)
        alone = next(m for m in group.members if m.name == name)
        alone.flags["data-dir"] = str(place / "new")
        alone.start()
        for key in acknowledged:
            equal(alone.client.get(key).count, 1, f"{key} is there")
        equal(len(alone.must("member_list").members), 1, "members")
        for one in group.members:
            if one is alone:
                continue
            told = wait_for(lambda: member_add(alone, one), 30, text="a healthy cluster")
            one.wipe()
            one.flags["initial-cluster"] = re.search(r'ETCD_INITIAL_CLUSTER="(.*)"', told).group(1)
            one.flags["initial-cluster-state"] = "existing"
            one.start()
        group.learn_ids()
        group.leader()
        wait_for(lambda: len({peer_hash(m) for m in group.members}) == 1, text="equal hashes")
        refused("recover", dirs[0], dirs[0], "--timeout", "50ms")


def check_finds_damage():
    with Place() as place:
        member = lone(SERVER).start()
        load(member)
        refused("check", member.data_dir, "--timeout", "50ms", word="in use")
        member.stop()
        out, _ = run("check", member.data_dir)
        equal("is sound" in out, True, out)
        for name, sql in (
                ("kv.db", "update revision set main = 5 where pos = "
                          "(select max(pos) from revision)"),
                ("log.db", "delete from entry where idx = (select max(idx) - 1 from entry)"),
                ("log.db", "update state set commit_index = 100000"),
                ("kv.db", "update bucket set value = x'00' where key = cast('consistent_index' as "
                          "blob)"),
                ("kv.db", "update bucket set value = x'ff' where bucket = 'lease'")):
            bad = place / "bad"
            shutil.copytree(member.data_dir, bad)
            subprocess.run(["sqlite3", bad / "member" / name, sql], check=True, timeout=30)
            err = refused("check", bad)
            equal(name in err or "stored" in err, True, f"after {sql}: {err}")
            shutil.rmtree(bad)
        shutil.copytree(member.data_dir, bad)
        with open(bad / "member/kv.db", "r+b") as f:
            f.seek(20 * 4096)
            f.write(b"\xff" * 4096 * 3)
        refused("check", bad)


def defrag_gives_space_back():
    member = lone(SERVER).start()
    member.must("status")
    for i in range(200):
        member.client.put(b"k", b"x" * 50000)
    revision = member.client.get(b"k").header.revision
    member.client.must("compact", pb().CompactionRequest(revision=revision, physical=True))
    member.stop()
    kv = pathlib.Path(member.data_dir, "member/kv.db")
    refused("defrag", word='required flag(s) "data-dir" not set')
    refused("defrag", "--data-dir", "/nowhere", word="Failed to defragment etcd data[/nowhere]")
    run("defrag", "--data-dir", member.data_dir)
    equal(kv.stat().st_size < 2000000, True, f"{kv.stat().st_size} bytes")
    with lone(SERVER, data_dir=member.data_dir, like=member) as again:
        equal(again.client.get(b"k").header.revision, revision, "the revision")


def migrate_sets_the_version():
    member = lone(SERVER).start()
    load(member, 10)
    member.stop()
    kv = pathlib.Path(member.data_dir, "member/kv.db")

    def version():
        return json.loads(run("snapshot", "status", kv, "-w", "json")[0])["version"]

    def migrate(target, *more, status=0):
        return run("migrate", "--data-dir", member.data_dir, "--target-version", target, *more,
                   status=status)[1]

    equal(version(), "3.7.0", "at first")
    equal("up-to-date" in migrate("3.7"), True, "the same")
    migrate("3.6")
    equal(version(), "3.6.0", "lowered")
    migrate("3.5")
    equal(version(), "", "3.5 has none")
    migrate("3.7")
    equal(version(), "3.7.0", "raised")
    for target, word, status in (("3.8", 'version "3.8.0" is not supported', 1),
                                 ("4.0", "changing major storage version", 1),
                                 ("3.4", 'target version "3.4" not supported. Minimal "3.5"', 128),
                                 ("3", 'wrong target version format, expected "X.Y", got "3"', 128),
                                 ("x.y", "failed to parse target version", 128)):
        equal(word in migrate(target, status=status), True, word)
    migrate("3.9", "--force")
    equal(version(), "3.9.0", "forced")


def backup_starts_anew():
    for with_v3 in (True, False):
        with Place() as place:
            member = lone(UPSTREAM, ["--enable-v2", "--snapshot-count", "30"]).start()
            load(member, 100)
            member.http("/v2/keys/a", "PUT", "value=x",
                        {"Content-Type": "application/x-www-form-urlencoded"})
            wanted = peer_hash(member)
            old = member.must("status").header
            member.stop()
            run("backup", "--data-dir", member.data_dir, "--backup-dir", place / "copy",
                f"--with-v3={'true' if with_v3 else 'false'}")
            copy = lone(UPSTREAM, ["--force-new-cluster", "--enable-v2"], place / "copy", member)
            with copy:
                header = copy.must("status").header
                equal(header.cluster_id != old.cluster_id, True, "a new cluster")
                status, body = copy.http("/v2/keys/a")
                equal((status, json.loads(body)["node"]["value"]), (200, "x"), "the v2 key")
                if with_v3:
                    equal(peer_hash(copy)[2], wanted[2], "the hash")
                else:
                    equal(copy.client.get(b"\0", range_end=b"\0").count, 0, "v3 keys")
            copy.check_panic()


def small_commands():
    equal(run("version")[0], "etcdutl version: 3.7.1\nAPI version: 3.7\n", "version")
    for shell in ("bash", "zsh", "fish"):
        equal("etcdutl" in run("completion", shell)[0], True, shell)
    refused("snapshot", "status", "/nowhere", word="no such file")
    equal("has no effect" in run("snapshot", "restore", "--help")[0], True, "the help")


TESTS = [
    small_commands, status_is_upstreams, hashkv_is_the_servers,
    restore_theirs_into_ours, restore_ours_into_ours, restore_ours_into_theirs,
    restore_ids_are_upstreams, restore_three_members, restore_raises_the_revision, restore_refuses,
    damaged_snapshots_are_refused, full_disk_leaves_nothing,
    import_of_small_logs, import_with_many_snapshots, import_of_several_files, import_in_place,
    import_with_wal_dir, import_keeps_auth_and_alarms, import_one_of_three,
    import_after_member_changes, import_refuses,
    import_of_a_torn_log, v2_content_is_not_lost, export_and_back, export_after_kill,
    recover_from_two_of_three, check_finds_damage, defrag_gives_space_back,
    migrate_sets_the_version, backup_starts_anew,
]


def main():
    suite = harness.Suite(880)
    if not UPSTREAM or not ETCDCTL:
        print("skip utl: no etcd 3.4 and etcdctl of the distribution", flush=True)
        suite.skipped += 1
    else:
        for test in TESTS:
            if len(sys.argv) < 2 or any(word in test.__name__ for word in sys.argv[1:]):
                suite.run(test)
    suite.finish()


if __name__ == "__main__":
    main()
