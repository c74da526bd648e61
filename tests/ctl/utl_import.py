#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""etcdutl: data directories of upstream's kind become ours, and back."""
import os
import pathlib
import random
import re
import resource
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from utl import (LIMIT_S, SERVER, UTL, Place, etcdctl, file_sums, load, lone, peer_hash,  # noqa: E402
                 refused, run, run_suite)
import harness  # noqa: E402
from cluster import Cluster  # noqa: E402
from harness import UPSTREAM, equal, wait_for  # noqa: E402
from proto import pb  # noqa: E402


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


TESTS = [
    import_of_small_logs, import_with_many_snapshots, import_of_several_files, import_in_place,
    import_with_wal_dir, import_keeps_auth_and_alarms, import_one_of_three,
    import_after_member_changes, import_refuses, import_of_a_torn_log, v2_content_is_not_lost,
    export_and_back, export_after_kill,
]


if __name__ == "__main__":
    run_suite("utl_import", TESTS)
