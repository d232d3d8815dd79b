"""Moments of a migration, met as closely as a test can: it acts some milliseconds after each.

Used by end-to-end tests that break something just then.
"""

from __future__ import annotations

import json
from typing import Literal, get_args

from quantix_lab.moving_guest import MovingGuest
from quantix_lab.simulated_host import SimulatedHost
from quantix_lab.waiting import eventually

Moment = Literal["Preparing", "Copying", "Handing", "Handed", "Succeeded"]
"""The target makes ready. Its half is there, and the source sends. All was sent, and the source is about to
write the target into the claims, or writes. It has. It is over, and the source is about to clear up.
"""
MOMENTS: tuple[Moment, ...] = get_args(Moment)
_LOOK_S = 0.001


def wait_moment(guest: MovingGuest, name: str, moment: Moment, source: SimulatedHost) -> None:
    """Until migration `name` of the guest, which runs on `source`, has come so far. One that is to be met
    while it copies is to go slowly. Raises AssertionError where it is met too late.
    """
    if moment == "Copying":
        guest.wait_copying(name)
        guest.wait_half_on(guest.other)
    elif moment in ("Preparing", "Succeeded"):
        eventually(f"{name} to be {moment}", lambda: guest.phase(name) not in _before(moment), 90, _LOOK_S)
        assert guest.phase(name) == moment, guest.migration(name)["status"]
    else:
        steps = ("handing", "handed") if moment == "Handing" else ("handed",)
        eventually(f"{name} to be {moment}", lambda: _step(source, guest.uid) in steps, 90, _LOOK_S)


def _before(moment: Moment) -> tuple[str, ...]:
    waits = ("", "Queued")
    return waits if moment == "Preparing" else (*waits, "Preparing", "Copying", "CuttingOver")


def _step(source: SimulatedHost, vm_uid: str) -> str:
    """What the source wrote down last of how the guest leaves it; "" for nothing."""
    record = source.layout.vm_data(vm_uid) / "record.json"
    try:
        leaving = json.loads(record.read_bytes())["leaving"]
    except FileNotFoundError:
        return ""
    return str(leaving["step"]) if leaving else ""
