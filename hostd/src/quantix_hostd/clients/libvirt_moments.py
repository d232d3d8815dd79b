"""Keeps a running guest as it is at one moment, through libvirt: a part of `clients/libvirt.py`.

The guest stands still while its memory goes to a file, or the copying of its disks begins, and while
whatever else is of that moment is kept; then it goes on, and QEMU copies each cluster before the guest writes
over it. Where there are only disks to copy it need not stand still: QEMU begins all in one transaction. All
of that is one call in a thread of its own, which a hostd that is told to end waits for; what one leaves that
was killed is found by the next (`resume` and `thaw`). QEMU 7.2 dies where a guest goes on just when a job of
its disks begins or ends (`qemu_mutex_unlock_impl: Operation not permitted`: the disk changes its thread
then), so that is waited for. It also dies, or could write nonsense, where it copies disks once it has saved
the memory: it has let go of them then until the guest goes on. So of a moment with memory it copies none.
Source: libvirt 9.0, libvirt-domain.h, virDomainBackupBegin and
virDomainSnapshotCreateXML; formatbackup.html, formatsnapshot.html.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any
from xml.etree import ElementTree

import libvirt
import structlog

from quantix_api.errors import InvariantError, PermanentError, TransientError
from quantix_api.message_table_phrases import SNAPSHOT_NOT_STOPPED, UNQUIESCED
from quantix_api.messages import as_error
from quantix_hostd.clients.libvirt_calls import close_quietly, lookup, translated
from quantix_hostd.clients.libvirt_memory import restore_paused
from quantix_hostd.clients.libvirt_stillness import Stillness, standing_still
from quantix_hostd.domainxml.element import element, serialize
from quantix_hostd.facts.copies import CopyProgress
from quantix_hostd.facts.moment import FREEZE_S, CopiedDisk, CopyStep, DisksCopy, Moment, MomentTaken

log = structlog.get_logger(__name__)

_AT_ONCE = 8
# an agent that says nothing at all is given up by libvirt after half of FREEZE_S, or later
_LATE_S = 5.0
_FAR_FROM_ITS_END_BYTES = 32 << 20
# ten seconds together
_LOOKS, _LOOK_S, _REST_S = 2000, 0.005, 0.2
_RUNNING_JOBS = (libvirt.VIR_DOMAIN_JOB_BOUNDED, libvirt.VIR_DOMAIN_JOB_UNBOUNDED)
_BACKUP = libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP
_OURS = (_BACKUP, libvirt.VIR_DOMAIN_JOB_OPERATION_SNAPSHOT)
_ENDED = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
# libvirt's metadata of a snapshot would keep the domain from being undefined
_MEMORY = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
# a domain that is asked for nothing has no agent, or none that listens
_NO_AGENT = frozenset(
    {
        libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
        libvirt.VIR_ERR_AGENT_UNSYNCED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    }
)


class GuestMoments(ABC):
    """The moments of `Hypervisor`."""

    uri: str
    _keepers: ThreadPoolExecutor | None = None

    @abstractmethod
    async def on_own(self, name: str, act: Callable[[Any], object], *, missing_ok: bool = False) -> None:
        """Act on a domain of ours in a thread: the client's part."""

    def take_moment(
        self, name: str, moment: Moment, keep: Callable[[], None]
    ) -> Coroutine[Any, Any, MomentTaken]:
        if self._keepers is None:
            self._keepers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="moment")
        return self._take(self._keepers, name, moment, keep)

    async def _take(
        self, keepers: ThreadPoolExecutor, name: str, moment: Moment, keep: Callable[[], None]
    ) -> MomentTaken:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(keepers, _take, self.uri, name, moment, keep)

    async def restore_paused(self, name: str, path: str, xml: str) -> None:
        if self._keepers is None:
            self._keepers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="moment")
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._keepers, restore_paused, self.uri, name, path, xml)

    async def disks_copy(self, name: str) -> DisksCopy:
        found = [DisksCopy(CopyStep.NONE)]
        await self.on_own(name, lambda domain: found.append(_copy_of(domain)), missing_ok=True)
        return found[-1]

    async def stop_disks_copy(self, name: str) -> None:
        await self.on_own(name, _stop, missing_ok=True)

    async def thaw(self, name: str) -> None:
        await self.on_own(name, _thaw, missing_ok=True)

    def close_keepers(self) -> None:
        """Whoever keeps a moment ends it."""
        if self._keepers is not None:
            self._keepers.shutdown(wait=False, cancel_futures=True)


def _take(uri: str, name: str, moment: Moment, keep: Callable[[], None]) -> MomentTaken:
    """Blocks until the guest goes on."""

    def take() -> MomentTaken:
        connection = libvirt.open(uri)
        try:
            return _take_of(lookup(connection, name), moment, keep)
        finally:
            close_quietly(connection)

    return translated(take)


def _take_of(domain: Any, moment: Moment, keep: Callable[[], None]) -> MomentTaken:
    if domain is None or not domain.isActive():
        raise libvirt.libvirtError("the domain does not run")
    quiesced = _freeze(domain) if moment.quiesce != "Never" else "NotAsked"
    thawed = quiesced in ("NotAsked", "NoAgent")
    try:
        if moment.quiesce == "Required" and quiesced != "Frozen":
            raise as_error(PermanentError, "QuiesceRequired", why=UNQUIESCED[quiesced])
        with standing_still(domain) if moment.still else nullcontext(Stillness()) as stillness:
            _keep(domain, moment, keep, stillness)
    finally:
        thawed = thawed or _thawed(domain)
    return MomentTaken(quiesced, frozen=not thawed)


def _keep(domain: Any, moment: Moment, keep: Callable[[], None], stillness: Stillness) -> None:
    if moment.memory and moment.disks:
        raise InvariantError("InternalError", "QEMU copies no disks of a guest whose memory it saves.")
    if moment.memory:
        domain.snapshotCreateXML(_memory_xml(domain, moment.memory), _MEMORY)
    if moment.disks:
        xml = _backup_xml(_devices(domain), moment.disks)
        domain.backupBegin(xml, None, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL)
    try:
        keep()
    except BaseException:
        # whoever clears up after this ends it, and has the guest go on then
        stillness.lasts = not _stopped(domain)
        raise
    if moment.still and moment.disks:
        _wait(domain, lambda: _settled(domain))
        time.sleep(_REST_S)


def _settled(domain: Any) -> bool:
    """Whether the copying has ended, or is far from its beginning and its end."""
    job = domain.jobStats()
    if job["type"] == libvirt.VIR_DOMAIN_JOB_NONE:
        return True
    parts = (job.get("disk_processed", 0), job.get("disk_remaining", 0))
    return bool(min(parts) > _FAR_FROM_ITS_END_BYTES)


def _wait(domain: Any, holds: Callable[[], bool]) -> bool:
    for _ in range(_LOOKS):
        if holds():
            return True
        time.sleep(_LOOK_S)
    log.warning("a job does not settle", domain=domain.name(), waited_s=_LOOKS * _LOOK_S)
    return False


def _freeze(domain: Any) -> str:
    began_s = time.monotonic()
    domain.agentSetResponseTimeout(FREEZE_S)
    try:
        domain.fsFreeze()
    except libvirt.libvirtError as error:
        late = time.monotonic() - began_s >= _LATE_S
        refused = "NoAgent" if error.get_error_code() in _NO_AGENT else "FreezeFailed"
        reason = "FreezeTimedOut" if late else refused
        log.warning("guest is not frozen", domain=domain.name(), reason=reason, said=str(error))
        return reason
    return "Frozen"


def _thawed(domain: Any) -> bool:
    """What goes wrong here must not hide what went wrong before."""
    try:
        _thaw(domain)
    except libvirt.libvirtError as error:
        log.warning("guest is not thawed", domain=domain.name(), said=str(error))
        return False
    return True


def _thaw(domain: Any) -> None:
    if domain.isActive():
        domain.agentSetResponseTimeout(FREEZE_S)
        domain.fsThaw()


def _copy_of(domain: Any) -> DisksCopy:
    job = domain.jobStats() if domain.isActive() else {}
    if job.get("type") in _RUNNING_JOBS:
        if job.get("operation") != _BACKUP:
            return DisksCopy(CopyStep.NONE)
        total = int(job.get("disk_total", 0))
        return DisksCopy(CopyStep.RUNNING, CopyProgress(int(job.get("disk_processed", 0)), total or None))
    ended = domain.jobStats(_ENDED)
    if ended.get("operation") != _BACKUP:
        return DisksCopy(CopyStep.NONE)
    done = bool(ended.get("success")) and ended.get("type") == libvirt.VIR_DOMAIN_JOB_COMPLETED
    return DisksCopy(CopyStep.DONE if done else CopyStep.FAILED, said=str(ended.get("errmsg", "")))


def _stop(domain: Any) -> None:
    """Has ended when it returns, so that the guest may go on. A job of another kind is left alone. Raises
    TransientError (SnapshotFailed) where it goes on.
    """
    if not domain.isActive():
        return
    job = domain.jobStats()
    if job.get("type") not in _RUNNING_JOBS or job.get("operation") not in _OURS:
        return
    domain.abortJob()
    if not _wait(domain, lambda: not domain.isActive() or domain.jobStats()["type"] not in _RUNNING_JOBS):
        raise as_error(TransientError, "SnapshotFailed", said=SNAPSHOT_NOT_STOPPED)


def _stopped(domain: Any) -> bool:
    """Whether it has ended. What goes wrong here must not hide what went wrong before."""
    try:
        _stop(domain)
    except (TransientError, libvirt.libvirtError) as error:
        log.warning("copying goes on", domain=domain.name(), said=str(error))
        return False
    return True


def _devices(domain: Any) -> tuple[str, ...]:
    """The `dev` of every disk and drive."""
    root = ElementTree.fromstring(domain.XMLDesc(0))
    return tuple(node.get("dev", "") for node in root.iterfind("devices/disk/target"))


def _memory_xml(domain: Any, path: str) -> str:
    left = (element("disk", {"name": dev, "snapshot": "no"}) for dev in _devices(domain))
    memory = element("memory", {"snapshot": "external", "file": path})
    return serialize(element("domainsnapshot", {}, memory, element("disks", {}, *left)))


def _backup_xml(devices: Iterable[str], disks: tuple[CopiedDisk, ...]) -> str:
    copied = {disk.target: disk for disk in disks}
    nodes = [
        _backup_disk(copied[dev]) if dev in copied else element("disk", {"name": dev, "backup": "no"})
        for dev in devices
    ]
    return serialize(element("domainbackup", {"mode": "push"}, element("disks", {}, *nodes)))


def _backup_disk(disk: CopiedDisk) -> ElementTree.Element:
    secret = element("secret", {"type": "passphrase", "uuid": disk.secret_uuid})
    target = element(
        "target",
        {"file": disk.path},
        element("seclabel", {"model": "dac", "relabel": "no"}),
        element("encryption", {"format": "luks"}, secret) if disk.secret_uuid else None,
    )
    return element(
        "disk",
        {"name": disk.target, "backup": "yes", "type": "file"},
        element("driver", {"type": "qcow2"}),
        target,
    )
