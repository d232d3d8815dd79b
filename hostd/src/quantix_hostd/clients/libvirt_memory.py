"""Starts a domain from memory that was kept: a part of `clients/libvirt.py`.

Source: libvirt 9.0, libvirt-domain.h, virDomainRestoreFlags.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import libvirt
import structlog

from quantix_api.errors import PermanentError
from quantix_api.messages import as_error
from quantix_hostd.clients.libvirt_calls import close_quietly, translated
from quantix_hostd.domainxml.memory import BLOCK_BYTES, MEMORY_ALIAS
from quantix_hostd.domainxml.view import DomainView, view

_OURS = "ua-"

log = structlog.get_logger(__name__)


def restore_paused(uri: str, name: str, path: str, xml: str) -> None:
    """Blocks until QEMU has read all of it. Raises as `translated`, and PermanentError (MemoryUnusable)."""

    def restore() -> None:
        connection = libvirt.open(uri)
        try:
            connection.restoreFlags(path, _restorable(connection, path, xml), libvirt.VIR_DOMAIN_SAVE_PAUSED)
        finally:
            close_quietly(connection)

    log.info("memory is read", domain=name)
    translated(restore)


def _restorable(connection: Any, path: str, xml: str) -> str:
    """The domain as it was, with its identity and the sources of its devices as they are to be now: what else
    differs QEMU would not take (virDomainDefCheckABIStability). Raises PermanentError (MemoryUnusable) where
    it has other devices now: QEMU would open disks whose claims nobody took.
    """
    saved = connection.saveImageGetXMLDesc(path, libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE)
    if unlike := _unlike(view(saved), view(xml)):
        raise as_error(PermanentError, "MemoryUnusable", unlike=", ".join(unlike))
    was, now = ElementTree.fromstring(saved), ElementTree.fromstring(xml)
    _replace(was, was.find("metadata"), now.find("metadata"))
    sources = {_alias(device): device for device in now.iterfind("devices/*")}
    for device in was.iterfind("devices/*"):
        other = sources.get(_alias(device))
        if other is not None and device.tag == "disk":
            for tag in ("source", "backingStore", "auth"):
                _replace(device, device.find(tag), other.find(tag))
    return ElementTree.tostring(was, encoding="unicode")


def _unlike(was: DomainView, now: DomainView) -> list[str]:
    """What makes two machines of them, whatever their disks lie in; by names of devices."""
    had, has = _devices(was), _devices(now)
    unlike = [name.removeprefix(_OURS) for name in sorted({*had, *has}) if had.get(name) != has.get(name)]
    if was.fields.get("max_cores") != now.fields.get("max_cores"):
        unlike.append("cpu")
    # how much of it was there from the start changes with what the guest was given since
    if _most_memory(was) != _most_memory(now):
        unlike.append("memory")
    return unlike


def _devices(domain: DomainView) -> dict[str, tuple[str, str]]:
    """What tells each device from another in its place."""
    found = {name: device for name, device in domain.devices.items() if name.startswith(_OURS)}
    found.pop(MEMORY_ALIAS, None)
    return {name: (device.get("device", ""), device.get("serial", "")) for name, device in found.items()}


def _most_memory(domain: DomainView) -> int:
    return (domain.memory.base + domain.memory.room) // BLOCK_BYTES


def _alias(device: ElementTree.Element) -> str:
    alias = device.find("alias")
    return alias.get("name", "") if alias is not None else ""


def _replace(
    parent: ElementTree.Element, old: ElementTree.Element | None, new: ElementTree.Element | None
) -> None:
    if old is not None:
        parent.remove(old)
    if new is not None:
        parent.append(new)
