"""The passphrases and the keys of pools in Ceph that libvirt hands to QEMU: a part of `clients/libvirt.py`.

Ephemeral (never on disk) and private (no client can read the value again). QEMU gets it encrypted with a key
of the domain's own. Source: libvirt 9.0, formatsecret.html.
"""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID, uuid5

import libvirt

from quantix_hostd.domainxml.ceph import ceph_secret
from quantix_hostd.domainxml.element import element, serialize

_USAGE = "quantix"
_POOL_KEYS = UUID("5a0a4f0e-8c0b-4a5c-9a54-6f1f7d1c2b46")


def set_secret(connection: Any, uuid: str, passphrase: str) -> None:
    usage = element("usage", {"type": "volume"}, element("volume", text=f"{_USAGE}/{uuid}"))
    xml = element("secret", {"ephemeral": "yes", "private": "yes"}, element("uuid", text=uuid), usage)
    connection.secretDefineXML(serialize(xml)).setValue(passphrase.encode())


def set_pool_key(connection: Any, pool: str, key: str) -> None:
    """Under a UUID that is always the same, so that it is the same secret as before."""
    usage = element("usage", {"type": "ceph"}, element("name", text=ceph_secret(pool)))
    own = str(uuid5(_POOL_KEYS, pool))
    xml = element("secret", {"ephemeral": "yes", "private": "yes"}, element("uuid", text=own), usage)
    connection.secretDefineXML(serialize(xml)).setValue(base64.b64decode(key))


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
