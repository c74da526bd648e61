# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: the configuration read again while the member runs."""
import json
import os
import re
import signal
import sys
import urllib.error

from manager import Manager, Service, harness
from notify import get

LIMIT_S = 600
QUOTA = "etcd_server_quota_backend_bytes"


class Configured(Service):
    """A service whose settings are in a file, which systemd may have read as well."""

    def __init__(self, manager, conf, by_systemd=False, args=()):
        super().__init__(manager, args=args, with_urls=False)
        self.conf = os.path.join(self.base, "etcd.conf")
        self.always = (f"ETCD_LISTEN_CLIENT_URLS={self.url}\nETCD_ADVERTISE_CLIENT_URLS={self.url}\n"
                       f"ETCD_LISTEN_PEER_URLS=http://127.0.0.1:{self.peer_port}\n")
        self.write(conf)
        self.args += ["--env-file", self.conf]
        if by_systemd:
            lines = [line for line in (self.always + conf).split("\n") if line]
            self.extra_env.update(line.split("=", 1) for line in lines)

    def write(self, conf):
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(self.always + conf)

    def reload(self):
        """Send the signal; return what was logged until it was done."""
        before = len(self.manager.messages)
        with self.changed:
            at = len(self.seen)
        self.process.send_signal(signal.SIGHUP)
        harness.wait_for(lambda: any(f.get("READY") == "1" for _, f in self.manager.messages[before:]),
                         text="READY=1 after the reload")
        said = [f for _, f in self.manager.messages[before:] if "RELOADING" in f or "READY" in f]
        if said[0].get("RELOADING") != "1" or int(said[0]["MONOTONIC_USEC"]) <= 0:
            raise AssertionError(said)
        return harness.wait_for(lambda: self.told_since(at), text="the line about the reload")

    def told_since(self, at):
        """The records up to the one that ends a reload, if that is there."""
        with self.changed:
            lines = [json.loads(line) for line in self.seen[at:] if line]
        last = next((i for i, line in enumerate(lines)
                     if re.match("the configuration was (not )?read again", line["msg"])), None)
        return last is not None and lines[:last + 1]

    def metric(self, name):
        import urllib.request
        with urllib.request.urlopen(self.url + "/metrics", timeout=30) as answer:
            for line in answer.read().decode().split("\n"):
                if line.startswith(name + " "):
                    return float(line.split()[1])
        raise AssertionError(f"no {name}")


def put(service, size):
    return get(service.url, "/v3/kv/put", {"key": "YQ==", "value": "YWFh" * (size // 3)})


def put_fails(service, size, text):
    try:
        put(service, size)
    except urllib.error.HTTPError as e:
        if text not in e.read().decode():
            raise
        return
    raise AssertionError(f"a put of {size} bytes passed")


def changes(lines):
    return {line["setting"]: line for line in lines if "setting" in line}


def what_can_change_does():
    for by_systemd in (False, True):
        manager = Manager()
        with Configured(manager, "ETCD_QUOTA_BACKEND_BYTES=1073741824\n", by_systemd) as service:
            harness.equal(service.metric(QUOTA), 1 << 30, "the quota")
            put_fails(service, 2 << 20, "request is too large")
            service.write("ETCD_QUOTA_BACKEND_BYTES=536870912\nETCD_MAX_REQUEST_BYTES=8388608\n"
                          "ETCD_LOG_LEVEL=debug\nETCD_SNAPSHOT_COUNT=5000\n")
            lines = service.reload()
            harness.equal(sorted(changes(lines)), ["log-level", "max-request-bytes",
                                                   "quota-backend-bytes", "snapshot-count"], "changes")
            harness.equal(changes(lines)["quota-backend-bytes"]["after"], "536870912", "after")
            harness.equal(lines[-1]["changed"], 4, "changed")
            harness.equal(lines[-1]["need-a-restart"], 0, "need a restart")
            harness.equal(service.metric(QUOTA), 1 << 29, "the quota")
            put(service, 2 << 20)
            put_fails(service, 9 << 20, "too large")
            service.write("")  # and back to the defaults
            service.reload()
            harness.equal(service.metric(QUOTA), 2 << 30, "the quota")
            put_fails(service, 2 << 20, "request is too large")
        manager.close()


def what_cannot_change_is_named_and_stays():
    manager = Manager()
    with Configured(manager, "ETCD_ELECTION_TIMEOUT=2000\n") as service:
        service.write("ETCD_ELECTION_TIMEOUT=3000\nETCD_HEARTBEAT_INTERVAL=50\n"
                      "ETCD_ENABLE_PPROF=true\n")
        lines = service.reload()
        late = {line["setting"] for line in lines if "needs a restart" in line["msg"]}
        if late != {"election-timeout", "heartbeat-interval"}:
            raise AssertionError(late)
        harness.equal(lines[-1]["changed"], 1, "changed")
        lines = service.reload()  # nothing new, but still waiting for the restart
        harness.equal(lines[-1]["changed"], 0, "changed")
        harness.equal(changes(lines)["election-timeout"]["in-force"], "2000", "the timeout")
    manager.close()


def a_broken_file_changes_nothing():
    for by_systemd in (False, True):
        manager = Manager()
        with Configured(manager, "ETCD_LOG_LEVEL=info\n", by_systemd) as service:
            service.write("ETCD_QUOTA_BACKEND_BYTES=536870912\nETCD_MAX_TXN_OPS=many\n")
            lines = service.reload()
            harness.equal(lines[-1]["level"], "error", "the level")
            if "etcd.conf:5: " not in lines[-1]["error"] or "ETCD_MAX_TXN_OPS" not in lines[-1]["error"]:
                raise AssertionError(lines[-1])
            harness.equal(service.metric(QUOTA), 2 << 30, "the quota")
            service.write("ETCD_QUOTA_BACKEND_BYTES=536870912\n")
            service.reload()
            harness.equal(service.metric(QUOTA), 1 << 29, "the quota")
        manager.close()


def a_flag_stays_stronger_than_the_file():
    manager = Manager()
    with Configured(manager, "", args=["--quota-backend-bytes=1073741824"]) as service:
        service.write("ETCD_QUOTA_BACKEND_BYTES=536870912\n")
        lines = service.reload()
        harness.equal(changes(lines), {}, "changes")
        if not any("is overridden by --quota-backend-bytes" in line["msg"] for line in lines):
            raise AssertionError(lines)
        harness.equal(service.metric(QUOTA), 1 << 30, "the quota")
    manager.close()


def compaction_begins_when_it_is_configured():
    manager = Manager()
    with Configured(manager, "") as service:
        put(service, 3)
        service.write("ETCD_AUTO_COMPACTION_MODE=periodic\nETCD_AUTO_COMPACTION_RETENTION=1s\n")
        service.reload()
        for _ in range(3):
            put(service, 3)
        if not service.wait_line("finished scheduled compaction"):
            raise AssertionError("no compaction")
    manager.close()


def a_reload_before_the_start_is_over_waits_for_it():
    manager = Manager()
    service = Configured(manager, "")
    manager.forget()
    service.spawn()
    harness.wait_for(lambda: any("STATUS" in f for _, f in manager.messages))
    service.process.send_signal(signal.SIGHUP)
    manager.wait_ready()
    get(service.url, "/version")
    service.close()
    manager.close()


def a_signal_during_the_first_reading_waits_as_well():
    manager = Manager()
    service = Configured(manager, "")
    os.unlink(service.conf)
    os.mkfifo(service.conf)
    manager.forget()
    service.spawn()
    for said in ("starting etcd", "the configuration was read again"):
        with open(service.conf, "w", encoding="utf-8") as f:  # it is being read from here on
            if said == "starting etcd":
                service.process.send_signal(signal.SIGHUP)
            f.write(service.always)
        if not service.wait_line(said):
            raise AssertionError(service.tail())
    service.kill()
    service.close()
    manager.close()


def main():
    suite = harness.Suite(LIMIT_S)
    for test in (what_can_change_does, what_cannot_change_is_named_and_stays,
                 a_broken_file_changes_nothing, a_flag_stays_stronger_than_the_file,
                 compaction_begins_when_it_is_configured,
                 a_reload_before_the_start_is_over_waits_for_it,
                 a_signal_during_the_first_reading_waits_as_well):
        suite.run(test)
    suite.finish()


if __name__ == "__main__":
    sys.exit(main())
