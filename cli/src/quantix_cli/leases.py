"""That guests which run already hear of a new way out only when they renew their DHCP lease.

A network without a router tells its guests none: a way to nowhere would win over that of another NIC. Said by
`qx router create|set` and `qx floatingip create|attach` as their last line.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from quantix_api.references import resolve_key
from quantix_api.resources import NETWORKS, ROUTERS, VIRTUAL_MACHINES
from quantix_cli.measures import age_s, how_long, utc_now
from quantix_cli.nouns import Manifest, look
from quantix_cli.session import Session
from quantix_client.errors import Forbidden, NotFound

_LEASE_S = 3600
_AT_ONCE = "Try: qx vm restart VM, or renew the lease in the guest, which brings it at once"


async def tell_of_new_way(session: Session, namespace: str | None, networks: Iterable[str]) -> None:
    """Of networks that a router has just joined."""
    for name in networks:
        network = await _seen(session, name, namespace)
        if network is not None and look(network, "status.ports") and not _tells_always(network):
            session.terminal.note(
                f"Guests that run in network {name} already use it once they renew their DHCP lease, "
                f"within {how_long(_renewed_s(network))}."
            )
            session.terminal.note(f"{_AT_ONCE}.")


async def tell_of_late_guest(session: Session, floating_ip: Manifest) -> None:
    """Where the guest that it leads to may not know its router yet."""
    namespace, vm_name = floating_ip["metadata"].get("namespace"), look(floating_ip, "spec.virtualMachine")
    router_name = look(floating_ip, "status.router")
    if not vm_name or not router_name:
        return
    with suppress(Forbidden, NotFound):
        vm = await session.api.get(VIRTUAL_MACHINES, vm_name, namespace)
        home, _, bare = resolve_key(namespace, router_name).partition("/")
        router = await session.api.get(ROUTERS, bare, home)
        network = await _seen(session, _network_of(vm, look(floating_ip, "status.nic")), namespace)
        if network is not None and not _tells_always(network) and _is_late(vm, router, network, utc_now()):
            session.terminal.note(
                f"{vm_name} runs since before there was router {router_name}: it answers others once it has "
                f"renewed its DHCP lease, within {how_long(_renewed_s(network))}."
            )
            session.terminal.note(f"{_AT_ONCE.replace(' VM,', f' {vm_name},')}.")


async def _seen(session: Session, name: str, namespace: str | None) -> Manifest | None:
    home, _, bare = resolve_key(namespace, name).partition("/")
    with suppress(Forbidden, NotFound):
        return await session.api.get(NETWORKS, bare, home)
    return None


def _is_late(vm: Manifest, router: Manifest, network: Manifest, now: datetime) -> bool:
    """Whether the guest began before the router, and may not have renewed its lease since."""
    router_age = age_s(look(router, "metadata.creationTimestamp"), now)
    guest_age = age_s(look(vm, "status.runtime.startedAt"), now)
    return None not in (router_age, guest_age) and (router_age or 0) < min(guest_age or 0, _lease_s(network))


def _network_of(vm: Manifest, nic: str | None) -> str:
    nics = look(vm, "spec.nics", [])
    return str(next((item.get("network", "") for item in nics if item["name"] == nic), ""))


def _tells_always(network: Manifest) -> bool:
    """Whether its guests get the address of a gateway of the site, with a router or without."""
    gateways = [subnet.get("gateway") for subnet in look(network, "spec.subnets", [])]
    return bool(look(network, "spec.physical")) or any(gateways)


def _lease_s(network: Manifest) -> float:
    leases = [subnet.get("leaseSeconds", _LEASE_S) for subnet in look(network, "spec.subnets", [])]
    return max(leases, default=_LEASE_S)


def _renewed_s(network: Manifest) -> float:
    """Guests renew a lease when half of it has passed."""
    return _lease_s(network) / 2
