"""A guest that never stops to write and to answer, and what is to be seen of it while it moves between hosts.

Its disk `data` gets one number after the other, each flushed, in 64 places by turns; the guest itself tells
whether one of the last is missing. Used by end-to-end tests.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from quantix_api.conditions import condition_of
from quantix_api.virtual_machine_migration import OVER
from quantix_lab.guest_console import guest_console
from quantix_lab.lab import Lab
from quantix_lab.lab_ceph import POOL
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.simulated_host import SimulatedHost
from quantix_lab.vm_manifests import small_vm
from quantix_lab.waiting import eventually, wait_for

NAME = "mover"
_OPEN = {
    "apiVersion": "quantix.io/v1alpha1",
    "kind": "SecurityGroup",
    "metadata": {"name": "pinged", "namespace": "default"},
    "spec": {"ingress": [{"protocol": "ICMP"}]},
}
_WRITE = (
    "(i=0; while :; do i=$((i+1)); printf %010d $i | dd of=/dev/vdb bs=512 seek=$((i%64)) conv=sync,fsync "
    "2>/dev/null; echo $i > /tmp/now; mv /tmp/now /tmp/done; sleep 0.2; done) & echo begun"
)
# not zeros, which cost nothing to send
_CHANGE_MEMORY = (
    "mkdir -p /tmp/fast; mount -t tmpfs none /tmp/fast; dd if=/dev/urandom of=/tmp/fast/a bs=64k count=320 "
    "2>/dev/null; (while :; do cat /tmp/fast/a > /tmp/fast/b; done) & echo chan''ges"
)
_CHECK = (
    "n=$(cat /tmp/done); echo 3 > /proc/sys/vm/drop_caches; bad=0; k=$((n>40?n-40:1)); "
    "while [ $k -le $n ]; do v=$(dd if=/dev/vdb bs=512 skip=$((k%64)) count=1 2>/dev/null | head -c 10); "
    'v=$(echo $v | sed "s/^0*//"); [ "$v" -ge $k ] || bad=$((bad+1)); k=$((k+1)); done; '
    "echo wrote=$n bad=$bad"
)


class MovingGuest:
    """VM `name` on the hosts of a lab, its disks in `pool`, else in each host's own; `move` makes a migration
    and returns its name.
    """

    def __init__(self, lab: Lab, name: str = NAME, pool: str = "local") -> None:
        self.lab, self.name, self.pool = lab, name, pool
        self.view = MachineView(lab.first)
        self.wrote = 0
        """What `written` found last."""
        self._made = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """From its boot until it is removed; it writes to its disk `data`."""
        data = {"name": "data", "size": "64Mi", "pool": self.pool, "reclaimPolicy": "Delete"}
        with self.booted(disks=[data]):
            self.begin_to_write()
            yield

    @contextmanager
    def booted(self, *, disks: Sequence[Manifest], **spec: Any) -> Iterator[None]:
        """From the start of its QEMU until it is removed; `disks` are those beside its root."""
        root = {"name": "root", "image": "shared/tiny", "pool": self.pool, "reclaimPolicy": "Delete"}
        nics = [{"name": "eth0", "network": "shared/default", "securityGroups": ["pinged"]}]
        # its image is on the first host alone
        self._let_start_on_others(False)
        vm = small_vm(self.name, disks=[root, *disks], nics=nics, gracePeriodSeconds=0, **spec)
        self.view.apply(_OPEN, vm)
        self.view.wait_ready(self.name, reason="Running", timeout_s=90)
        self._let_start_on_others(True)
        yield
        self.view.machine.kubectl("delete", "vm", self.name, "--timeout=60s", timeout_s=90)

    def begin_to_write(self) -> None:
        """Have the guest count onto its disk, once it has booted; again after each boot."""
        with guest_console(self.lab.first, self.name) as console:
            console.run(_WRITE, until="begun")

    def _let_start_on_others(self, let: bool) -> None:
        for host in self.lab.hosts[1:]:
            patch = json.dumps({"spec": {"unschedulable": not let}})
            self.view.machine.kubectl("patch", "host", host.name, "--type=merge", "-p", patch)

    @property
    def is_in_ceph(self) -> bool:
        """Whether its disks are; else the host has them that it is on."""
        return self.pool == POOL

    @property
    def vm(self) -> Manifest:
        return self.view.get("virtualmachine", self.name)

    @property
    def mac(self) -> str:
        """Of its first NIC, as the API says."""
        mac: str = self.vm["status"]["nics"][0]["mac"]
        return mac

    @property
    def uid(self) -> str:
        uid: str = self.vm["metadata"]["uid"]
        return uid

    @property
    def host(self) -> SimulatedHost:
        """Which it is assigned to."""
        name = self.vm["status"]["assignment"]["host"]
        return next(host for host in self.lab.hosts if host.name == name)

    @property
    def other(self) -> SimulatedHost:
        """Where it is to go."""
        here = self.host
        return next(host for host in self.lab.hosts if host is not here)

    def slowly(self, speed: str | None) -> None:
        """So much in a second at most, to be seen on its way; None: as fast as it goes."""
        self.view.patch("virtualmachine", self.name, {"spec": {"migration": {"bytesPerSecond": speed}}})

    def begin_to_change_memory(self) -> None:
        """Have the guest write over much of its memory all the time, until its next boot."""
        with guest_console(self.lab.first, self.name) as console:
            console.run(_CHANGE_MEMORY, until="changes", timeout_s=60)

    def move(self, *, post_copy: bool = False) -> str:
        self._made += 1
        name = f"{self.name}-{self._made}"
        spec = {"virtualMachine": self.name, "targetHost": self.other.name, "postCopy": post_copy}
        metadata = {"name": name, "namespace": "default"}
        kind = {"apiVersion": "quantix.io/v1alpha1", "kind": "VirtualMachineMigration"}
        self.view.apply({**kind, "metadata": metadata, "spec": spec})
        return name

    def migration(self, name: str) -> Manifest:
        return self.view.get("virtualmachinemigration", name)

    def phase(self, name: str) -> str:
        phase: str = self.migration(name).get("status", {}).get("phase", "")
        return phase

    def wait_copying(self, name: str) -> None:
        """Until the source is about to send it; perhaps nothing of it is on the target yet."""
        eventually(f"{name} is under way", lambda: self.phase(name) in ("Copying", *OVER), 60)
        assert self.phase(name) == "Copying", self.migration(name)["status"]

    def wait_progress(self, name: str) -> Manifest:
        """Until it tells how long it will take; its progress."""

        def look() -> tuple[Manifest, object]:
            told = self.migration(name)["status"].get("progress", {})
            return (told if "secondsLeft" in told else {}), told

        return wait_for(f"the end of {name} to be estimated", look, 60)

    def wait_switched(self, name: str) -> None:
        """Until it is the target's, and memory still comes."""

        def look() -> bool:
            mode = self.migration(name)["status"].get("source", {}).get("mode")
            return mode == "PostCopy" and self.phase(name) in ("CuttingOver", *OVER)

        eventually(f"{name} is switched", look, 90)
        assert self.phase(name) == "CuttingOver", self.migration(name)["status"]

    def wait_half_on(self, host: SimulatedHost) -> None:
        """Until the QEMU of its other half is there."""
        eventually(f"a half of {self.name} is on {host.name}", lambda: self.qemus(host) != [], 60)

    def wait_over(self, name: str, timeout_s: float = 90.0) -> Manifest:
        """Until it has ended; its status."""

        def look() -> tuple[bool, object]:
            status = self.migration(name).get("status", {})
            return status.get("phase") in OVER, status

        wait_for(f"{name} to end", look, timeout_s)
        status: Manifest = self.migration(name)["status"]
        return status

    def written(self) -> int:
        """How many numbers the guest wrote; it finds each of the last ones on its disk."""
        with guest_console(self.lab.first, self.name) as console:
            said = console.run(_CHECK, until="wrote=", timeout_s=60)
            said += console.run("", until="# ", timeout_s=60)
        found = re.findall(r"wrote=(\d+) bad=(\d+)", said)
        assert found, said[-300:]
        assert found[-1][1] == "0", f"{found[-1][1]} of the last writes are lost"
        self.wrote = int(found[-1][0])
        return self.wrote

    def qemus(self, host: SimulatedHost) -> list[str]:
        """Of this VM, by number inside."""
        return host.run("pgrep", "-f", f"qemu-system.*guest=qx-{self.uid}", check=False).stdout.split()

    def monitor(self, host: SimulatedHost, words: str) -> str:
        """What its QEMU there answers."""
        uri = f"qemu+unix:///system?socket={host.layout_inside.libvirt_socket}"
        asked = ("qemu-monitor-command", f"qx-{self.uid}", "--hmp", words)
        return host.run("virsh", "-c", uri, *asked).stdout

    @property
    def handles(self) -> list[str]:
        """Of its volumes, the one that decides first."""
        disks = self.vm["status"]["resolved"]["disks"]
        volumes = [self.view.get("volume", disk["volume"]) for disk in disks]
        return [volume["status"]["handle"] for volume in volumes]

    def left_on(self, host: SimulatedHost) -> list[str]:
        """Everything of this VM that is there: QEMU, domain, port, directories, data."""
        uid, layout, inside = self.uid, host.layout, host.layout_inside
        uri = f"qemu+unix:///system?socket={inside.libvirt_socket}"
        listed = host.run("virsh", "-c", uri, "list", "--all", "--name", check=False)
        domains = listed.stdout.split() if listed.returncode == 0 else [f"{uid}, for all that is known"]
        switch = f"--db=unix:{inside.openvswitch_run}/db.sock"
        ports = host.run("ovs-vsctl", switch, "--bare", "--columns=external_ids", "list", "Interface").stdout
        carried = [nic["port"] for nic in self.vm["status"]["nics"] if nic.get("port", "?") in ports]
        data = [layout.local_pool / "volumes" / handle for handle in self.handles]
        files = [layout.vm_run(uid), layout.vm_data(uid), *data]
        return [
            *(f"QEMU {pid}" for pid in self.qemus(host)),
            *(name for name in domains if uid in name),
            *carried,
            *(str(path) for path in files if path.exists()),
        ]

    def wait_at_home(self) -> None:
        """It runs, once, where the API says, and nothing of it is on the other host."""

        def look() -> tuple[bool, object]:
            ready = condition_of(self.vm, "Ready")
            left = self.left_on(self.other)
            here = self.qemus(self.host)
            return ready.get("status") == "True" and len(here) == 1 and not left, (ready, here, left)

        wait_for("the guest to run on one host alone", look, 90)


@contextmanager
def pinged(host: SimulatedHost, address: str, every_s: float = 0.1) -> Iterator[list[float]]:
    """Pings by a host within the block; afterwards the longest silence between two answers, in seconds."""

    def end(_: subprocess.Popen[str]) -> None:
        for pid in host.run("pgrep", "-f", f"ping -D.*{re.escape(address)}", check=False).stdout.split():
            host.run("kill", "-INT", pid, check=False)

    with _pinging(host.argv(_ping(address, every_s)), end) as gaps:
        yield gaps


@contextmanager
def pinged_by_world(lab: Lab, address: str, every_s: float = 0.1) -> Iterator[list[float]]:
    """The same by the world outside."""
    command = lab.first.argv_in_world(_ping(address, every_s))
    with _pinging(command, lambda process: process.send_signal(signal.SIGINT)) as gaps:
        yield gaps


def _ping(address: str, every_s: float) -> list[str]:
    return ["ping", "-D", "-i", str(every_s), "-W", "1", address]


@contextmanager
def _pinging(command: list[str], end: Callable[[subprocess.Popen[str]], None]) -> Iterator[list[float]]:
    gaps: list[float] = []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield gaps
    finally:
        end(process)
        said, _ = process.communicate(timeout=20)
    times = [float(found) for found in re.findall(r"\[(\d+\.\d+)\].*bytes from", said)]
    assert len(times) > 5, said[-500:]
    gaps.append(max(later - earlier for earlier, later in pairwise(times)))
