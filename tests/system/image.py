#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The image without a container engine: its layout in a folder, etcd as process 1 of name spaces of its own."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import machine as m
from machine import harness

BUILT = pathlib.Path(os.environ.get("BUILT", harness.ROOT / "build/release"))
CONTAINERFILE = (harness.ROOT / "packaging/Containerfile").read_text()


def make_image(folder):
    """What the last stage of the Containerfile has, as far as etcd needs it: no shell is there."""
    root = folder / "image"
    for part in ("proc", "dev", "tmp", "etc", "var/etcd", "var/lib/etcd", "usr/local/bin"):
        (root / part).mkdir(parents=True)
    for program in ("etcd", "etcdctl"):
        shutil.copy2(BUILT / program, root / "usr/local/bin")
        listed = subprocess.run(["ldd", str(BUILT / program)], capture_output=True, text=True,
                                check=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            target = root / library.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(library, target)
    return root


class Container:
    def __init__(self, root, *command):
        workdir = re.search(r"^WORKDIR (\S+)", CONTAINERFILE, re.MULTILINE).group(1)
        self.log = root.parent / "container.log"
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                [shutil.which("unshare"), "-m", "-n", "-p", "-i", "-u", "--fork", "--kill-child",
                 f"--root={root}", f"--wd={workdir}", *command], stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, env={"PATH": "/usr/local/bin"})

    def first_process(self):
        children = open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split()
        return int(children[0]) if children else None

    def enter(self, *command):
        # Status files of /proc tell the pid; the loopback device of a new network is down at first.
        return subprocess.run(["nsenter", "-t", str(self.first_process()), "-n", *command],
                              capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)

    def wait_ready(self):
        def is_ready():
            if self.process.poll() is not None:
                raise AssertionError(self.log.read_text(errors="replace")[-1500:])
            return self.first_process() and harness.READY_TEXT in self.log.read_text(errors="replace")
        m.Machine._wait_for(is_ready, 60, "etcd to be ready")
        self.enter("ip", "link", "set", "lo", "up")

    def end(self, sig):
        os.kill(self.first_process(), sig)
        return self.process.wait(60)


def run_in(root, test):
    box = Container(root, *re.search(r"^CMD \[(.*)\]", CONTAINERFILE, re.MULTILINE).group(1)
                    .replace('"', "").split(", "))
    try:
        box.wait_ready()
        test(box)
    finally:
        box.process.kill()
        box.process.wait(60)


def ends_in_order(root):
    """SIGTERM and SIGINT end process 1, which has no default action for them, with 0; what was put is kept."""
    def first(box):
        done = box.enter(str(BUILT / "etcdctl"), "put", "a", "b")
        assert done.stdout == "OK\n", done
        pid = pathlib.Path(f"/proc/{box.first_process()}/status").read_text()
        assert re.search(r"^NSpid:\t\d+\t1$", pid, re.MULTILINE), pid
        status = box.end(signal.SIGTERM)
        assert status == 0, f"status {status}"

    def second(box):
        done = box.enter(str(BUILT / "etcdctl"), "get", "a", "--print-value-only")
        assert done.stdout == "b\n", done
        status = box.end(signal.SIGINT)
        assert status == 0, f"status {status}"
    run_in(root, first)
    assert (root / "var/etcd/default.etcd/member").is_dir(), "the data are not in the working directory"
    run_in(root, second)


def logs_json(root):
    """Without a terminal the log is JSON, a record a line."""
    def check(box):
        lines = box.log.read_text().splitlines()
        assert lines and all(line.startswith("{") for line in lines), lines[:3]
    run_in(root, check)


def layout():
    for line in ("EXPOSE 2379 2380", 'CMD ["/usr/local/bin/etcd"]', "WORKDIR /var/etcd"):
        assert line in CONTAINERFILE, line
    assert "ENTRYPOINT" not in CONTAINERFILE, "images since 3.0 have none"


def main():
    why = m.why_not()
    if why:
        print(f"skip system/image: {why}\n0 passed, 0 failed, 1 skipped")
        return
    suite = harness.Suite(600)
    folder = m.scratch()
    try:
        root = make_image(folder)
        suite.run(layout)
        suite.run(ends_in_order, root)
        suite.run(logs_json, root)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    suite.finish()


main()
