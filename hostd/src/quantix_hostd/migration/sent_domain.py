"""Whether a domain that another host's libvirtd asks ours to make is the guest that is expected here. Pure.

Whoever has that host's key says what the domain is like: it is to be that VM, as Quantix makes guests, and to
open nothing of this host but what was made for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from quantix_hostd.domainxml.spec import METADATA_NAMESPACE
from quantix_hostd.domainxml.view import view

_PROGRAMS = (
    PurePosixPath("/usr/bin/qemu-system-x86_64"),
    PurePosixPath("/usr/share/OVMF"),
    PurePosixPath("/dev/urandom"),
)
# a control group, and no file
_NO_FILES = "resource"
_OURS = f"{{{METADATA_NAMESPACE}}}"


def why_not(vm_uid: str, rooms: Collection[Path], domain: ElementTree.Element) -> str:
    """What is wrong with it, "" for nothing; `rooms` are the files and directories that are for this VM."""
    seen = view(ElementTree.tostring(domain, encoding="unicode"))
    if seen.metadata is None or seen.metadata.vm_uid != vm_uid:
        return "a domain without the mark of the VM"
    foreign = [node.tag for node in domain.iter() if node.tag.startswith("{") and _OURS not in node.tag]
    if foreign:
        return f"a domain with {foreign[0]}"
    if seen.unrendered:
        return f"a domain with {seen.unrendered[0]}"
    if seen.host_devices or domain.find("devices/hostdev") is not None:
        return "a domain with a device of a host"
    allowed = (*_PROGRAMS, *rooms)
    for path in _paths(domain):
        if ".." in path.parts or not any(path.is_relative_to(room) for room in allowed):
            return f"a domain with {path}"
    return ""


def _paths(domain: ElementTree.Element) -> Iterator[PurePosixPath]:
    for part in domain:
        if part.tag == _NO_FILES:
            continue
        for node in part.iter():
            values = (*node.attrib.values(), (node.text or "").strip())
            yield from (PurePosixPath(value) for value in values if value.startswith("/"))
