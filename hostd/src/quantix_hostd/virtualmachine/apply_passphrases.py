"""Hands passphrases of encrypted volumes to libvirt while it starts a guest or plugs a disk, and no longer.

Part of `apply`. What libvirt is told it keeps in memory and tells nobody; the passphrase is in no domain XML.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.virtualmachine import actions as do
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.virtualmachine.vm_ref import VmRef


async def check_passphrases(tools: VmTools, ref: VmRef, action: do.CheckPassphrases) -> None:
    """Raises WaitingError as `Passphrases.of`."""
    for name in action.volumes:
        await passphrase_of(tools, ref, name)


async def passphrase_of(tools: VmTools, ref: VmRef, volume: str) -> str:
    """That of a volume of the VM, "" for no name. Raises as `check_passphrases`."""
    return (await _read(tools, ref, volume))[1] if volume else ""


@asynccontextmanager
async def unlocked(
    tools: VmTools, ref: VmRef, volumes: tuple[str, ...], pools: tuple[str, ...]
) -> AsyncIterator[None]:
    """Let libvirt know the passphrases meanwhile, and the keys of pools in Ceph, which it forgets when it
    ends. Raises as `passphrase_of`, and TransientError (PoolUnreachable) while a key is not known.
    """
    for pool in pools:
        await tools.hypervisor.set_pool_key(pool, tools.pool_key(pool))
    known = [await _read(tools, ref, name) for name in volumes]
    try:
        for uid, passphrase in known:
            await tools.hypervisor.set_secret(uid, passphrase)
        yield
    finally:
        for uid, _ in known:
            await tools.hypervisor.forget_secret(uid)


async def _read(tools: VmTools, ref: VmRef, name: str) -> tuple[str, str]:
    """UID and passphrase of a volume."""
    namespace = (ref.vm.metadata.namespace if ref.vm else None) or ""
    volume = tools.objects.volume(namespace, name)
    if volume is None:
        raise as_error(TransientError, "VolumeNotFound", volume=name, path="spec.disks")
    return volume.metadata.uid, await tools.passphrases.of(volume)
