"""Everything the VM's reconciler acts with, in one frozen bundle that `bundles` builds."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from quantix_api import Image, StoragePool, VirtualMachine
from quantix_api.errors import QuantixError
from quantix_api.layout import Layout
from quantix_client.api import ApiClient
from quantix_client.clock import Clock, SystemClock
from quantix_hostd.claims import ClaimStore, PoolKey, VolumePlace
from quantix_hostd.clients.hypervisor import Hypervisor
from quantix_hostd.clients.kernel_log import DevKmsg, KernelLog
from quantix_hostd.clients.ovs_ports import GuestPorts
from quantix_hostd.clients.process import Processes
from quantix_hostd.clients.state_store import StateStore
from quantix_hostd.events import Events
from quantix_hostd.facts.disk_file import DiskFile
from quantix_hostd.facts.links import HOST_LEG
from quantix_hostd.migration.departures import Departures
from quantix_hostd.virtualmachine.console import ConsoleHub
from quantix_hostd.virtualmachine.cpu_book import CpuBook
from quantix_hostd.virtualmachine.desired import HostFacts
from quantix_hostd.virtualmachine.device_book import DeviceBook
from quantix_hostd.virtualmachine.directories import VmDirectories
from quantix_hostd.virtualmachine.guest_watch import GuestWatch
from quantix_hostd.virtualmachine.objects import Objects
from quantix_hostd.virtualmachine.record import RecordStore
from quantix_hostd.volume.live_moves import LiveMoves
from quantix_hostd.volume.passphrases import Passphrases

T = TypeVar("T")


class AskPool(Protocol):
    """Makes a blocking call that looks into, or changes, a pool (`pool_asks.PoolAsks`)."""

    async def __call__(self, pool: PoolKey, call: Callable[[], T]) -> T:
        """What `call` returns, or raises. Raises TransientError (PoolUnreachable) where the pool does not
        answer in time: `call` may go on then, and until it ends the pool is asked nothing more.
        """


class FirstBootDrives(Protocol):
    """Makes the drive of a VM's first-boot settings, at `layout.vm_run(uid) / FIRST_BOOT_FILE`."""

    async def ensure_drive(self, vm: VirtualMachine, domain: str = "") -> Path | None: ...


class Disks(Protocol):
    """Looks at disks, and grows those that nobody has open (`volume.storage.StorageByKind`)."""

    def read(self, place: VolumePlace) -> DiskFile | None: ...

    def full(self, place: VolumePlace) -> str: ...

    def leave(self, place: VolumePlace) -> None: ...

    async def grow(self, place: VolumePlace, size_bytes: int, passphrase: str = "") -> None: ...


async def _is_there(image: Image) -> None:
    """For a host that has all images."""


def _nobody_comes(_: str) -> bool:
    return False


def _none_is_taken(_: str) -> bool:
    return False


def _none_is_kept(pool: str, snapshot: str) -> AbstractAsyncContextManager[Path]:
    raise LookupError(f"no memory of {snapshot} in pool {pool}")


@dataclass(frozen=True)
class VmTools:
    """`facts` is asked at every look, since a probe may change them; `leg` is the device by which this host
    reaches guests; `way_problem` tells why QEMU's user does not get to a pool: it may not enter a directory
    on the way, or the way hangs; None where it does. `bring_image` returns once the file of an image that
    another host keeps is in its pool here too, and raises what that waits for. `pool_key` tells the key of a
    StoragePool in Ceph, or raises TransientError (PoolUnreachable). `departures`: None where guests move
    nowhere; `comes` tells whether the guest of a VM is here, or half of it, without being assigned here,
    `kept_still` whether a snapshot of the VM is being taken, and `in_moment` whether its moment is not over
    (they read some small files). `memory` gives the file with the memory that the snapshot with a UID keeps
    in a pool, meanwhile.

    `clock` gives seconds since the machine booted and never jumps: every duration is judged by it. `wall`
    gives seconds since 1970, which somebody may set: only for times that are written or that a user named.
    """

    api: ApiClient
    objects: Objects
    hypervisor: Hypervisor
    processes: Processes
    claims: ClaimStore
    ask: AskPool
    ports: GuestPorts
    first_boot: FirstBootDrives
    disks: Disks
    passphrases: Passphrases
    moves: LiveMoves
    records: RecordStore
    states: StateStore
    directories: VmDirectories
    consoles: ConsoleHub
    guests: GuestWatch
    cpus: CpuBook
    devices: DeviceBook
    events: Events
    layout: Layout
    facts: Callable[[], HostFacts]
    way_problem: Callable[[StoragePool], Awaitable[QuantixError | None]]
    pool_key: Callable[[str], str]
    bring_image: Callable[[Image], Awaitable[None]] = _is_there
    clock: Clock = field(default_factory=SystemClock)
    wall: Callable[[], float] = time.time
    leg: str = HOST_LEG
    departures: Departures | None = None
    comes: Callable[[str], bool] = _nobody_comes
    kept_still: Callable[[str], bool] = _none_is_taken
    in_moment: Callable[[str], bool] = _none_is_taken
    memory: Callable[[str, str], AbstractAsyncContextManager[Path]] = _none_is_kept
    kernel_log: KernelLog = field(default_factory=DevKmsg)
