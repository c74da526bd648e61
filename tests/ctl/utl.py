# SPDX-License-Identifier: Apache-2.0
"""What the suites of etcdutl share: running it, and servers with something in them.

What a command made is started, by our server or by the distribution's, and compared by HashKV.
$ETCD is our server, $ETCDUTL the program under test, by default the one beside it.
"""
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cluster"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import harness  # noqa: E402
from cluster import ETCDCTL, Member  # noqa: E402
from harness import UPSTREAM, equal, wait_for  # noqa: E402
from proto import pb  # noqa: E402

SERVER = harness.server_path()
UTL = os.environ.get("ETCDUTL") or str(pathlib.Path(SERVER).parent / "etcdutl")
LIMIT_S = 240


# ---- commands ------------------------------------------------------------------------------------

def run(*args, status=0, **more):
    """Run etcdutl; return (stdout, stderr). `status` None: any but 0."""
    done = subprocess.run([UTL, *map(str, args)], capture_output=True, text=True, timeout=LIMIT_S,
                          stdin=subprocess.DEVNULL, **more)
    told = (f"etcdutl {' '.join(map(str, args))} ended with {done.returncode}: "
            f"{done.stdout[:500]} {done.stderr[:2000]}")
    if harness.SANITIZER_TEXT.search(done.stderr) or done.returncode < 0:
        raise AssertionError(told)
    if (done.returncode != status) if status is not None else done.returncode == 0:
        raise AssertionError(told)
    return done.stdout, done.stderr


def refused(*args, word="", **more):
    """The command fails with one sentence, that has the word in it."""
    out, err = run(*args, status=None, **more)
    if not err.startswith("Error: ") or word not in err:
        raise AssertionError(f"{args}: said {err!r}, and not {word!r}")
    return err


def etcdctl(*args, endpoint=None):
    env = dict(os.environ, ETCDCTL_API="3")
    command = [ETCDCTL] + (["--endpoints", endpoint] if endpoint else []) + list(map(str, args))
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=env,
                          check=True).stdout


class Place:
    """A folder that is gone afterwards."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="etcd-utl-"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def lone(binary, args=(), data_dir=None, like=None):
    """A cluster of one; with `like`, at the ports of that one."""
    member = Member("m1", binary, args)
    if like:
        member.client_port, member.peer_port = like.client_port, like.peer_port
        for flag in ("listen-client-urls", "advertise-client-urls"):
            member.flags[flag] = member.url
        for flag in ("listen-peer-urls", "initial-advertise-peer-urls"):
            member.flags[flag] = member.peer_url
    member.flags["initial-cluster"] = f"m1={member.peer_url}"
    if data_dir:
        member.data_dir = str(data_dir)
        member.flags["data-dir"] = member.data_dir
    return member


def restore_flags(member):
    return [f"--{name}={member.flags[name]}" for name in
            ("name", "initial-cluster", "initial-cluster-token", "initial-advertise-peer-urls",
             "data-dir")]


def peer_hash(member):
    """HashKV as the peers ask for it: auth does not matter there."""
    def told():
        status, body = member.http("/members/hashkv", body='{"revision":0}', peer=True)
        return status == 200 and json.loads(body)
    reply = wait_for(told, 30, text="the hash")
    return reply["header"]["revision"], reply["compact_revision"], reply["hash"]


def load(member, n=300, seed=1, leases=True, compact=True):
    """Puts, deletes, transactions, leases, a compaction."""
    chance, client = random.Random(seed), member.client
    lease = member.must("grant", pb().LeaseGrantRequest(TTL=3000, ID=7777)).ID if leases else 0
    for i in range(n):
        key = b"key-%d" % chance.randrange(n // 3 + 1)
        kind = chance.randrange(10)
        if kind < 6:
            client.put(key, os.urandom(chance.choice((0, 3, 100, 5000))),
                       lease=lease if chance.randrange(4) == 0 else 0)
        elif kind < 8:
            client.must("delete", pb().DeleteRangeRequest(key=key))
        else:
            ops = [pb().RequestOp(request_put=pb().PutRequest(key=key + b"/%d" % k, value=b"v"))
                   for k in range(3)]
            client.must("txn", pb().TxnRequest(success=ops))
    revision = client.get(b"key").header.revision
    if compact:
        client.must("compact", pb().CompactionRequest(revision=revision // 2, physical=True))
    return revision


def same_data(a, b):
    equal(peer_hash(a), peer_hash(b), "the hashes")


def file_sums(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(pathlib.Path(folder).rglob("*")) if p.is_file()}


def snapshot_of(member, path):
    etcdctl("snapshot", "save", path, endpoint=member.endpoint)
    return path


def run_suite(name, tests):
    """Run those that the command line names, or all."""
    suite = harness.Suite(880)
    if not UPSTREAM or not ETCDCTL:
        print(f"skip {name}: no etcd 3.4 and etcdctl of the distribution", flush=True)
        suite.skipped += 1
    else:
        for test in tests:
            if len(sys.argv) < 2 or any(word in test.__name__ for word in sys.argv[1:]):
                suite.run(test)
    suite.finish()
