"""The newest CPU model that guests can have on this host, as libvirt names it.

Used by `assembly` after each connection to libvirt, where KVM works. A connection of its own, for one
question.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from xml.etree import ElementTree

import libvirt

from quantix_hostd.clients.libvirt_calls import silent, translated

_TIMEOUT_S = 20.0


async def read_host_model(uri: str, virt_type: str) -> str:
    """QEMU's name of the model, "" when libvirt names none; `virt_type` is kvm or qemu.

    Raises as `translated`, and TransientError (LibvirtDown) after 20 s. Source: libvirt, formatdomaincaps,
    CPU configuration.
    """

    def ask() -> str:
        connection = translated(lambda: libvirt.open(uri))
        try:
            asked = partial(connection.getDomainCapabilities, None, "x86_64", "q35", virt_type, 0)
            return str(translated(asked, connection))
        finally:
            # whoever asks expects errors of ours alone
            with suppress(libvirt.libvirtError):
                connection.close()

    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return parse_host_model(await asyncio.to_thread(ask))
    except TimeoutError as error:
        raise silent(_TIMEOUT_S) from error


def parse_host_model(capabilities_xml: str) -> str:
    """The model of mode host-model in domain capabilities, "" when there is none."""
    model = ElementTree.fromstring(capabilities_xml).find("cpu/mode[@name='host-model']/model")
    return (model.text or "") if model is not None else ""
