"""Guests like those of Quantix, by `qemu-img create` and `virsh create` on the same libvirtd and network.

They are prepared while the guests of Quantix are there, and run once those are deleted. Their ports in OVN
are made before the time counts, with the addresses and DHCP options that the operator had given the others.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from quantix_lab.bench.guests import TIMED, TIMEOUT_S, Guest, Start, domain_of, started
from quantix_lab.machine_view import MachineView


@dataclass(frozen=True)
class Twin:
    """A domain like one of hostd's, with its files in `folder`.

    `disks`: what `qemu-img create -f qcow2` is told of each; `ports`: what `ovn-nbctl` is told of each.
    """

    name: str
    xml: str
    folder: Path
    disks: tuple[str, ...]
    ports: tuple[tuple[str, ...], ...] = ()


def twins(view: MachineView, guests: Sequence[Guest]) -> list[Twin]:
    """What has to be known of guests that run to make the same by hand."""
    folder = view.layout.root / "by-hand"
    found = []
    for number, guest in enumerate(guests):
        xml = view.virsh("dumpxml", "--inactive", domain_of(guest))
        twin = twin_of(xml, f"by-hand-{number}", folder / str(number), base_of)
        found.append(replace(twin, ports=tuple(_port(view, name) for name in port_names(xml))))
    return found


@contextlib.contextmanager
def by_hand(view: MachineView, wanted: Sequence[Twin]) -> Iterator[Start]:
    """Start all of them at once; destroyed at the end, with all that was made for them."""
    guests = [Guest(twin.name, str(twin.folder), twin.folder / "console.log") for twin in wanted]
    ports = [port for twin in wanted for port in twin.ports]
    try:
        for port in ports:
            view.nbctl("--wait=sb", *port)
        script = "\n".join((*(f"({_typed(view, twin)}) >&2 &" for twin in wanted), "wait"))
        told = view.machine.run("sh", "-ec", TIMED, "sh", "sh", "-c", script, timeout_s=TIMEOUT_S)
        yield started(float(told.stdout.split()[0]), guests)
    finally:
        for guest in guests:
            with contextlib.suppress(AssertionError):
                view.virsh("destroy", guest.name)
            shutil.rmtree(guest.mark, ignore_errors=True)
        for port in ports:
            view.nbctl("--if-exists", "lsp-del", port[2])


def _typed(view: MachineView, twin: Twin) -> str:
    """What a person would type for one domain, whose XML is written."""
    twin.folder.mkdir(parents=True)
    twin.folder.chmod(0o777)
    (twin.folder / "domain.xml").write_text(twin.xml)
    create = [f"qemu-img create -q -f qcow2 {made}" for made in twin.disks]
    uri = f"qemu+unix:///system?socket={view.layout.libvirt_socket}"
    start = f"virsh -q -c '{uri}' create {twin.folder}/domain.xml"
    return " && ".join([*create, f"chmod 666 {twin.folder}/*.qcow2", start])


def port_names(xml: str) -> list[str]:
    """The logical ports of a domain's interfaces."""
    parameters = ElementTree.fromstring(xml).iterfind("devices/interface/virtualport/parameters")
    return [parameter.get("interfaceid", "") for parameter in parameters]


def _port(view: MachineView, name: str) -> tuple[str, ...]:
    """The words of `ovn-nbctl` that make a port as this one is, on its host."""
    chassis = view.nbctl("get", "Logical_Switch_Port", name, "options:requested-chassis").strip().strip('"')
    return (*port_words(view, name), f"requested-chassis={chassis}")


def port_words(view: MachineView, name: str) -> tuple[str, ...]:
    """The words of `ovn-nbctl` that make a port as this one is, up to the options that are to follow."""

    def lines(command: str) -> list[str]:
        return view.nbctl(command, name).splitlines()

    switch = lines("lsp-get-ls")[0].split()[0]
    words = ["lsp-add", switch, name, "--", "lsp-set-addresses", name, *lines("lsp-get-addresses")]
    words += ["--", "lsp-set-port-security", name, *lines("lsp-get-port-security")]
    for family in ("v4", "v6"):
        for options in lines(f"lsp-get-dhcp{family}-options"):
            words += ["--", f"lsp-set-dhcp{family}-options", name, options.split()[0]]
    return (*words, "--", "lsp-set-options", name)


def twin_of(xml: str, name: str, folder: Path, base: Callable[[str], str]) -> Twin:
    """The same domain under another name and UUID, with disks of its own and its sockets in `folder`.

    MAC addresses and ports of the network stay: it is meant to run when the first is gone. `base` tells how
    `qemu-img create` names what a disk is made from.
    """
    domain = renamed(xml, name, folder)
    disks = []
    for disk in domain.iterfind("devices/disk[@device='disk']"):
        source, target = disk.find("source"), disk.find("target")
        assert source is not None
        assert target is not None
        file = folder / f"{target.get('dev')}.qcow2"
        disks.append(f"{base(source.get('file', ''))} {file}")
        source.set("file", str(file))
    return Twin(name, ElementTree.tostring(domain, encoding="unicode"), folder, tuple(disks))


def renamed(xml: str, name: str, folder: Path) -> ElementTree.Element:
    """The same domain under another name and UUID, with its sockets and logs in `folder`; nothing of ours."""
    domain = ElementTree.fromstring(xml)
    for tag in ("metadata", "title"):
        for found in domain.findall(tag):
            domain.remove(found)
    _set(domain, "name", name)
    _set(domain, "uuid", str(uuid.uuid4()))
    for element in domain.iter():
        for attribute in ("path", "socket", "file"):
            value = element.get(attribute, "")
            if "/vm/" in value:
                element.set(attribute, str(folder / Path(value).name))
    return domain


def base_of(disk: str) -> str:
    """The image that the disk was made from, in the words of `qemu-img create`. It may be in use."""
    command = ["qemu-img", "info", "-U", "-f", "qcow2", "--output=json", disk]
    told = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)
    return f"-F {told['backing-filename-format']} -b {Path(told['full-backing-filename']).resolve()}"


def _set(domain: ElementTree.Element, tag: str, text: str) -> None:
    found = domain.find(tag)
    assert found is not None
    found.text = text
