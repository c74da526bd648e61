# SPDX-License-Identifier: Apache-2.0
"""Where the log goes: to a journal, which the test plays in a mount namespace of its own; to a terminal;
elsewhere as JSON."""
import json
import os
import pathlib
import pty
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading

from manager import Manager, Service, harness
from notify import get

LIMIT_S = 600
BURST = 200  # records that a place may say in ten seconds (src/base/log.h)
JOURNAL = "/run/systemd/journal"
INSIDE = (f"mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p {JOURNAL} && "
          f"mount --bind \"$0\" {JOURNAL} && exec \"$@\"")
TABLE = (harness.ROOT / "src/base/messages.h").read_text()
IDS = dict(re.findall(r'X\((MSG_\w+), "([0-9a-f]{32})"\)', TABLE))


def parse(data):
    """A datagram of the native protocol: NAME=value lines, or NAME, a length and that many bytes."""
    fields, at = {}, 0
    while at < len(data):
        end = data.index(b"\n", at)
        line = data[at:end]
        at = end + 1
        if b"=" in line:
            name, value = line.split(b"=", 1)
        else:
            name = line
            n = int.from_bytes(data[at:at + 8], "little")
            value = data[at + 8:at + 8 + n]
            at += 8 + n + 1
        fields[name.decode()] = value.decode()
    return fields


class Journal:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="etcd-journal-")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(os.path.join(self.folder, "socket"))
        self.records = []
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                data = self.socket.recv(1 << 20)
            except OSError:
                return
            if not data:
                return
            with self.changed:
                self.records.append(parse(data))
                self.changed.notify_all()

    def wait(self, message, timeout=60):
        """The first record with this message's id."""
        harness.wait_for(lambda: self.with_id(message), timeout, text=message)
        return self.with_id(message)[0]

    def with_id(self, message):
        with self.changed:
            return [r for r in self.records if r.get("MESSAGE_ID") == IDS[message]]

    def close(self):
        self.socket.close()
        shutil.rmtree(self.folder)


class Logging(Service):
    """A service before whose stderr, or beside it, stands a journal."""

    def __init__(self, manager, journal, stream=True, **more):
        super().__init__(manager, **more)
        self.journal = journal
        self.stream = stream

    def spawn(self):
        read, write = os.pipe()
        st = os.fstat(write)
        env = dict(os.environ, **self.extra_env)
        env.setdefault("ASAN_OPTIONS", "abort_on_error=0:detect_leaks=1:exitcode=99")
        if self.stream:
            env["JOURNAL_STREAM"] = f"{st.st_dev}:{st.st_ino}"
        self.process = subprocess.Popen(
            ["unshare", "-m", "--", "sh", "-c", INSIDE, self.journal.folder] + self.command(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=write, env=env, cwd=self.base)
        os.close(write)
        self.process.stderr = os.fdopen(read, "rb")
        with self.changed:
            self.seen = []
        self.reader = threading.Thread(target=self._read, args=(self.process, self.seen), daemon=True)
        self.reader.start()
        if self not in harness.Server.living:
            harness.Server.living.append(self)
        return self

    def wait_end(self, timeout=60):
        status = self.process.wait(timeout)
        self.reader.join(timeout)
        return status


def need_namespaces():
    done = subprocess.run(["unshare", "-m", "--", "sh", "-c",
                           "mount --make-rprivate / && mount -t tmpfs tmpfs /run"],
                          capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        raise harness.Skip("no right to make a mount namespace: " + done.stderr.strip()[:120])


def expect(record, **fields):
    for name, value in fields.items():
        harness.equal(record.get(name), value, f"{name} of {record}")


def records_have_sentences_and_fields():
    need_namespaces()
    manager, journal = Manager(), Journal()
    with Logging(manager, journal) as service:
        get(service.url, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
        start = journal.wait("MSG_STARTING")
        expect(start, PRIORITY="6", SYSLOG_IDENTIFIER="etcd", CODE_FILE="src/etcd/main.c",
               ETCD_COMPONENT="etcd", ETCD_MEMBER_NAME="m1", ETCD_DATA_DIR=service.data_dir)
        if not start["MESSAGE"].startswith("starting etcd (etcd version 3.7.") or \
                not start["CODE_LINE"].isdigit() or start["CODE_FUNC"] != "start_log":
            raise AssertionError(start)
        elected = journal.wait("MSG_LEADER_ELECTED")
        expect(elected, PRIORITY="6", ETCD_TERM="2", MESSAGE="became leader (term 2)",
               ETCD_COMPONENT="server")
        ready = journal.wait("MSG_READY")
        expect(ready, ETCD_MEMBER_ID=elected["ETCD_MEMBER_ID"])
        if not re.fullmatch("[0-9a-f]+", ready["ETCD_CLUSTER_ID"]):
            raise AssertionError(ready)
        service.stop()
        expect(journal.wait("MSG_STOPPING"), ETCD_SIGNAL="Terminated")
        known = set(IDS.values())
        for r in journal.records:
            if r.get("MESSAGE_ID", min(known)) not in known or "{" in r["MESSAGE"] or \
                    not r["PRIORITY"].isdigit():
                raise AssertionError(r)
        harness.equal([line for line in service.seen if line], [], "lines on stderr")
    manager.close()
    journal.close()


def a_mistake_in_the_configuration_is_found_there():
    need_namespaces()
    manager, journal = Manager(), Journal()
    service = Logging(manager, journal, args=["--max-txn-ops=many"])
    service.spawn()
    harness.equal(service.wait_end(), 78, "the exit status")
    record = journal.wait("MSG_CONFIG_ERROR")
    expect(record, PRIORITY="2")
    if 'invalid value "many"' not in record["ETCD_ERROR"]:
        raise AssertionError(record)
    harness.equal(manager.all("ERRNO"), ["22"], "ERRNO")
    service.close()
    manager.close()
    journal.close()


def foreign_data_is_explained():
    need_namespaces()
    manager, journal = Manager(), Journal()
    service = Logging(manager, journal)
    os.makedirs(os.path.join(service.data_dir, "member/snap"))
    with open(os.path.join(service.data_dir, "member/snap/db"), "wb") as f:
        f.write(b"\0" * 4096)
    service.spawn()
    harness.equal(service.wait_end(), 65, "the exit status")
    record = journal.wait("MSG_FOREIGN_DATA")
    expect(record, PRIORITY="2")
    if "etcdutl import --from " + service.data_dir not in record["MESSAGE"]:
        raise AssertionError(record)
    service.close()
    manager.close()
    journal.close()


def damaged_data_is_explained():
    need_namespaces()
    manager, journal = Manager(), Journal()
    service = Logging(manager, journal)
    earlier = harness.Server(data_dir=service.data_dir).start()
    earlier.close()
    with sqlite3.connect(os.path.join(service.data_dir, "member/log.db")) as log:
        log.execute("UPDATE entry SET data = x'00' WHERE idx = (SELECT max(idx) FROM entry)")
    log.close()
    service.spawn()
    harness.equal(service.wait_end(), 65, "the exit status")
    record = journal.wait("MSG_DATA_DAMAGED")
    expect(record, PRIORITY="2")
    for word in ("/member/log.db' is damaged", "checksum", "(index ", "etcdctl member remove"):
        if word not in record["MESSAGE"]:
            raise AssertionError(record)
    service.close()
    manager.close()
    journal.close()


def a_read_only_directory_names_the_drop_in():
    need_namespaces()
    manager, journal = Manager(), Journal()
    service = Logging(manager, journal)
    os.makedirs(service.data_dir)
    inside = INSIDE.replace("exec", f"mount --bind -o ro {service.data_dir} {service.data_dir} && "
                                    f"mount -o remount,ro,bind {service.data_dir} && exec")
    globals()["INSIDE"], kept = inside, INSIDE
    try:
        service.spawn()
    finally:
        globals()["INSIDE"] = kept
    harness.equal(service.wait_end(), 1, "the exit status")
    record = journal.wait("MSG_DATA_DIR_UNUSABLE")
    if f"ReadWritePaths={service.data_dir}" not in record["MESSAGE"]:
        raise AssertionError(record)
    expect(record, ETCD_DATA_DIR=service.data_dir)
    harness.equal(manager.all("ERRNO"), ["30"], "ERRNO")
    service.close()
    manager.close()
    journal.close()


def stderr_that_is_no_journal_gets_json():
    need_namespaces()
    manager, journal = Manager(), Journal()
    with Logging(manager, journal, stream=False) as service:
        service.stop()
        lines = [json.loads(line) for line in service.seen if line]
        if len(lines) < 5 or any(not {"level", "ts", "caller", "msg"} <= set(line) for line in lines):
            raise AssertionError(lines)
        harness.equal(journal.records, [], "records")
    manager.close()
    journal.close()


def the_journal_can_be_asked_for():
    need_namespaces()
    manager, journal = Manager(), Journal()
    with Logging(manager, journal, stream=False, args=["--log-outputs=systemd/journal"]) as service:
        journal.wait("MSG_READY")
        harness.equal([line for line in service.seen if line], [], "lines on stderr")
    manager.close()
    journal.close()


def a_journal_that_goes_away_loses_nothing():
    need_namespaces()
    manager, journal = Manager(), Journal()
    with Logging(manager, journal) as service:
        journal.wait("MSG_READY")
        journal.close()
        service.stop()
        if not any("received signal; shutting down" in (line or "") for line in service.seen):
            raise AssertionError(service.seen)
    manager.close()


def a_slow_request_is_told():
    need_namespaces()
    manager, journal = Manager(), Journal()
    with Logging(manager, journal, args=["--warning-unary-request-duration=1ns"]) as service:
        def told():
            get(service.url, "/v3/kv/put", {"key": "YQ==", "value": "YWFh" * (100 << 10)})
            return [r for r in journal.with_id("MSG_REQUEST_SLOW") if "ETCD_RPC" in r]
        one = harness.wait_for(told, text="a request of a millisecond")[0]
        expect(one, PRIORITY="4", ETCD_KEY="a", ETCD_RPC="/etcdserverpb.KV/Put", ETCD_COMPONENT="api")
        if not one["ETCD_REMOTE"].startswith("127.0.0.1:") or not one["ETCD_LATENCY_USEC"].isdigit():
            raise AssertionError(one)
    manager.close()
    journal.close()


def a_flood_is_held_back():
    """A mistake in each line of a file, each told by the same place."""
    need_namespaces()
    manager, journal = Manager(), Journal()
    service = Logging(manager, journal, with_urls=False)
    conf = os.path.join(service.base, "etcd.conf")
    with open(conf, "w", encoding="utf-8") as f:
        f.write("nonsense\n" * 1000 +
                f"ETCD_LISTEN_CLIENT_URLS={service.url}\nETCD_ADVERTISE_CLIENT_URLS={service.url}\n"
                f"ETCD_LISTEN_PEER_URLS=http://127.0.0.1:{service.peer_port}\n")
    service.args = ["--env-file", conf]
    with service:
        journal.wait("MSG_RATE_LIMITED")
        journal.wait("MSG_READY")
        with journal.changed:
            said = sum("this line is no NAME=VALUE" in r["MESSAGE"] for r in journal.records)
        if said not in range(BURST, 2 * BURST + 1):  # twice, where a window ended in between
            raise AssertionError(f"{said} records of one place")
    manager.close()
    journal.close()


def a_terminal_gets_text():
    server = harness.Server()
    main, terminal = pty.openpty()
    process = subprocess.Popen(server.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=terminal, cwd=server.base)
    os.close(terminal)
    text = b""
    try:
        while b"ready to serve client requests" not in text:
            text += os.read(main, 65536)
    finally:
        process.terminate()
        process.wait(60)
        os.close(main)
    if not re.search(rb"Z info  starting etcd etcd-version=", text) or b'{"level"' in text:
        raise AssertionError(text[:500])
    server.close()


def main():
    suite = harness.Suite(LIMIT_S)
    for test in (records_have_sentences_and_fields, a_mistake_in_the_configuration_is_found_there,
                 foreign_data_is_explained, damaged_data_is_explained,
                 a_read_only_directory_names_the_drop_in,
                 stderr_that_is_no_journal_gets_json, the_journal_can_be_asked_for,
                 a_journal_that_goes_away_loses_nothing, a_slow_request_is_told, a_flood_is_held_back,
                 a_terminal_gets_text):
        suite.run(test)
    suite.finish()


if __name__ == "__main__":
    sys.exit(main())
