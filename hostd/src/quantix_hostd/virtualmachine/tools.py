"""Everything the VM's reconciler acts with, in one frozen bundle that `main` builds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from quantix_api import VirtualMachine
from quantix_api.layout import Layout
from quantix_client.api import ApiClient
from quantix_hostd.claims import ClaimStore, VolumePlace
from quantix_hostd.clients.hypervisor import Hypervisor
from quantix_hostd.clients.ovs_ports import GuestPorts
from quantix_hostd.clients.process import Processes
from quantix_hostd.clients.state_store import StateStore
from quantix_hostd.events import Events
from quantix_hostd.facts.links import HOST_LEG
from quantix_hostd.virtualmachine.console import ConsoleHub
from quantix_hostd.virtualmachine.desired import HostFacts
from quantix_hostd.virtualmachine.directories import VmDirectories
from quantix_hostd.virtualmachine.guest_watch import GuestWatch
from quantix_hostd.virtualmachine.objects import Objects
from quantix_hostd.virtualmachine.record import RecordStore


class Seeds(Protocol):
    """Makes the cloud-init seed of a VM at `layout.vm_run(uid)/seed.iso`."""

    async def ensure_seed(self, vm: VirtualMachine, domain: str = "") -> Path | None: ...


class Disks(Protocol):
    """Grows a disk that nobody has open (`volume.disk_file.DiskFileMaker`)."""

    async def grow(self, place: VolumePlace, size_bytes: int) -> None: ...


@dataclass(frozen=True)
class VmTools:
    """`facts` is asked at every look, since a probe may change them; `clock` gives seconds since 1970.
    `leg` is the device by which this host reaches guests.
    """

    api: ApiClient
    objects: Objects
    hypervisor: Hypervisor
    processes: Processes
    claims: ClaimStore
    ports: GuestPorts
    seeds: Seeds
    disks: Disks
    records: RecordStore
    states: StateStore
    directories: VmDirectories
    consoles: ConsoleHub
    guests: GuestWatch
    events: Events
    layout: Layout
    facts: Callable[[], HostFacts]
    clock: Callable[[], float] = time.time
    leg: str = HOST_LEG
