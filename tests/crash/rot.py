#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bit rot in the log of a stopped member: it refuses to start and says why, or serves what it promised.

One bit is flipped at a time, all over log.db and all over its WAL. The key database is older than the log, so
that a start has to apply what stands in there. `etcdutl check` must find the same. The last two commits
of the WAL are left alone: damage in them looks like a crash.

FLIPS sets how many in each file (20), SEED repeats a run.
"""
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import harness  # noqa: E402
import proto  # noqa: E402
from harness import equal  # noqa: E402

FLIPS = int(os.environ.get("FLIPS") or 20)
PUTS = 250
FRAME, HEADER = 4096 + 24, 32
BAD_DATA = 65
LIMIT_S = 60


def put_all(server, first, n):
    client = proto.Client(server.endpoint)
    for i in range(first, first + n):
        size = 30000 if i % 50 == 0 else 20 + i % 300
        client.put(b"k%d" % (i % 100), bytes([65 + i % 26]) * size)
    client.close()


def old_keys_and_new_log(place):
    """A data directory as after a crash that left the key database behind the log."""
    server = harness.Server().start()
    try:
        put_all(server, 0, 5)
        server.stop()
        member = pathlib.Path(server.data_dir, "member")
        old = {p.name: p.read_bytes() for p in member.glob("kv.db*")}
        server.start()
        put_all(server, 5, PUTS)
        server.kill()
        for p in member.glob("kv.db*"):
            p.unlink()
        for name, data in old.items():
            (member / name).write_bytes(data)
        shutil.copytree(server.data_dir, place / "data")
    finally:
        server.kill()
        server.close()
    return place / "data"


def gather(data):
    """Bring the WAL into the file; return how many frames it had."""
    db = sqlite3.connect(data / "member/log.db")
    db.execute("PRAGMA wal_autocheckpoint=0")
    frames = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return frames


def flip(path, at, bit):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))


def start_and_hash(data):
    """Return (HashKV, None), or (None, what was said) if the start was refused."""
    server = harness.Server(data_dir=str(data)).spawn()
    try:
        if server.wait_line(harness.READY_TEXT, LIMIT_S):
            client = proto.Client(server.endpoint)
            reply = client.must("hashkv")
            client.close()
            server.stop()
            return (reply.header.revision, reply.hash), None
        equal(server.wait_exit(LIMIT_S), BAD_DATA, f"the status:\n{server.tail()}")
        return None, "\n".join(server.lines)
    finally:
        server.kill()
        server.close()


def check(data):
    etcdutl = pathlib.Path(harness.server_path()).with_name("etcdutl")
    return subprocess.run([etcdutl, "check", data], capture_output=True, text=True, timeout=LIMIT_S,
                          stdin=subprocess.DEVNULL)


def fatal_line(said):
    for line in said.splitlines():
        if line.startswith("{") and json.loads(line).get("level") == "fatal":
            return json.loads(line)
    raise AssertionError(f"no fatal line:\n{said}")


def one_flip(whole, place, name, at, bit, want):
    """Return true if it was refused."""
    where = f"bit {bit} of byte {at} of {name}"
    for attempt in ("check", "start"):
        shutil.rmtree(place / "bad", ignore_errors=True)
        shutil.copytree(whole, place / "bad")
        flip(place / "bad/member" / name, at, bit)
        if attempt == "check":
            checked = check(place / "bad")
    got, said = start_and_hash(place / "bad")
    if got is not None:
        equal(got, want, f"revision and hash after {where}")
        equal(checked.returncode, 0, f"etcdutl check after {where}: {checked.stderr}")
        return False
    fatal = fatal_line(said)
    if "log.db" not in fatal["error"] or "member remove" not in fatal["action"]:
        raise AssertionError(f"after {where}: {fatal}")
    equal(checked.returncode != 0, True, f"etcdutl check finds {where}: {fatal}\n{checked.stdout}")
    if "log.db" not in checked.stderr:
        raise AssertionError(f"after {where}: {checked.stderr}")
    return True


def rot(name, rng):
    place = pathlib.Path(tempfile.mkdtemp(prefix="etcd-rot-"))
    try:
        whole = old_keys_and_new_log(place)
        shutil.copytree(whole, place / "gathered")
        frames = gather(place / "gathered")
        shutil.copytree(whole, place / "reference")
        want, said = start_and_hash(place / "reference")
        equal(said, None, "the whole one starts")
        equal(want[0], 1 + 5 + PUTS, "its revision")
        if name == "log.db":
            whole = place / "gathered"
            end = (whole / "member/log.db").stat().st_size
        else:
            end = HEADER + (frames - 10) * FRAME
        refused = sum(one_flip(whole, place, name, rng.randrange(end), rng.randrange(8), want)
                      for _ in range(FLIPS))
        print(f"{refused} of {FLIPS} were refused")
        if not refused:
            raise AssertionError("no flip did anything")
    finally:
        shutil.rmtree(place)


def main():
    rng = random.Random(harness.seed_from_environment())
    suite = harness.Suite(limit_s=300)
    if harness.is_upstream(harness.server_path()):
        raise SystemExit("skip rot: upstream's files are others")
    for name in ("log.db", "log.db-wal"):
        suite.run(rot, name, rng, name=f"rot_in_{name}")
    suite.finish()


if __name__ == "__main__":
    main()
