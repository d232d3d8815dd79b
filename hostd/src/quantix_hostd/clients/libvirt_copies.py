"""Copies the disk of a running domain to another file through libvirt: a part of `clients/libvirt.py`.

Each guest write goes to both files before the guest hears of it, so that a copy ends however busy the guest
is. QEMU 7.2 dies of such a write that comes before the job runs in the thread of the disk, or as it is given
up (block/mirror.c: there is no in_flight_bitmap), so the guest stands still for some milliseconds then.
Source: libvirt 9.0, libvirt-domain.h, virDomainBlockCopy; QEMU's docs/interop/live-block-operations.rst.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import libvirt
import structlog

from quantix_hostd.clients.libvirt_stillness import standing_still
from quantix_hostd.facts.copies import CopyProgress

log = structlog.get_logger(__name__)

# a persistent domain takes no copy but one that ends with its QEMU (error 55 without TRANSIENT_JOB)
_BEGIN = (
    libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT
    | libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
    | libvirt.VIR_DOMAIN_BLOCK_COPY_SYNCHRONOUS_WRITES
)
_PIVOT = libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT
# a second together; libvirt tells an end of 1 until QEMU knows one (qemuDomainGetBlockJobInfo)
_LOOKS, _LOOK_S, _NO_END_YET = 200, 0.005, 1


class DiskCopies(ABC):
    """The block jobs of `Hypervisor`; `target` is a disk's `dev`."""

    @abstractmethod
    async def on_own(self, name: str, act: Callable[[Any], object], *, missing_ok: bool = False) -> None:
        """Act on a domain of ours in a thread: the client's part."""

    async def copy_disk(self, name: str, target: str, xml: str, bytes_per_second: int) -> None:
        limit = {libvirt.VIR_DOMAIN_BLOCK_COPY_BANDWIDTH: bytes_per_second}
        await self.on_own(name, lambda domain: _begin(domain, target, xml, limit))

    async def copy_progress(self, name: str, target: str) -> CopyProgress | None:
        found: list[CopyProgress] = []

        def read(domain: Any) -> None:
            job = domain.blockJobInfo(target, 0) if domain.isActive() else None
            if job:
                found.append(CopyProgress(int(job["cur"]), int(job["end"])))

        await self.on_own(name, read)
        return found[0] if found else None

    async def switch_to_copy(self, name: str, target: str) -> None:
        await self.on_own(name, lambda domain: domain.blockJobAbort(target, _PIVOT))

    async def drop_copy(self, name: str, target: str) -> None:
        await self.on_own(name, lambda domain: _drop(domain, target))


def _begin(domain: Any, target: str, xml: str, limit: dict[str, int]) -> None:
    with standing_still(domain):
        domain.blockCopy(target, xml, limit, _BEGIN)
        for _ in range(_LOOKS):
            job = domain.blockJobInfo(target, 0)
            if not job or job["end"] > _NO_END_YET:
                return
            time.sleep(_LOOK_S)
        log.warning("a copy has not begun", domain=domain.name(), target=target, waited_s=_LOOKS * _LOOK_S)


def _drop(domain: Any, target: str) -> None:
    if domain.blockJobInfo(target, 0):
        with standing_still(domain):
            domain.blockJobAbort(target, 0)
