#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The v2 commands of etcdctl beside those of the distribution's 3.4. Row ids are those of the feature
list.
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import beside  # noqa: E402
import harness  # noqa: E402
from beside import (E, LIMIT_S, THEIRS, Ctl, both, compare, compare_table,  # noqa: E402
                    environment, fresh_server, ours_path, plain)
from harness import Server, Skip, equal, free_ports  # noqa: E402

# ---- tables ---------------------------------------------------------------------------------------

KEYS = """\
set /message hello
get /message
-o extended get /message
-o json get /message
-o bogus get /message
--output=json get /message --quorum
get -q --sort /message
get /no
-o json get /no
-o extended get /no
set /tempkey v --ttl 500
set --ttl 500 /tempkey v
-o json set --ttl 500 /tempkey w
set --ttl 0x100 /hex v
set --ttl 1_0 /under v
set --ttl=-5 /negative v
set /k -1
set -- /k -1
set -1 /k
set --swap-with-value x /message y
set --swap-with-value hello /message y
set --swap-with-index 9999 /message y
mk /foo bar
mk /foo bar
mk --in-order /queue job1
mk --in-order /queue job2 --ttl 50
-o json mk --in-order /queue job<&>
ls --sort /queue
update /message v
update /message v --ttl 300
update /nomessage v
rm /foo
-o extended rm /message
set /m2 x
rm --with-value y /m2
rm --with-index 1 /m2
rm --with-value x /m2
rm /m2
mkdir /dir
mkdir /dir
set /dir/a 1
rmdir /dir
rm /dir
rm --dir /dir
rm -r /dir
rm -r --dir /nodir
setdir /d2
-o json setdir /d2
-o extended updatedir --ttl 400 /d2
updatedir /nodir
-o json mkdir /d3
-o extended mkdir /d4/deep
get /d2
get /
ls --sort
ls --sort -p /
ls --sort -r /
ls --sort --recursive -p /
-o json ls --sort -r /
-o extended ls /
ls /tempkey
rmdir /d3
-o json rmdir /d4/deep
set 日本 “quoted”\t\x01
get 日本
-o json get 日本
--debug get 日本//a/../b/
get //hex/./x/../
set /ab&c?d=%41 x=1&y
--debug get /ab&c?d=%41
ls a b
ls /none
get
set
set /x
mk
mk /x
rm
rmdir
update
update /x
mkdir
setdir
updatedir
watch
exec-watch
exec-watch /
watch --after-index 4 -r /
watch -r --after-index 5 /
-o extended watch --after-index 3 /message
-o json watch --after-index 3 /message
watch --after-index 99999999999999999999 /
--no-sync get /k
--timeout 0s get /k
--timeout 30s --total-timeout 1m get /k
"""

DEBUG = """\
--debug get /t
--debug --no-sync set /t x
--debug cluster-health
--debug member list
--debug user list
--debug role list
--debug set --ttl 5 --swap-with-index 3 /a%b+c:d x=1&y~*
--debug mkdir /d9
--debug setdir /d9
--debug rm -r /d9
--debug ls -r --sort
--debug role grant --path /b --read r9
--debug user add u3:x
--debug user grant u3 --roles a
--debug role add r3
--debug role grant --path /b --rw r3
--debug role revoke --path /b --rw r3
--debug user remove u3
--debug auth enable
--debug member add n http://a:80,http://b:80
--debug -u root:x mk --in-order /q v
--debug=false get /t
"""

MEMBERS = """\
cluster-health
member list
-o json member list
member list x
member add
member add n1 127.0.0.1:9999
member add n1 http://127.0.0.1
member add n1 ftp://127.0.0.1:99
member add n1 http://%zz
member remove
member remove abc
member remove m1
member update
member update 1234 http://127.0.0.1:99
member update zz http://127.0.0.1:99
member update 1234 nothing
member add new-"name" http://127.0.0.1:9
member list
member add n2 http://127.0.0.1:9
cluster-health
get /none
"""

AUTH = """\
user list
user add u1:pw
user add u1:pw
user get u1
user get nobody
user list
user list x
user
role add r1
role add r1
role get r1
role get nothing
role list
role grant --path /a/* --readwrite r1
role grant --path /a/* --rw r1
role grant --path a r1
role grant --path /a/../b/ r1
role grant r1
role grant --path /b r1
role grant --path /b --read --write r1
role grant --path /b --read
role revoke --path /a/* --read r1
role get r1
role revoke --path /zzz --read r1
user grant u1 --roles r1
user grant u1 --roles r1
user grant u1 --roles none,r1
user get u1
user grant
user grant u1
user get
user revoke u1 --roles r1
user revoke --roles r1 u1
user passwd nobody
user add u2
user remove u2
user remove u2
auth enable
auth enable x
user add root:secret
user get root
auth enable
auth enable
get /t
set /t y
user list
-u root:secret user list
-u root:secret set /t y
-u root:bad user list
-u root:secret role revoke --path /* --readwrite guest
get /t
-u root:bad get /t
-u u1:pw get /t
-u root:secret get /t
-u root get /t
-u root:secret user grant u1 --roles r1
-u u1:pw mk /a/x 1
-u u1:pw get /a/x
-u root:secret user revoke u1 --roles r1
-u root:secret auth disable
-u root:secret auth disable
user remove root
role remove r1
role remove r1
role remove guest
role list x
"""

USAGE = """\
--help
-h
help
h
help set
help backup
help member
help help
help nosuch
help -x
nosuch
member
user
role
auth
member -h
member help
member h
member help add
member help help
member help nosuch
member help -x
member nosuch
member --nosuch
member -v
member --h=false
member list -h
member list --x
user grant -h
user passwd -h
role grant -h x
role add -h
cluster-health -h
get -h
ls -h
set -h
mk -h
rm -h
rmdir -h
mkdir -h
setdir -h
update -h
updatedir -h
watch -h
exec-watch -h
backup -h
set --help a b
--version
-v
-v set
set -v
--help set
--nosuch
set --nosuch
set -=x
---x
--=x
--output
--timeout 1
--timeout 3x get /
--debug=x get
set --ttl x a b
set --ttl 99999999999999999999 a b
set --ttl
mk x --ttl
ls -r --recursive
-o json -output simple get /x
--generate-bash-completion
--endpoints http://127.0.0.1:1 --cert-file /nosuch get /x
--endpoints http://127.0.0.1:1 --cert-file /nosuch --key-file /nosuch get /x
--endpoints http://127.0.0.1:1 --cert-file /nosuch cluster-health
--endpoints http://127.0.0.1:1 --ca-file /nosuch get /x
import
"""

UNREACHABLE = """\
--endpoints http://127.0.0.1:1 get /x
--endpoints http://127.0.0.1:1,http://127.0.0.1:1 get /x
--endpoints http://127.0.0.1:1,http://127.0.0.1:1 --no-sync get /x
--endpoints http://127.0.0.1:1,{E} --no-sync get /x
--endpoints http://127.0.0.1:1,http://127.0.0.1:1,{E} get /x
--endpoints http://127.0.0.1:1 mk /x y
--endpoints http://127.0.0.1:1 --no-sync mk /x y
--endpoints http://127.0.0.1:1,http://127.0.0.1:1 --no-sync rm /x
--endpoints http://127.0.0.1:1 member list
--endpoints http://127.0.0.1:1 member add a http://a:1
--endpoints http://127.0.0.1:1 member remove a
--endpoints http://127.0.0.1:1 cluster-health
--endpoints http://127.0.0.1:1 user list
--endpoints http://127.0.0.1:1 role list
--endpoints http://127.0.0.1:1 auth enable
--endpoints http://127.0.0.1:1 watch /x
--endpoints http://127.0.0.1:1 exec-watch /x env
--endpoint http://127.0.0.1:1 get
--peers http://127.0.0.1:1 get
-C http://127.0.0.1:1 get
--endpoints http://nosuch.invalid:1 get /x
--endpoints 127.0.0.1:1 get /x
--endpoints localhost:1 get /x
--endpoints http://%zz get /x
--endpoints :1 get /x
--endpoints http://127.0.0.1:1x get /x
--endpoints http://a|b:1 get /x
--endpoints http://[::1 get /x
--endpoints http://[::1]:1 get /x
--endpoints ftp://a:1 get /x
--endpoints http:// get /x
--endpoints unix:///tmp/x get /x
--endpoints {E}/path get /x
--endpoints {E}/ --debug get /x
-D nosuch.invalid get /x
-u root --endpoints http://127.0.0.1:1 get
--total-timeout 1ns --endpoints http://127.0.0.1:1 get /x
--total-timeout 0 --endpoints http://127.0.0.1:1 get /x
"""


def keys():
    """S56 to S71, D4 to D11, D14."""
    compare_table(KEYS.replace("\\t\\x01", "\t\x01"))


def debug():
    """D1: --debug."""
    compare_table(DEBUG)


def members():
    """S76 S77, D15 to D18: until the second member is there without running."""
    compare_table(MEMBERS)


def auth():
    """D19 to D21."""
    compare_table(AUTH)


def usage():
    """D1 D3 D24, and what is no command."""
    compare_table(USAGE)


def unreachable():
    """S78 D2 D3."""
    compare_table(UNREACHABLE)


def default_endpoints():
    """S78: 2379 and 4001, in an order of chance; only where nobody listens there."""
    for port in (2379, 4001):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                raise Skip(f"somebody listens on port {port}")
    seen = []
    for path in (THEIRS, ours_path()):
        done = subprocess.run([path, "get", "/x"], capture_output=True, timeout=LIMIT_S,
                              env=environment(), stdin=subprocess.DEVNULL)
        text = done.stderr.decode()
        ports = re.findall(r"127\.0\.0\.1:(\d+)", text)
        equal(sorted(ports), ["2379", "2379", "4001", "4001"], "the endpoints")
        seen.append((done.returncode, done.stdout, re.sub(r"127\.0\.0\.1:\d+", "P", text)))
    equal(seen[1], seen[0], "the message")


def variables():
    """D1: the environment."""
    table = [({"ETCDCTL_ENDPOINTS": E}, "set /v 1"), ({"ETCDCTL_ENDPOINT": E}, "get /v"),
             ({"ETCDCTL_PEERS": E}, "get /v"),
             ({"ETCDCTL_ENDPOINTS": E, "ETCDCTL_PEERS": "http://127.0.0.1:1"}, "get /v"),
             ({"ETCDCTL_ENDPOINTS": "http://127.0.0.1:1"}, "get /v"),
             ({"ETCDCTL_ENDPOINTS": E, "ETCDCTL_CA_FILE": "/nosuch"}, "get /v"),
             ({"ETCDCTL_ENDPOINTS": E, "ETCDCTL_CERT_FILE": "/nosuch"}, "get /v"),
             ({"ETCDCTL_ENDPOINTS": E, "ETCDCTL_KEY_FILE": "/nosuch"}, "get /v"),
             ({"ETCDCTL_ENDPOINTS": E, "ETCDCTL_USERNAME": "u:p"}, "get /v"),
             ({"ETCDCTL_ENDPOINTS": E, "ETCDCTL_USERNAME": "u"}, "get /v"),
             ({"ETCDCTL_DISCOVERY_SRV": "nosuch.invalid"}, "get /v")]

    def play(ctl):
        results = []
        for env, line in table:
            env = {k: v.replace(E, ctl.url) for k, v in env.items()}
            done = subprocess.run([ctl.path] + line.split(), capture_output=True,
                                  timeout=LIMIT_S, env=environment(**env), input=b"secret\n")
            results.append(plain((done.returncode, done.stdout.decode(), done.stderr.decode())))
        return results
    theirs, ours = both(play)
    compare(table, theirs, ours)


def standard_input():
    """D5 D6: values and passwords from standard input."""
    table = [("set /in", b"from a pipe\n"), ("get /in", b""), ("mk /in2", b"a\0b"),
             ("-o json get /in2", b""), ("update /in", b""), ("user add u1", b"pw\n"),
             ("user add u2", b"pw"), ("user passwd u1", b"new\r\n"), ("user list", b""),
             ("-u root ls --sort", b"x\n")]
    theirs, ours = both(lambda c: [plain(c.run(line, text)) for line, text in table])
    compare(table, theirs, ours)


def a_cluster_of_nobody():
    """A server with API v2 switched off (D25), and one whose members publish no URL."""
    lines = ["get /x", "set /x y", "ls", "member list", "cluster-health", "user list", "watch /x"]
    with Server(binary=harness.UPSTREAM, args=["--enable-v2=false"]) as server:
        theirs, ours = ([plain(Ctl(p, server.url).run(line)) for line in lines]
                        for p in (THEIRS, ours_path()))
    compare(lines, theirs, ours)


# ---- watching -------------------------------------------------------------------------------------

def read_lines(process, n):
    """The next lines of its output; the process is not waited for."""
    limit = threading.Timer(LIMIT_S, process.kill)
    limit.start()
    try:
        return [process.stdout.readline().decode() for _ in range(n)]
    finally:
        limit.cancel()


def wait_for_watcher(ctl, n):
    """Until the server has so many watchers."""
    limit = time.monotonic() + LIMIT_S
    while time.monotonic() < limit:
        done = subprocess.run(["curl", "-s", f"{ctl.url}/v2/stats/store"], capture_output=True,
                              timeout=LIMIT_S)
        if json.loads(done.stdout)["watchers"] >= n:
            return
        time.sleep(0.01)  # the server tells nobody about its watchers
    raise AssertionError("the watcher did not come")


def watch_play(ctl, line, events, lines, stderr=subprocess.DEVNULL):
    process = ctl.watch(line, stderr)
    try:
        wait_for_watcher(ctl, 1)
        for event in events:
            equal(ctl.run(event)[0], 0, event)
        got = read_lines(process, lines)
        if process.poll() is None and "forever" in line or "exec-watch" in line:
            process.send_signal(signal.SIGINT)
        return got, process.stdout.read().decode(), process.wait(LIMIT_S)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def compare_watch(line, events, lines, stderr=subprocess.DEVNULL):
    theirs, ours = both(lambda ctl: watch_play(ctl, line, events, lines, stderr))
    equal(ours, theirs, line)


def watch_once():
    """S72."""
    compare_watch("watch /message", ["set /message one"], 1)


def watch_recursive():
    """S73."""
    compare_watch("watch --recursive /", ["set /a/b one"], 2)


def watch_forever():
    """S74, D12: until Ctrl-C, which ends it with 0."""
    compare_watch("watch --forever -r /", ["set /w 1", "mkdir /d", "update /w 2", "rm /w"], 6)


def watch_forever_json():
    compare_watch("-o json watch --forever /w", ["set /w 1", "set /w 2", "rm /w"], 3)


def watch_cleared():
    """An index that the history (of 1000 events) has no more."""
    def play(ctl):
        body = b"value=v"
        with contextlib.closing(http.client.HTTPConnection(
                ctl.url.split("/")[2], timeout=LIMIT_S)) as c:
            for _ in range(1010):
                c.request("PUT", "/v2/keys/x", body,
                          {"Content-Type": "application/x-www-form-urlencoded"})
                c.getresponse().read()
        return plain(ctl.run("watch --after-index 4 /y"))
    theirs, ours = both(play)
    equal(ours, theirs, "the message")


EXEC = ["sh", "-c", "echo $ETCD_WATCH_ACTION $ETCD_WATCH_KEY $ETCD_WATCH_VALUE "
        "$ETCD_WATCH_MODIFIED_INDEX"]


def exec_play(ctl, line, event, lines):
    process = ctl.watch(line)
    try:
        wait_for_watcher(ctl, 1)
        equal(ctl.run(event)[0], 0, event)
        got = read_lines(process, lines)
        process.send_signal(signal.SIGINT)
        return got, process.wait(LIMIT_S)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def exec_watch():
    """S75, D13."""
    for line in (["exec-watch", "--recursive", "/", "--"] + EXEC,
                 ["exec-watch"] + EXEC + ["/a/b"]):
        theirs, ours = both(lambda ctl, words=line: exec_play(ctl, words, "set /a/b one", 1))
        equal(ours, theirs, str(line))
        equal(ours[0][0].split()[:3], ["set", "/a/b", "one"], "the environment")


def exec_watch_key_first():
    """D13 `exec-watch KEY -- CMD`: without an option the distribution's build takes CMD for the key
    (a change of the library that it is built with); released ones, and ours, do not."""
    with fresh_server(free_ports(2)) as server:
        for options in ([], ["--after-index", "0"]):
            got, status = exec_play(Ctl(ours_path(), server.url),
                                    ["exec-watch"] + options + ["/k", "--"] + EXEC, "set /k v", 1)
            equal(got[0].split()[:3], ["set", "/k", "v"], "the environment")
            equal(status, 0, "the status")


def exec_watch_no_command():
    def play(ctl):
        process = ctl.watch(["exec-watch", "--recursive", "/", "--", "no-such-program"],
                            subprocess.PIPE)
        wait_for_watcher(ctl, 1)
        ctl.run("set /a b")
        _, err = process.communicate(timeout=LIMIT_S)
        return err, process.returncode
    theirs, ours = both(play)
    equal(ours, theirs, "the complaint")


def exec_watch_directory():
    def play(ctl):
        process = ctl.watch(["exec-watch", "--recursive", "/", "--", "true"], subprocess.PIPE)
        wait_for_watcher(ctl, 1)
        ctl.run("mkdir /d")
        line = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT_S)
        return line, process.returncode
    theirs, ours = both(play)
    equal(ours, theirs, "the complaint")


def unhealthy():
    """D15: a member that does not run, one that never ran, and an unreachable URL."""
    def play(ctl):
        results = [plain(ctl.run("member add n2 http://127.0.0.1:9"))]
        limit = time.monotonic() + LIMIT_S
        while "is healthy: " in ctl.run("cluster-health")[1]:  # until the leader steps down
            if time.monotonic() > limit:
                raise AssertionError("it stays healthy")
        return results + [plain(ctl.run(line)) for line in
                          ("cluster-health", "member list", "set /x y", "mk /x y", "get /x")]
    theirs, ours = both(play)
    compare(["add", "health", "list", "set", "mk", "get"], theirs, ours)


BACKUP = ["backup", "backup --data-dir /nosuch", "backup --data-dir {D} --backup-dir {T}",
          "backup --data-dir {D} --backup-dir {T}",
          "backup --data-dir {D} --backup-dir {T}3 --with-v3",
          "backup --data-dir {D} --wal-dir /nosuch --backup-dir {T}4",
          "backup --data-dir {D} --backup-dir {T}5 --backup-wal-dir {T}/member/wal",
          "backup --data-dir {D} --backup-dir {T}6 --backup-wal-dir {T}6wal"]


def backup_one(path, source):
    """Run the table; return what was said, and what etcd makes of the two backups."""
    target = source.base + "/backup-" + pathlib.Path(path).parts[1]
    results = []
    for line in BACKUP:
        line = line.replace("{D}", source.data_dir).replace("{T}", target)
        done = subprocess.run([path] + line.split(), capture_output=True, timeout=LIMIT_S,
                              env=environment(), cwd=source.base)
        err = re.sub(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} I", "T I",
                     done.stderr.decode().replace(target, "TARGET"))
        results.append((done.returncode, done.stdout, err))
        shutil.rmtree(source.base + "/member", ignore_errors=True)
    for name in ("", "3"):
        with Server(binary=harness.UPSTREAM, data_dir=target + name,
                    args=["--enable-v2=true", "--force-new-cluster"]) as server:
            results.append(Ctl(THEIRS, server.url).run("ls -r --sort /"))
            results.append(three(server, "get", "", "--prefix"))
    return results


def backup():
    """D22, from a member with snapshots, with keys of both versions; read by the distribution's etcd."""
    source = fresh_server(free_ports(2))
    source.args += ["--snapshot-count", "10"]
    with source:
        ctl = Ctl(THEIRS, source.url)
        for i in range(33):
            ctl.run(f"set /dir/k{i} v{i}")
        three(source, "put", "three", "3")
        ctl.run("set /last v")
        source.stop()
        theirs, ours = (backup_one(p, source) for p in (THEIRS, ours_path()))
    compare(BACKUP + ["v2 keys", "v3 keys", "v2 keys with v3", "v3 keys with v3"], theirs, ours)
    equal([b"three" in text for text in (ours[-3], ours[-1])], [False, True], "the v3 key")


def three(server, *words):
    return subprocess.run([THEIRS, "--endpoints", server.url, *words], check=True,
                          capture_output=True, timeout=LIMIT_S,
                          env=dict(os.environ, ETCDCTL_API="3")).stdout


def backup_takes_what_is_written():
    """D22: as many entries as are left out, so many keys were lost that were put into 3.4's copy."""
    source = fresh_server(free_ports(2))
    with source:
        for _ in range(5):
            source.stop()
            source.start()  # and publishes itself
        three(source, "put", "old", "1")
        source.stop()
        copy = source.base + "/copy"
        done = subprocess.run([ours_path(), "backup", "--data-dir", source.data_dir, "--backup-dir",
                               copy, "--with-v3"], capture_output=True, timeout=LIMIT_S,
                              env=environment())
        equal((done.returncode, done.stderr.count(b"ignoring member attribute") >= 6), (0, True),
              "the backup")
        with Server(binary=harness.UPSTREAM, data_dir=copy, args=["--force-new-cluster"]) as server:
            three(server, "put", "new", "2")
            equal(three(server, "get", "", "--prefix"), b"new\n2\nold\n1\n", "the keys")


def make_certificates(folder):
    def openssl(*args):
        subprocess.run(("openssl",) + args, check=True, capture_output=True, cwd=folder,
                       timeout=LIMIT_S, stdin=subprocess.DEVNULL)
    with open(folder + "/names", "w", encoding="ascii") as names:
        names.write("subjectAltName=IP:127.0.0.1,DNS:etcd.example\n")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=ca")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "csr", "-subj",
            "/CN=localhost")
    openssl("x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-extfile", "names", "-out", "cert")


def tls():
    """D1: --ca-file, --cert-file, --key-file. Of failed handshakes only the status is compared, for the
    words are those of another library."""
    with tempfile.TemporaryDirectory() as folder:
        make_certificates(folder)
        server = fresh_server(free_ports(2))
        url = f"https://127.0.0.1:{server.client_port}"
        server.args += ["--listen-client-urls", url, "--advertise-client-urls", url, "--cert-file",
                        folder + "/cert", "--key-file", folder + "/key", "--client-cert-auth",
                        "--trusted-ca-file", folder + "/ca.pem"]
        files = f"--ca-file {folder}/ca.pem --cert-file {folder}/cert --key-file {folder}/key"
        good = [f"{files} set /x 1", f"{files} --debug get /x", f"{files} cluster-health",
                f"{files} member list", f"--ca-file {folder}/ca.pem get /x"]
        bad = ["get /x", "--no-sync get /x", f"--ca-file {folder}/key get /x",
               f"--cert-file {folder}/cert --key-file {folder}/ca.key get /x",
               f"--cert-file {folder}/cert --key-file {folder}/ca.key cluster-health"]
        with server:
            theirs, ours = ([plain(Ctl(p, url).run(line)) for line in good] +
                            [Ctl(p, url).run(line)[:2] for line in bad]
                            for p in (THEIRS, ours_path()))
    compare(good + bad, theirs, ours)


TESTS = [keys, debug, members, auth, usage, unreachable, default_endpoints, variables,
         standard_input, a_cluster_of_nobody, watch_once, watch_recursive, watch_forever,
         watch_forever_json, watch_cleared, exec_watch, exec_watch_key_first, exec_watch_no_command,
         exec_watch_directory, unhealthy, backup, backup_takes_what_is_written, tls]

if __name__ == "__main__":
    beside.main(TESTS)
