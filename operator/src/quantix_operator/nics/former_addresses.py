"""Addresses that a NIC had, and that nobody else may have yet: a floating IP still leads there.

Called by `nics.ports`. The controller of floating IPs looks on its own, perhaps late: without this, what
comes from outside would reach the next guest that gets the address (adr/0045). No I/O; what is decided is
recorded in the ledger at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from quantix_api import VirtualMachine
from quantix_api.vm_devices import Nic
from quantix_operator.ipam.assign import Problem, assign_nic
from quantix_operator.ipam.ledger import Allocation, Claimant, Ledger
from quantix_operator.topology.view import NetworkView


def assign_and_hold(
    nic: Nic, path: str, claimant: Claimant, view: NetworkView, ledger: Ledger
) -> Allocation | Problem:
    """`assign_nic`, recorded. What the NIC had before stays held beside it until `give_back`."""
    had = _had(claimant, ledger)
    for key in _left_keys(claimant, ledger):
        # the NIC itself may have it again
        ledger.release(claimant.uid, key)
    outcome = assign_nic(nic, path, claimant, view, ledger)
    if isinstance(outcome, Allocation):
        ledger.hold(claimant, outcome)
    has = ledger.allocation(claimant.uid, claimant.key)
    for network_uid, address in had:
        if has is None or network_uid != has.network_uid or address not in has.addresses:
            aside = replace(claimant, key=f"{_left(claimant)}{network_uid}/{address}")
            ledger.hold(aside, Allocation(network_uid, "", (address,), guest=False))
    return outcome


def left_by(vm: VirtualMachine, ledger: Ledger) -> list[tuple[str, str]]:
    """Owner and key of what is held for a VM and is none of its NICs any longer."""
    uid, nics = vm.metadata.uid, {nic.name for nic in vm.spec.nics}
    return [(uid, key) for key in ledger.keys(uid) if key not in nics]


def give_back(ledger: Ledger, left: Iterable[tuple[str, str]], led_to: Collection[str]) -> bool:
    """Release what no floating IP leads to; False when something stays held."""
    complete = True
    for uid, key in left:
        held = ledger.allocation(uid, key)
        if held is not None and any(address in led_to for address in held.addresses):
            complete = False
        else:
            ledger.release(uid, key)
    return complete


def _had(claimant: Claimant, ledger: Ledger) -> list[tuple[str, str]]:
    keys = (claimant.key, *_left_keys(claimant, ledger))
    held = (ledger.allocation(claimant.uid, key) for key in keys)
    return [(item.network_uid, address) for item in held if item is not None for address in item.addresses]


def _left_keys(claimant: Claimant, ledger: Ledger) -> list[str]:
    return [key for key in ledger.keys(claimant.uid) if key.startswith(_left(claimant))]


def _left(claimant: Claimant) -> str:
    """No NIC's name has a slash."""
    return f"{claimant.key}/"
