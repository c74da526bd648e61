# SPDX-License-Identifier: Apache-2.0
"""A Debian 12 with systemd in a folder, booted by systemd-nspawn without a network, and the packages that go into it.

The base is made once by debootstrap, with the packages that the tests need in apt's cache, and kept in
$TEST_CACHE (/var/cache/etcd-tests, about 350 MB); each machine is a copy. Packages are made of build/release, or of
the build that $BUILT names, without compiling anything anew.
"""
import glob
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import harness  # noqa: E402

CACHE = pathlib.Path(os.environ.get("TEST_CACHE", "/var/cache/etcd-tests"))
MIRROR = "http://deb.debian.org/debian"
INCLUDED = "systemd,systemd-sysv,dbus,curl,iproute2,procps"
OTHERS = ["etcd-server", "etcd-client", "logrotate"]  # Debian's own, for the upgrade
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TERM": "dumb",
               "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_PAGER": ""}
MESSAGES = dict(re.findall(r'X\((MSG_\w+), "([0-9a-f]{32})"\)',
                           (harness.ROOT / "src/base/messages.h").read_text()))


def check_call(command, limit_s, log, **kwargs):
    with open(log, "ab") as out:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                timeout=limit_s, **kwargs).returncode
    if status != 0:
        tail = pathlib.Path(log).read_text(errors="replace")[-1500:]
        raise RuntimeError(f"{command[0]} ended with {status}: {tail}")


def source_copy(target):
    """The files of the tree that git knows of, or all but the builds where there is no git."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=harness.ROOT, capture_output=True)
    if listed.returncode == 0:
        for name in listed.stdout.decode().split("\0"):
            source, copy = harness.ROOT / name, target / name
            if name and source.is_file():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, copy)
    else:
        shutil.copytree(harness.ROOT, target, symlinks=True, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("build*", "autom4te.cache"))


def build_debs(folder):
    """Make the packages in `folder` and return their paths by name."""
    source = folder / "source"
    source_copy(source)
    env = {**os.environ, "BUILT": os.environ.get("BUILT", str(harness.ROOT / "build/release")),
           "DEB_BUILD_OPTIONS": "nocheck noautodbgsym parallel=1"}
    check_call(["dpkg-buildpackage", "-us", "-uc", "-b", "-d", "-nc"], 600, folder / "debs.log",
               cwd=source, env=env)
    return {os.path.basename(p).split("_")[0]: p for p in glob.glob(f"{folder}/*.deb")}


def make_base(debs, log):
    """Return the base; make it, or fetch what the packages need by now, where that is missing."""
    base = CACHE / "bookworm"
    if not base.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        new = CACHE / f"bookworm.{os.getpid()}"
        check_call(["debootstrap", "--variant=minbase", f"--include={INCLUDED}", "bookworm",
                    str(new), MIRROR], 600, log)
        new.rename(base)
    needs = "".join(subprocess.run(["dpkg-deb", "-f", path, "Depends"], capture_output=True,
                                   text=True, check=True).stdout for path in sorted(debs.values()))
    stamp = CACHE / "bookworm.needs"
    if not stamp.exists() or stamp.read_text() != needs:
        inside = base / "debs"
        inside.mkdir(exist_ok=True)
        for path in debs.values():
            shutil.copy(path, inside)
        fetch = f"""set -e; apt-get update -q; apt-get install -qyd --no-install-recommends {' '.join(OTHERS)}
            apt-get install -qyd --no-install-recommends /debs/*.deb"""
        check_call(["chroot", str(base), "env", "-i", *[f"{k}={v}" for k, v in ENVIRONMENT.items()],
                    "sh", "-c", fetch], 600, log)
        shutil.rmtree(inside)
        stamp.write_text(needs)
    return base


def why_not():
    """Return why no machine can be booted here, or None."""
    if os.getuid() != 0:
        return "booting a Debian needs root"
    for program in ("debootstrap", "systemd-nspawn", "nsenter", "dpkg-buildpackage", "dh"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if subprocess.run(["unshare", "-m", "-p", "-f", "mount", "-t", "tmpfs", "none", "/mnt"],
                      capture_output=True).returncode != 0:
        return "mounts in a name space are not permitted"
    return None


class Machine:
    def __init__(self, base, folder, binds=(), name="root"):
        self.root = folder / name
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(self.root)], check=True)
        (self.root / "etc/machine-id").write_text("")
        self.log = open(folder / f"{name}.log", "wb")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "systemd-nspawn", "-q", "-D", str(self.root), f"--machine=etcd-{name}-{os.getpid()}",
             "--register=no", "--keep-unit", "--private-network", "-b",
             *[f"--bind-ro={a}:{b}" for a, b in binds]],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.pid = self._wait_for(self._leader, 60, "the first process of the machine")
            self._wait_for(lambda: self.run("systemctl is-system-running", check=False).strip() in
                           ("running", "degraded"), 240, "the machine to boot")
        except BaseException:
            self.process.kill()
            self.process.wait(60)
            raise
        self.run("ip link set lo up")

    def _leader(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        children = open(path).read().split()
        if self.process.poll() is not None or not children:
            return None
        name = pathlib.Path(f"/proc/{children[0]}/comm").read_text().strip()
        return int(children[0]) if name == "systemd" else None

    @staticmethod
    def _wait_for(condition, limit_s, what):
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.1)
        raise TimeoutError(f"waited {limit_s} s for {what}")

    def run(self, command, check=True, limit_s=180):
        """Run a line of shell in the machine; return what it prints."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-a", "env", "-i",
             *[f"{k}={v}" for k, v in ENVIRONMENT.items()], "sh", "-c", command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=limit_s)
        if check and done.returncode != 0:
            raise RuntimeError(f"{command!r} ended with {done.returncode}: {done.stdout[-1500:]}")
        return done.stdout

    def fails(self, command):
        """The line must fail; return what it prints."""
        text = self.run(f"{{ {command}; }} && echo it-did-not-fail", check=False)
        if "it-did-not-fail" in text:
            raise RuntimeError(f"{command!r} did not fail: {text[-500:]}")
        return text

    def wait(self, command, limit_s=90):
        """Run it until it succeeds; return what it prints."""
        def once():
            text = self.run(f"{{ {command}; }} && echo it-succeeded", check=False)
            return text.removesuffix("it-succeeded\n") or " " if "it-succeeded" in text else None
        return self._wait_for(once, limit_s, command)

    def show(self, unit, name):
        return self.run(f"systemctl show -P {name} '{unit}'").strip()

    def said(self, unit, message, since="", limit_s=60):
        """Wait for a message of this id in the journal; return its text with the catalog's."""
        return self.wait(f"journalctl -q -x -u '{unit}' {since} MESSAGE_ID={MESSAGES[message]} | grep .",
                         limit_s)

    def write(self, path, text):
        """Write a file of the machine, as root of it."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def drop_in(self, unit, text):
        self.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        self.run("systemctl daemon-reload")

    def stop(self):
        subprocess.run(["nsenter", "-t", str(self.pid), "-a", "systemctl", "poweroff", "--force", "--force"],
                       capture_output=True, timeout=30)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(60)
        self.log.close()


def scratch():
    return pathlib.Path(tempfile.mkdtemp(prefix="etcd-system-"))
