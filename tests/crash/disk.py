#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The data directory in trouble: full, in use, written by someone else, written by the future.

A full disk stops acknowledgements and is named; with space again, everything acknowledged is there.
A directory that is not ours to open stays byte for byte as it was.
"""
import hashlib
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import harness  # noqa: E402
import proto  # noqa: E402
from harness import equal  # noqa: E402
from proto import pb  # noqa: E402

DISK_MIB = 256
LEFT_MIB = 3
PUTS_MAX = 3000
VALUE = 64 << 10
FULL_TEXT = re.compile(r"no space left|disk.{0,20}full|full.{0,20}disk|ENOSPC", re.IGNORECASE)
REFUSAL_LIMIT_S = 60


class SmallDisk:
    """A tmpfs of DISK_MIB that can be filled up to a rest and emptied again."""

    def __enter__(self):
        if os.geteuid() != 0:
            raise harness.Skip("only root can mount the small disk that this test fills")
        self.path = tempfile.mkdtemp(prefix="etcd-disk-")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "tmpfs",
                               self.path], capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            os.rmdir(self.path)
            raise harness.Skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
        self.ballast = os.path.join(self.path, "ballast")
        return self

    def fill(self):
        space = os.statvfs(self.path)
        rest = space.f_bavail * space.f_frsize - (LEFT_MIB << 20)
        with open(self.ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, rest)

    def empty(self):
        os.unlink(self.ballast)

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True, timeout=30)
        os.rmdir(self.path)


def full_disk():
    with SmallDisk() as disk:
        server = harness.Server(data_dir=os.path.join(disk.path, "data"))
        server.start()
        try:
            acknowledged = fill_until_refused(server, disk)
            harness.wait_for(lambda: any(FULL_TEXT.search(line) for line in list(server.lines)),
                             text="a word about the full disk")
            server.kill()
            disk.empty()
            server.start()
            client = proto.Client(server.endpoint)
            there = {kv.key: kv.mod_revision for kv in
                     client.get(b"full/", range_end=b"full0", keys_only=True).kvs}
            lost = [key for key, revision in acknowledged.items() if there.get(key) != revision]
            equal(lost, [], "acknowledged writes that are lost")
            client.put(b"after", b"works again")
            client.close()
        finally:
            server.kill()
            server.close()
        print(f"{len(acknowledged)} puts were acknowledged before the disk was full")


def fill_until_refused(server, disk):
    """Put until a put is not acknowledged; return what was."""
    client = proto.Client(server.endpoint)
    acknowledged = {}
    disk.fill()
    for i in range(PUTS_MAX):
        key = b"full/%06d" % i
        code, _, reply = client.call("put", pb().PutRequest(key=key, value=os.urandom(VALUE)))
        if code != "OK":
            client.close()
            return acknowledged
        acknowledged[key] = reply.header.revision
    raise AssertionError(f"{PUTS_MAX} puts of {VALUE} bytes fit into {LEFT_MIB} MiB")


def fingerprint(directory):
    """Names, modes and contents of all below `directory`."""
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path(directory).rglob("*")):
        digest.update(f"{path.relative_to(directory)} {path.stat().st_mode:o}\n".encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def refused(data_dir, *words):
    """Start on `data_dir`: it must end by itself, with a failure, and say `words`."""
    server = harness.Server(data_dir=str(data_dir)).spawn()
    try:
        status = server.wait_exit(REFUSAL_LIMIT_S)
    finally:
        server.kill()
        server.close()
    if status <= 0:
        raise AssertionError(f"status {status}\n{server.tail()}")
    text = "\n".join(server.lines)
    for word in words:
        if word not in text:
            raise AssertionError(f"nothing about {word!r}:\n{server.tail()}")


def ours_only():
    if harness.is_upstream(harness.server_path()):
        raise harness.Skip("upstream behaves otherwise: it waits for the lock, and has no SQLite")


def second_daemon():
    ours_only()
    with harness.Server() as first:
        client = proto.Client(first.endpoint)
        client.put(b"a", b"1")
        refused(first.data_dir, first.data_dir, str(first.process.pid))
        equal(client.put(b"a", b"2").header.revision, 3, "the first goes on")
        client.close()


def upstream_directory():
    ours_only()
    if not harness.UPSTREAM:
        raise harness.Skip("the distribution's etcd is not installed")
    with harness.Server(binary=harness.UPSTREAM) as upstream:
        client = proto.Client(upstream.endpoint)
        client.put(b"theirs", b"kept")
        client.close()
        upstream.stop()
        before = fingerprint(upstream.data_dir)
        refused(upstream.data_dir, upstream.data_dir, "etcdutl")
        equal(fingerprint(upstream.data_dir), before, "upstream's directory")
        upstream.start()
        client = proto.Client(upstream.endpoint)
        equal(client.get(b"theirs").kvs[0].value, b"kept")
        client.close()


def stopped_directory():
    """The data directory of a server that ran and stopped; the caller removes it."""
    server = harness.Server().start()
    client = proto.Client(server.endpoint)
    client.put(b"a", b"1")
    client.close()
    server.stop()
    keep = tempfile.mkdtemp(prefix="etcd-kept-")
    shutil.move(server.data_dir, os.path.join(keep, "data"))
    server.close()
    return pathlib.Path(keep, "data")


def newer_schema(database):
    """A newer program wrote it: refused with a word, and left as it is."""
    ours_only()
    data = stopped_directory()
    try:
        with sqlite3.connect(data / "member" / database) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.close()
        refused(data, database, "newer")
        kept = sqlite3.connect(data / "member" / database)
        equal(kept.execute("PRAGMA user_version").fetchone()[0], version + 1)
        kept.close()
    finally:
        shutil.rmtree(data.parent)


def damaged_database(database):
    """Its first bytes, and its journal's, are overwritten: never served as if nothing were wrong."""
    ours_only()
    data = stopped_directory()
    try:
        for path in (data / "member").glob(database + "*"):
            with open(path, "r+b") as file:
                file.write(b"\xde\xad\xbe\xef" * 64)
        refused(data, database)
    finally:
        shutil.rmtree(data.parent)


def open_to_sqlite():
    """`sqlite3 -readonly` reads a running server's keys."""
    ours_only()
    with harness.Server() as server:
        client = proto.Client(server.endpoint)
        client.put(b"visible", b"yes")
        client.close()
        path = pathlib.Path(server.data_dir, "member", "kv.db")
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        rows = connection.execute("SELECT value FROM revision WHERE key = ?",
                                  (b"visible",)).fetchall()
        equal(rows, [(b"yes",)])
        connection.close()


def private_directory():
    with harness.Server() as server:
        mode = os.stat(server.data_dir).st_mode & 0o777
        equal(oct(mode), oct(0o700), "the mode of the data directory")


def main():
    suite = harness.Suite(limit_s=600)
    for test in (full_disk, second_daemon, upstream_directory, open_to_sqlite, private_directory):
        suite.run(test)
    for database in ("kv.db", "log.db"):
        suite.run(newer_schema, database, name=f"newer_schema_{database}")
        suite.run(damaged_database, database, name=f"damaged_{database}")
    suite.finish()


if __name__ == "__main__":
    main()
