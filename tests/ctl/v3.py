#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""etcdctl for v3: every command, against the distribution's etcdctl 3.4.23 and its server, and ours.

Each line of a script is run by both programs, each on its own of two servers that are alike, and stdout,
stderr and exit status must be equal to the byte. Where 3.7 differs from 3.4 the line says what ours must
say, with the row of the feature list or the reason beside it. Commands of 3.7 alone are compared with
golden texts.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cluster"))
import cluster  # noqa: E402
import ctl  # noqa: E402
from ctl import FORMATS, OURS, THEIRS, Result, Terminal, Twins, harness, run  # noqa: E402
from harness import Skip, equal, wait_for  # noqa: E402

PREFIX = "p/"


# ---- what 3.7 says where 3.4 says something else ----------------------------------------------------

def on_stdout(theirs):
    """C45: a healthy endpoint is told on stdout since 3.6."""
    return Result(theirs.status, theirs.err, b"")


def without_revision_zero(theirs):
    """C21: fields leave out a revision of 0 since 3.6."""
    return Result(theirs.status, theirs.out.replace(b'"Revision" : 0\n', b""), theirs.err)


def says(out=b"", err=b"", status=0):
    def want(_):
        return Result(status, out, err)
    return want


def with_status(status):
    return lambda theirs: Result(status, theirs.out, theirs.err)


def sub(pattern, text):
    def want(theirs):
        return Result(theirs.status, re.sub(pattern, text, theirs.out), theirs.err)
    return want


def hex_ids(theirs):
    """C3: --hex is for ids too since 3.6."""
    out = re.sub(rb'("(?:ClusterID|MemberID)" : )(\d+)',
                 lambda m: m.group(1) + b"%x" % int(m.group(2)), theirs.out)
    return Result(theirs.status, out.replace(b'"Lease" : 0\n', b'"Lease" : %016x\n' % 0),
                  theirs.err)


def snake_case(theirs):
    """C20: the answers inside of a transaction's are named as elsewhere since 3.6."""
    names = {b"ResponsePut": b"response_put", b"ResponseRange": b"response_range",
             b"ResponseDeleteRange": b"response_delete_range"}
    out = theirs.out
    for old, new in names.items():
        out = out.replace(b'"%s"' % old, b'"%s"' % new)
    return Result(theirs.status, out, theirs.err)


def one_error(theirs):
    """C23: a mistake in the flags prints no help since 3.7's usage: one line."""
    first = theirs.err.split(b"\n")[0]
    return Result(theirs.status, b"", first + b"\n")


# ---- keys -------------------------------------------------------------------------------------------

def keys(binary):
    with Twins(binary) as t:
        for line in ("put foo bar", "put foo bar2 --prev-kv", "put p/1 one", "put p/2 two",
                     "put p/3 three", "put q/1 other", "put foo bar3 -w json --prev-kv",
                     "put foo bar4 -w fields --prev-kv", "put foo bar5 -w protobuf --prev-kv",
                     "put foo bar6 -w table", "put foo --ignore-value"):
            t.same(line)
        t.same(["put", "spaces", "a b\tc"])
        t.same(["put", "b\xfcte", "\u2603"])
        t.same(["put", "--", "-dash", "-value"])
        t.same("put fromstdin", stdin="of standard input\nsecond line")
        t.same("put nothing", stdin="")
        t.same("put")
        t.same("put a b c")
        t.same("put x y --lease=zz")
        t.same("put x y --lease=1234")
        t.same("put x --ignore-value=true v")
        t.same("put missing --ignore-value")
        t.same("put missing v --ignore-lease")
        for line in ("get foo", "get p/ --prefix", "get p/1 p/3", "get p/2 --from-key",
                     "get p/ --prefix --limit=2", "get p/ --prefix --keys-only",
                     "get p/ --prefix --order=DESCEND", "get p/ --prefix --sort-by=VALUE",
                     "get p/ --prefix --sort-by=MODIFY --order=DESCEND", "get foo --rev=2",
                     "get foo --consistency=s", "get nothere",
                     "get p/ --prefix --sort-by=CREATE", "get p/ --prefix --sort-by=VERSION"):
            t.every_format(line)
        t.every_format("get p/ --prefix --hex", want={"fields": hex_ids})
        for line in ("get foo --print-value-only", "get p/ --prefix --print-value-only --hex",
                     "get", "get a b c", "get foo --rev=1000", "get foo --consistency=x",
                     "get foo --order=UP", "get foo --sort-by=SIZE", "get foo --prefix --from-key",
                     "get a b --prefix", "get a b --from-key", "get foo -w yaml",
                     "get foo --print-value-only -w json", "get --prefix --limit=2 p/",
                     "get foo --limit -1"):
            t.same(line)
        t.same(["get", "", "--prefix", "--keys-only"])
        t.same(["get", "", "--from-key"])
        t.same(["get", ""])
        for line in ("del p/1", "del nothere", "del p/2 --prev-kv", "del p/3 -w json",
                     "del q/1 -w fields --prev-kv", "del -w protobuf q/1", "del",
                     "del x --prefix --from-key", "del x -w table", "del a b c",
                     "del a b --prefix", "del a b --from-key"):
            t.same(line)
        t.same("put r/1 x")
        t.same("put r/2 x")
        t.same("del r/ --prefix --prev-kv")
        t.same("put s/1 x")
        t.same("del s/ --from-key")


def transactions(binary):
    with Twins(binary) as t:
        t.same("put k v")
        ok = 'value("k") = "v"\n\nput a b\nget k\n\ndel k\n\n'
        for name in FORMATS:
            t.same(["txn", "-w", name], stdin=ok, want=snake_case if name == "json" else None)
        t.same("txn", stdin='value("k") = "other"\n\nput a b\n\nget a\ndel a --prev-kv\n\n')
        t.same("txn", stdin='mod("k") > "1"\nver("k") = "1"\ncreate("k") < "9"\n\nget k\n\n\n')
        t.same("txn", stdin='version("k") = "1"\n\nget k --keys-only\n\n\n')
        t.same("txn", stdin='lease("k") = "0"\n\nget k --keys-only\n\n\n',
               want=says(b"SUCCESS\n\nk\n\n"))  # 3.4 panics
        t.same("txn", stdin='c("k") != "0"\nm("k") != "0"\nval("k") != "x"\n\n\n\n')
        t.same("txn", stdin='\nput "with space" "a \\"quote\\""\nget "with space"\n\n\n')
        t.same("txn", stdin="\nput 'single quoted' x\nget 'single quoted'\n\n\n",
               want=says(b"SUCCESS\n\nOK\n\nsingle quoted\nx\n"))  # 3.4 takes a part of it
        t.same("txn --hex", stdin='\nget k\n\n\n')
        t.same("txn", stdin="bad\n\n\n\n")
        t.same("txn", stdin='value("k") ~ "v"\n\n\n\n', want=says(status=3, err=(
            b'Error: malformed comparison: value("k") ~ "v" (unknown operator ~)\n')))  # 3.4 panics
        t.same("txn", stdin='size("k") = "v"\n\n\n\n')
        t.same("txn", stdin='mod("k") = "x"\n\n\n\n')
        t.same("txn", stdin='\nfrob k\n\n\n')
        t.same("txn", stdin='\nput k 1\nput k 2\n\n\n')
        t.same("txn extra", stdin='\n\n\n')


def history(binary):
    with Twins(binary) as t:
        for i in range(5):
            t.same(f"put h {i}")
        t.same("compaction")
        t.same("compaction x")
        t.same("compaction 4")
        t.same("compaction 4")
        t.same("compaction 100")
        t.same("compaction 5 --physical")
        t.same("get h --rev=2")
        t.same("get h --rev=2 -w json")


def leases(binary):
    with Twins(binary) as t:
        t.same("lease grant 1000")
        t.same("lease grant 1000 -w json")
        t.same("lease grant 1000 -w fields", want=without_revision_zero)
        t.same("lease grant 1000 -w protobuf")
        for line in ("lease grant", "lease grant x", "lease grant 1 2", "lease revoke",
                     "lease revoke zz", "lease revoke 1234", "lease timetolive",
                     "lease timetolive 1234", "lease timetolive 1234 -w json",
                     "lease keep-alive", "lease keep-alive --once 1234", "lease keep-alive zz",
                     "lease list extra"):
            t.same(line)
        t.same(["put", "l1", "v", "--lease={lease0}"])
        t.same(["put", "l2", "v", "--lease={lease0}"])
        t.same(["put", "l2", "w"])  # one key: a lease's are in no order
        for name in ("simple", "json", "fields", "protobuf"):
            t.same(["lease", "timetolive", "{lease0}", "-w", name], want=without_revision_zero)
            t.same(["lease", "timetolive", "{lease0}", "--keys", "-w", name],
                   want=without_revision_zero)
            t.same(["lease", "keep-alive", "--once", "{lease0}", "-w", name],
                   want=without_revision_zero)
        t.same(["get", "l1", "-w", "json"])
        t.same(["lease", "revoke", "{lease0}"])
        t.same("get l1")
        t.same(["lease", "revoke", "{lease1}", "-w", "json"])
        t.same(["lease", "timetolive", "{lease1}"])
        t.same(["lease", "revoke", "{lease2}", "-w", "fields"], want=without_revision_zero)
        t.same("lease list")


# ---- the cluster ------------------------------------------------------------------------------------

def members(binary):
    with Twins(binary) as t:
        t.every_format("member list", want={"fields": without_revision_zero})
        t.every_format("member list --hex", formats=("simple", "protobuf"))
        for line in ("member add", "member add x", "member add x http://a:1", "member remove",
                     "member remove zz", "member remove 1", "member update", "member update 1",
                     "member update zz --peer-urls=http://a:1",
                     "member update 1 --peer-urls=http://a:1", "member promote",
                     "member promote zz", "member promote 1", "member list extra"):
            t.same(line)
        t.same("member add new --peer-urls=nonsense")
        t.same("member add new --peer-urls=http://127.0.0.1:1 --learner",
               want=sub(rb"added to", b"added as learner to"))


def members_come(binary):
    """What is printed when members come and go; each server loses its quorum, so one is enough."""
    for name in ("simple", "json", "fields", "protobuf"):
        with Twins(binary) as t:
            t.same(["member", "add", "new", "--peer-urls=http://127.0.0.1:1,http://127.0.0.1:2",
                    "-w", name], want=without_revision_zero)


def maintenance(binary):
    newer = binary != harness.UPSTREAM
    with Twins(binary) as t:
        t.same("put a b")
        t.same("endpoint health", want=on_stdout)
        t.same("endpoint health -w json")
        t.same("endpoint hashkv", want=sub(rb"\n", b", 2\n" if newer else b", 0\n"))  # C47
        t.same("endpoint hashkv --rev=100")
        t.same("alarm list")
        t.same("alarm disarm")
        t.every_format("alarm list", formats=("json", "protobuf"))
        t.same("alarm list -w fields", want=None if newer else says(  # 3.4 panics
            b'"ClusterID" : 0\n"MemberID" : 0\n"RaftTerm" : N\n'))
        t.same("alarm list extra")
        t.same("defrag", want=sub(rb"\n", b". took TIME\n"))  # C50
        t.same("move-leader")
        t.same("move-leader zz")
        t.same("move-leader 1")
        t.same("snapshot save", want=says(
            status=128, err=b"Error: snapshot save expects one argument <filename>\n"))
        t.same("snapshot save nowhere/file")
        t.same("snapshot save file", want=says(  # C52
            b"Snapshot saved at file\n" + (b"Server version 3.7.0\n" if newer else b"")))
        t.same("snapshot save file --endpoints=127.0.0.1:1,127.0.0.1:2", want=says(status=5, err=(
            b"Error: snapshot must be requested to one selected node, not multiple "
            b"[127.0.0.1:1 127.0.0.1:2]\n")))  # 3.4 logs before
        t.same("version", want=says(b"etcdctl version: 3.7.1\nAPI version: 3.7\n"))
        status = b"3.7.1, 3.7.0, SIZE, SIZE, N%, 2.1 GB" if newer \
            else b"3.4.23, , SIZE, SIZE, N%, 0 B"
        t.ours_only("endpoint status", Result(
            0, b"EP, b71f75320dc06a6c, " + status + b", true, false, N, N, N, , , false\n", b""))


def command_line(binary):
    """What is wrong with a line is told before a server is asked; 3.7's texts, from its sources."""
    with Twins(binary) as t:
        for line in ("get x --limit=y", "get x --limit", "get --nope", "nosuch", "member lost",
                     "snapshot", "snapshot save --help", "user add --help", "member --help",
                     "endpoint status --help", "role grant-permission -h", "make-mirror --help",
                     "check perf --help", "lock --help", "elect -h", "options", "--help",
                     "help member add", "gett", "auth --help", "downgrade --help"):
            name = "help-" + line.replace("--", "").replace("=", " ").replace(" ", "-")
            t.ours_only(line, name)
        t.same("mem lis")
        t.same("g")
        t.same(["--write-out", "json", "get", "x"])
        t.same(["get", "-wjson", "x"])
        t.same(["get", "-w=json", "x"])
        t.same("get x", env={"ETCDCTL_WRITE_OUT": "json"})
        t.same("get x", env={"ETCDCTL_WRITE_OUT": "nothing"})
        t.same("get x --cert=")
        t.same("get x --cacert=/no/such/file", want=says(status=128, err=(
            b"Error: open /no/such/file: no such file or directory\n")))
        both = {"ETCDCTL_WRITE_OUT": "json"}  # 3.4 gives up; the issue wants the line to win
        t.ours_only("get x -w simple", Result(0, b"", b""), env=both)
        t.ours_only("downgrade validate", Result(128, b"", b"Error: TARGET_VERSION not provided\n"))
        t.ours_only("downgrade enable a b", Result(128, b"", b"Error: too many arguments\n"))
        t.ours_only("check perf --load=huge", Result(
            4, b"", b"Error: unknown load option huge\n"))
        t.ours_only("snapshot save a b", Result(
            128, b"", b"Error: snapshot save expects one argument <filename>\n"))


def unreachable(binary):
    dead = "127.0.0.1:1"
    with Twins(binary) as t:
        for line in ("get x", "put x y", "member list", "endpoint status", "endpoint health",
                     "endpoint hashkv", "lease grant 10", "alarm list", "move-leader 1",
                     "endpoint status --cluster"):
            t.same(f"--endpoints={dead} --command-timeout=300ms --dial-timeout=100ms {line}",
                   want=as_3_7_gives_up)
        t.same("--endpoints=%s,{ep} get x" % dead)
        t.same("--endpoints=%s,{ep} put x y" % dead)
        t.same("--endpoints=%s,{ep} endpoint health --command-timeout=300ms" % dead,
               want=lambda r: Result(1, b"EP is healthy: successfully committed proposal: took = TIME\n",
                                     b"127.0.0.1:1 is unhealthy: failed to commit proposal: "
                                     b"context deadline exceeded\nError: unhealthy cluster\n"))


def as_3_7_gives_up(theirs):
    return theirs


# ---- users and roles ---------------------------------------------------------------------------------

def need_auth(binary):
    if binary != harness.UPSTREAM:
        raise Skip("the server has no users yet")


def users(binary):
    need_auth(binary)
    with Twins(binary) as t:
        for line in ("role add", "role add r1", "role add r1", "role list", "role get",
                     "role get r1", "role get nope", "role delete", "role delete nope",
                     "role list extra", "role grant-permission", "role grant-permission r1 read",
                     "role grant-permission r1 peek a", "role grant-permission r1 READ a",
                     "role grant-permission r1 write a z", "role grant-permission r1 readwrite p/ --prefix",
                     "role grant-permission r1 read f --from-key",
                     "role grant-permission r1 read a b --prefix",
                     "role grant-permission r1 read a b --from-key",
                     "role grant-permission r1 read a --prefix --from-key",
                     "role grant-permission nope read a", "role revoke-permission",
                     "role revoke-permission r1", "role revoke-permission r1 nope",
                     "role revoke-permission nope a"):
            t.same(line)
        t.same(["role", "grant-permission", "r1", "read", "", "--prefix"])
        t.same(["role", "grant-permission", "r1", "read", ""])
        for name in FORMATS:
            t.same(["role", "get", "r1", "-w", name], want=without_revision_zero)
            t.same(["role", "list", "-w", name], want=without_revision_zero)
        for line in ("role revoke-permission r1 a", "role revoke-permission r1 a z",
                     "role revoke-permission r1 p/ --prefix",
                     "role revoke-permission r1 f --from-key", "role get r1"):
            t.same(line)
        for line in ("user add", "user add u1:pw", "user add u1:pw", "user add :pw",
                     "user add u2 --new-user-password=pw2", "user add u3 --no-password",
                     "user list", "user list extra", "user get", "user get u1", "user get nope",
                     "user delete", "user delete nope", "user passwd", "user grant-role",
                     "user grant-role u1", "user grant-role u1 r1", "user grant-role u1 nope",
                     "user grant-role nope r1", "user get u1", "user get u1 --detail",
                     "user revoke-role u1", "user revoke-role u1 nope"):
            t.same(line)
        t.same("user add u4 --interactive=false", stdin="secret\n")
        t.same("user passwd u4 --interactive=false", stdin="secret2\n")
        t.same("user passwd nope --interactive=false", stdin="secret2\n")
        for name in FORMATS:
            t.same(["user", "get", "u1", "-w", name], want=without_revision_zero)
            t.same(["user", "list", "-w", name], want=without_revision_zero)
        for line in ("user revoke-role u1 r1", "user delete u3", "user delete u2 -w json",
                     "role delete r1", "role delete r1"):
            t.same(line)


def authentication(binary):
    need_auth(binary)
    with Twins(binary) as t:
        t.same("put a b")
        for line in ("auth enable extra", "auth disable extra", "auth enable",
                     "user add root:rootpw", "auth enable", "get a", "put a c", "user list",
                     "auth enable --user=root:rootpw", "get a --user=root:rootpw",
                     "get a --user=root:wrong", "get a --user=nobody:pw",
                     "get a --user=root --password=rootpw", "get a --user root:pw --password=rootpw",
                     "--user=root:rootpw user add joe:pw", "--user=root:rootpw role add reader",
                     "--user=root:rootpw role grant-permission reader read a",
                     "--user=root:rootpw user grant-role joe reader",
                     "--user=joe:pw get a", "--user=joe:pw put a x", "--user=joe:pw get b",
                     "--user=joe:pw user list", "--user=joe:pw del a", "--user=joe:pw member list",
                     "--user=root:rootpw user get root",
                     "--user=root:rootpw user get joe --detail",
                     "--user=root:wrong endpoint status", "--user=root:wrong endpoint hashkv",
                     "--user=root:wrong defrag", "--user=root:wrong member list",
                     "--user=joe:pw snapshot save f", "--user=joe:pw alarm list",
                     "--user=joe:pw lease list",
                     "--user=root:rootpw snapshot save f", "--user=root:rootpw lock l true",
                     "--user=joe:pw lock l true",
                     "--user=joe:pw member add x --peer-urls=http://a:1",
                     "--user=joe:pw auth disable", "--user=root:rootpw auth disable", "get a"):
            t.same(line)
        t.same("get a", env={"ETCDCTL_USER": "root:rootpw"})
        t.same("--user=joe:pw endpoint health", want=on_stdout)
        t.same("role get root", want=says(  # C63
            b"Role root\nKV Read:\n\t[, <open ended>\nKV Write:\n\t[, <open ended>\n"))


# ---- lock, elect, and what else goes on until it is stopped ------------------------------------------

def locks(binary):
    with Twins(binary) as t:
        t.same("lock")
        t.same(["lock", "l", "--", "sh", "-c", "echo $ETCD_LOCK_REV; exit 3"],
               want=with_status(3))  # C57: 3.4 ends with 1 whatever the command did
        t.same(["lock", "l", "--", "sh", "-c", "test -n \"$ETCD_LOCK_KEY\""])
        t.same(["lock", "l", "--", "sh", "-c", "kill -9 $$"], want=with_status(255))
        t.same(["lock", "l", "/no/such/program"])
        t.same(["lock", "l", "nosuchprogram"])
        t.same(["lock", "l", "cat"], stdin="is not given to the command")
        t.same("get l/ --prefix")
        t.same("elect")
        t.same("elect x")
        t.same("elect x y z")
        t.same("elect -l x y")


def lock_waits_for_its_turn(binary):
    with harness.Server(binary) as server:
        with Terminal(["lock", "l"], server.endpoint) as first:
            first.expect("l/")
            key = b"l/" + first.expect("\r\n\r\n")
            with Terminal(["lock", "l"], server.endpoint) as second:
                wait_for(lambda: run(OURS, ["get", "l/", "--prefix", "--keys-only"],
                                     server.endpoint).out.count(b"l/") == 2)
                first.interrupt()
                equal(first.end(), 0)
                second.expect("l/")
                second.expect("\r\n\r\n")
                third = Terminal(["lock", "l"], server.endpoint)
                with third:
                    wait_for(lambda: run(OURS, ["get", "l/", "--prefix", "--keys-only"],
                                         server.endpoint).out.count(b"l/") == 2)
                    third.interrupt()
                    equal(third.end(), 1)
                    equal(third.screen, b"^CError: context canceled\n")
                second.interrupt()
                equal(second.end(), 0)
        equal(run(OURS, ["get", key.decode(), "--keys-only"], server.endpoint).out, b"")
        equal(run(OURS, ["get", "l/", "--prefix"], server.endpoint).out, b"")


def lock_of_a_command_goes_with_it(binary):
    with harness.Server(binary) as server:
        command = ["lock", "l", "--", "sh", "-c", "echo up; exec sleep 1000"]
        with Terminal(command, server.endpoint) as t:
            t.expect("up\r\n")
            equal(run(OURS, ["get", "l/", "--prefix", "--keys-only"],
                      server.endpoint).out.count(b"l/"), 1)
            t.interrupt()
            equal(t.end(), 255)
            equal(t.screen, b"up\n^CError: signal: interrupt\n")
        equal(run(OURS, ["get", "l/", "--prefix"], server.endpoint).out, b"")
        equal(run(OURS, ["lease", "list"], server.endpoint).out, b"found 0 leases\n")


def lock_ends_with_its_session(binary):
    with harness.Server(binary) as server, Terminal(["lock", "l", "--ttl=2"], server.endpoint) as t:
        t.expect("\r\n\r\n")
        server.kill()
        t.expect("Error: session expired\r\n")
        equal(t.end(), 1)


def election_is_won_and_seen(binary):
    with harness.Server(binary) as server:
        with Terminal(["elect", "e", "me"], server.endpoint) as first:
            first.expect("e/")
            first.expect("me\r\n")
            with Terminal(["elect", "-l", "e"], server.endpoint) as observer:
                observer.expect("me\r\n")
                with Terminal(["elect", "e", "you"], server.endpoint) as second:
                    wait_for(lambda: run(OURS, ["get", "e/", "--prefix", "--keys-only"],
                                         server.endpoint).out.count(b"e/") == 2)
                    first.interrupt()
                    equal(first.end(), 0)
                    second.expect("you\r\n")
                    observer.expect("you\r\n")
                    observer.interrupt()
                    equal(observer.end(), 0)
                    second.interrupt()
                    equal(second.end(), 0)


# ---- watch -------------------------------------------------------------------------------------------

def lines_of(program, args, endpoint, n, stdin=None, env=None):
    """Start something that goes on, and return its first `n` lines."""
    process = subprocess.Popen([program, *args], env=ctl.environment(endpoint, env),
                               stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        if stdin:
            process.stdin.write(stdin)
            process.stdin.flush()
        timer = threading.Timer(ctl.LIMIT_S, process.kill)
        timer.start()
        found = [process.stdout.readline() for _ in range(n)]
        timer.cancel()
        return b"".join(found)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        if process.stdin:
            process.stdin.close()


def watches(binary):
    with harness.Server(binary) as server:
        for args in ("put w one", "put w two", "put w/1 x", "del w", "put w/2 y"):
            run(OURS, args.split(), server.endpoint)
        json_args = ["watch", "w", "--rev=1", "-w", "json"]
        theirs, ours_ = (lines_of(p, json_args, server.endpoint, 1) for p in (THEIRS, OURS))
        equal(ours_, theirs.replace(b"}\n", b',"CancelReason":""}\n'))  # 3.7 has that field
        for args, n in (("watch w --rev=1", 9), ("watch w --rev=1 --prev-kv", 13),
                        ("watch w --prefix --rev=3", 12), ("watch w/ w/z --rev=1", 6),
                        ("watch w --rev=1 -w fields", 25),
                        ("watch w --rev=1 --hex", 9), ("watch --rev=1 w/1", 3),
                        ("watch w --rev=1 -- sh -c env|grep.ETCD_WATCH|sort", 15)):
            line = [a.replace(".", " ") if "|" in a else a for a in args.split()]
            equal(lines_of(OURS, line, server.endpoint, n),
                  lines_of(THEIRS, line, server.endpoint, n), args)
        args, stdin = ["watch", "-i"], b"watch w --rev=1\n"
        equal(lines_of(OURS, args, server.endpoint, 9, stdin),
              lines_of(THEIRS, args, server.endpoint, 9, stdin))
        stdin = b"watch --rev=1 w/1\nwatch --rev=1 w/2\n"  # who is first is open
        equal(sorted(lines_of(OURS, args, server.endpoint, 6, stdin).split()),
              sorted(lines_of(THEIRS, args, server.endpoint, 6, stdin).split()))
        env = {"ETCDCTL_WATCH_KEY": "w"}
        equal(lines_of(OURS, ["watch", "--rev=1"], server.endpoint, 9, env=env),
              lines_of(THEIRS, ["watch", "--rev=1"], server.endpoint, 9, env=env))
        run(OURS, ["compaction", "5"], server.endpoint)
        for args in ("watch w --rev=1", "watch", "watch w --rev=x", "watch w --prefix x"):
            theirs, ours = (run(p, args.split(), server.endpoint) for p in (THEIRS, OURS))
            if args == "watch w --rev=x":  # usage
                equal((ours.status, ours.err.split(b"\n")[0]),
                      (theirs.status, theirs.err.split(b"\n")[0]), args)
            else:
                equal(str(ours), str(theirs), args)
        equal(str(run(OURS, ["watch", "-i", "w"], server.endpoint)), str(Result(
            3, b"", b"Error: error reading watch request line: EOF\n")))  # 3.4 says "Error reading"


def watch_is_interrupted(binary):
    with harness.Server(binary) as server, Terminal(["watch", "k"], server.endpoint) as t:
        def seen():
            run(OURS, ["put", "k", "v"], server.endpoint)
            return b"PUT" in t.glance()
        wait_for(seen)
        t.interrupt()
        equal(t.end(), -2)


# ---- at a terminal -----------------------------------------------------------------------------------

def txn_at_a_terminal(binary):
    with harness.Server(binary) as server, Terminal(["txn", "-i"], server.endpoint) as t:
        t.expect("compares:\r\n")
        t.send('create("k") = "0"\n\n')
        t.expect("success requests (get, put, del):\r\n")
        t.send("put k v\nget k\n\n")
        t.expect("failure requests (get, put, del):\r\n")
        t.send("\n")
        t.expect("SUCCESS\r\n\r\nOK\r\n\r\nk\r\nv\r\n")
        equal(t.end(), 0)


def watch_at_a_terminal(binary):
    with harness.Server(binary) as server, Terminal(["watch", "-i"], server.endpoint) as t:
        run(OURS, ["put", "a", "b"], server.endpoint)
        t.send("watch a --rev=1\n")
        t.expect("PUT\r\na\r\nb\r\n")
        t.send("frob\n")
        t.expect("Invalid command frob (only support watch)\r\n")
        t.interrupt()
        equal(t.end(), -2)


def passwords_are_asked(binary):
    need_auth(binary)
    with harness.Server(binary) as server:
        def asked(args, answers, status, last):
            with Terminal(args, server.endpoint) as t:
                for prompt, answer in answers:
                    t.expect(prompt)
                    t.send(answer + "\n")
                t.expect(last)
                equal(t.end(), status)
                for _, answer in answers:
                    if answer and answer.encode() in t.text:
                        raise AssertionError(f"a password was shown: {t.text!r}")

        twice = [("Password of root: ", "s3cret"),
                 ("Type password of root again for confirmation: ", "s3cret")]
        asked(["user", "add", "root"], twice, 0, "User root created\r\n")
        asked(["user", "passwd", "root"], twice, 0, "Password updated\r\n")
        asked(["user", "add", "root"], twice[:1] + [(twice[1][0], "other")], 128,
              "Error: given passwords are different\r\n")
        asked(["user", "add", "x"], [("Password of x: ", "")], 128, "Error: empty password\r\n")
        equal(run(OURS, ["auth", "enable"], server.endpoint).out, b"Authentication Enabled\n")
        asked(["--user=root", "get", "x"], [("Password: ", "s3cret")], 0, "\r\n")
        asked(["--user=root", "get", "x"], [("Password: ", "wr0ng")], 2,
              "authentication failed, invalid user ID or password\r\n")
        got = run(OURS, ["--user=root", "user", "list"], server.endpoint, b"s3cret\n")
        equal((got.status, got.out), (0, b"Password: \nroot\n"))


# ---- snapshots, mirrors, checks ------------------------------------------------------------------------

def snapshots(binary):
    with harness.Server(binary) as server:
        for i in range(20):
            run(OURS, ["put", f"k{i}", "v" * 1000], server.endpoint)
        path = os.path.join(server.base, "snap")
        got = run(OURS, ["snapshot", "save", path], server.endpoint)
        equal((got.status, got.out.split(b"\n")[0]), (0, b"Snapshot saved at " + path.encode()))
        equal(sorted(n for n in os.listdir(server.base) if n.startswith("snap")), ["snap"])
        equal(os.stat(path).st_mode & 0o777, 0o600)
        theirs = run(THEIRS, ["snapshot", "status", path, "-w", "json"])
        equal(theirs.status, 0, str(theirs))
        equal(json.loads(theirs.out)["revision"], 21)
        restored = run(THEIRS, ["snapshot", "restore", path, "--data-dir", path + ".dir"])
        equal(restored.status, 0, str(restored))
        equal(got.err, b"")
        with Terminal(["snapshot", "save", path], server.endpoint) as t:
            t.expect("kB of ")
            t.expect("Snapshot saved at")
            equal(t.end(), 0)
        os.symlink("/dev/full", path + "2.part")
        got = run(OURS, ["snapshot", "save", path + "2"], server.endpoint)
        equal((got.status, got.err), (
            5, f"Error: could not write snapshot: write {path}2.part: no space left on "
               "device\n".encode()))
        forwarded = run(OURS, ["snapshot", "status", path, "-w", "json"])
        equal(forwarded.err, b"Deprecated: Use `etcdutl snapshot status` instead.\n\n")
        equal(json.loads(forwarded.out)["revision"], 21)
        forwarded = run(OURS, ["snapshot", "restore", path, f"--data-dir={path}.ours"])
        equal(forwarded.status, 0, str(forwarded))
        equal(os.path.isdir(path + ".ours/member"), True)


def snapshot_that_does_not_come(binary):
    with harness.Server(binary) as server:
        path = os.path.join(server.base, "snap")
        with Terminal(["snapshot", "save", path], server.endpoint) as t:
            server.process.send_signal(signal.SIGSTOP)
            equal(run(OURS, ["snapshot", "save", path + "2", "--command-timeout=300ms"],
                      server.endpoint), Result(5, b"", b"Error: context deadline exceeded\n"))
            if not os.path.exists(path):  # else it was done before the server stopped
                t.interrupt()
                t.expect("Error: context canceled\r\n")
                equal(t.end(), 5)
            server.process.send_signal(signal.SIGCONT)
        equal([n for n in os.listdir(server.base) if n.endswith(".part")], [])


def keys_below(endpoint, prefix):
    lines = run(OURS, ["get", prefix, "--prefix"], endpoint).out.decode().split("\n")
    return dict(zip(lines[::2], lines[1::2]))


def mirrors(binary):
    with harness.Server(binary) as source, harness.Server() as dest:
        def put(key, value):
            equal(run(OURS, ["put", key, value], source.endpoint).out, b"OK\n")

        for i in range(150):
            put(f"m/{i:03}", f"{i}")
        for i in range(3):  # together more than a message holds
            equal(run(OURS, ["put", f"m/large{i}"], source.endpoint, b"x" * 700000).out, b"OK\n")
        put("other", "stays")
        args = ["make-mirror", "--prefix=m/", "--dest-prefix=copy/", "--max-txn-ops=7",
                dest.endpoint]
        with Terminal(args, source.endpoint) as t:
            wait_for(lambda: len(keys_below(dest.endpoint, "copy/")) == 153)
            put("m/000", "changed")
            ops = "".join(f"put m/t{i} x\n" for i in range(20))
            run(OURS, ["txn"], source.endpoint, f"\n{ops}\n\n".encode())
            run(OURS, ["del", "m/001"], source.endpoint)
            want = {k.replace("m/", "copy/"): v for k, v in
                    keys_below(source.endpoint, "m/").items()}
            wait_for(lambda: keys_below(dest.endpoint, "copy/") == want)
            t.interrupt()
            equal(t.end(), -2)
        equal(run(OURS, ["get", "other"], dest.endpoint).out, b"")
        rev = json.loads(run(OURS, ["get", "x", "-w", "json"], source.endpoint).out)
        rev = rev["header"]["revision"]
        put("m/later", "1")
        with Terminal(["make-mirror", "--prefix=m/", "--no-dest-prefix", f"--rev={rev + 1}",
                       dest.endpoint], source.endpoint):
            wait_for(lambda: "later" in keys_below(dest.endpoint, "later"))
        run(OURS, ["compaction", str(rev + 1)], source.endpoint)
        got = run(OURS, ["make-mirror", "--rev=3", dest.endpoint], source.endpoint)
        equal((got.status, got.err), (
            1, b"Error: etcdserver: mvcc: required revision has been compacted\n"))
        got = run(OURS, ["make-mirror"], source.endpoint)
        equal((got.status, got.err), (
            128, b"Error: make-mirror takes one destination argument\n"))
        got = run(OURS, ["make-mirror", "--no-dest-prefix", "--dest-prefix=a", dest.endpoint],
                  source.endpoint)
        equal((got.status, got.err), (
            128, b"Error: `--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, "
                 b"choose one\n"))


def checks(binary):
    with harness.Server(binary) as server:
        got = run(OURS, ["check", "datascale", "--auto-compact", "--auto-defrag"],
                  server.endpoint, timeout=200)
        equal(got.err, b"")
        lines = got.out.decode().split("\n")
        equal(lines[0], "Start data scale check for work load [10000 key-value pairs, 1024 bytes per "
                        "key-value, 50 concurrent clients].")
        equal([line.split(" ")[0] for line in lines[1:]],
              ["Compacting", "Compacted", "Defragmenting", "Defragmented", "PASS:", ""])
        equal(re.fullmatch(r"PASS: Approximate system memory used : -?\d+\.\d\d MB\.",
                           lines[5]) is not None, True, lines[5])
        with Terminal(["check", "perf"], server.endpoint) as t:
            t.expect("/ 60 [")
            t.expect("1 / 60 [")
            t.interrupt()
            t.expect("writes/s")
            t.end()
            equal(re.search(rb"(PASS: Slowest request took|Slowest request took too long:) "
                            rb"\d+\.\d{6}s\r\n", t.text) is not None, True, t.text)
        equal(run(OURS, ["get", "/etcdctl-check", "--prefix"], server.endpoint).out, b"")
        run(OURS, ["put", "/etcdctl-check-perf/x", "y"], server.endpoint)
        got = run(OURS, ["check", "perf"], server.endpoint)
        equal((got.status, got.err), (
            3, b'Error: prefix "/etcdctl-check-perf/" has keys. Delete with \'etcdctl del --prefix '
               b"/etcdctl-check-perf/' first\n"))


# ---- a cluster of three ----------------------------------------------------------------------------------

def make_certificates(folder):
    """An authority, and a certificate of it for 127.0.0.1."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca",
            "-days", "2")
    openssl("req", *curve, "-keyout", "own.key", "-out", "own.csr", "-subj", "/CN=own")
    with open(os.path.join(folder, "ext"), "w", encoding="ascii") as ext:
        ext.write("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "own.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "own.crt", "-days", "2", "-extfile", "ext")


class TlsServer(harness.Server):
    def command(self):
        command = super().command()
        return [a.replace("http://", "https://") if f"127.0.0.1:{self.client_port}" in a else a
                for a in command]


def secured(binary):
    if binary != harness.UPSTREAM:
        raise Skip("the server has no TLS yet")
    folder = tempfile.mkdtemp(prefix="etcdctl-tls-")
    try:
        make_certificates(folder)
        own, key, ca = (os.path.join(folder, n) for n in ("own.crt", "own.key", "ca.crt"))
        server = TlsServer(binary, ["--cert-file", own, "--key-file", key, "--trusted-ca-file", ca,
                                    "--client-cert-auth"])
        known = [f"--cacert={ca}", f"--cert={own}", f"--key={key}"]
        with server:
            for line in ("put a b", "get a", "member list", "lease list", "endpoint hashkv"):
                args = [*known, f"--endpoints=https://{server.endpoint}", *line.split()]
                theirs, ours = run(THEIRS, args), run(OURS, args)
                equal(ours.status, 0, str(ours))
                if line != "endpoint hashkv":
                    equal(ours, theirs, line)
            for args in (["endpoint", "health"], ["endpoint", "health", "--cluster"],
                         ["snapshot", "save", os.path.join(folder, "snap")],
                         ["lock", "l", "true"]):
                # without a scheme the certificates say that TLS is meant
                got = run(OURS, [*known, f"--endpoints={server.endpoint}", *args])
                equal(got.status, 0, str(got))
            for args in ([f"--cacert={ca}"], ["--insecure-skip-tls-verify"], []):
                args = [*args, f"--endpoints=https://{server.endpoint}", "--command-timeout=500ms",
                        "get", "a"]
                equal(run(OURS, args), ctl.boxed(run_quiet(THEIRS, args)), str(args))
            got = run(OURS, [*known, "--endpoints=https://" + server.endpoint, "check", "datascale"])
            equal(got.status, 0, str(got))
    finally:
        shutil.rmtree(folder)


def run_quiet(program, args):
    """Without what the library logs."""
    result = run(program, args)
    return Result(result.status, result.out, ctl.LOG_LINE.sub(b"", result.err))


def downgrades(binary):
    if binary == harness.UPSTREAM:
        raise Skip("3.4 cannot do that")
    with harness.Server(binary) as server:
        for args, want in (
                ("validate 3.6", Result(0, b"Downgrade validate success, cluster version 3.7\n", b"")),
                ("validate 3.5", Result(1, b"", b"Error: etcdserver: invalid downgrade target "
                                                b"version\n")),
                ("validate x", Result(1, b"", b"Error: etcdserver: wrong downgrade target version "
                                              b"format\n")),
                ("cancel", Result(1, b"", b"Error: etcdserver: no inflight downgrade job\n")),
                ("enable 3.6", Result(0, b"Downgrade enable success, cluster version 3.7\n", b""))):
            got = run(OURS, ["downgrade", *args.split()], server.endpoint)
            equal(str(got), str(want), args)
        got = run(OURS, ["downgrade", "cancel"], server.endpoint)  # perhaps it is at 3.6 by then
        equal(re.fullmatch(rb"Downgrade cancel success, cluster version 3\.[67]\n", got.out)
              is not None, True, str(got))


def three_members(binary):
    with cluster.Cluster(3, binary) as c:
        one, every = c[0].endpoint, c.endpoint
        urls = sorted("http://" + m.endpoint for m in c.members)
        got = run(OURS, ["endpoint", "health", "--cluster"], one)
        equal(got.status, 0, str(got))
        equal(sorted(line.split(" is ")[0] for line in got.out.decode().splitlines()), urls)
        got = run(OURS, ["endpoint", "status", "--cluster", "-w", "json"], one)
        listed = json.loads(got.out)
        equal(sorted(s["Endpoint"] for s in listed), urls)
        leader = listed[0]["Status"]["leader"]
        equal({s["Status"]["leader"] for s in listed}, {leader})
        got = run(OURS, ["endpoint", "hashkv", "--cluster"], one)
        equal(len({line.split(", ")[1] for line in got.out.decode().splitlines()}), 1, str(got))
        got = run(OURS, ["defrag", "--cluster"], one)
        equal(got.out.count(b"Finished defragmenting etcd member[http://"), 3, str(got))
        follower = next(m for m in c.members if m.id != leader)
        for program in (THEIRS, OURS):
            got = run(program, ["move-leader", "%x" % follower.id], follower.endpoint)
            equal((got.status, got.err), (
                128, f"Error: no leader endpoint given at [{follower.endpoint}]\n".encode()))
        got = run(OURS, ["move-leader", "%x" % follower.id], every)
        equal((got.status, got.out), (
            0, b"Leadership transferred from %x to %x\n" % (leader, follower.id)))
        wait_for(lambda: c.leader() is follower)
        c[2].kill()
        got = run(OURS, ["endpoint", "health", "--command-timeout=1s"], every)
        equal((got.status, got.out.count(b"is healthy")), (1, 2), str(got))
        equal(got.err, f"{c[2].endpoint} is unhealthy: failed to commit proposal: context deadline "
                       "exceeded\nError: unhealthy cluster\n".encode())
        got = run(OURS, ["endpoint", "status", "--command-timeout=1s"], every)
        equal((got.status, got.out.count(b"\n")), (1, 2), str(got))
        equal(got.err, f"Failed to get the status of endpoint {c[2].endpoint} (context deadline "
                       "exceeded)\n".encode())
        got = run(OURS, ["member", "remove", "%x" % c[2].id], one)
        equal(re.fullmatch(rb"Member +%x removed from cluster +[0-9a-f]+\n" % c[2].id, got.out)
              is not None, True, str(got))


TESTS = (keys, transactions, history, leases, members, members_come, maintenance, command_line,
         unreachable, users, authentication, locks, lock_waits_for_its_turn,
         lock_of_a_command_goes_with_it, lock_ends_with_its_session,
         election_is_won_and_seen, watches, watch_is_interrupted, txn_at_a_terminal,
         watch_at_a_terminal, passwords_are_asked, snapshots,
         snapshot_that_does_not_come, mirrors, checks, secured, downgrades, three_members)


def main():
    suite = harness.Suite(900)
    chosen = sys.argv[1:]
    servers = {"upstream": harness.UPSTREAM, "ours": harness.server_path()}
    for kind, binary in servers.items():
        for test in TESTS:
            name = f"{test.__name__}_on_{kind}"
            if chosen and test.__name__ not in chosen and name not in chosen:
                continue
            if not binary or not THEIRS:
                continue
            suite.run(test, binary, name=name)
    suite.finish()


if __name__ == "__main__":
    main()
