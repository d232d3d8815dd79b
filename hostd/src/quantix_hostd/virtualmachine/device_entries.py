"""Who has which device of this host, and which a guest that is to start gets. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from quantix_api.errors import WaitingError
from quantix_api.message_table_phrases import NONE_OFFERED, TOO_FEW_FREE
from quantix_api.message_text import cause_of
from quantix_api.messages import as_error
from quantix_hostd.facts.devices import DeviceUse, OfferedDevice, Seat
from quantix_hostd.virtualmachine.device_offers import REASON

Held = Mapping[str, str]
"""Sources by the devices' names in the VM."""


@dataclass(frozen=True)
class _Taken:
    """What nobody else can have: a source, and everything in one of the IOMMU groups."""

    sources: frozenset[str]
    groups: frozenset[str]

    def leaves(self, seat: Seat) -> bool:
        """Whether the seat can still be had."""
        return seat.source not in self.sources and seat.group not in self.groups


@dataclass(frozen=True)
class DeviceEntries:
    """What is offered, and who has what of it, at one moment; `held` by the VM's UID."""

    offered: tuple[OfferedDevice, ...] = ()
    held: Mapping[str, Held] = field(default_factory=dict)

    def choose(self, uid: str, wishes: Mapping[str, str], host: str) -> dict[str, Seat]:
        """By name: what the guest gets for the classes that it wishes; what it has already it keeps.

        Raises WaitingError (DeviceUnavailable) for the first that is not to be had.
        """
        before, chosen, taken = self.held.get(uid, {}), dict[str, Seat](), self._taken_by_others(uid)
        for name, class_ in wishes.items():
            had = {seat.source for seat in chosen.values()}
            free = [seat for seat in self._seats(class_) if taken.leaves(seat) and seat.source not in had]
            if not free:
                raise as_error(WaitingError, REASON, host=host, device=class_, why=self._why(class_))
            chosen[name] = next((seat for seat in free if seat.source == before.get(name)), free[0])
        return chosen

    def uses(self) -> tuple[DeviceUse, ...]:
        """Everything that is offered, as the Host tells it."""
        owners = {source: uid for uid, held in self.held.items() for source in held.values()}
        taken = self._taken_by_others("")
        return tuple(
            DeviceUse(
                device=device,
                free=sum(map(taken.leaves, device.seats)),
                vm_uid=owners.get(device.address, ""),
            )
            for device in self.offered
        )

    def _seats(self, class_: str) -> Iterator[Seat]:
        return (seat for device in self.offered if device.class_ == class_ for seat in device.seats)

    def _taken_by_others(self, uid: str) -> _Taken:
        """What VMs other than `uid` have. Asked once for all seats: hosts have hundreds of functions."""
        sources = {source for other, held in self.held.items() if other != uid for source in held.values()}
        seats = (seat for device in self.offered for seat in device.seats if seat.source in sources)
        return _Taken(frozenset(sources), frozenset(seat.group for seat in seats if seat.group))

    def _why(self, class_: str) -> str:
        devices = [device for device in self.offered if device.class_ == class_]
        if not devices:
            return NONE_OFFERED
        if any(device.seats for device in devices):
            return TOO_FEW_FREE
        return next((cause_of(device.message) for device in devices if device.message), TOO_FEW_FREE)
