"""A domain like one of hostd's that `virsh migrate` moves between two hosts of a lab: what Quantix is held
against.

Its disk is the very image in Ceph that the VM had, which is deleted before; port and MAC are the VM's, too,
so it has its address. Source: virsh(1), "migrate".
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from quantix_api.filter_tables import ARRIVAL_PORTS
from quantix_lab.bench.by_hand_libvirt import port_names, port_words, renamed
from quantix_lab.lab import MANAGEMENT, Lab
from quantix_lab.machine_view import MachineView
from quantix_lab.simulated_host import SimulatedHost

_TIMEOUT_S = 120.0
# beyond those that hosts open for guests of Quantix alone
_PORT = ARRIVAL_PORTS[1] + 100
_FLAGS = (
    "--live",
    "--p2p",
    "--tls",
    "--persistent",
    "--undefinesource",
    "--abort-on-error",
    "--auto-converge",
)

_TIMED = 'read -r up rest < /proc/uptime; echo "$up"; "$@" >&2; read -r up rest < /proc/uptime; echo "$up"'


@dataclass(frozen=True)
class BareDomain:
    """`ports`: the words of `ovn-nbctl` that make its ports, without the hosts that may have them."""

    name: str
    xml: str
    ports: tuple[tuple[str, ...], ...]


def bare_domain(lab: Lab, host: SimulatedHost, vm_uid: str) -> BareDomain:
    """The same as the domain of a VM that runs on this host, under another name."""
    xml = MachineView(host).virsh("dumpxml", "--inactive", f"qx-{vm_uid}")
    view = MachineView(lab.first)
    return BareDomain(
        "by-hand",
        ElementTree.tostring(renamed(xml, "by-hand", _folder(host)), encoding="unicode"),
        tuple(port_words(view, name) for name in port_names(xml)),
    )


@contextlib.contextmanager
def running(lab: Lab, hosts: Sequence[SimulatedHost], bare: BareDomain) -> Iterator[None]:
    """Started on the first of `hosts`, and gone from all in the end."""
    view = MachineView(lab.first)
    uids = [view.get("host", host.name)["metadata"]["uid"] for host in hosts]
    for port in bare.ports:
        view.nbctl("--wait=sb", *port, f"requested-chassis={','.join(uids)}")
    try:
        for host in hosts:
            folder = host.root / "by-hand"
            folder.mkdir(mode=0o777, exist_ok=True)
            folder.chmod(0o777)
        (hosts[0].root / "by-hand" / "domain.xml").write_text(bare.xml)
        _virsh(hosts[0], "define", str(_folder(hosts[0]) / "domain.xml"))
        _virsh(hosts[0], "start", bare.name)
        yield
    finally:
        for host in hosts:
            for command in ("destroy", "undefine"):
                with contextlib.suppress(AssertionError):
                    _virsh(host, command, bare.name)
        for port in bare.ports:
            view.nbctl("--if-exists", "lsp-del", port[2])


def move(lab: Lab, source: SimulatedHost, target: SimulatedHost, name: str) -> float:
    """Migrate it, as a person types it; seconds that it took."""
    number = lab.hosts.index(target) + 1
    there = f"qemu+unix:///system?socket={target.layout.libvirt_socket}"
    address = f"{MANAGEMENT}.{number}"
    ways = ("--migrateuri", f"tcp://{address}:{_PORT}", "--listen-address", address)
    virsh = ("virsh", "-q", "-c", _uri(source), "migrate", *_FLAGS, *ways)
    command = (*virsh, "--tls-destination", target.name, name, there)
    said = source.run("sh", "-ec", _TIMED, "sh", *command, timeout_s=_TIMEOUT_S).stdout.split()
    return float(said[1]) - float(said[0])


def _folder(host: SimulatedHost) -> Path:
    return host.layout_inside.root / "by-hand"


def _uri(host: SimulatedHost) -> str:
    return f"qemu+unix:///system?socket={host.layout_inside.libvirt_socket}"


def _virsh(host: SimulatedHost, *words: str) -> None:
    host.run("virsh", "-q", "-c", _uri(host), *words)
