"""Which of this host's devices a VM has, and what of it has to be entered in the book of devices. Pure.

`devices_of` is asked by `observe` for the domain that should run, `with_devices` by `plan`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from quantix_api.compute import granted_devices
from quantix_hostd.facts.devices import Seat
from quantix_hostd.virtualmachine.actions import EnterDevices
from quantix_hostd.virtualmachine.device_entries import DeviceEntries, Held
from quantix_hostd.virtualmachine.observed import Observed
from quantix_hostd.virtualmachine.steps import Plan


def gets_devices(seen: Observed) -> bool:
    """Whether it is to start with devices of the host."""
    return seen.live is None and seen.vm is not None and bool(granted_devices(seen.vm)) and seen.is_to_run


def devices_of(seen: Observed, entries: DeviceEntries) -> Mapping[str, Seat]:
    """By name: those of a VM that is to start; one that runs is not given others.

    Raises WaitingError (DeviceUnavailable).
    """
    if seen.vm is None or not gets_devices(seen):
        return {}
    return entries.choose(seen.uid, granted_devices(seen.vm), seen.facts.name)


def with_devices(seen: Observed, plan: Plan) -> Plan:
    """The plan that first enters what the guest has, if the book has it otherwise: as `with_cpus`."""
    held = _held(seen)
    if held == seen.entered_devices:
        return plan
    return replace(plan, actions=(EnterDevices(held), *plan.actions))


def _held(seen: Observed) -> Held:
    if seen.live is not None:
        return dict(seen.live.host_devices)
    if not gets_devices(seen):
        return {}
    if seen.wanted is None:
        return seen.entered_devices
    return {device.name: device.seat.source for device in seen.wanted.host_devices}
