"""Which devices of this host guests can have, by what its Host offers and what the kernel tells. Pure.

Called by the book of devices. A device is had by vfio, so it needs an IOMMU group in which the host itself
uses nothing (kernel, Documentation/driver-api/vfio.rst).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence

from quantix_api.host_spec import DeviceOffer
from quantix_api.messages import render
from quantix_hostd.facts.devices import DevicesFound, OfferedDevice, PciFunction, Seat

REASON = "DeviceUnavailable"
# Where the UUIDs of our mediated devices live among all UUIDs
_NAMESPACE = uuid.UUID("1d5e6c1c-90c0-5d8e-8f6c-2a7c1b0e9d42")
# More than any function makes of one type
_MOST_OF_A_TYPE = 256
# Base classes of PCI (PCI Code and ID Assignment Specification)
_STORAGE, _BRIDGE = 0x01, 0x06
# Drivers by which the host itself does not use a device
_IDLE_DRIVERS = frozenset({"", "vfio-pci", "pci-stub"})


def offered(offers: Sequence[DeviceOffer], found: DevicesFound) -> tuple[OfferedDevice, ...]:
    """Each device that matches, under the first offer that names it; an offer that none matches says so."""
    devices: dict[str, OfferedDevice] = {}
    for offer in offers:
        matching = [function for function in found.functions if _matches(offer, function)]
        for function in matching:
            device = _mediated(offer, function, found) if offer.mdev_type else _whole(offer, function, found)
            devices.setdefault(device.address, device)
        if not matching:
            missing = render(REASON, match=offer.match).text
            devices.setdefault(offer.match, OfferedDevice(offer.class_, offer.match, message=missing))
    return tuple(devices.values())


def made_by_hostd(found: DevicesFound) -> tuple[str, ...]:
    """UUIDs of mediated devices that a hostd made: by these they are told from an administrator's."""
    return tuple(
        item.uuid for item in found.mediated if item.uuid in _ours(item.parent, item.type, _MOST_OF_A_TYPE)
    )


def _ours(parent: str, mdev_type: str, count: int) -> tuple[str, ...]:
    return tuple(str(uuid.uuid5(_NAMESPACE, f"{parent}/{mdev_type}/{number}")) for number in range(count))


def _matches(offer: DeviceOffer, function: PciFunction) -> bool:
    return offer.match in (function.address, function.id) and not _is(function, _BRIDGE)


def _whole(offer: DeviceOffer, function: PciFunction, found: DevicesFound) -> OfferedDevice:
    message = next(_obstacles(function, found.functions), "")
    seats = () if message else (Seat(function.address, function.group),)
    return OfferedDevice(
        offer.class_, function.address, function.id, function.numa_node, seats=seats, message=message
    )


def _obstacles(function: PciFunction, functions: Iterable[PciFunction]) -> Iterator[str]:
    address = function.address
    if not function.group:
        yield render(REASON, address=address).text
    if function.interfaces:
        yield render(REASON, address=address, interface=function.interfaces[0]).text
    if _is(function, _STORAGE) and function.driver not in _IDLE_DRIVERS:
        yield render(REASON, address=address, driver=function.driver).text
    for other in functions:
        shares = other.group == function.group and other.address != address and not _is(other, _BRIDGE)
        if shares and other.driver not in _IDLE_DRIVERS:
            yield render(REASON, address=address, other=other.address, driver=other.driver).text


def _mediated(offer: DeviceOffer, function: PciFunction, found: DevicesFound) -> OfferedDevice:
    """Devices that are there come first; those that can still be made have UUIDs of ours."""
    mdev_type, parent = offer.mdev_type or "", function.address
    there = [item.uuid for item in found.mediated if (item.parent, item.type) == (parent, mdev_type)]
    more = function.mediated.get(mdev_type, 0)
    new = [source for source in _ours(parent, mdev_type, more + len(there)) if source not in there][:more]
    message = "" if mdev_type in function.mediated else render(REASON, address=parent, type=mdev_type).text
    return OfferedDevice(
        offer.class_,
        f"{parent}/{mdev_type}",
        function.id,
        function.numa_node,
        seats=tuple(Seat(source, parent=parent, type=mdev_type) for source in (*there, *new)),
        message=message,
    )


def _is(function: PciFunction, base_class: int) -> bool:
    return function.class_code >> 16 == base_class
