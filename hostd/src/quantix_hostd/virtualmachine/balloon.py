"""Takes memory of guests by their balloons while this host runs short of it, and gives it back.

Only of VMs that say so (`memory.minSize`); the size of a VM never changes by it. Started by `assembly`
through `upkeep`. Which guests have less than all is seen from the running domains, so nothing is forgotten
when hostd restarts; as long as the host has room and every guest has all, only /proc is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from quantix_api import VirtualMachine
from quantix_api.compute import compute_of
from quantix_api.messages import render
from quantix_api.quantities import format_size, size_bytes
from quantix_api.resources import VIRTUAL_MACHINES
from quantix_client.events import EventType
from quantix_hostd.clients.machine_load import read_machine_load
from quantix_hostd.domainxml.spec import domain_name
from quantix_hostd.domainxml.view import view
from quantix_hostd.events import tell
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.facts.load import MachineLoad
from quantix_hostd.told import Told
from quantix_hostd.virtualmachine.balloon_plan import MIB, GuestMemory, HostMemory, plan_balloons
from quantix_hostd.virtualmachine.tools import VmTools

_KIB = 1024

log = structlog.get_logger(__name__)


class Balloons:
    """One for a host. `load` tells how much memory the host has available."""

    def __init__(self, tools: VmTools, load: Callable[[], MachineLoad] = read_machine_load) -> None:
        self._tools = tools
        self._load = load
        self._all_whole = False
        self._last_s: tuple[float, float] | None = None
        """When the last look was, and how long programs had waited for memory by then."""

    async def step(self) -> None:
        """Look, and take or give back a part; may raise TransientError."""
        host = self._look_anew(await asyncio.to_thread(self._load))
        if host is None or (self._all_whole and not host.short_bytes):
            return
        guests = await self._guests()
        self._all_whole = all(guest.is_whole for guest, _ in guests.values())
        sizes = plan_balloons(host, (guest for guest, _ in guests.values()))
        for domain, size in sizes.items():
            guest, vm = guests[domain]
            self._all_whole = False
            log.info("guest's memory", uid=vm.metadata.uid, has_bytes=guest.has_bytes, wanted_bytes=size)
            await self._tools.hypervisor.set_balloon(domain, size)
            self._tell(vm, guest, size)

    def _look_anew(self, load: MachineLoad) -> HostMemory | None:
        """What the host has, and how its programs fared since the look before; None where the kernel does not
        tell.
        """
        total, available = (load.memory_bytes.get(name) for name in ("MemTotal", "MemAvailable"))
        if total is None or available is None:
            return None
        now_s, waited_s = self._tools.clock.monotonic(), load.pressure_s.get(("memory", "some"), 0.0)
        before, self._last_s = self._last_s, (now_s, waited_s)
        passed_s = now_s - before[0] if before else 0.0
        stalled = (waited_s - before[1]) / passed_s if before and passed_s > 0 else 0.0
        return HostMemory(total, available, stalled)

    async def _guests(self) -> Mapping[str, tuple[GuestMemory, VirtualMachine]]:
        """By domain: those that run and whose memory can be taken."""
        figures = {found.domain_name: found.values for found in await self._tools.hypervisor.stats()}
        found = {}
        for uid in self._tools.objects.virtual_machine_uids():
            vm, values = self._tools.objects.virtual_machine(uid), figures.get(domain_name(uid), {})
            if vm is None or values.get("state.state") != DomainState.RUNNING:
                continue
            guest = await self._guest(vm, values)
            if guest is not None:
                found[guest.domain] = guest, vm
        return found

    async def _guest(self, vm: VirtualMachine, values: Mapping[str, int]) -> GuestMemory | None:
        name = domain_name(vm.metadata.uid)
        domain = await self._tools.hypervisor.domain(name)
        current = values.get("balloon.current")
        if domain is None or domain.live_xml is None or current is None:
            return None
        live = view(domain.live_xml)
        if "page" in live.fields or live.host_devices:
            # vfio pins all of its memory, so the balloon would give the host nothing
            return None
        # QEMU's balloon is in what the guest booted with; libvirt adds what was plugged in since
        memory, least = live.memory, compute_of(vm).min_size
        usable = values.get("balloon.usable")
        return GuestMemory(
            domain=name,
            most_bytes=memory.base,
            has_bytes=current * _KIB - memory.taken,
            least_bytes=size_bytes(least) - memory.taken if least else memory.base,
            free_bytes=None if usable is None else usable * _KIB,
            priority=vm.spec.ha.priority,
        )

    def _tell(self, vm: VirtualMachine, guest: GuestMemory, size: int) -> None:
        """Once when the first is taken, once when all is back."""
        if guest.is_whole and size < guest.has_bytes:
            least = format_size(guest.floor_bytes // MIB * MIB)
            self._post(vm, "MemoryTaken", "Warning", host=self._tools.facts().name, least=least)
        elif size == guest.most_bytes:
            self._post(vm, "MemoryGivenBack", "Normal", host=self._tools.facts().name)

    def _post(self, vm: VirtualMachine, reason: str, severity: EventType, **fields: str) -> None:
        manifest = self._tools.objects.virtual_machine_manifest(vm.metadata.uid)
        if manifest is not None:
            told = Told(reason, render(reason, **fields).text, severity)
            tell(self._tools.events, VIRTUAL_MACHINES, manifest, told)
