"""Which disks of a guest are encrypted, by what QEMU has open: Volumes may say other things already.

Called before a guest's memory is kept. Pure.
"""

from __future__ import annotations

from xml.etree import ElementTree

from quantix_hostd.domainxml.element import Element

_OUR_ALIAS = "ua-"


def encrypted_disks(xml: str) -> tuple[str, ...]:
    """The names of the encrypted disks in a domain, in their order."""
    disks = ElementTree.fromstring(xml).iterfind("devices/disk")
    return tuple(_name(disk) for disk in disks if disk.find("source/encryption") is not None)


def _name(disk: Element) -> str:
    alias, target = disk.find("alias"), disk.find("target")
    name = alias.get("name", "").removeprefix(_OUR_ALIAS) if alias is not None else ""
    return name or (target.get("dev", "") if target is not None else "") or "?"
