#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The RPMs: built from the tree, without compiling anything anew, looked into, and installed into an empty root."""
import os
import pathlib
import shutil
import stat
import subprocess

import machine as m
from machine import harness

BUILT = os.environ.get("BUILT", str(harness.ROOT / "build/release"))
FILES = """/etc/etcd /etc/etcd/etcd.conf /etc/etcd/etcdctl.conf /etc/logrotate.d/etcd /etc/sysconfig/etcd
/usr/bin/etcd /usr/bin/etcd-benchmark /usr/bin/etcdctl /usr/bin/etcdutl
/usr/lib/systemd/catalog/etcd.catalog /usr/lib/sysusers.d/etcd.conf /usr/lib/tmpfiles.d/etcd.conf
/usr/libexec/etcd/etcd-service /var/lib/etcd
/usr/share/man/man1/etcd.1 /usr/share/man/man1/etcdctl.1 /usr/share/man/man1/etcdutl.1
/usr/share/man/man5/etcd.conf.5 /usr/share/man/man7/etcd.systemd.7
/usr/share/bash-completion/completions/etcdctl /usr/share/zsh/site-functions/_etcdctl
/usr/share/fish/vendor_completions.d/etcdctl.fish""".split() + [
    f"/usr/lib/systemd/system/{unit}" for unit in
    """etcd.service etcd@.service etcd.target etcd.socket etcd@.socket etcd-peer.socket etcd-peer@.socket
    etcd-ready.service etcd-backup.service etcd-backup@.service etcd-backup.timer etcd-backup@.timer""".split()]


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120,
                          stdin=subprocess.DEVNULL).stdout


def build(folder):
    source = folder / "source"
    m.source_copy(source)
    top = folder / "top"
    m.check_call(["rpmbuild", "-ba", "--nodeps", "--define", f"_topdir {top}", "--define",
                  f"built {BUILT}", "--define", "_sharedstatedir /var/lib", "--define",
                  "_localstatedir /var", "rpm/etcd.spec"], 300, folder / "rpm.log", cwd=source)
    return sorted(top.rglob("*.rpm"))


def one(packages, name):
    return str(next(p for p in packages if p.name.startswith(name)))


def three_packages(packages):
    names = sorted(output("rpm", "-qp", "--qf", "%{NAME}", str(p)) for p in packages)
    assert names == ["etcd", "etcd", "etcd-devel"], names  # the first two: source and binary


def files(packages):
    """All that is promised is there, the configuration marked as such, the data closed to others."""
    package = one(packages, "etcd-3")
    there = set(output("rpm", "-qpl", package).split())
    missing = [f for f in FILES if f not in there and f + ".gz" not in there]
    assert not missing, missing
    kept = output("rpm", "-qpc", package).split()
    assert sorted(kept) == ["/etc/etcd/etcd.conf", "/etc/etcd/etcdctl.conf", "/etc/logrotate.d/etcd",
                            "/etc/sysconfig/etcd"], kept
    owned = output("rpm", "-qp", "--qf", "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}\n]", package)
    assert "/var/lib/etcd drwx------ etcd\n" in owned, owned
    assert "/usr/include/etcdclient/etcdclient.h" in output("rpm", "-qpl", one(packages, "etcd-devel"))


def scriptlets(packages):
    """They make the user before the files, are valid shell, and never fail an installation."""
    text = output("rpm", "-qp", "--scripts", one(packages, "etcd-3"))
    assert "preinstall" in text and "useradd -r" in text, text
    for tag in ("PREIN", "POSTIN", "PREUN", "POSTUN"):
        body = output("rpm", "-qp", "--qf", f"%{{{tag}}}", one(packages, "etcd-3"))
        if body != "(none)":
            subprocess.run(["sh", "-n"], input=body, text=True, check=True, timeout=30)


def run_scriptlet(packages, tag, argument, prepare):
    """Run it where /run, /etc/etcd and /var/lib are its own; return what it prints, and its status."""
    body = output("rpm", "-qp", "--qf", f"%{{{tag}}}", one(packages, "etcd-3"))
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /run && mount -t tmpfs none /var/lib && "
         "mkdir -p /var/lib/etcd /run/systemd/system /run/bin && " + prepare + ' && sh -c "$0" scriptlet "$1"; s=$?; '
         "cat /run/log 2>/dev/null; exit $s",
         body, argument], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        env={"PATH": "/run/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})
    return done.stdout + done.stderr, done.returncode


def downgrade(packages):
    """Where the data are of a newer version, an upgrade is refused before anything is changed; nothing else is."""
    why = m.why_not()
    if why:
        raise harness.Skip(why)
    user = "printf '#!/bin/sh\\n' >/run/bin/getent && chmod +x /run/bin/getent"
    for schema, argument, status in (("001", "2", 0), ("143", "2", 1), ("143", "1", 0)):  # octal: 143 is 99
        text, got = run_scriptlet(packages, "PREIN", argument, user + " && mkdir -p /var/lib/etcd/a/member && "
                                  "{ head -c 63 /dev/zero; printf '\\" + schema + "'; } >/var/lib/etcd/a/member/kv.db")
        assert got == status, (schema, argument, got, text)
        assert ("it has schema 99" in text) == (status == 1), text


def members_of_templates(packages):
    """An upgrade restarts them, a removal stops them."""
    why = m.why_not()
    if why:
        raise harness.Skip(why)
    fake = ("for p in systemctl ldconfig; do printf '#!/bin/sh\\necho $0 \"$@\" >>/run/log' >/run/bin/$p; done; "
            "chmod +x /run/bin/* && mount --bind /run/bin/ldconfig /sbin/ldconfig")
    for tag, argument, wanted in (("PREUN", "0", "systemctl stop "), ("PREUN", "1", None),
                                  ("POSTUN", "1", "systemctl try-restart etcd@*.service"), ("POSTUN", "0", None)):
        text, status = run_scriptlet(packages, tag, argument, fake)
        assert status == 0, (tag, argument, text)
        assert ("etcd@*.service" in text) == (wanted is not None) and (wanted or "") in text, (tag, argument, text)


def empty_root(packages, folder):
    root = folder / "root"
    root.mkdir()
    m.check_call(["rpm", "--root", str(root), "-i", "--nodeps", "--noscripts", one(packages, "etcd-3"),
                  one(packages, "etcd-devel")], 60, folder / "install.log")
    assert stat.S_IMODE(os.stat(root / "var/lib/etcd").st_mode) == 0o700
    assert "ExecStart=/usr/bin/etcd $DAEMON_ARGS" in (
        root / "usr/lib/systemd/system/etcd.service").read_text()
    library = next(root.rglob("libetcdclient.so.0")).parent
    environment = {"LD_LIBRARY_PATH": str(library), "PATH": "/usr/bin:/bin"}
    version = subprocess.run([str(root / "usr/bin/etcd"), "--version"], capture_output=True, text=True,
                             env=environment, timeout=30, check=True).stdout
    assert "etcd Version: 3.7" in version, version
    assert not list(root.rglob("*@bindir@*"))


def lint(packages):
    if shutil.which("rpmlint") is None:
        raise harness.Skip("rpmlint is not installed")
    done = subprocess.run(["rpmlint", "--ignore-unused-rpmlintrc", "-r",
                           str(harness.ROOT / "rpm/etcd.rpmlintrc"), *map(str, packages)],
                          capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    found = [line for line in done.stdout.splitlines() if ": E: " in line or ": W: " in line]
    assert not found, "\n".join(found)


def main():
    missing = [p for p in ("rpmbuild", "rpm") if shutil.which(p) is None]
    if missing:
        print(f"skip system/rpm: {missing[0]} is not installed\n0 passed, 0 failed, 1 skipped")
        return
    suite = harness.Suite(800)
    folder = m.scratch()
    try:
        packages = build(folder)
        suite.run(three_packages, packages)
        suite.run(files, packages)
        suite.run(scriptlets, packages)
        suite.run(downgrade, packages)
        suite.run(members_of_templates, packages)
        suite.run(empty_root, packages, folder)
        suite.run(lint, packages)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    suite.finish()


main()
