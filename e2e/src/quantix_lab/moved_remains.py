"""What there is of a VM on the side of a migration that does not have it, and who may write to its disks.

From outside all knowledge of the product: files, processes, interfaces, packet filter, libvirt, OVN, and what
Ceph says of its images. Used by end-to-end tests.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_images import holder, watchers
from quantix_lab.host_services import processes_of
from quantix_lab.lab import MANAGEMENT
from quantix_lab.moving_guest import MovingGuest
from quantix_lab.simulated_host import SimulatedHost
from quantix_lab.waiting import wait_for


def wait_alone_in_ceph(guest: MovingGuest, cluster: CephCluster) -> None:
    """Until its host alone has it, has its images open, and is named by its claims."""
    guest.wait_at_home()
    assignment = guest.vm["status"]["assignment"]
    here = (assignment["host"], assignment["epoch"])
    address = guest.host.address

    def look() -> tuple[bool, object]:
        open_at = [watchers(cluster, handle) for handle in guest.handles]
        return all(seen == [address] for seen in open_at), open_at

    wait_for(f"{address} alone to have the images open", look, 60)
    assert [holder(cluster, handle) for handle in guest.handles] == [here, here]


def wait_nothing_left(guest: MovingGuest) -> None:
    """Until nothing of it is on any other host than its own, and its own is as if nothing had been."""

    def look() -> tuple[bool, object]:
        here = guest.host
        left = {host.name: ways_on(host) for host in guest.lab.hosts}
        left |= {host.name: remains_on(guest, host) for host in guest.lab.hosts if host is not here}
        at = bound_to(guest)
        return not any(left.values()) and at == [here.name], (left, at)

    wait_for(f"nothing of {guest.name} to be left on hosts that do not have it", look, 60)


def remains_on(guest: MovingGuest, host: SimulatedHost) -> list[str]:
    """Everything of a VM on a host but logs: what `left_on` finds, each file, process and interface that is
    named after it, its disks or its ports, and each way by which guests go or come.
    """
    vm = guest.vm
    ports = [nic["port"] for nic in vm["status"]["nics"]]
    marks = (guest.uid, vm["status"]["resolved"]["uuid"], *guest.handles, *ports)
    named = re.compile("|".join(map(re.escape, marks)))
    # an interface has no room for the whole name
    taps = re.compile("|".join(port.replace("-", "")[:12] for port in ports))
    return [
        *guest.left_on(host),
        *(str(path) for path in host.root.rglob("*") if named.search(path.name) and not _is_log(host, path)),
        *processes_of(host, named.pattern).values(),
        *(f"interface {name}" for name in _interfaces(host) if taps.search(name)),
        *ways_on(host),
    ]


def ways_on(host: SimulatedHost) -> list[str]:
    """By which guests go or come: from where other hosts' QEMUs may begin to send, and the sockets behind
    which libvirtd finds those of other hosts.
    """
    rules = host.run("nft", "list", "ruleset").stdout
    doors = re.findall(rf"ip saddr {re.escape(MANAGEMENT)}\.\d+ accept", rules)
    return [*doors, *(str(path) for path in (host.layout.run / "migration").glob("*"))]


def bound_to(guest: MovingGuest) -> list[str]:
    """The hosts that OVN has the guest's ports on, or lets have them."""
    first = guest.lab.first
    southbound = f"--db=unix:{first.layout_inside.ovn_sb_socket}"

    def rows(table: str, *columns: str) -> list[list[object]]:
        words = ("--format=json", f"--columns={','.join(columns)}", "list", table)
        found: list[list[object]] = json.loads(first.run("ovn-sbctl", southbound, *words).stdout)["data"]
        return found

    names = {_plain(uuid): _plain(name) for uuid, name in rows("Chassis", "_uuid", "hostname")}
    ports = {nic["port"] for nic in guest.vm["status"]["nics"]}
    places = ("chassis", "additional_chassis", "requested_additional_chassis")
    bindings = [row[1:] for row in rows("Port_Binding", "logical_port", *places) if row[0] in ports]
    return sorted({names[uuid] for row in bindings for value in row for uuid in _plain(value).split()})


def _plain(value: object) -> str:
    """Of OVSDB's JSON (RFC 7047, 5.1): a string, or UUIDs, one after the other."""
    if isinstance(value, list) and value[0] == "set":
        return " ".join(_plain(item) for item in value[1])
    return str(value[1] if isinstance(value, list) else value)


def _is_log(host: SimulatedHost, path: Path) -> bool:
    return path.is_relative_to(host.layout.log)


def _interfaces(host: SimulatedHost) -> list[str]:
    command = ["ip", "-n", host.network_namespace, "-o", "link"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split()[1].rstrip(":").partition("@")[0] for line in listed.splitlines()]
