"""Which FloatingIPs a change concerns, and which part of an object they depend on.

Used by the controller alone. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from quantix_api.conditions import condition_of
from quantix_api.resources import FLOATING_IPS
from quantix_client.api import Manifest
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.indexers import (
    floating_ips_of_vm,
    floating_ips_on,
    routers_through,
)
from quantix_operator.parts import wires_of_host


def of_floating_ip(floating_ip: Manifest, cache: Cache) -> Iterable[str]:
    """A FloatingIP, and the others of its VM: a NIC has one."""
    yield key_of(floating_ip)
    for vm_key in floating_ips_of_vm(floating_ip):
        yield from _keys(cache.by(FLOATING_IPS, floating_ips_of_vm, vm_key))


def of_vm(vm: Manifest, cache: Cache) -> Iterable[str]:
    """The FloatingIPs that lead to a VM, or shall."""
    return _keys(cache.by(FLOATING_IPS, floating_ips_of_vm, key_of(vm)))


def part_of_vm(vm: Manifest) -> Any:
    """What they depend on: its NICs, where it runs, and whether it stays."""
    spec, status = vm.get("spec") or {}, vm.get("status") or {}
    nics = [(nic.get("name"), nic.get("network")) for nic in spec.get("nics") or []]
    places = (status.get("assignment"), status.get("migration"))
    return nics, status.get("nics"), places, vm["metadata"].get("deletionTimestamp")


def of_network(network: Manifest, cache: Cache) -> Iterable[str]:
    """The FloatingIPs with an address of a Network."""
    return _keys(cache.by(FLOATING_IPS, floating_ips_on, key_of(network)))


def part_of_network(network: Manifest) -> Any:
    """What they depend on: its subnets and wire, who may use it, and whether it stays."""
    return network.get("spec"), network["metadata"].get("deletionTimestamp")


def of_router(router: Manifest, cache: Cache) -> Iterable[str]:
    """The FloatingIPs that may lead through a Router: those of the network outside."""
    for key in routers_through(router):
        yield from _keys(cache.by(FLOATING_IPS, floating_ips_on, key))


def part_of_router(router: Manifest) -> Any:
    """What they depend on: what it joins, whether that is programmed, and whether it stays."""
    reason = condition_of(router).get("reason")
    return router.get("spec"), reason, router["metadata"].get("deletionTimestamp")


def of_host(_host: Manifest, cache: Cache) -> Iterable[str]:
    """All: where they are translated depends on which hosts have the wire."""
    return _keys(cache.list(FLOATING_IPS))


def part_of_host(host: Manifest) -> Any:
    """What they depend on: its wires, and whether VMs may run on it."""
    spec, status = host.get("spec") or {}, host.get("status") or {}
    is_open = (bool(spec.get("unschedulable")), bool(spec.get("maintenance")))
    joined = (bool(status.get("hostUID")), host["metadata"].get("deletionTimestamp"))
    return wires_of_host(host), is_open, joined


def _keys(floating_ips: Iterable[Manifest]) -> Iterable[str]:
    return [key_of(item) for item in floating_ips]
