#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What our etcdctl has beyond upstream's: ls, tree, history, undelete, search, get --utf8, completion.

Each runs against the distribution's server, which knows nothing of them, and against ours.
"""
import base64
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ctl  # noqa: E402
from ctl import OURS, harness, run  # noqa: E402
from harness import equal  # noqa: E402

KEYS = ("/a", "/a/b/c", "/a/b/d", "/a/x", "/b", "c/d//e", "plain")


class Store:
    """A server with a few keys, and our program on it."""

    def __init__(self, binary, keys=()):
        self.server = harness.Server(binary).start()
        for key in keys:
            self.ok(["put", key, f"value of {key}"])

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.server.kill() if kind else self.server.close()

    def run(self, line, stdin=b""):
        args = line if isinstance(line, list) else line.split()
        return run(OURS, args, self.server.endpoint, stdin)

    def ok(self, line, stdin=b""):
        got = self.run(line, stdin)
        equal((got.status, got.err), (0, b""), str(got))
        return got.out.decode()

    def fails(self, line, status, text):
        got = self.run(line)
        equal((got.status, got.out, got.err), (status, b"", f"Error: {text}\n".encode()))

    def revision(self):
        return json.loads(self.ok("get -w json none"))["header"]["revision"]


def folders_are_listed(binary):
    with Store(binary, KEYS) as s:
        equal(s.ok("ls"), "/a\n/a/\n/b\nc/\nplain\n")
        equal(s.ok("ls /"), "/a\n/a/\n/b\n")
        equal(s.ok("ls /a/"), "/a/b/\n/a/x\n")
        equal(s.ok("ls /a/b"), "/a/b/\n")
        equal(s.ok("ls c/d/"), "c/d//\n")
        equal(s.ok("ls none"), "")
        equal(s.ok("ls --delimiter=a"), "/a\n/b\nc/d//e\npla\n")
        equal(s.ok("ls pl --hex"), "".join(f"\\x{c:02x}" for c in b"plain") + "\n")
        listed = json.loads(s.ok("ls /a/ -w json"))
        equal([base64.b64decode(kv["key"]) for kv in listed["kvs"]], [b"/a/b/", b"/a/x"])
        s.fails("ls a b", 128, "ls command accepts one argument, the beginning of the keys")
        s.fails(["ls", "--delimiter="], 128, "empty string is passed to --delimiter option")


def many_keys_take_pages(binary):
    with Store(binary) as s:
        # Every txn puts 120 keys below each of two folders.
        for page in range(20):
            puts = "".join(f"put {d}/{page:02}{i:02} x\n" for d in "ab" for i in range(60))
            s.ok("txn", stdin=f"\n{puts}\n\n".encode())
        equal(s.ok("ls"), "a/\nb/\n")
        equal(len(s.ok("ls b/").splitlines()), 1200)
        names = [f"{d}/{page:02}{i:02}" for d in "ab" for page in range(20) for i in range(60)]
        equal(s.ok("search 05").splitlines(), [n for n in names if "05" in n])
        equal(s.ok("tree").splitlines()[:2], ["a/", "  0000"])


def keys_are_a_tree(binary):
    with Store(binary, KEYS) as s:
        equal(s.ok("tree"), "/\n  a\n  a/\n    b/\n      c\n      d\n    x\n  b\n"
                            "c/\n  d/\n    /\n      e\nplain\n")
        equal(s.ok("tree /a/"), "b/\n  c\n  d\nx\n")
        equal(s.ok("tree none"), "")


def names_are_searched(binary):
    with Store(binary, KEYS) as s:
        equal(s.ok("search /b"), "/a/b/c\n/a/b/d\n/b\n")
        equal(s.ok("search b --prefix /a"), "/a/b/c\n/a/b/d\n")
        equal(s.ok("search nothing"), "")
        s.fails("search", 128, "search command needs one argument, the text to look for")


def revisions_are_told(binary):
    with Store(binary) as s:
        equal(s.ok("history h"), "")
        s.ok("put h", stdin=b"one\ntwo\n")
        s.ok("put h", stdin=b"one\n2\nthree\n")
        s.ok("put other x")
        s.ok("del h")
        equal(s.ok("history h"), "revision 2, version 1\none\ntwo\n\n"
                                 "revision 3, version 2\none\n2\nthree\n\nrevision 5: deleted\n")
        equal(s.ok("history h --diff"), "revision 2, version 1\n+one\n+two\n"
                                        "revision 3, version 2\n one\n-two\n+2\n+three\n"
                                        "revision 5: deleted\n-one\n-2\n-three\n")
        told = json.loads(s.ok("history h -w json"))
        equal([e["kv"]["mod_revision"] for e in told["Events"]], [2, 3, 5])
        s.ok("put h again")
        equal(s.ok("history h").splitlines()[-2:], ["revision 6, version 1", "again"])
        s.ok("compaction 3")
        equal(s.ok("history h"), "compacted at revision 3, older ones are gone\n"
                                 "revision 3, version 2\none\n2\nthree\n\nrevision 5: deleted\n"
                                 "revision 6, version 1\nagain\n")
        s.fails("history", 128, "history command needs one argument as key")
        s.fails("history h --diff -w json", 128, "--diff is only for `--write-out=simple`")


def what_was_deleted_comes_back(binary):
    with Store(binary) as s:
        s.ok("put u", stdin=b"\x00first\n")
        s.fails("undelete u", 1, "the key is not deleted")
        s.ok("del u")
        equal(s.ok("undelete u"), "OK\n")
        equal(s.ok("get u --print-value-only"), "\x00first\n\n")
        s.ok("del u")
        s.ok(f"compaction {s.revision()}")
        s.fails("undelete u", 1, "no revision of the key is kept")
        s.fails("undelete never", 1, "no revision of the key is kept")


def json_may_hold_text(binary):
    with Store(binary) as s:
        s.ok(["put", "k\u00fc<", "a\"b\nc"])
        equal(json.loads(s.ok("get k --prefix -w json --utf8"))["kvs"][0]["value"], 'a"b\nc')
        s.fails("get k --utf8", 128, "--utf8 is only for `--write-out=json`")


def additions_give_way(binary):
    """The short names that scripts use mean what they did: l is lease or lock, t txn, u user, h help."""
    with Store(binary) as s:
        equal(s.ok("txn", stdin=b"\n\n\n"), s.ok("t", stdin=b"\n\n\n"))
        equal(s.ok("u --help"), s.ok("user --help"))
        equal(s.ok("h get"), s.ok("help get"))
        equal(s.ok("hi none"), "")


def closed_files_are_no_sockets(binary):
    """With stdout closed the next file has its number: what is printed must not go into it."""
    with Store(binary) as s:
        s.ok("put k v")
        saved = os.path.join(s.server.base, "saved.db")
        for line, closed in (("get k", ">&-"), ("member list", ">&- 2>&- <&-"),
                             (f"snapshot save {saved}", ">&- 2>&- <&-")):
            done = subprocess.run(f"exec {OURS} {line} {closed}", shell=True, check=False,
                                  timeout=ctl.LIMIT_S, env=ctl.environment(s.server.endpoint))
            equal(done.returncode, 0, f"{line} {closed}")
        equal(os.path.getsize(saved) % 512, 32)


def full_disk_is_told(binary):
    with Store(binary) as s:
        s.ok("put k v")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([OURS, "get", "k"], stdout=full, stderr=subprocess.PIPE, check=False,
                                  timeout=ctl.LIMIT_S, env=ctl.environment(s.server.endpoint))
        equal((done.returncode, done.stderr),
              (6, b"Error: standard output: No space left on device\n"))


def settings_stand_in_a_file(binary):
    """ETCDCTL_CONF names it; the environment and flags win; what is wrong in it is told, and no more."""
    with Store(binary) as s, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "etcdctl.conf")

        def call(text, *words, **env):
            with open(path, "w") as file:
                file.write(text)
            got = run(OURS, [*words], None, env={"ETCDCTL_CONF": path, **env})
            return got.out.decode(), got.err.decode().replace(path, "FILE"), got.status

        lines = f"# here\r\nETCDCTL_ENDPOINTS='127.0.0.1:1'\nETCDCTL_ENDPOINTS=\\\n\"{s.server.endpoint}\"\n"
        equal(call(lines, "put", "k", "v"), ("OK\n", "", 0))
        lines += "ETCDCTL_WRITE_OUT=fields\n"
        equal(call(lines, "get", "k")[0].count('"Value" : "v"'), 1)
        equal(call(lines, "get", "k", "-w", "simple"), ("k\nv\n", "", 0))
        equal(call(lines, "get", "k", ETCDCTL_WRITE_OUT="simple"), ("k\nv\n", "", 0))
        equal(call(lines, "get", "k", ETCDCTL_WRITE_OUT=""), ("k\nv\n", "", 0))
        equal(call(lines, "get", "k", ETCDCTL_CONF="", ETCDCTL_ENDPOINTS=s.server.endpoint), ("k\nv\n", "", 0))
        lines = f"[x]\nETCDCTL_ENDPOINTS={s.server.endpoint}\nendpoints 1\nPATH=/none\nETCDCTL_X Y=1\n"
        equal(call(lines, "get", "k"), (
            "k\nv\n",
            "Warning: FILE:3: this line is no NAME=VALUE; left out\n"
            "Warning: FILE:4: PATH is no setting of etcdctl; left out\n"
            'Warning: FILE:5: what stands before "=" is not the name of a variable; left out\n', 0))
        at = {"ETCDCTL_ENDPOINTS": s.server.endpoint}
        equal(call("ETCDCTL_HEX=true\n\xff\0", "get", "k", **at),
              ("k\nv\n", "Warning: FILE: line 2: the file is not UTF-8 text; none of it is used\n", 0))
        equal(call("", "get", "k", **at, ETCDCTL_CONF=path + ".none"),
              ("k\nv\n", "Warning: open FILE.none: no such file or directory\n", 0))
        equal(call("", "get", "k", **at, ETCDCTL_CONF=folder)[::2], ("k\nv\n", 0))


def a_file_may_ask_for_v2(_):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "etcdctl.conf")
        with open(path, "w") as file:
            file.write("ETCDCTL_API=2\nETCDCTL_ENDPOINTS=http://127.0.0.1:1\n")
        env = ctl.environment(None, {"ETCDCTL_CONF": path})
        del env["ETCDCTL_API"]
        done = subprocess.run([OURS, "--debug", "ls"], capture_output=True, env=env, check=False,
                              timeout=ctl.LIMIT_S)
        equal((done.returncode, done.stderr.splitlines()[0]),
              (2, b"start to sync cluster using endpoints(http://127.0.0.1:1)"), str(done))


COMPLETE = r"""
source <("$1" completion bash) || exit
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
__etcdctl_complete
printf '%s\n' "${COMPREPLY[@]}"
"""


def bash_completes(_):
    def offers(*words):
        done = subprocess.run(["bash", "-c", COMPLETE, "bash", OURS, OURS, *words], check=True,
                              capture_output=True, env=ctl.environment(None))
        return done.stdout.decode().split()
    equal(offers("memb"), ["member"])
    equal(offers("lease", ""), ["grant", "revoke", "timetolive", "list", "keep-alive"])
    equal(offers("get", "--order", ""), ["ASCEND", "DESCEND"])
    equal(offers("get", "--order", "=", "D"), ["DESCEND"])
    equal(offers("--endpoints", "=", "127.0.0.1", ":", "2379", "vers"), ["version"])
    equal(offers("-w", "j"), ["json"])
    equal(offers("completion", "z"), ["zsh"])
    equal(offers("get", "--write"), ["--write-out"])


TESTS = (folders_are_listed, many_keys_take_pages, keys_are_a_tree, names_are_searched,
         revisions_are_told, what_was_deleted_comes_back, json_may_hold_text, additions_give_way,
         closed_files_are_no_sockets, full_disk_is_told, settings_stand_in_a_file,
         a_file_may_ask_for_v2, bash_completes)


def main():
    suite = harness.Suite(800)
    servers = {"upstream": harness.UPSTREAM, "ours": harness.server_path()}
    for kind, binary in servers.items():
        for test in TESTS:
            name = f"{test.__name__}_on_{kind}"
            if binary and (not sys.argv[1:] or test.__name__ in sys.argv[1:]):
                suite.run(test, binary, name=name)
    suite.finish()


if __name__ == "__main__":
    main()
