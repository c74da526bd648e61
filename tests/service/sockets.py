# SPDX-License-Identifier: Apache-2.0
"""Listening sockets that the manager passes: from socket units, and back from its store."""
import http.client
import os
import socket
import sys
import threading

from manager import Manager, Service, harness, listening
from notify import get

LIMIT_S = 600
PUT = '{"key":"YQ==","value":"Yg=="}'


def url_of(s):
    return f"http://127.0.0.1:{s.getsockname()[1]}"


def named_sockets_are_served():
    manager = Manager()
    client, peer, metrics, stranger = (listening() for _ in range(4))
    service = Service(manager, passed=[("client", client), ("etcd-peer.socket", peer),
                                       ("metrics", metrics), ("console-of-tomorrow", stranger)],
                      with_urls=False, args=["--env-file="])
    with service:
        get(url_of(client), "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
        get(url_of(metrics), "/health")
        get(url_of(peer), "/version")
        service.wait_line("console-of-tomorrow")
        lines = [line for line in service.lines if "console-of-tomorrow" in line]
        harness.equal(len(lines), 1, "lines about the unknown socket")
        harness.equal(manager.stored, [], "sockets of units are not stored")
        try:
            get("http://127.0.0.1:2379", "/version", timeout=1)
            service_listens = True
        except OSError:
            service_listens = False
        if service_listens and "2379" in "".join(service.lines):
            raise AssertionError("it listens at the URL too")
    manager.close()


def http_may_have_a_socket_of_its_own():
    manager = Manager()
    client, web = listening(), listening()
    with Service(manager, passed=[("client", client), ("client-http", web)]):
        get(url_of(web), "/v3/kv/put", {"key": "YQ==", "value": "Yg=="})
        connection = http.client.HTTPConnection("127.0.0.1", client.getsockname()[1], timeout=30)
        connection.request("GET", "/version")
        if connection.getresponse().status == 200:
            raise AssertionError("the socket for gRPC answers HTTP")
    manager.close()


def a_unix_socket_is_served_and_left_in_place():
    manager = Manager()
    path = os.path.join(manager.folder, "client")
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(16)
    with Service(manager, passed=[("client", s)]) as service:
        c = socket.socket(socket.AF_UNIX)
        c.connect(path)
        c.sendall(b"GET /version HTTP/1.0\r\n\r\n")
        with c.makefile("rb") as answer:
            if b"etcdserver" not in answer.read():
                raise AssertionError("no answer")
        c.close()
        service.stop()
        if not os.path.exists(path):
            raise AssertionError("the socket's file is gone")
    os.unlink(path)
    manager.close()


def what_is_no_listening_socket_is_refused():
    manager = Manager()
    a, b = socket.socketpair()
    with Service(manager, passed=[("client", a)]) as service:
        get(service.url, "/version")  # bound by its URL, as nothing was passed
        if not service.wait_line("is no listening stream socket"):
            raise AssertionError("no line says so")
    a.close()
    b.close()
    manager.close()


def names_that_do_not_fit_are_told():
    manager = Manager()
    s = listening()
    with Service(manager, passed=[("client:peer", s)]) as service:
        get(service.url, "/version")
        if not service.wait_line("LISTEN_FDNAMES is wrong"):
            raise AssertionError("no line says so")
    s.close()
    manager.close()


def variables_for_another_process_are_not_ours():
    manager = Manager()
    with Service(manager, env={"LISTEN_FDS": "1", "LISTEN_PID": "1"}) as service:
        get(service.url, "/version")
    manager.close()


def restart_under_load(service, port):
    """Restart while clients connect all the time: each connection gets its answer."""
    failures, answers, stop = [], [0], threading.Event()

    def client():
        while not stop.is_set():
            try:
                c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                c.request("POST", "/v3/kv/put", PUT)
                status = c.getresponse().status
                c.close()
                if status != 200:
                    failures.append(status)
                answers[0] += 1
            except OSError as e:
                failures.append(repr(e))
            except http.client.HTTPException as e:
                failures.append(repr(e))

    threads = [threading.Thread(target=client) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        for _ in range(3):
            before = answers[0]
            harness.wait_for(lambda: answers[0] > before + 50, 60)
            service.stop()
            service.start()
        before = answers[0]
        harness.wait_for(lambda: answers[0] > before + 50, 60)
    finally:
        stop.set()
        for t in threads:
            t.join(90)
    if failures:
        raise AssertionError(f"{len(failures)} of {answers[0]} failed: {failures[:3]}")


def a_restart_behind_a_socket_unit_refuses_nobody():
    manager = Manager()
    client = listening()
    with Service(manager, passed=[("client", client)]) as service:
        restart_under_load(service, client.getsockname()[1])
    manager.close()


def a_restart_with_stored_sockets_refuses_nobody():
    manager = Manager()
    with Service(manager) as service:
        restart_under_load(service, service.client_port)
        harness.equal(len(manager.stored), 2, "stored sockets")
    manager.close()


def stored_sockets_of_old_addresses_are_forgotten():
    manager = Manager()
    with Service(manager) as service:
        old = service.client_port
        service.stop()
        service.client_port = harness.free_ports(1)[0]
        service.start()
        get(service.url, "/version")
        try:
            socket.create_connection(("127.0.0.1", old), timeout=5).close()
            raise AssertionError("the old address still listens")
        except ConnectionRefusedError:
            pass
        harness.equal(len(manager.stored), 2, "stored sockets")
    manager.close()


def main():
    suite = harness.Suite(LIMIT_S)
    for test in (named_sockets_are_served, http_may_have_a_socket_of_its_own,
                 a_unix_socket_is_served_and_left_in_place, what_is_no_listening_socket_is_refused,
                 names_that_do_not_fit_are_told, variables_for_another_process_are_not_ours,
                 a_restart_behind_a_socket_unit_refuses_nobody,
                 a_restart_with_stored_sockets_refuses_nobody,
                 stored_sockets_of_old_addresses_are_forgotten):
        suite.run(test)
    suite.finish()


if __name__ == "__main__":
    sys.exit(main())
