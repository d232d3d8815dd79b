"""Whether a domain that another host's libvirtd asks ours to make is the guest that is expected here. Pure.

Whoever has that host's key says what the domain is like: it is to be that VM, as Quantix makes guests, and to
open nothing of this host but what was made for it. So only what `sent_fields` lists may be in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path, PurePath, PurePosixPath
from xml.etree import ElementTree

from quantix_api.identity import nic_port_name
from quantix_hostd.domainxml.ceph import ceph_secret
from quantix_hostd.domainxml.metadata import parse_metadata
from quantix_hostd.domainxml.spec import tap_name
from quantix_hostd.migration.sent_fields import ELEMENTS, EMULATOR, FILE, FIRMWARE, NEEDED, Rules

_EMULATOR = PurePosixPath("/usr/bin/qemu-system-x86_64")
_FIRMWARE = PurePosixPath("/usr/share/OVMF")
_CHAIN = "backingStore"
_OUR_ALIAS = "ua-"
_SHOWN = 80


@dataclass(frozen=True)
class Awaited:
    """The VM that is to come, and what is here for it: `rooms` are its files and directories, `bridge` is
    where its NICs are plugged in, `images` are its volumes in Ceph (StoragePool, POOL/NAME there), and
    `secrets` the UIDs of its encrypted volumes.
    """

    vm_uid: str
    cluster_uid: str
    rooms: tuple[Path, ...]
    bridge: str
    images: frozenset[tuple[str, str]] = frozenset()
    secrets: frozenset[str] = frozenset()


def why_not(guest: Awaited, domain: ElementTree.Element) -> str:
    """What is wrong with it, "" for nothing."""
    found = next(chain(_foreign(guest, domain), _loose(domain), _strays(guest, domain)), "")
    if found:
        return f"a domain with {found}"
    mark = parse_metadata(domain)
    return "" if mark is not None and mark.vm_uid == guest.vm_uid else "a domain without the mark of the VM"


def _foreign(guest: Awaited, domain: ElementTree.Element) -> Iterator[str]:
    """What Quantix and libvirt put into no guest."""
    if domain.tag != "domain":
        yield domain.tag
    for path, node in _walk("", domain):
        rules = ELEMENTS.get(path)
        if rules is None:
            yield path
            return
        for name, value in _values(node, rules):
            rule = rules.get(name) or rules.get("*")
            if rule is None or not _fits(guest, rule, value):
                yield f"{path or 'domain'} {name}={value[:_SHOWN]}"
        yield from (f"{path} without {place}" for place in NEEDED.get(path, ()) if not _has(node, place))


def _walk(path: str, node: ElementTree.Element) -> Iterator[tuple[str, ElementTree.Element]]:
    yield path, node
    for child in node:
        below = path if child.tag == _CHAIN == node.tag else f"{path}/{child.tag}".lstrip("/")
        yield from _walk(below, child)


def _values(node: ElementTree.Element, rules: Rules) -> Iterator[tuple[str, str]]:
    yield from node.attrib.items()
    text = (node.text or "").strip()
    if text or "#" in rules:
        yield "#", text


def _fits(guest: Awaited, rule: str, value: str) -> bool:
    path = PurePosixPath(value)
    if rule == FILE:
        return _is_below(path, guest.rooms)
    if rule == FIRMWARE:
        return _is_below(path, (_FIRMWARE,))
    if rule == EMULATOR:
        return path == _EMULATOR
    return _pattern(rule).fullmatch(value) is not None


def _is_below(path: PurePosixPath, rooms: Iterable[PurePath]) -> bool:
    return ".." not in path.parts and any(path.is_relative_to(room) for room in rooms)


@cache
def _pattern(rule: str) -> re.Pattern[str]:
    return re.compile(rule, re.ASCII)


def _has(node: ElementTree.Element, places: str) -> bool:
    pairs = (place.split("@") for place in places.split("|"))
    return any(
        attribute in found.attrib
        for path, attribute in pairs
        for found in (node.findall(path) if path else [node])
    )


def _loose(domain: ElementTree.Element) -> Iterator[str]:
    """Disks whose own content would tell QEMU which file is beneath it."""
    for disk in domain.iterfind("devices/disk"):
        for part in (disk, *disk.iter(_CHAIN)):
            formats = [node.get("type", "raw") for tag in ("driver", "format") for node in part.findall(tag)]
            if any(name != "raw" for name in formats) and part.find(_CHAIN) is None:
                yield "a disk whose chain is not closed"


def _strays(guest: Awaited, domain: ElementTree.Element) -> Iterator[str]:
    """What belongs to other guests, or to the host."""
    for nic in domain.iterfind("devices/interface"):
        yield from _stray_ends(guest, nic)
    pools = {ceph_secret(pool) for pool, _ in guest.images}
    names = {name for _, name in guest.images}
    for source in domain.iterfind("devices/disk//source"):
        yield from (f"the image {name}" for name in [source.get("name")] if name and name not in names)
    for secret in domain.iterfind("devices/disk//secret"):
        known = secret.get("usage") in pools or secret.get("uuid") in guest.secrets
        if not known:
            yield f"the secret {secret.get('usage') or secret.get('uuid')}"


def _stray_ends(guest: Awaited, nic: ElementTree.Element) -> Iterator[str]:
    """Of a NIC: another port takes another guest's packets."""
    aliases = {node.get("name", "").removeprefix(_OUR_ALIAS) for node in nic.iterfind("alias")}
    ports = {nic_port_name(guest.cluster_uid, guest.vm_uid, name) for name in aliases}
    allowed = (
        ("source", "bridge", {guest.bridge}),
        ("virtualport/parameters", "interfaceid", ports),
        ("target", "dev", {tap_name(port) for port in ports}),
    )
    for path, attribute, values in allowed:
        for node in nic.iterfind(path):
            if node.get(attribute) not in values:
                yield f"interface/{path} {attribute}={node.get(attribute)}"
