"""The book of which guest has which device of this host: no two have one.

Kept in memory and read again from the running domains, which name their devices: no restart of hostd gives
one twice, and vfio itself opens none for a second QEMU. `observe` reads its entries to tell what the guest
would get (`device_places`), `plan` says what is entered, `apply` enters; all in the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from quantix_api.host_spec import HostSpec
from quantix_hostd.clients.host_devices import HostDevices
from quantix_hostd.clients.hypervisor import Hypervisor
from quantix_hostd.facts.devices import OfferedDevice, Seat
from quantix_hostd.virtualmachine.device_entries import DeviceEntries, Held
from quantix_hostd.virtualmachine.device_offers import made_by_hostd, offered
from quantix_hostd.virtualmachine.running_guests import running_guests

log = structlog.get_logger(__name__)


class DeviceBook:
    """`host` tells the Host's spec, in which devices are offered."""

    def __init__(self, host: Callable[[], HostSpec], devices: HostDevices, hypervisor: Hypervisor) -> None:
        self._host = host
        self._devices = devices
        self._hypervisor = hypervisor
        self._held: dict[str, Held] = {}
        self._offered: tuple[OfferedDevice, ...] = ()
        self._loading = asyncio.Lock()
        self._loaded = False
        self._making = asyncio.Lock()

    async def look(self) -> None:
        """See what is there now, and once what the guests have that ran before hostd. Of a host that offers
        nothing (any more) only what a hostd made counts, and goes. May raise TransientError.
        """
        spec = self._host()
        offers = spec.devices
        found = await asyncio.to_thread(self._devices.read if offers else self._devices.read_mediated)
        self._offered = offered(offers, found)
        left = made_by_hostd(found)
        if offers or left:
            await self._load()
        await self._remove_left_over(left)

    async def _load(self) -> None:
        # nobody enters anything before: who was slow to look would bring back what a guest had that stopped
        async with self._loading:
            if self._loaded:
                return
            async for uid, live in running_guests(self._hypervisor):
                self.enter(uid, live.host_devices)
            self._loaded = True

    async def _remove_left_over(self, made: Iterable[str]) -> None:
        """Of `made`, UUIDs of what a hostd made, what no guest has. One that a guest is given meanwhile is
        made again: that waits for the lock.
        """
        async with self._making:
            for source in made:
                if any(source in held.values() for held in self._held.values()):
                    continue
                try:
                    await asyncio.to_thread(self._devices.remove, source)
                except OSError as error:
                    log.warning("mediated device is not removed", uuid=source, error=str(error))

    def entries(self) -> DeviceEntries:
        """As they are now."""
        return DeviceEntries(self._offered, dict(self._held))

    def enter(self, uid: str, held: Held) -> None:
        """The guest has these; none: it does not run."""
        self._held.pop(uid, None)
        if held:
            self._held[uid] = dict(held)

    async def make(self, seat: Seat) -> None:
        """As `HostDevices.make`."""
        async with self._making:
            await asyncio.to_thread(self._devices.make, seat)
