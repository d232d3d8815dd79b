"""The newest CPU model that guests can have on this host, as libvirt names it.

Used by `assembly` after each connection to libvirt, where KVM works. A connection of its own, for one
question.
"""

from __future__ import annotations

import asyncio
from xml.etree import ElementTree

import libvirt

from quantix_api.errors import TransientError
from quantix_api.messages import as_error

_TIMEOUT_S = 20.0


async def read_host_model(uri: str, virt_type: str) -> str:
    """QEMU's name of the model, "" when libvirt names none; `virt_type` is kvm or qemu.

    Raises TransientError (LibvirtDown). Source: libvirt, formatdomaincaps, CPU configuration.
    """

    def ask() -> str:
        connection = libvirt.open(uri)
        try:
            return str(connection.getDomainCapabilities(None, "x86_64", "q35", virt_type, 0))
        finally:
            connection.close()

    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return parse_host_model(await asyncio.to_thread(ask))
    except (libvirt.libvirtError, TimeoutError) as error:
        raise as_error(TransientError, "LibvirtDown", said=str(error) or "it names no CPU model") from error


def parse_host_model(capabilities_xml: str) -> str:
    """The model of mode host-model in domain capabilities, "" when there is none."""
    model = ElementTree.fromstring(capabilities_xml).find("cpu/mode[@name='host-model']/model")
    return (model.text or "") if model is not None else ""
