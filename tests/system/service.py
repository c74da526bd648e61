#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The packages in a booted Debian, as an administrator uses them. The tests are one story and run in order."""
import json
import re
import shutil
import subprocess
import sys
import threading

import machine as m
from machine import harness

GET = "etcdctl get /kept --print-value-only"
CONF = "/etc/etcd/etcd.conf"
OURS = "/debs/etcd_*.deb /debs/etcd-server_*.deb /debs/etcd-client_*.deb"
INSTALL = "apt-get install -qy --no-install-recommends"
UPSTREAM_3_4 = "3.4"


def equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r}, not {wanted!r}")


def has(text, *parts):
    for part in parts:
        if part not in text:
            raise AssertionError(f"{part!r} is not in {text[-1500:]!r}")


def set_conf(box, path=CONF, **settings):
    for name, value in settings.items():
        line = f'ETCD_{name}="{value}"'
        box.run(f"sed -i '/^ETCD_{name}=/d' {path}; echo '{line}' >>{path}")


def units_are_sound(box):
    """systemd has nothing to say about the units, and finds little that the daemon could do."""
    units = box.run("ls /lib/systemd/system/etcd*").split()
    equal(box.run(f"systemd-analyze verify --man=no {' '.join(units)}"), "", "systemd-analyze verify")
    for unit in ("etcd.service", "etcd@a.service", "etcd-ready.service", "etcd-backup.service"):
        score = re.search(r"exposure level for \S+: ([\d.]+)",
                          box.run(f"systemd-analyze security --no-pager {unit}"))
        if float(score.group(1)) > 1.2:
            raise AssertionError(f"{unit} scores {score.group(1)}")


def install(box):
    """apt install, and a member runs on loopback."""
    has(box.run(f"{INSTALL} {OURS}", limit_s=480), "Setting up etcd ")
    equal(box.show("etcd", "ActiveState"), "active", "the service")
    equal(box.run("systemctl is-enabled etcd etcd.socket etcd-peer.socket etcd-backup.timer || true")
          .split(), ["enabled", "disabled", "disabled", "disabled"], "what is enabled")
    equal(box.run("etcdctl put /kept one"), "OK\n", "put")
    has(box.wait("systemctl status etcd | grep '1/1 voters'"), "leader")
    equal(box.run("stat -c '%a %U:%G' /var/lib/etcd /etc/etcd/etcd.conf").split("\n")[:2],
          ["700 etcd:etcd", "644 root:root"], "modes and owners")
    listening = box.run("ss -Hlnt | awk '{print $4}'").split()
    equal(sorted(listening), ["127.0.0.1:2379", "127.0.0.1:2380"], "where it listens")


def journal(box):
    """Sentences with fields and explanations."""
    has(box.said("etcd", "MSG_READY"), "answers all requests of clients")
    fields = box.run(f"journalctl -u etcd -o verbose MESSAGE_ID={m.MESSAGES['MSG_READY']}")
    has(fields, "PRIORITY=6", "ETCD_MEMBER_ID=", "SYSLOG_IDENTIFIER=etcd", "CODE_FILE=")
    if "{" in box.run("journalctl -u etcd -o cat"):
        raise AssertionError("there is JSON in the journal")


def start_stop(box):
    box.run("systemctl stop etcd")
    equal(box.show("etcd", "Result"), "success", "a stop")
    box.fails("etcdctl --command-timeout=1s get x")
    box.run("systemctl disable etcd && systemctl start etcd && systemctl restart etcd")
    equal(box.run("systemctl is-enabled etcd || true"), "disabled\n", "disabled")
    box.run("systemctl enable etcd")
    equal(box.run("readlink -f /etc/systemd/system/etcd2.service"),
          "/lib/systemd/system/etcd.service\n".replace("/lib", box.run("readlink -f /lib").strip()),
          "the alias")
    equal(box.run(GET), "one\n", "what was kept")


def reload(box):
    """What can change at once does; a mistake fails the reload and changes nothing."""
    pid = box.show("etcd", "MainPID")
    set_conf(box, QUOTA_BACKEND_BYTES="268435456")
    box.run("systemctl reload etcd")
    box.said("etcd", "MSG_RELOADED")
    box.wait("journalctl -u etcd | grep 268435456")
    box.wait("systemctl status etcd | grep '/256 MiB'")
    set_conf(box, MAX_TXN_OPS="many")
    box.fails("systemctl reload etcd")
    has(box.said("etcd", "MSG_CONFIG_ERROR"), "MAX_TXN_OPS", "etcd.conf")
    equal((box.show("etcd", "ActiveState"), box.show("etcd", "MainPID")), ("active", pid), "after it")
    equal(box.run(GET), "one\n", "what is served")


def configuration_error(box):
    """A restart with a mistake says where it is, and is not tried again."""
    box.fails("systemctl restart etcd")
    box.wait("systemctl is-failed etcd")
    equal((box.show("etcd", "ExecMainStatus"), box.show("etcd", "NRestarts")), ("78", "0"), "the end")
    box.run(f"sed -i '/MAX_TXN_OPS/d' {CONF} && systemctl start etcd")


def killed(box):
    pid = box.show("etcd", "MainPID")
    box.run("systemctl kill -s KILL etcd")
    box.wait(f"[ $(systemctl show -P MainPID etcd) != {pid} ] && systemctl is-active etcd")
    equal(box.wait(GET), "one\n", "what was kept")


def watchdog(box):
    """A process that does not move is replaced."""
    box.drop_in("etcd.service", "[Service]\nWatchdogSec=6\n")
    box.run("systemctl restart etcd")
    pid = box.show("etcd", "MainPID")
    box.run("systemctl kill -s STOP etcd")
    box.wait("journalctl -b --no-pager | grep 'etcd.service: Watchdog timeout'")
    box.wait(f"[ $(systemctl show -P MainPID etcd) != {pid} ] && systemctl is-active etcd")
    equal(box.wait(GET), "one\n", "what was kept")
    box.drop_in("etcd.service", "")


def connect_all_the_time(box, meanwhile):
    """Connect again and again while `meanwhile` runs; return how often, and how often in vain."""
    box.write("/root/connect", "while [ ! -e /root/stop ]; do curl -s -m 20 -o /dev/null -w '%{http_code}\\n' "
              "http://127.0.0.1:2379/health; done\n")
    box.run("rm -f /root/stop")
    codes = []
    load = threading.Thread(target=lambda: codes.extend(box.run("sh /root/connect", limit_s=360).split()))
    load.start()
    try:
        meanwhile()
    finally:
        box.run("touch /root/stop")
        load.join()
    return len(codes), sum(code != "200" for code in codes)


def restart_loses_nothing(box):
    """With the sockets in the store of systemd, then with those of its units."""
    def restarts():
        for _ in range(3):
            box.run("systemctl restart etcd")
    for kind in ("stored", "of units"):
        if kind == "of units":
            box.run("systemctl stop etcd && systemctl enable --now etcd.socket etcd-peer.socket")
            equal(box.run("curl -s -m 20 http://127.0.0.1:2379/health"),
                  '{"health":"true","reason":""}', "a connection that starts the service")
        n, lost = connect_all_the_time(box, restarts)
        if lost or n < 4:
            raise AssertionError(f"sockets {kind}: {lost} of {n} connections were lost")
    box.run("systemctl disable --now etcd.socket etcd-peer.socket; systemctl restart etcd")


def backup_record(box, message, since):
    """The newest record with this id and of the unit, with its fields."""
    line = box.wait(f"journalctl -q -u etcd-backup -o json --since=@{since} "
                    f"MESSAGE_ID={m.MESSAGES[message]} | grep .")
    return json.loads(line.splitlines()[-1])


def ready_and_backup(box):
    """Old snapshots go, a verified one stays; the journal has both ends."""
    box.run("systemctl start etcd-ready")
    for year in range(2010, 2020):
        box.run(f"install -D -o etcd /dev/null /var/lib/etcd-backup/etcd-{year}-01-01T000000Z.db")
    killed_run = "/var/lib/etcd-backup/etcd-2010-01-01T000000Z.db.new.part"
    box.run(f"install -o etcd /dev/null {killed_run} && touch -d '2 hours ago' {killed_run}")
    box.write("/etc/etcd/backup.conf", "ETCD_BACKUP_KEEP=3\n")
    start = box.run("date +%s.%6N").strip()
    box.run("systemctl start etcd-backup")
    files = box.run("ls /var/lib/etcd-backup").split()
    equal(len(files), 3, "snapshots that stay")
    newest = f"/var/lib/etcd-backup/{files[-1]}"
    box.run(f"etcdutl snapshot status {newest}")
    record = backup_record(box, "MSG_BACKUP_VERIFIED", start)
    equal((record["PRIORITY"], record["SYSLOG_IDENTIFIER"], record["ETCD_BACKUP_FILE"]),
          ("6", "etcd-backup", newest), "what the journal has")
    has(box.said("etcd-backup", "MSG_BACKUP_VERIFIED"), f"{newest} holds all keys")
    box.run("systemctl stop etcd")
    equal(box.run("systemctl is-active etcd-ready || true"), "inactive\n", "readiness of a stopped etcd")
    box.fails("systemctl start etcd-backup")
    equal(len(box.run("ls /var/lib/etcd-backup").split()), 3, "snapshots after one that failed")
    record = backup_record(box, "MSG_BACKUP_FAILED", start)
    equal((record["PRIORITY"], record["MESSAGE"]),
          ("3", "no snapshot: http://localhost:2379 does not answer"), "what the journal has")
    has(box.said("etcd-backup", "MSG_BACKUP_FAILED"), "try again")
    box.run("systemctl start etcd")


def backup_timer(box):
    """The timer takes a snapshot when it is time, and is due again."""
    start = box.run("date +%s.%6N").strip()
    box.drop_in("etcd-backup.timer", "[Timer]\nOnCalendar=\nOnActiveSec=1s\nRandomizedDelaySec=0\nAccuracySec=100ms\n")
    box.run("rm -f /var/lib/etcd-backup/*; systemctl start etcd-backup.timer")
    file = backup_record(box, "MSG_BACKUP_VERIFIED", start)["ETCD_BACKUP_FILE"]
    box.run(f"etcdutl snapshot status {file}")
    equal(box.run("ls /var/lib/etcd-backup/*").split(), [file], "snapshots")
    box.run("systemctl stop etcd-backup.timer")
    box.drop_in("etcd-backup.timer", "")
    box.run("systemctl enable --now etcd-backup.timer")
    has(box.run("systemctl list-timers etcd-backup.timer"), "etcd-backup.service")
    box.run("systemctl disable --now etcd-backup.timer")


def client_settings(box):
    """etcdctl.conf holds for each call; a flag wins."""
    path = "/etc/etcd/etcdctl.conf"
    equal(box.run(f"dpkg -S {path}"), f"etcd-client: {path}\n", "whose file it is")
    box.run(f"cp {path} /root/etcdctl.conf; echo 'ETCDCTL_WRITE_OUT=fields' >>{path}")
    has(box.run("etcdctl get /kept"), '"Value" : "one"')
    equal(box.run(f"{GET} -w simple"), "one\n", "a flag")
    box.run(f"cp /root/etcdctl.conf {path}")


def log_files(box):
    """What etcd writes to a file is rotated, and goes on in a new one."""
    box.run(f"{INSTALL} logrotate", limit_s=360)
    set_conf(box, LOG_OUTPUTS="/var/log/etcd/etcd.log")
    box.run("systemctl restart etcd && logrotate -f /etc/logrotate.d/etcd")
    box.run("test -s /var/log/etcd/etcd.log.1")
    box.wait("grep -q read /var/log/etcd/etcd.log")
    box.run(f"sed -i /LOG_OUTPUTS/d {CONF} && systemctl restart etcd")


def elsewhere(box):
    """Data where the unit does not reach: the journal has the drop-in that is missing."""
    box.run("install -d -o etcd -g etcd -m 700 /srv/etcd")
    set_conf(box, DATA_DIR="/srv/etcd/data")
    box.fails("systemctl restart etcd")
    has(box.said("etcd", "MSG_DATA_DIR_UNUSABLE"), "ReadWritePaths=")
    box.run("systemctl stop etcd")
    box.drop_in("etcd.service", "[Service]\nReadWritePaths=/srv/etcd\n")
    box.run("systemctl start etcd && etcdctl put elsewhere yes")
    set_conf(box, DATA_DIR="/var/lib/etcd/default")
    box.drop_in("etcd.service", "")
    box.run("systemctl restart etcd")


def disk_full(box):
    """A full disk ends the member with a reason; with space it goes on, and has all it said it has."""
    port = 12379
    box.run("install -d -o etcd -g etcd -m 700 /var/lib/etcd/full && "
            "mount -t tmpfs -o size=6m,mode=700,uid=etcd,gid=etcd none /var/lib/etcd/full")
    box.write("/etc/etcd/full.conf", f'ETCD_DATA_DIR="/var/lib/etcd/full/data"\n'
              f'ETCD_LISTEN_CLIENT_URLS="http://127.0.0.1:{port}"\n'
              f'ETCD_ADVERTISE_CLIENT_URLS="http://127.0.0.1:{port}"\n'
              'ETCD_LISTEN_PEER_URLS="http://127.0.0.1:12380"\n')
    box.run("systemctl start etcd@full")
    put = f"etcdctl --endpoints=127.0.0.1:{port} --command-timeout=3s put"
    done = box.run(f"i=0; while [ $i -lt 100 ]; do {put} k$i \"$(head -c 100000 /dev/zero | tr '\\0' x)\" "
                   ">/dev/null 2>&1 || break; i=$((i + 1)); done; echo $i", limit_s=360)
    if not 1 <= int(done) < 100:
        raise AssertionError(f"{done} puts went into 6 MB")
    has(box.said("etcd@full", "MSG_MEMBER_FAILED"), "full")
    box.run("mount -o remount,size=64m /var/lib/etcd/full")
    box.wait("systemctl is-active etcd@full")
    count = box.wait(f"etcdctl --endpoints=127.0.0.1:{port} get k --prefix --count-only -w fields")
    if int(re.search(r'"Count" : (\d+)', count).group(1)) < int(done):
        raise AssertionError(f"{done} were acknowledged: {count}")
    box.run("systemctl stop etcd@full; umount /var/lib/etcd/full; rm /etc/etcd/full.conf")


def three_members(box):
    """Three on one machine, started one after the other; one is removed, and stays away."""
    members = {name: 20000 + 1000 * i for i, name in enumerate("abc")}
    cluster = ",".join(f"{n}=http://127.0.0.1:{p + 1}" for n, p in members.items())
    for name, port in members.items():
        box.write(f"/etc/etcd/{name}.conf",
                  f'ETCD_LISTEN_CLIENT_URLS="http://127.0.0.1:{port}"\n'
                  f'ETCD_ADVERTISE_CLIENT_URLS="http://127.0.0.1:{port}"\n'
                  f'ETCD_LISTEN_PEER_URLS="http://127.0.0.1:{port + 1}"\n'
                  f'ETCD_INITIAL_ADVERTISE_PEER_URLS="http://127.0.0.1:{port + 1}"\n'
                  f'ETCD_INITIAL_CLUSTER="{cluster}"\nETCD_INITIAL_CLUSTER_TOKEN="three"\n')
    for name in members:
        box.run(f"systemctl enable --now etcd@{name}", limit_s=120)
    box.said("etcd@a", "MSG_READY_WITHOUT_QUORUM")
    ends = "etcdctl --endpoints=" + ",".join(f"127.0.0.1:{p}" for p in members.values())
    equal(box.wait(f"{ends} put three members"), "OK\n", "put")
    equal(box.run(f"{ends} endpoint health 2>&1").count("is healthy"), 3, "healthy members")
    number = re.search(r"^(\w+), started, c,", box.run(f"{ends} member list"), re.MULTILINE).group(1)
    box.wait(f"{ends} member remove {number}")
    box.wait("[ $(systemctl is-active etcd@c) = inactive ]")
    equal((box.show("etcd@c", "ExecMainStatus"), box.show("etcd@c", "NRestarts")), ("0", "0"), "its end")
    box.said("etcd@c", "MSG_REMOVED_SELF")
    box.run("systemctl stop etcd.target")
    box.wait("[ $(systemctl is-active etcd@a) = inactive ]")
    box.run("systemctl disable etcd@a etcd@b etcd@c; rm /etc/etcd/[abc].conf; rm -rf /var/lib/etcd/[abc]")


def upgrade(box):
    """The same version again, as an upgrade does it: one restart; changed files are kept without a question."""
    box.write("/etc/etcd/other.conf", 'ETCD_LISTEN_CLIENT_URLS="http://127.0.0.1:12379"\n'
              'ETCD_ADVERTISE_CLIENT_URLS="http://127.0.0.1:12379"\n'
              'ETCD_LISTEN_PEER_URLS="http://127.0.0.1:12380"\n')
    box.run("systemctl enable --now etcd@other")
    other = box.show("etcd@other", "MainPID")
    pid, conf = box.show("etcd", "MainPID"), box.run(f"cat {CONF}")
    box.run(f"{INSTALL} --reinstall {OURS}", limit_s=480)
    if box.show("etcd@other", "MainPID") in (other, "0"):
        raise AssertionError("the old program of etcd@other still runs, or none does")
    equal(box.run(f"cat {CONF}"), conf, "the configuration")
    equal(box.run(GET), "one\n", "what was kept")
    if box.show("etcd", "MainPID") == pid:
        raise AssertionError("the old program still runs")


def newer_package(box):
    """Our server under a higher version, as dpkg sees it; return its path in the machine."""
    folder = box.root.parent
    package = next(folder.glob("etcd-server_*.deb"))
    subprocess.run(["dpkg-deb", "-R", package, folder / "newer"], check=True, timeout=60)
    control = folder / "newer/DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*", "Version: 99.0+c1", control.read_text()))
    subprocess.run(["dpkg-deb", "-b", "-Zgzip", folder / "newer", folder / "newer.deb"], check=True,
                   timeout=60, stdout=subprocess.DEVNULL)
    return "/debs/newer.deb"


def downgrade(box):
    """Data of a newer version: the older package is refused with the reason, and so are they by the program."""
    database = box.root / "var/lib/etcd/default/member/kv.db"

    def set_schema(number):
        with open(database, "r+b") as file:
            file.seek(60)
            file.write(number.to_bytes(4, "big"))

    box.run(f"dpkg -i {newer_package(box)} && systemctl stop etcd", limit_s=360)
    set_schema(99)
    has(box.fails("dpkg -i /debs/etcd-server_*.deb"), "it has schema 99", "etcdctl snapshot save")
    equal(box.run("dpkg-query -W -f '${Version} ${db:Status-Abbrev}' etcd-server").strip(), "99.0+c1 ii",
          "what is installed")
    # Also where the data are in a place of their own.
    place = box.root / "srv/of its own/member"
    place.mkdir(parents=True)
    shutil.copy(database, place)
    set_schema(1)
    box.write("/etc/etcd/own.conf", 'ETCD_DATA_DIR="/srv/of its own"\n')
    has(box.fails("dpkg -i /debs/etcd-server_*.deb"), "/srv/of its own/member/kv.db was written by a newer")
    box.run("rm -r '/srv/of its own' /etc/etcd/own.conf; systemctl stop etcd")  # a refusal has started it
    set_schema(99)
    since = box.run("date +%s").strip()
    box.fails("systemctl start etcd")
    has(box.said("etcd", "MSG_CANNOT_START", f"--since=@{since}"), "newer version")
    equal((box.show("etcd", "ExecMainStatus"), box.show("etcd", "NRestarts")), ("65", "0"), "the end")
    set_schema(1)
    box.run("dpkg -i /debs/etcd-server_*.deb && systemctl start etcd", limit_s=360)
    equal(box.run(GET), "one\n", "what was kept")


def remove_and_purge(box):
    box.run("apt-get remove -qy etcd-server")
    box.run(f"test -d /var/lib/etcd/default/member && test -e {CONF} && ! pgrep -x etcd")
    box.run("mkdir /var/lib/etcd/disk && mount -t tmpfs none /var/lib/etcd/disk && touch /var/lib/etcd/disk/data")
    has(box.run("apt-get purge -qy etcd-server etcd-client etcd"), "is left for you to remove")
    equal(box.run("find /var/lib/etcd"), "/var/lib/etcd\n/var/lib/etcd/disk\n", "what is left")
    equal(box.run("find /etc/systemd/system -type l -name '*etcd*'"), "", "what is enabled")
    box.run("umount /var/lib/etcd/disk && rm -r /var/lib/etcd /etc/etcd/other.conf")
    box.run(f"test ! -e {CONF} && test ! -e /etc/etcd/etcdctl.conf && test ! -e /etc/default/etcd")
    box.run("test -d /var/lib/etcd-backup && getent passwd etcd")


def from_debian(box):
    """Debian's etcd 3.4 with its data, then ours: what was configured is kept, the data after one command."""
    box.run("apt-get purge -qy etcd-server etcd-client etcd && userdel etcd")  # who would do without a directory
    box.write("/etc/hosts", "127.0.0.1 localhost\n")  # 3.4 does not start without; ours has until now
    box.run(f"{INSTALL} etcd-server={UPSTREAM_3_4}* etcd-client={UPSTREAM_3_4}*", limit_s=480)
    box.run("echo 'ETCD_NAME=\"old\"' >>/etc/default/etcd; rm -rf /var/lib/etcd/default; systemctl restart etcd")
    box.wait("ETCDCTL_API=3 etcdctl put /kept of-3.4")
    # dpkg asks about a file that both sides have changed; this is the answer of unattended upgrades.
    text = box.run(f"{INSTALL} -o Dpkg::Options::=--force-confold {OURS}", limit_s=480)
    command = "etcdutl import --from /var/lib/etcd/default"
    has(text, command)
    has(box.run("cat /etc/default/etcd"), 'ETCD_NAME="old"')
    box.run("test ! -e /etc/init.d/etcd")
    has(box.said("etcd", "MSG_FOREIGN_DATA"), command)
    equal((box.show("etcd", "ExecMainStatus"), box.show("etcd", "NRestarts")), ("65", "0"), "the end")
    box.run(f"systemctl stop etcd && {command} && systemctl start etcd")
    equal(box.wait(GET), "of-3.4\n", "what was kept")
    has(box.run("etcdctl member list"), "old")
    equal(box.run("find /var/lib/etcd ! -user etcd"), "", "files of others than etcd")


def back_to_debian(box):
    """Debian's etcd 3.4 over ours: it says that it cannot have the data, does not begin without, and how to."""
    theirs = (f"{INSTALL} --allow-downgrades -o Dpkg::Options::=--force-confold etcd- "
              f"etcd-server={UPSTREAM_3_4}* etcd-client={UPSTREAM_3_4}*")
    text = box.run(theirs, limit_s=180)
    has(text, "cannot read the data in /var/lib/etcd/default, and will not start on them")
    equal(box.run("systemctl is-active etcd || true"), "failed\n", "3.4 on our data")
    has(box.run("journalctl -q -u etcd -n 20"), "/var/lib/etcd/default/member/snap")
    box.run("cd /var/lib/etcd/default/member && test -f snap && test ! -e wal")
    told = "".join(re.findall(r"(?m)^    .*\n", text))
    box.run(f"{INSTALL} -o Dpkg::Options::=--force-confold {OURS}", limit_s=180)
    equal(box.wait(GET), "of-3.4\n", "what was kept")
    box.run(told)
    if "cannot read the data" in box.run(theirs, limit_s=180):
        raise AssertionError("it still says that the data cannot be read")
    equal(box.wait(f"ETCDCTL_API=3 {GET}"), "of-3.4\n", "what was kept")


def join_networks(boxes):
    """A bridge in the first machine, a cable from it to each of the others: 10.9.0.1, 10.9.0.2, ..."""
    first = f"nsenter -t {boxes[0].pid} -n"
    lines = [f"{first} ip link add eth0 type bridge"]
    for i, box in enumerate(boxes[1:], 2):
        lines += [f"{first} ip link add port{i} type veth peer name eth0 netns {box.pid}",
                  f"{first} ip link set port{i} master eth0 up"]
    for i, box in enumerate(boxes, 1):
        own = f"nsenter -t {box.pid} -n"
        lines += [f"{own} ip addr add 10.9.0.{i}/24 dev eth0", f"{own} ip link set eth0 up"]
    for line in lines:
        subprocess.run(line.split(), check=True, stdin=subprocess.DEVNULL, timeout=30)


def three_machines(base, folder):
    """The example of three members, put into etcd.conf of three fresh machines: they form a cluster."""
    example = (harness.ROOT / "packaging/examples/three-members.conf").read_text().replace("10.0.0.", "10.9.0.")
    boxes = []
    try:
        for i in (1, 2, 3):
            boxes.append(m.Machine(base, folder, [(str(folder), "/debs")], f"n{i}"))
        join_networks(boxes)
        for i, box in enumerate(boxes, 1):
            box.run(f"{INSTALL} {OURS} && systemctl stop etcd", limit_s=480)
            own = re.sub(r"(?m)^(ETCD_(?!INITIAL_CLUSTER=).*)10\.9\.0\.1:(\d+)", rf"\g<1>10.9.0.{i}:\2", example)
            box.write(CONF, re.sub(r"(?m)^(ETCD_(NAME|DATA_DIR)=.*)n1", rf"\g<1>n{i}", own))
            box.run("systemctl start etcd", limit_s=120)
        equal(boxes[0].wait("etcdctl put a b"), "OK\n", "put")
        equal(boxes[2].run("etcdctl get a --print-value-only"), "b\n", "get on another machine")
        equal(boxes[1].wait("etcdctl endpoint health --cluster 2>&1").count("is healthy"), 3, "healthy members")
        has(boxes[1].wait("systemctl status etcd | grep '3/3 voters'"), "term")
    except Exception:
        for box in boxes:
            print(box.run("journalctl -b --no-pager -u etcd -o cat | tail -n 20", check=False))
        raise
    finally:
        for box in boxes:
            box.stop()


def packages_are_sound(debs):
    """lintian finds no error and no warning that is not explained."""
    if shutil.which("lintian") is None:
        raise harness.Skip("lintian is not installed")
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", *debs.values()],
                          capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)


def packaged_test(box):
    """What the archive's machines would run (debian/tests)."""
    box.write("/root/service", (harness.ROOT / "debian/tests/service").read_text())
    box.run("sh /root/service", limit_s=360)


STORY = [install, units_are_sound, journal, packaged_test, start_stop, reload, configuration_error,
         killed, watchdog, restart_loses_nothing, ready_and_backup, backup_timer, client_settings, log_files,
         elsewhere, disk_full, three_members, upgrade, downgrade, remove_and_purge, from_debian, back_to_debian]


def skip_rest(suite, why):
    suite.skipped += 1
    print("skip system/service: " + " ".join(str(why).split())[-400:], flush=True)


def main():
    suite = harness.Suite(880)
    why = m.why_not()
    if why:
        skip_rest(suite, why)
        suite.finish()
    folder = m.scratch()
    wanted = [t for t in STORY if not sys.argv[1:] or t is install or t.__name__ in sys.argv[1:]]
    box = None
    try:
        debs = m.build_debs(folder)
        suite.run(packages_are_sound, debs)
        try:  # nothing of ours is in there so far
            base = m.make_base(debs, folder / "base.log")
            box = m.Machine(base, folder, [(str(folder), "/debs")])
        except (RuntimeError, TimeoutError, OSError) as why:
            skip_rest(suite, f"no Debian can be made and booted here: {why}")
            wanted = []
        for test in wanted:
            suite.run(test, box)
            if test is install and suite.failed:
                break
        if box and suite.failed:
            print(box.run("journalctl -b --no-pager -u 'etcd*' | tail -n 80", check=False))
        if box and (not sys.argv[1:] or three_machines.__name__ in sys.argv[1:]):
            suite.run(three_machines, base, folder)
    finally:
        if box:
            box.stop()
        shutil.rmtree(folder, ignore_errors=True)
    suite.finish()


main()
