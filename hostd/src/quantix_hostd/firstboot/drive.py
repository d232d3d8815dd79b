"""Puts a VM's first-boot settings, for cloud-init or for Windows, where its domain expects them.

Called by the VM's start (and later by the target of a migration) before the domain is defined. The drive
holds secrets: it lies in memory (`/run`), readable by QEMU's group only, and goes with that directory.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from quantix_api import VirtualMachine
from quantix_api.layout import FIRST_BOOT_FILE, Layout
from quantix_api.message_table_phrases import NO_TEXT, OVER_1_MIB
from quantix_hostd.clients.files import FileOwner, write_atomically
from quantix_hostd.firstboot.iso import render_iso
from quantix_hostd.firstboot.render import ANSWERS_LABEL, LABEL, render_answers, render_seed
from quantix_hostd.secret_values import SecretKey, SecretValues

_MAX_SECRET_BYTES = 1 << 20
_USER_DATA, _ANSWERS = "spec.cloudInit.userDataSecretRef", "spec.sysprep.secretRef"


class FirstBootMaker:
    """Makes drives below `layout`, readable by `owner` (QEMU's group)."""

    def __init__(self, secrets: SecretValues, layout: Layout, owner: FileOwner) -> None:
        self._secrets = secrets
        self._layout = layout
        self._owner = owner

    async def ensure_drive(self, vm: VirtualMachine, domain: str = "") -> Path | None:
        """Write the settings of `vm`, whose name is in `domain`, unless they are there as they should be;
        None for a VM that has none.

        Raises WaitingError (SecretNotFound, SecretNotGranted) while the Secret named in spec cannot be read.
        """
        if vm.spec.sysprep is not None:
            secret_ref = vm.spec.sysprep.secret_ref
            answers = await self._read(_wanted(vm, secret_ref.name, secret_ref.key, _ANSWERS))
            label, files = ANSWERS_LABEL, render_answers(answers)
        elif vm.spec.cloud_init is not None:
            label, files = LABEL, render_seed(vm, await self._user_data(vm), domain)
        else:
            return None
        image = await asyncio.to_thread(render_iso, label, files)
        path = self._layout.vm_run(vm.metadata.uid) / FIRST_BOOT_FILE
        await asyncio.to_thread(self._ensure_file, path, image)
        return path

    async def _user_data(self, vm: VirtualMachine) -> str:
        cloud_init = vm.spec.cloud_init
        if cloud_init is None or cloud_init.user_data_secret_ref is None:
            return (cloud_init.user_data if cloud_init else None) or ""
        reference = cloud_init.user_data_secret_ref
        wanted = _wanted(vm, reference.name, reference.key, _USER_DATA)
        try:
            return (await self._read(wanted)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise wanted.holds(NO_TEXT) from error

    async def _read(self, wanted: SecretKey) -> bytes:
        content = await self._secrets.read(wanted)
        if len(content) > _MAX_SECRET_BYTES:
            raise wanted.holds(OVER_1_MIB)
        return content

    def _ensure_file(self, path: Path, image: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != image:
            write_atomically(path, image, mode=0o440, owner=self._owner)


def _wanted(vm: VirtualMachine, name: str, key: str, path: str) -> SecretKey:
    """A key of a Secret of the VM's namespace; `path` is the field that names it."""
    return SecretKey(vm.metadata.namespace, name, key, {"path": path})
