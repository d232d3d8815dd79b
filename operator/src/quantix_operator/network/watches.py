"""Which Networks a change concerns, and which part of an object they depend on.

Used by the controller alone. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from quantix_api.conditions import condition_in
from quantix_api.references import resolve_key
from quantix_api.resources import NETWORKS
from quantix_client.api import Manifest
from quantix_client.reflector import key_of
from quantix_operator.cache import Cache
from quantix_operator.indexers import floating_ips_on, own_uid
from quantix_operator.parts import mtus_of_host, wires_of_host


def of_network(network: Manifest, cache: Cache) -> Iterable[str]:
    """A Network, and those that are joined to the same wire."""
    physical = (network.get("spec") or {}).get("physical")
    yield key_of(network)
    for other in cache.list(NETWORKS) if physical is not None else ():
        same = (other.get("spec") or {}).get("physical") == physical
        if same and key_of(other) != key_of(network):
            yield key_of(other)


def of_vm(vm: Manifest, cache: Cache) -> Iterable[str]:
    """The Networks that a VM's NICs are in, or shall be."""
    namespace = vm["metadata"].get("namespace") or ""
    nics = (vm.get("spec") or {}).get("nics") or []
    wanted = {resolve_key(namespace, nic["network"]) for nic in nics if nic.get("network")}
    uids = {nic.get("network") for nic in (vm.get("status") or {}).get("nics") or []}
    there = {key_of(network) for uid in uids if uid for network in cache.by(NETWORKS, own_uid, uid)}
    return {key for key in wanted if cache.get(NETWORKS, key) is not None} | there


def part_of_vm(vm: Manifest) -> Any:
    """What they depend on: its NICs, and what its guest is called."""
    spec, status = vm.get("spec") or {}, vm.get("status") or {}
    nics = [(nic.get("name"), nic.get("network")) for nic in spec.get("nics") or []]
    return nics, status.get("nics"), (spec.get("cloudInit") or {}).get("hostname")


def of_router(router: Manifest, _cache: Cache) -> Iterable[str]:
    """The Networks that a Router is in: their guests learn of the way out."""
    namespace = router["metadata"].get("namespace") or ""
    for item in (router.get("spec") or {}).get("networks") or []:
        yield f"{namespace}/{item['name']}"


def of_floating_ip(floating_ip: Manifest, _cache: Cache) -> Iterable[str]:
    """The Network that a FloatingIP has its address of."""
    return floating_ips_on(floating_ip)


def part_of_floating_ip(floating_ip: Manifest) -> Any:
    """What counts of it in its Network: the address that it takes."""
    return (floating_ip.get("status") or {}).get("address")


def of_host(_host: Manifest, cache: Cache) -> Iterable[str]:
    """The Networks that depend on hosts: those without an MTU yet, and those on a wire."""
    for network in cache.list(NETWORKS):
        spec, status = network.get("spec") or {}, network.get("status") or {}
        if "mtu" not in status or "physical" in spec:
            yield key_of(network)


def part_of_host(host: Manifest) -> Any:
    """What they depend on: its wires, whether it can have them, and what fits through each."""
    return wires_of_host(host), condition_in(host.get("status") or {}, "GuestTraffic"), mtus_of_host(host)
