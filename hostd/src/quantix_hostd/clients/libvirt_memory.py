"""Starts a domain from memory that was kept: a part of `clients/libvirt.py`.

Source: libvirt 9.0, libvirt-domain.h, virDomainRestoreFlags.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import libvirt
import structlog

from quantix_hostd.clients.libvirt_calls import close_quietly, translated

log = structlog.get_logger(__name__)


def restore_paused(uri: str, name: str, path: str, xml: str) -> None:
    """Blocks until QEMU has read all of it. Raises as `translated`."""

    def restore() -> None:
        connection = libvirt.open(uri)
        try:
            connection.restoreFlags(path, _restorable(connection, path, xml), libvirt.VIR_DOMAIN_SAVE_PAUSED)
        finally:
            close_quietly(connection, ())

    log.info("memory is read", domain=name)
    translated(restore)


def _restorable(connection: Any, path: str, xml: str) -> str:
    """The domain as it was, with its identity and the sources of its devices as they are to be now: what else
    differs QEMU would not take (virDomainDefCheckABIStability).
    """
    was = ElementTree.fromstring(
        connection.saveImageGetXMLDesc(path, libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE)
    )
    now = ElementTree.fromstring(xml)
    _replace(was, was.find("metadata"), now.find("metadata"))
    sources = {_alias(device): device for device in now.iterfind("devices/*")}
    for device in was.iterfind("devices/*"):
        other = sources.get(_alias(device))
        if other is not None and device.tag == "disk":
            for tag in ("source", "backingStore", "auth"):
                _replace(device, device.find(tag), other.find(tag))
    return ElementTree.tostring(was, encoding="unicode")


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
