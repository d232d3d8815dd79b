"""Sends a running guest to another host through libvirt: a part of `clients/libvirt.py`.

Peer to peer, so that a hostd that ends does not end it, and always paused at its end: who may go on is told
by the claims alone (ha.md, "Migration"). libvirt refuses to leave one paused that may be switched
(post-copy): there the target's hostd sees to it (docs/adr/0052). Source: libvirt 9.0, libvirt-domain.h,
virDomainMigrateToURI3, virDomainMigrateStartPostCopy.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import libvirt

from quantix_api.errors import TransientError
from quantix_api.message_text import cause_of
from quantix_api.messages import as_error
from quantix_api.scheduling_policy import MOST_PER_HOST
from quantix_hostd.clients.libvirt_calls import close_quietly, is_away, is_of_a_socket
from quantix_hostd.clients.libvirt_left_copies import remove_left_copies
from quantix_hostd.facts.migration import Sending, SendingProgress

_MIB = 1024 * 1024
# none waits unseen for a thread, while its time runs
_AT_ONCE = MOST_PER_HOST
_FLAGS = (
    libvirt.VIR_MIGRATE_LIVE
    | libvirt.VIR_MIGRATE_PEER2PEER
    | libvirt.VIR_MIGRATE_PERSIST_DEST
    | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
    | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
    | libvirt.VIR_MIGRATE_TLS
)
_RUNNING_JOBS = (libvirt.VIR_DOMAIN_JOB_BOUNDED, libvirt.VIR_DOMAIN_JOB_UNBOUNDED)
_MOVES = libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT
_STOPPED = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_POSTCOPY]
_SENT_WHOLE = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION]
_SWITCHED_WITHIN_S = 5.0
# on its way to a post-copy it passes through that, too
_WHOLE_AFTER_S = 0.5
_LOOK_S = 0.02


class GuestMoves(ABC):
    """The migrations of `Hypervisor`. Each has a thread and a connection of its own while it lasts."""

    uri: str
    _movers: ThreadPoolExecutor | None = None
    _switchers: ThreadPoolExecutor | None = None

    @abstractmethod
    async def on_own(self, name: str, act: Callable[[Any], object], *, missing_ok: bool = False) -> None:
        """Act on a domain of ours in a thread: the client's part."""

    async def migratable_xml(self, name: str) -> str:
        found: list[str] = []

        def read(domain: Any) -> None:
            found.append(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE))

        await self.on_own(name, read)
        return found[0]

    def send_guest(self, name: str, sending: Sending) -> Coroutine[Any, Any, None]:
        if self._movers is None:
            self._movers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="move")
        return self._send(self._movers, name, sending)

    async def _send(self, movers: ThreadPoolExecutor, name: str, sending: Sending) -> None:
        await asyncio.get_running_loop().run_in_executor(movers, _send, self.uri, name, sending)

    async def sending_progress(self, name: str) -> SendingProgress | None:
        found: list[SendingProgress] = []

        def read(domain: Any) -> None:
            job = domain.jobStats() if domain.isActive() else {}
            if job.get("type") in _RUNNING_JOBS and job.get("operation") == _MOVES:
                found.append(progress_of(job, domain.maxMemory() * 1024))

        await self.on_own(name, read, missing_ok=True)
        return found[0] if found else None

    async def switch_sending(self, name: str) -> bool:
        if self._switchers is None:
            # the guest stands still meanwhile: it waits neither for those that are sent, nor for other calls
            self._switchers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="switch")
        return await asyncio.get_running_loop().run_in_executor(self._switchers, _switch, self.uri, name)

    async def stop_sending(self, name: str) -> None:
        def stop(domain: Any) -> None:
            if domain.isActive() and domain.jobInfo()[0] in _RUNNING_JOBS:
                domain.abortJob()

        await self.on_own(name, stop, missing_ok=True)

    def close_movers(self) -> None:
        """What is under way goes on in libvirtd."""
        for threads in (self._movers, self._switchers):
            if threads is not None:
                threads.shutdown(wait=False, cancel_futures=True)


def _send(uri: str, name: str, sending: Sending) -> None:
    """Blocks until the guest is there, paused, and gone here. Raises TransientError (SourceFailed,
    TargetFailed).
    """
    connection = None
    try:
        connection = libvirt.open(uri)
        domain = connection.lookupByName(name)
        if sending.disks:
            remove_left_copies(domain)
        domain.migrateSetMaxDowntime(sending.downtime_ms)
        target = f"qemu+unix:///system?socket={quote(str(sending.socket))}"
        domain.migrateToURI3(target, _parameters(sending), _flags(sending))
    except libvirt.libvirtError as error:
        raise why_not_sent(error, connection, sending.host) from error
    finally:
        if connection is not None:
            close_quietly(connection)


def why_not_sent(error: libvirt.libvirtError, connection: Any, target: str) -> TransientError:
    """Whose libvirtd ended, where that is why: libvirt itself says of either that a file came to its end.
    `connection` is the one to our own, None where it was never open.
    """
    said = cause_of(str(error))
    if is_away(error, connection):
        return as_error(TransientError, "SourceFailed", ended=said)
    if is_of_a_socket(error):
        # our libvirtd passes on what its connection to the other one ran into
        return as_error(TransientError, "TargetFailed", cut=target, said=said)
    return as_error(TransientError, "SourceFailed", said=said)


def _switch(uri: str, name: str) -> bool:
    """QEMU says that it switches before it has sent the state of its devices, and until it has, a failure may
    let it go on here by itself (migration/migration.c, postcopy_start, of 7.2 and 10.0). Memory that goes
    after that shows that it is past it.
    """
    try:
        connection = libvirt.open(uri)
        try:
            domain = connection.lookupByName(name)
            if domain.state() != _STOPPED:
                domain.migrateStartPostCopy()
            return _wait_switched(domain)
        finally:
            close_quietly(connection)
    except libvirt.libvirtError as error:
        raise as_error(TransientError, "SourceFailed", said=cause_of(str(error))) from error


def _wait_switched(domain: Any) -> bool:
    at_stop, whole = None, 0
    for _ in range(round(_SWITCHED_WITHIN_S / _LOOK_S)):
        state = domain.state()
        if state == _STOPPED:
            sent = _sent_pages(domain.jobStats())
            at_stop = sent if at_stop is None else at_stop
            if sent > at_stop:
                return True
        whole = whole + 1 if state == _SENT_WHOLE else 0
        if whole * _LOOK_S > _WHOLE_AFTER_S:
            return False
        time.sleep(_LOOK_S)
    return False


def _sent_pages(job: dict[str, Any]) -> int:
    return int(job.get("memory_normal", 0)) + int(job.get("memory_constant", 0))


def _flags(sending: Sending) -> int:
    flags = int(_FLAGS)
    flags |= int(libvirt.VIR_MIGRATE_POSTCOPY if sending.post_copy else libvirt.VIR_MIGRATE_PAUSED)
    if sending.auto_converge:
        flags |= libvirt.VIR_MIGRATE_AUTO_CONVERGE
    if sending.disks:
        flags |= libvirt.VIR_MIGRATE_NON_SHARED_DISK
    return flags


def _parameters(sending: Sending) -> dict[str, Any]:
    address = f"[{sending.address}]" if ":" in sending.address else sending.address
    parameters: dict[str, Any] = {
        libvirt.VIR_MIGRATE_PARAM_URI: f"tcp://{address}",
        libvirt.VIR_MIGRATE_PARAM_LISTEN_ADDRESS: sending.address,
        libvirt.VIR_MIGRATE_PARAM_TLS_DESTINATION: sending.host,
        libvirt.VIR_MIGRATE_PARAM_DEST_XML: sending.xml,
        libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: sending.xml,
    }
    if sending.disks:
        parameters[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = list(sending.disks)
    if sending.bytes_per_second:
        limit = max(sending.bytes_per_second // _MIB, 1)
        parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = limit
        if sending.post_copy:
            parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY] = limit
    return parameters


def progress_of(job: dict[str, Any], memory_bytes: int) -> SendingProgress:
    """How far libvirt's job is. While disks are copied it tells nothing of the memory, which follows: that
    counts with `memory_bytes` from the beginning, so that nothing begins twice.
    """
    memory = int(job.get("memory_total", 0))
    total = (memory or memory_bytes) + int(job.get("disk_total", 0))
    left = int(job.get("memory_remaining", 0)) if memory else memory_bytes
    left += int(job.get("disk_remaining", 0))
    page = int(job.get("memory_page_size", 4096))
    return SendingProgress(
        done_bytes=max(total - left, 0),
        total_bytes=total,
        bytes_per_second=int(job.get("memory_bps", 0)) + int(job.get("disk_bps", 0)),
        dirty_bytes_per_second=int(job.get("memory_dirty_rate", 0)) * page,
        passes=max(int(job.get("memory_iteration", 0)) - 1, 0),
    )
