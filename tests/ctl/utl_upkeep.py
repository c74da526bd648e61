#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""etcdutl: recover, check, defrag, migrate, backup."""
import json
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from utl import (SERVER, Place, etcdctl, load, lone, peer_hash, refused, run,  # noqa: E402
                 run_suite)
from cluster import Cluster  # noqa: E402
from harness import UPSTREAM, equal, wait_for  # noqa: E402
from proto import pb  # noqa: E402


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


TESTS = [
    recover_from_two_of_three, check_finds_damage, defrag_gives_space_back,
    migrate_sets_the_version, backup_starts_anew,
]


if __name__ == "__main__":
    run_suite("utl_upkeep", TESTS)
