"""Floating IPs beside what they lead to, in words. Pure; used by `nouns` and `explaining`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

_WHERE = {
    "Distributed": "on the host of the VM",
    "Centralized": "on the host that carries the router's way out",
}


class Floating(NamedTuple):
    """A floating IP that leads to a NIC of a VM."""

    name: str
    address: str
    nic: str


Leading = Mapping[str, tuple[Floating, ...]]
"""By the keys of the VMs that they lead to."""


def leading_to(vm: Mapping[str, Any], leading: Leading) -> tuple[Floating, ...]:
    """Those that lead to a VM."""
    metadata = vm["metadata"]
    return leading.get(f"{metadata.get('namespace')}/{metadata['name']}", ())


def floating_facts(obj: Mapping[str, Any], leading: Leading) -> list[tuple[str, str]]:
    """What `explain` says: of a VM, what leads to it; of a floating IP, where it leads and who translates."""
    if obj.get("kind") == "FloatingIP":
        return _told_of_itself(obj)
    return [
        ("floating IP", f"{one.address} ({one.name}) on NIC {one.nic}") for one in leading_to(obj, leading)
    ]


def _told_of_itself(floating_ip: Mapping[str, Any]) -> list[tuple[str, str]]:
    status = floating_ip.get("status") or {}
    found = [("address", str(status["address"]))] if status.get("address") else []
    if status.get("nic"):
        vm = (floating_ip.get("spec") or {}).get("virtualMachine")
        found.append(("leads to", f"{status.get('nicAddress')}, NIC {status['nic']} of VM {vm}"))
        found.append(
            ("translated", f"{_WHERE.get(status.get('mode', ''), '?')}, by router {status.get('router')}")
        )
    return found
