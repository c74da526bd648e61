# SPDX-License-Identifier: Apache-2.0
"""What the daemon tells its service manager: readiness, status, watchdog, the end."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from manager import Manager, Service, harness

LIMIT_S = 600


def get(url, path, body=None, timeout=30):
    request = urllib.request.Request(url + path, None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)


def ready_with_a_status_and_stopping():
    manager = Manager()
    with Service(manager, args=["--quota-backend-bytes", "2147483648"]) as service:
        manager.wait(lambda f: f.get("STATUS", "").startswith("leader term "))
        get(service.url, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
        manager.wait(lambda f: ", 1/1 voters, rev 2, db 0.0/2048 MiB" in f.get("STATUS", ""))
        stored = sorted(name for name, _ in manager.stored)
        harness.equal(stored, ["stored-client", "stored-peer"], "the stored sockets")
        service.stop()
        manager.wait(lambda f: f.get("STOPPING") == "1")
    manager.close()


def status_changes_at_most_once_a_second():
    manager = Manager()
    with Service(manager) as service:
        manager.wait_ready()
        began, before, puts = time.monotonic(), len(manager.all("STATUS")), 0

        def changed():
            return len(manager.all("STATUS")) - before

        while puts < 20 or changed() < 3:  # each put changes what the status tells
            get(service.url, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
            puts += 1
        told, took = changed(), time.monotonic() - began
        if told > took + 2:
            raise AssertionError(f"{told} changes in {took:.1f} s, of {puts} puts")
    manager.close()


def first_of_three_is_ready_without_a_quorum():
    manager = Manager()
    service = Service(manager)
    b, c = harness.free_ports(2)
    member_of(service, "a", [f"a=http://127.0.0.1:{service.peer_port}", f"b=http://127.0.0.1:{b}",
                             f"c=http://127.0.0.1:{c}"])
    began = time.monotonic()
    with service:
        took = time.monotonic() - began
        if took < 4:
            raise AssertionError(f"READY=1 after {took:.1f} s")
        wanted = tuple(f"no quorum: 1 of 3, waiting for {names}," for names in ("b, c", "c, b"))
        manager.wait(lambda f: f.get("STATUS", "").startswith(wanted), text="the status")
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
        if not service.wait_line("its cluster has no majority yet"):
            raise AssertionError("no line says why")
    manager.close()


def watchdog_is_fed_at_half_of_its_time():
    manager = Manager()
    began = time.monotonic()
    with Service(manager, env={"WATCHDOG_USEC": "2000000"}):
        harness.wait_for(lambda: len(manager.all("WATCHDOG")) >= 4)
        fed, took = len(manager.all("WATCHDOG")), time.monotonic() - began
        if fed > took + 2:
            raise AssertionError(f"fed {fed} times in {took:.1f} s")
    manager.close()


def watchdog_of_another_process_is_not_ours():
    manager = Manager()
    with Service(manager, env={"WATCHDOG_USEC": "400000", "WATCHDOG_PID": "1"}):
        threading_pause(1.0)
        harness.equal(manager.all("WATCHDOG"), [], "WATCHDOG=")
    manager.close()


def is_stopped(pid):
    """No thread of it runs any more."""
    threads = pathlib.Path(f"/proc/{pid}/task").glob("*/stat")
    return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in threads)


def threading_pause(seconds):
    """Nothing is to happen for a while."""
    limit = time.monotonic() + seconds
    harness.wait_for(lambda: time.monotonic() > limit, seconds + 5)


def a_stopped_process_feeds_no_watchdog():
    manager = Manager()
    with Service(manager, env={"WATCHDOG_USEC": "1000000"}) as service:
        harness.wait_for(lambda: len(manager.all("WATCHDOG")) >= 1)
        os.kill(service.process.pid, signal.SIGSTOP)
        harness.wait_for(lambda: is_stopped(service.process.pid), text="the stop")
        n = len(manager.all("WATCHDOG"))
        threading_pause(1.5)
        fed = len(manager.all("WATCHDOG")) - n
        os.kill(service.process.pid, signal.SIGCONT)
        harness.equal(fed, 0, "how often it was fed while it was stopped")
        harness.wait_for(lambda: len(manager.all("WATCHDOG")) > n + 1)
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
    harness.equal(second.wait_exit(), 1, "the exit status")
    second.manager.wait(lambda f: f.get("ERRNO") == "16", text="ERRNO=16")
    if "is in use by process" not in "".join(second.manager.all("STATUS")):
        raise AssertionError(second.manager.all("STATUS"))
    second.data_dir = second.base
    second.close()
    first.close()


def member_of(service, name, cluster, state="new"):
    """The arguments of one member of `cluster`, a list of NAME=URL."""
    peer = f"http://127.0.0.1:{service.peer_port}"
    service.cluster = [
        "--name", name, "--data-dir", service.data_dir, "--env-file=",
        "--listen-client-urls", service.url, "--advertise-client-urls", service.url,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
        "--initial-cluster-state", state, "--initial-cluster", ",".join(cluster)]


def a_removed_member_ends_in_order_and_is_not_restarted():
    managers = [Manager(), Manager()]
    a, b = (Service(m) for m in managers)
    cluster = [f"{name}=http://127.0.0.1:{s.peer_port}" for name, s in (("a", a), ("b", b))]
    member_of(a, "a", cluster)
    member_of(b, "b", cluster)
    for service in (a, b):
        service.manager.forget()
        service.spawn()
    for manager in managers:
        manager.wait_ready()
    # Changes are refused for five seconds after the members have met.
    harness.wait_for(lambda: leader_is_there(a))
    members = get(a.url, "/v3/cluster/member/list", {})["members"]
    gone = next(m["ID"] for m in members if m.get("name") == "b")
    harness.wait_for(lambda: removed(a, gone), every=0.3)
    harness.equal(b.wait_exit(), 0, "the exit status")
    managers[1].wait(lambda f: f.get("STOPPING") == "1")
    managers[1].forget()
    b.spawn()
    harness.equal(b.wait_exit(), 0, "the exit status of the second start")
    # An end without READY=1 would be a failure, and the service would be started again and again.
    managers[1].wait_ready()
    managers[1].wait(lambda f: f.get("STOPPING") == "1" and "permanently removed" in f["STATUS"])
    harness.equal(managers[1].all("ERRNO"), [], "ERRNO")
    a.close()
    b.close()
    for manager in managers:
        manager.close()


def leader_is_there(service):
    try:
        return "no leader" not in str(get(service.url, "/v3/maintenance/status", {}))
    except OSError:
        return False


def removed(service, member):
    try:
        get(service.url, "/v3/cluster/member/remove", {"ID": member})
        return True
    except urllib.error.HTTPError:
        return False


def a_start_that_waits_can_be_stopped():
    manager = Manager()
    service = Service(manager)
    nobody = harness.free_ports(1)[0]
    member_of(service, "a", [f"a=http://127.0.0.1:{service.peer_port}",
                             f"b=http://127.0.0.1:{nobody}"], "existing")
    service.spawn()
    if not service.wait_line("waiting for a member of the cluster to answer"):
        raise AssertionError(service.tail())
    service.process.terminate()
    harness.equal(service.wait_exit(), -signal.SIGTERM, "the exit status")
    service.close()
    manager.close()


def process_1_ends_with_status_0():
    inside = subprocess.run(["unshare", "-fp", "--kill-child", "true"], capture_output=True, text=True,
                            timeout=20, check=False)
    if inside.returncode != 0:
        raise harness.Skip("no right to make a pid namespace: " + inside.stderr.strip()[:120])
    manager = Manager()
    service = Service(manager)
    service.wrap = ["unshare", "-fp", "--kill-child"]
    with service:
        get(service.url, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
        child = subprocess.run(["pgrep", "-P", str(service.process.pid)], capture_output=True,
                               text=True, timeout=20, check=True).stdout.split()[0]
        os.kill(int(child), signal.SIGTERM)
        harness.equal(service.wait_exit(), 0, "the exit status")
    manager.close()


# Run a program on a terminal of its own, which SIGUSR1 takes away.
ON_TERMINAL = """
import os, pty, signal, sys
errors = os.dup(2)
pid, terminal = pty.fork()
if pid == 0:
    os.dup2(errors, 2)
    if sys.argv[1] == "nohup":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.execv(sys.argv[2], sys.argv[2:])
signal.signal(signal.SIGUSR1, lambda *_: os.close(terminal))
signal.signal(signal.SIGUSR2, lambda *_: os.kill(pid, signal.SIGHUP))
signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
status = os.waitpid(pid, 0)[1]
sys.exit(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 100 + os.WEXITSTATUS(status))
"""


def asked_to_reload_it_has(service):
    service.process.send_signal(signal.SIGUSR2)
    return any("was read again" in line for line in service.lines)


def a_vanished_terminal_ends_it_unless_started_by_nohup():
    for how in ("plain", "nohup"):
        manager = Manager()
        service = Service(manager)
        service.wrap = [sys.executable, "-c", ON_TERMINAL, how]
        with service:
            service.process.send_signal(signal.SIGUSR1)
            if how == "nohup":
                harness.wait_for(lambda s=service: asked_to_reload_it_has(s), every=0.1)
                get(service.url, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
                service.process.terminate()
            harness.equal(service.wait_exit(), signal.SIGTERM, f"the signal that ended it ({how})")
        manager.close()


def a_manager_that_is_gone_is_no_reason_to_fail():
    manager = Manager()
    manager.close()
    with harness.Server(env={"NOTIFY_SOCKET": manager.path}) as server:
        get(server.url, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
        if any("service manager" in line for line in server.lines):
            raise AssertionError("it speaks of it")


def a_manager_that_reads_no_more_hinders_nobody():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unread:
        unread.bind(f"\0etcd-notify-unread-{os.getpid()}")
        with harness.Server(env={"NOTIFY_SOCKET": f"@etcd-notify-unread-{os.getpid()}"}) as server:
            for i in range(30):
                done = len([line for line in server.lines if "was read again" in line])
                server.process.send_signal(signal.SIGHUP)
                harness.wait_for(lambda n=done: len([line for line in server.lines
                                                     if "was read again" in line]) > n,
                                 text=f"the end of reload {i}")
            get(server.url, "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
            server.process.terminate()
            harness.equal(server.wait_exit(), -signal.SIGTERM, "the exit status")


def main():
    suite = harness.Suite(LIMIT_S)
    for test in (ready_with_a_status_and_stopping, status_changes_at_most_once_a_second,
                 first_of_three_is_ready_without_a_quorum, watchdog_is_fed_at_half_of_its_time,
                 watchdog_of_another_process_is_not_ours, a_stopped_process_feeds_no_watchdog,
                 starting_from_many_rows_extends_the_timeout, a_fatal_end_says_why,
                 a_removed_member_ends_in_order_and_is_not_restarted,
                 a_start_that_waits_can_be_stopped, process_1_ends_with_status_0,
                 a_vanished_terminal_ends_it_unless_started_by_nohup,
                 a_manager_that_is_gone_is_no_reason_to_fail,
                 a_manager_that_reads_no_more_hinders_nobody):
        suite.run(test)
    suite.finish()


if __name__ == "__main__":
    sys.exit(main())
