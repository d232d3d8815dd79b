"""The passphrases that libvirt hands to QEMU: a part of `clients/libvirt.py`.

Ephemeral (never on disk) and private (no client can read the value again). QEMU gets it encrypted with a key
of the domain's own. Source: libvirt 9.0, formatsecret.html.
"""

from __future__ import annotations

from typing import Any

import libvirt

from quantix_hostd.domainxml.element import element, serialize

_USAGE = "quantix"


def set_secret(connection: Any, uuid: str, passphrase: str) -> None:
    usage = element("usage", {"type": "volume"}, element("volume", text=f"{_USAGE}/{uuid}"))
    xml = element("secret", {"ephemeral": "yes", "private": "yes"}, element("uuid", text=uuid), usage)
    connection.secretDefineXML(serialize(xml)).setValue(passphrase.encode())


def forget_left_secrets(connection: Any) -> None:
    """Those that a hostd left which was killed while it started a guest."""
    for secret in connection.listAllSecrets():
        if secret.usageID().startswith(f"{_USAGE}/"):
            secret.undefine()


def forget_secret(connection: Any, uuid: str) -> None:
    try:
        connection.secretLookupByUUIDString(uuid).undefine()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SECRET:
            raise
