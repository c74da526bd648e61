# SPDX-License-Identifier: Apache-2.0
"""What the daemon tells its service manager: readiness, status, watchdog, the end."""
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

from manager import Manager, Service, harness

LIMIT_S = 240


def get(url, path, body=None, timeout=10):
    request = urllib.request.Request(url + path, None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)


def ready_with_a_status_and_stopping():
    manager = Manager()
    with Service(manager, args=["--quota-backend-bytes", "2147483648"]) as service:
        manager.wait(lambda f: f.get("STATUS", "").startswith("leader term "), 10)
        get(service.url, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
        manager.wait(lambda f: ", 1/1 voters, rev 2, db 0.0/2048 MiB" in f.get("STATUS", ""), 10)
        stored = sorted(name for name, _ in manager.stored)
        harness.equal(stored, ["stored-client", "stored-peer"], "the stored sockets")
        service.stop()
        manager.wait(lambda f: f.get("STOPPING") == "1", 1)
    manager.close()


def status_changes_at_most_once_a_second():
    manager = Manager()
    with Service(manager) as service:
        limit = time.monotonic() + 2.5
        n = 0
        while time.monotonic() < limit:
            get(service.url, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
            n += 1
        ready = manager.wait_ready()
        times = [t for t, f in manager.messages if "STATUS" in f and t > ready]
        close = [b - a for a, b in zip(times, times[1:]) if b - a < 0.9]
        if close or len(times) < 2 or n < 10:
            raise AssertionError(f"{n} puts, status at {times}")
    manager.close()


def first_of_three_is_ready_without_a_quorum():
    manager = Manager()
    service = Service(manager)
    others = harness.free_ports(2)
    peer = f"http://127.0.0.1:{service.peer_port}"
    service.cluster = [
        "--name", "a", "--data-dir", service.data_dir, "--env-file=",
        "--listen-client-urls", service.url, "--advertise-client-urls", service.url,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
        "--initial-cluster", f"a={peer},b=http://127.0.0.1:{others[0]},c=http://127.0.0.1:{others[1]}"]
    began = time.monotonic()
    with service:
        took = time.monotonic() - began
        if not 4 < took < 12:
            raise AssertionError(f"READY=1 after {took:.1f} s")
        wanted = tuple(f"no quorum: 1 of 3, waiting for {names}," for names in ("b, c", "c, b"))
        manager.wait(lambda f: f.get("STATUS", "").startswith(wanted), 5, "the status")
        status = get(service.url, "/v3/maintenance/status", {})
        if "etcdserver: no leader" not in status.get("errors", []):
            raise AssertionError(f"status {status}")
        answer = get(service.url, "/v3/kv/range", {"key": "YQ==", "serializable": True})
        harness.equal(int(answer["header"].get("revision", 0)), 1, "a serializable read")
        try:
            get(service.url, "/health")
            raise AssertionError("it says that it is healthy")
        except urllib.error.HTTPError as e:
            harness.equal(e.code, 503, "/health")
        if not service.wait_line("its cluster has no majority yet", 1):
            raise AssertionError("no line says why")
    manager.close()


def watchdog_is_fed_at_half_of_its_time():
    manager = Manager()
    with Service(manager, env={"WATCHDOG_USEC": "2000000"}) as service:
        del service
        wanted = 3
        harness.wait_for(lambda: len(manager.all("WATCHDOG")) >= wanted, 15)
        times = [t for t, f in manager.messages if f.get("WATCHDOG") == "1"]
        gaps = [b - a for a, b in zip(times, times[1:])]
        if max(gaps) > 1.8 or min(gaps) < 0.9:
            raise AssertionError(f"gaps of {gaps}")
    manager.close()


def watchdog_of_another_process_is_not_ours():
    manager = Manager()
    with Service(manager, env={"WATCHDOG_USEC": "400000", "WATCHDOG_PID": "1"}):
        threading_pause(1.0)
        harness.equal(manager.all("WATCHDOG"), [], "WATCHDOG=")
    manager.close()


def threading_pause(seconds):
    """Nothing is to happen for a while."""
    limit = time.monotonic() + seconds
    harness.wait_for(lambda: time.monotonic() > limit, seconds + 5)


def a_stopped_process_feeds_no_watchdog():
    manager = Manager()
    with Service(manager, env={"WATCHDOG_USEC": "1000000"}) as service:
        harness.wait_for(lambda: len(manager.all("WATCHDOG")) >= 1, 10)
        os.kill(service.process.pid, signal.SIGSTOP)
        n = len(manager.all("WATCHDOG"))
        threading_pause(1.5)
        fed = len(manager.all("WATCHDOG")) - n
        os.kill(service.process.pid, signal.SIGCONT)
        if fed > 1:  # one may have been under way
            raise AssertionError(f"fed {fed} times while it was stopped")
        harness.wait_for(lambda: len(manager.all("WATCHDOG")) > n + 1, 10)
    manager.close()


def starting_from_many_rows_extends_the_timeout():
    manager = Manager()
    with Service(manager) as service:
        get(service.url, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
        service.stop()
        service.start()
        said = [f for _, f in manager.messages if "EXTEND_TIMEOUT_USEC" in f]
        if not said:
            raise AssertionError("no EXTEND_TIMEOUT_USEC while it started")
    manager.close()


def a_fatal_end_says_why():
    manager = Manager()
    first = Service(manager).start()
    second = Service(Manager(), data_dir=first.data_dir)
    second.spawn()
    harness.equal(second.wait_exit(20), 1, "the exit status")
    harness.equal(second.manager.all("ERRNO"), ["16"], "ERRNO")
    if "is in use by process" not in "".join(second.manager.all("STATUS")):
        raise AssertionError(second.manager.all("STATUS"))
    second.data_dir = second.base
    second.close()
    first.close()


def a_manager_that_is_gone_is_no_reason_to_fail():
    manager = Manager()
    manager.close()
    with harness.Server(env={"NOTIFY_SOCKET": manager.path}) as server:
        get(server.url, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
        if any("service manager" in line for line in server.lines):
            raise AssertionError("it speaks of it")


def main():
    suite = harness.Suite(LIMIT_S)
    for test in (ready_with_a_status_and_stopping, status_changes_at_most_once_a_second,
                 first_of_three_is_ready_without_a_quorum, watchdog_is_fed_at_half_of_its_time,
                 watchdog_of_another_process_is_not_ours, a_stopped_process_feeds_no_watchdog,
                 starting_from_many_rows_extends_the_timeout, a_fatal_end_says_why,
                 a_manager_that_is_gone_is_no_reason_to_fail):
        suite.run(test)
    suite.finish()


if __name__ == "__main__":
    sys.exit(main())
