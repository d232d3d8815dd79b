"""What `explain` says of networks and routers beside their conditions. Pure; used by `explaining`."""

from __future__ import annotations

from collections.abc import Iterator

from quantix_api.quantities import counted
from quantix_cli.nouns import Manifest, look


def network_facts(obj: Manifest) -> list[tuple[str, str]]:
    """Labels and texts; none for what is neither."""
    if obj.get("kind") == "Network":
        return list(_of_network(obj))
    return list(_of_router(obj)) if obj.get("kind") == "Router" else []


def _of_network(network: Manifest) -> Iterator[tuple[str, str]]:
    wire, vlan = look(network, "spec.physical.name"), look(network, "spec.physical.vlan")
    if wire:
        yield "wire", f"{wire}, VLAN {vlan}" if vlan else f"{wire}, untagged"
    if subnets := look(network, "status.subnets", []):
        yield "subnets", ", ".join(subnets)
    ports, free = look(network, "status.ports"), look(network, "status.addressesFree")
    if ports is not None:
        left = f", {free} IPv4 addresses left" if free is not None else ""
        yield "used by", f"{counted(ports, 'port')}{left}"
    if mtu := look(network, "status.mtu"):
        yield "MTU", f"{mtu} bytes"


def _of_router(router: Manifest) -> Iterator[tuple[str, str]]:
    networks = look(router, "spec.networks", [])
    yield "joins", ", ".join(map(_joined, networks)) or "no network"
    way_out = look(router, "spec.external.network")
    if not way_out:
        yield "way out", "none"
        return
    addresses = " and ".join(look(router, "status.addresses", [])) or "no address yet"
    own = "; guests go out with their own addresses" if _is_without_snat(router) else ""
    yield "way out", f"{way_out}, as {addresses}{own}"
    acting, *standing_by = look(router, "status.gatewayHosts", []) or ["no host"]
    then = f"; then {', '.join(standing_by)}" if standing_by else ""
    yield "carried by", f"{acting}{then}"


def _joined(network: Manifest) -> str:
    address = network.get("address")
    return f"{network['name']} ({address})" if address else str(network["name"])


def _is_without_snat(router: Manifest) -> bool:
    return bool(look(router, "spec.external.snat") == "Disabled")
