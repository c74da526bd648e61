#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""etcdutl: where things lie, whose they are, and what an interrupted or a second run finds."""
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import utl  # noqa: E402
from utl import (SERVER, UPSTREAM, UTL, Place, equal, file_sums, load, lone,  # noqa: E402
                 peer_hash, refused, run, snapshot_of)

OTHER_USER = 65534  # nobody


def stopped(place, binary=UPSTREAM, wal_dir=None):
    """A member with data that has ended; its hash is beside it."""
    member = lone(binary, ["--wal-dir", str(wal_dir)] if wal_dir else [], place / "data").start()
    load(member)
    member.wanted = peer_hash(member)
    member.stop()
    return member


def sound(member, data_dir, wal_dir=None):
    """Our server starts there and has the same data."""
    args = ["--wal-dir", str(wal_dir)] if wal_dir else []
    run("check", data_dir, *args)
    with lone(SERVER, args, data_dir, member) as ours:
        equal(peer_hash(ours), member.wanted, "the hash")


# ---- the names of places -------------------------------------------------------------------------

def wal_dir_is_spelled_otherwise():
    """It is below member/, and goes along with it, whatever it is called."""
    for data, wal in (("data", "{place}/data/member/wal"), ("{place}/data/", "data/member//wal/"),
                      ("link", "data/./member/wal"), ("data", "link/member/wal"),
                      ("data", "log")):
        with Place() as place:
            member = stopped(place)
            (place / "link").symlink_to("data")
            (place / "log").symlink_to("data/member/wal")
            wal = wal.format(place=place)
            run("import", "--from", data.format(place=place), "--wal-dir", wal, cwd=place)
            sound(member, place / "data", place / wal)


def restore_into_wal_dir_below_member():
    with Place() as place, lone(UPSTREAM) as member:
        load(member)
        snapshot = snapshot_of(member, place / "snap")
        member.wanted = peer_hash(member)
        member.stop()
        run("snapshot", "restore", snapshot, "--data-dir", "new", "--wal-dir",
            place / "new/member/wal", cwd=place)
        equal((place / "new/member/wal/log.db").exists(), True, "the log")
        run("check", place / "new", "--wal-dir", place / "new/member/wal")


# ---- interrupted ---------------------------------------------------------------------------------

def import_resumes():
    """Between the swap of member/ and the end of it, no etcd starts, and a second run does it."""
    with Place() as place:
        wal = place / "wal"
        member = stopped(place, wal_dir=wal)
        command = ["import", "--from", place / "data", "--wal-dir", wal]
        run(*command)
        kept = next(wal.glob("upstream-*"))
        before = file_sums(kept)
        for moves_log in (False, True):
            files = sorted(kept.glob("*.wal"))
            for file in files if moves_log else files[-1:]:
                file.rename(wal / file.name)
            if moves_log:
                (wal / "member.unfinished").mkdir()
                (wal / "log.db").rename(wal / "member.unfinished/log.db")
            refused("check", place / "data", "--wal-dir", wal, word="etcdutl import")
            out, _ = run(*command)
            equal(("interrupted" in out, str(kept) in out), (True, True), out)
            equal(file_sums(kept), before, "upstream's files")
        refused(*command, word="imported already")
        sound(member, place / "data", wal)


def import_tells_of_a_missing_member():
    """As after a crash where the file system cannot swap two names."""
    with Place() as place:
        member = stopped(place)
        data = place / "data"
        (data / "member").rename(data / "member.upstream-20260101-000000")
        (data / "member.unfinished").mkdir()
        said = refused("import", "--from", data, word="rename '")
        (data / "member.upstream-20260101-000000").rename(data / "member")
        equal(f"'{data}/member.upstream-20260101-000000' to '{data}/member'" in said, True, said)
        run("import", "--from", data)
        sound(member, data)


def import_does_not_take_the_log_of_another():
    with Place() as place:
        (place / "other").mkdir()
        stopped(place, wal_dir=place / "wal")
        other = stopped(place / "other", wal_dir=place / "other/wal")
        run("import", "--from", place / "data", "--wal-dir", place / "wal")
        before = file_sums(place / "other")
        refused("import", "--from", place / "data", "--wal-dir", other.base + "/none",
                word="imported already")
        refused("import", "--from", place / "data", "--wal-dir", place / "other/wal")
        equal(file_sums(place / "other"), before, "the other's files")


def killed_at_any_time():
    """SIGKILL: what is there is the old state or the new one, and a second run gets to the end."""
    chance = random.Random(int(os.environ.get("SEED", "1")))
    with Place() as place:
        member = stopped(place, wal_dir=place / "wal")
        for i in range(25):
            folder = place / str(i)
            folder.mkdir()
            for name in ("data", "wal"):
                shutil.copytree(place / name, folder / name)
            command = [UTL, "import", "--from", folder / "data", "--wal-dir", folder / "wal"]
            first = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            try:
                first.wait(chance.random() * 0.15)
            except subprocess.TimeoutExpired:
                first.kill()
                first.wait()
            again = subprocess.run(list(map(str, command)), capture_output=True, text=True,
                                   timeout=utl.LIMIT_S)
            if again.returncode:
                equal("imported already" in again.stderr, True, again.stderr)
            run("check", folder / "data", "--wal-dir", folder / "wal")
            shutil.rmtree(folder / "data/member.unfinished", ignore_errors=True)
            if i % 5 == 0:
                sound(member, folder / "data", folder / "wal")
            shutil.rmtree(folder)


# ---- two at once ---------------------------------------------------------------------------------

def one_at_a_time():
    with Place() as place, lone(UPSTREAM) as member:
        load(member)
        snapshot = snapshot_of(member, place / "snap")
        for i in range(5):
            command = [UTL, "snapshot", "restore", str(snapshot), "--data-dir",
                       str(place / f"new{i}"), "--wal-dir", str(place / f"wal{i}")]
            several = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
                       for _ in range(4)]
            told = [one.communicate()[1] for one in several]
            equal([one.returncode for one in several].count(0), 1, told)
            run("check", place / f"new{i}", "--wal-dir", place / f"wal{i}")


def one_import_at_a_time():
    """Those that waited do not put aside what the first one made."""
    with Place() as place:
        member = stopped(place)
        command = [UTL, "import", "--from", str(place / "data")]
        several = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                    text=True) for _ in range(6)]
        told = [one.communicate()[1] for one in several]
        equal([one.returncode for one in several].count(0), 1, told)
        equal(len(list((place / "data").glob("member.upstream-*"))), 1, "what was put aside")
        sound(member, place / "data")


# ---- whose it is ---------------------------------------------------------------------------------

def root_leaves_what_the_owner_can_open():
    if os.geteuid() != 0:
        return
    with Place() as place, lone(UPSTREAM) as member:
        load(member)
        snapshot = snapshot_of(member, place / "snap")
        for name in ("data", "wal"):
            (place / name).mkdir(0o700)
            os.chown(place / name, OTHER_USER, OTHER_USER)
        at = ["--data-dir", place / "data", "--wal-dir", place / "wal"]
        run("snapshot", "restore", snapshot, *at)
        run("check", place / "data", "--wal-dir", place / "wal")
        run("defrag", *at)
        for path in [*place.glob("data/**/*"), *place.glob("wal/*")]:
            equal((path, path.stat().st_uid, path.stat().st_mode & 0o077), (path, OTHER_USER, 0),
                  "owner and mode")


def who_cannot_write_is_told_what_to_do():
    if os.geteuid() != 0:
        return
    with Place() as place:
        stopped(place, SERVER)
        place.chmod(0o755)
        for path in (place / "data", place / "data/member"):
            path.chmod(0o755)
        kv = place / "data/member/kv.db"
        kv.chmod(0o644)
        before = file_sums(place)

        def as_other():
            os.setgroups([])
            os.setuid(OTHER_USER)
        for command in (["check", place / "data"], ["hashkv", kv], ["snapshot", "status", kv],
                        ["recover", place / "data"],
                        ["export", "--data-dir", place / "data", "--to", place / "new"]):
            refused(*command, word="as the user that it belongs to", preexec_fn=as_other)
        equal(file_sums(place), before, "the files")


# ---- backup --------------------------------------------------------------------------------------

def backup_that_fails_leaves_nothing():
    with Place() as place:
        stopped(place)
        (place / "wal").mkdir()
        command = ["backup", "--data-dir", place / "data", "--backup-dir", place / "copy",
                   "--backup-wal-dir", place / "wal"]
        for limit in (1000, 20000, 100000):
            def small_files():
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            refused(*command, preexec_fn=small_files)
            equal((list(place.glob("copy/*")), list(place.glob("wal/*"))), ([], []), "what is left")
        run(*command)
        before = file_sums(place / "wal")
        shutil.rmtree(place / "copy")
        refused(*command, word="holds a log already")
        equal(file_sums(place / "wal"), before, "the log of the backup")


# ---- memory --------------------------------------------------------------------------------------

def peak_of(*command):
    """Run etcdutl and return how many bytes of memory it had at most."""
    one = subprocess.Popen([UTL, *map(str, command)], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(one.pid, 0)
    one.returncode = os.waitstatus_to_exitcode(status)
    equal(one.returncode, 0, f"of {command}")
    return used.ru_maxrss * 1024


def large_files_take_little_memory():
    with Place() as place:
        member = lone(UPSTREAM).start()
        for i in range(150):
            member.client.put(b"key-%d" % i, os.urandom(1 << 20))
        snapshot = snapshot_of(member, place / "snap")
        member.stop()
        size = snapshot.stat().st_size
        for command in (["snapshot", "restore", snapshot, "--data-dir", place / "restored"],
                        ["import", "--from", member.data_dir, "--data-dir", place / "imported"],
                        ["hashkv", snapshot], ["snapshot", "status", snapshot]):
            peak = peak_of(*command)
            equal(peak < size * 2 // 3, True, f"{peak} bytes of memory, of {size}: {command}")
        shutil.rmtree(member.base)


# ---- a WAL directory of its own ------------------------------------------------------------------

def every_command_takes_a_wal_dir():
    with Place() as place:
        wal = place / "wal"
        member = stopped(place, SERVER, wal)
        run("defrag", "--data-dir", place / "data", "--wal-dir", wal)
        run("migrate", "--data-dir", place / "data", "--wal-dir", wal, "--target-version", "3.7")
        refused("recover", place / "data", "--to", place / "new")
        run("recover", place / "data", "--wal-dir", f"{wal},{wal}", status=128)
        out, _ = run("recover", place / "data", "--wal-dir", wal, "--to", place / "new",
                     "--to-wal-dir", place / "new-wal")
        equal(f"--wal-dir {place / 'new-wal'}" in out, True, out)
        sound(member, place / "new", place / "new-wal")


TESTS = [
    wal_dir_is_spelled_otherwise, restore_into_wal_dir_below_member, import_resumes,
    import_tells_of_a_missing_member, import_does_not_take_the_log_of_another, killed_at_any_time,
    one_at_a_time, one_import_at_a_time, root_leaves_what_the_owner_can_open,
    who_cannot_write_is_told_what_to_do, backup_that_fails_leaves_nothing,
    large_files_take_little_memory, every_command_takes_a_wal_dir,
]


if __name__ == "__main__":
    utl.run_suite("utl_places", TESTS)
