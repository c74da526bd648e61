#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""etcdutl: snapshots, and what status and hashkv tell of them."""
import hashlib
import json
import pathlib
import random
import resource
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from utl import (LIMIT_S, SERVER, UTL, Place, etcdctl, load, lone, peer_hash, refused,  # noqa: E402
                 restore_flags, run, run_suite, snapshot_of)
from cluster import Cluster  # noqa: E402
from harness import UPSTREAM, equal  # noqa: E402
from proto import pb  # noqa: E402


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
    restored(SERVER, UPSTREAM, theirs_restores)


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


def a_newer_snapshot_is_restored_and_not_served():
    """As upstream's: etcdutl takes it and tells its version, and it is etcd that does not go on."""
    with Place() as place, lone(SERVER) as member:
        load(member, 20)
        data = pathlib.Path(snapshot_of(member, place / "snap")).read_bytes()[:-32]
        equal(data.count(b"storageVersion3.7.0"), 1, "the version")
        for version in ("3.8.0", "4.0.0"):
            newer, target = place / version, lone(SERVER)
            body = data.replace(b"storageVersion3.7.0", b"storageVersion" + version.encode())
            newer.write_bytes(body + hashlib.sha256(body).digest())
            equal(json.loads(run("snapshot", "status", newer, "-w", "json")[0])["version"], version,
                  "the status")
            run("snapshot", "restore", newer, *restore_flags(target))
            try:
                target.spawn()
                equal(target.wait_exit(), 65, "etcd's status")
                equal(f"were written by etcd {version}" in target.tail(40), True, target.tail(40))
                run("migrate", "--data-dir", target.data_dir, "--target-version", "3.7", "--force")
                target.start()
                equal(target.client.get(b"\0", range_end=b"\0").count > 0, True, "the keys")
            finally:
                target.close()


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


def small_commands():
    equal(run("version")[0], "etcdutl version: 3.7.1\nAPI version: 3.7\n", "version")
    for shell in ("bash", "zsh", "fish"):
        equal("etcdutl" in run("completion", shell)[0], True, shell)
    refused("snapshot", "status", "/nowhere", word="no such file")
    equal("has no effect" in run("snapshot", "restore", "--help")[0], True, "the help")


TESTS = [
    small_commands, status_is_upstreams, hashkv_is_the_servers,
    restore_theirs_into_ours, restore_ours_into_ours, restore_ours_into_theirs,
    restore_ids_are_upstreams, restore_three_members, restore_raises_the_revision,
    a_newer_snapshot_is_restored_and_not_served, restore_refuses,
    damaged_snapshots_are_refused, full_disk_leaves_nothing,
]


if __name__ == "__main__":
    run_suite("utl_snapshots", TESTS)
