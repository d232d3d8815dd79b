"""Puts a VM's seed where its domain expects it.

Called by the VM's start (and later by the target of a migration) before the domain is defined. The seed
holds secrets: it lies in memory (`/run`), readable by QEMU's group only, and goes with that directory.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from pathlib import Path
from typing import Any, Protocol

from quantix_api import VirtualMachine
from quantix_api.layout import Layout
from quantix_api.messages import as_wait
from quantix_api.resources import SECRETS, Resource
from quantix_client.errors import Forbidden, NotFound
from quantix_hostd.clients.files import FileOwner, write_atomically
from quantix_hostd.cloudinit.iso import render_iso
from quantix_hostd.cloudinit.render import LABEL, render_seed

_MAX_USER_DATA_BYTES = 1 << 20
_PATH = "spec.cloudInit.userDataSecretRef"
_LOOK_S = 5.0


class SecretReader(Protocol):
    """The one verb of the API that a seed needs."""

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]: ...


class SeedMaker:
    """Makes seeds below `layout`, readable by `owner` (QEMU's group)."""

    def __init__(self, api: SecretReader, layout: Layout, owner: FileOwner) -> None:
        self._api = api
        self._layout = layout
        self._owner = owner

    async def ensure_seed(self, vm: VirtualMachine, domain: str = "") -> Path | None:
        """Write the seed of `vm`, whose name is in `domain`, unless it is there as it should be; None for a
        VM without cloudInit.

        Raises WaitingError (SecretNotFound) while the Secret named in spec cannot be read.
        """
        if vm.spec.cloud_init is None:
            return None
        user_data = await self._user_data(vm)
        image = await asyncio.to_thread(render_iso, LABEL, render_seed(vm, user_data, domain))
        path = self._layout.vm_run(vm.metadata.uid) / "seed.iso"
        await asyncio.to_thread(self._ensure_file, path, image)
        return path

    async def _user_data(self, vm: VirtualMachine) -> str:
        cloud_init = vm.spec.cloud_init
        if cloud_init is None or cloud_init.user_data_secret_ref is None:
            return (cloud_init.user_data if cloud_init else None) or ""
        reference = cloud_init.user_data_secret_ref
        key = reference.key or "userData"
        try:
            secret = await self._api.get(SECRETS, reference.name, vm.metadata.namespace)
        except (NotFound, Forbidden) as error:
            raise as_wait("SecretNotFound", _LOOK_S, name=reference.name, path=_PATH) from error
        encoded = (secret.get("data") or {}).get(key)
        if encoded is None:
            raise as_wait("SecretNotFound", _LOOK_S, name=reference.name, key=key, path=_PATH)
        try:
            content = base64.b64decode(encoded, validate=True)
            if len(content) > _MAX_USER_DATA_BYTES:
                raise as_wait("SecretNotFound", _LOOK_S, name=reference.name, key=key, what="over 1 MiB")
            return content.decode("utf-8")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise as_wait("SecretNotFound", _LOOK_S, name=reference.name, key=key, what="no text") from error

    def _ensure_file(self, path: Path, image: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != image:
            write_atomically(path, image, mode=0o440, owner=self._owner)
