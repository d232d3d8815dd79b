"""What hostd needs of a hypervisor: the protocol that libvirt's client and the tests' fake both fulfil.

No libvirt here. Every call names a domain of ours; implementations refuse domains that are not with
InvariantError (hypervisor.md, section 1), and translate foreign errors.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from quantix_hostd.facts.copies import CopyProgress
from quantix_hostd.facts.domain import (
    DomainSnapshot,
    DomainStats,
    DomainSummary,
    Picture,
    ShutdownMode,
)
from quantix_hostd.facts.migration import Sending, SendingProgress
from quantix_hostd.facts.moment import DisksCopy, Moment, MomentTaken

Cpus = tuple[int, ...]


class Hypervisor(Protocol):
    """Every method may raise TransientError besides what it names: LibvirtDown; of one domain QEMUHangs."""

    @property
    def connected(self) -> bool: ...

    async def domains(self) -> tuple[DomainSummary, ...]:
        """Every domain of the host, foreign ones too."""

    async def domain(self, name: str) -> DomainSnapshot | None: ...

    async def define(self, xml: str) -> None:
        """Define or redefine; PermanentError(ConfigRefused) when libvirt or QEMU cannot."""

    async def create_paused(self, name: str) -> None:
        """Start QEMU with the guest paused, never from a saved image."""

    async def set_secret(self, uuid: str, passphrase: str) -> None:
        """Let it open encrypted disks that name this secret; it tells the passphrase to nobody."""

    async def set_pool_key(self, pool: str, key: str) -> None:
        """Let it open disks in Ceph of this StoragePool; it tells the key to nobody."""

    async def forget_secret(self, uuid: str) -> None:
        """One that is not there is no error."""

    async def resume(self, name: str) -> None: ...

    async def suspend(self, name: str) -> None: ...

    async def shutdown(self, name: str, mode: ShutdownMode) -> None:
        """Ask the guest; it may ignore it."""

    async def reset(self, name: str) -> None: ...

    async def destroy(self, name: str, *, graceful: bool) -> None:
        """End QEMU; graceful fails (TransientError) rather than kill one that is stuck in I/O."""

    async def undefine(self, name: str) -> None:
        """Forget an inactive domain; NVRAM and TPM state stay. A domain that is not there is no error."""

    async def set_metadata(self, name: str, xml: str) -> None:
        """Replace our metadata, in the definition and in the running domain."""

    async def resize_disk(self, name: str, target: str, size_bytes: int) -> None: ...

    async def set_link(self, name: str, alias: str, *, up: bool) -> None: ...

    async def attach_device(self, name: str, xml: str) -> None:
        """Plug a device into the running domain; PermanentError(ConfigRefused) when that cannot be."""

    async def detach_device(self, name: str, alias: str) -> None:
        """Ask the guest to let a device go. It may take its time or never hear of it: ask again until the
        device has left the live XML. One that is not there is no error.
        """

    async def change_medium(self, name: str, alias: str, path: str | None) -> None:
        """Put another medium into a CD-ROM drive of the running domain, or none; TransientError while the
        guest keeps the drive shut.
        """

    async def set_cores(self, name: str, cores: int) -> None:
        """Plug in vCPUs, up to those that the domain was started with room for."""

    async def set_cpu_tune(self, name: str, shares: int, quota_us: int) -> None:
        """Weight of the domain's CPU time and, in each 100 ms, its most; -1: no limit."""

    async def pin_cpus(self, name: str, vcpus: Sequence[Cpus], rest: Cpus) -> None:
        """The host's CPUs that each vCPU, and every other thread of QEMU, may run on from now on."""

    async def set_disk_limits(self, name: str, target: str, iops: int, bytes_per_second: int) -> None:
        """Most requests and bytes in a second; 0: no limit."""

    async def set_memory(self, name: str, requested_bytes: int) -> None:
        """What the guest shall take of its room to grow, in whole blocks; it takes it step by step."""

    async def set_balloon(self, name: str, size_bytes: int) -> None:
        """How much the guest shall keep of the memory that it booted with; a guest without the driver never
        hears of it.
        """

    async def copy_disk(self, name: str, target: str, xml: str, bytes_per_second: int) -> None:
        """Begin to copy the disk `target` (its `dev`) of the running domain into the file of `xml`, which is
        there and as large. It ends with its QEMU, or as told below. What the guest writes meanwhile is not
        limited.
        """

    async def copy_progress(self, name: str, target: str) -> CopyProgress | None:
        """How far it has come; None while nothing is copied."""

    async def switch_to_copy(self, name: str, target: str) -> None:
        """Let the domain go on with the copy, which must be whole; the first file is as it was then."""

    async def drop_copy(self, name: str, target: str) -> None:
        """End copying; the disk is untouched, the copy nothing. Without one nothing happens."""

    async def migratable_xml(self, name: str) -> str:
        """The running domain, as another host's libvirt takes it."""

    def send_guest(self, name: str, sending: Sending) -> Coroutine[Any, Any, None]:
        """Send the running guest to another host: done once it is there, paused, and gone here. It takes as
        long as it takes, and goes on without hostd. Raises TransientError (SourceFailed); the guest runs on,
        or stands still for good where it was switched.
        """

    def switch_sending(self, name: str) -> Coroutine[Any, Any, bool]:
        """Have a guest that is sent, and may be, stop here and get the rest of its memory on the other host.
        True once nothing lets it go on here any more; False where it did not come to that within some
        seconds: it may run, may be there whole, or be gone. May be asked again. Raises TransientError.
        """

    async def sending_progress(self, name: str) -> SendingProgress | None:
        """How far that has come; None while nothing is sent."""

    async def stop_sending(self, name: str) -> None:
        """Have it end with an error; without one nothing happens."""

    def take_moment(
        self, name: str, moment: Moment, keep: Callable[[], None]
    ) -> Coroutine[Any, Any, MomentTaken]:
        """Let the running guest stand still, keep its memory and begin to copy its disks, `keep` in a thread
        whatever else is of that moment, and let it go on, also where something fails: then nothing is copied.
        It takes as long as it takes. Raises what `keep` does; PermanentError (QuiesceRequired).
        """

    async def restore_paused(self, name: str, path: str, xml: str) -> None:
        """Start the defined domain, which is as `xml` says, from the memory in a file: the guest stands still
        where it stood then. PermanentError (ConfigRefused) where it is another machine by now.
        """

    async def disks_copy(self, name: str) -> DisksCopy:
        """How that copying goes on, or ended."""

    async def stop_disks_copy(self, name: str) -> None:
        """End it, and the writing of memory to a file: either has ended then, or TransientError
        (SnapshotFailed). Without any nothing happens.
        """

    async def thaw(self, name: str) -> None:
        """Let the agent thaw the guest's file systems: TransientError until it has."""

    async def screenshot(self, name: str, most_bytes: int) -> Picture | None:
        """The screen now; None when the domain does not run. Raises PermanentError (NoScreen,
        ScreenTooLarge), TransientError (ScreenHangs) while an earlier one is not there yet.
        """

    async def stats(self) -> tuple[DomainStats, ...]:
        """Figures of the active domains of ours, in one call; a busy domain tells less than others."""
