#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""etcdctl for v3: every command, against the distribution's etcdctl 3.4.23 and its server, and ours.

Each line of a script is run by both programs, each on its own of two servers that are alike, and stdout,
stderr and exit status must be equal to the byte. Where 3.7 differs from 3.4 the line says what ours must
say, with the row of the feature list or the reason beside it. Commands of 3.7 alone are compared with
golden texts.
"""
import re
import time

import ctl
from ctl import FORMATS, Result, Twins, harness, need_auth


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


def same_second(binary, line, want):
    """The id of a new member is made of its URLs and the second in which it is added: both programs
    must have added theirs in one."""
    for _ in range(50):
        with Twins(binary) as t:
            second = int(time.time())
            t.same(line, want=want)
            if int(time.time()) == second:
                return
            t.wrong.clear()
    raise AssertionError(f"{line} takes longer than a second")


def members_come(binary):
    """What is printed when members come; each server loses its quorum, so one is enough."""
    same_second(binary, "member add new --peer-urls=http://127.0.0.1:1 --learner",
                sub(rb"added to", b"added as learner to"))
    for name in ("simple", "json", "fields", "protobuf"):
        same_second(binary, "member add new --peer-urls=http://127.0.0.1:1,http://127.0.0.1:2 "
                    f"-w {name}", without_revision_zero)


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
            t.same(f"--endpoints={dead} --command-timeout=300ms --dial-timeout=100ms {line}")
        t.same("--endpoints=%s,{ep} get x" % dead)
        t.same("--endpoints=%s,{ep} put x y" % dead)
        t.same("--endpoints=%s,{ep} endpoint health --command-timeout=4s" % dead,
               want=lambda r: Result(1, b"EP is healthy: successfully committed proposal: took = TIME\n",
                                     b"127.0.0.1:1 is unhealthy: failed to commit proposal: "
                                     b"context deadline exceeded\nError: unhealthy cluster\n"))


# ---- users and roles ---------------------------------------------------------------------------------

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


# ---- locks and elections ------------------------------------------------------------------------------

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


TESTS = (keys, transactions, history, leases, members, members_come, maintenance, command_line,
         unreachable, users, authentication, locks)


def main():
    ctl.run_tests(TESTS)


if __name__ == "__main__":
    main()
