"""What becomes of a FloatingIP: its address, where it leads, and what is in the way. Pure.

Called by the controller, which records `held` in the ledger with no await in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface

from quantix_api import FloatingIP, Host, Network, Router, VirtualMachine
from quantix_api.facts import Fact, fact
from quantix_api.references import shared_reference
from quantix_api.resources import NAMESPACE_SHARED
from quantix_api.seniority import age_order
from quantix_api.vm_devices import Nic
from quantix_api.vm_status import NicStatus
from quantix_operator.floatingip.addresses import assign_floating, claimant_of
from quantix_operator.floatingip.observed import Absence, Observed
from quantix_operator.floatingip.rows import Translation
from quantix_operator.ipam.ledger import Allocation, Ledger
from quantix_operator.router.plan import Legs, plan_legs
from quantix_operator.router.rows import router_owner
from quantix_operator.topology.reach import has_wire
from quantix_operator.topology.view import NetworkView, make_view


@dataclass(frozen=True)
class Attachment:
    """Where a FloatingIP leads. `router` as its status names it; `reachable`: a host carries the way out."""

    router: str
    translation: Translation
    nic: str
    physical: str
    reachable: bool


@dataclass(frozen=True)
class Outcome:
    """What it has, where that leads, and the first thing that keeps it from what spec wants."""

    held: Allocation | None
    attachment: Attachment | None = None
    problem: Fact | None = None


def plan_floating_ip(observed: Observed, ledger: Ledger) -> Outcome:
    """The address and the target of a FloatingIP; the ledger is only asked."""
    floating_ip, outside = observed.floating_ip, observed.outside
    if isinstance(outside, str):
        # Its network is away for now: the address stays its own
        claimant = claimant_of(floating_ip)
        return Outcome(ledger.allocation(claimant.uid, claimant.key), None, _no_network(floating_ip, outside))
    view = make_view(observed.cluster_uid, outside)
    led_out = any(not around.router.deleting for around in observed.routers)
    held, refused = assign_floating(floating_ip, view, ledger, led_out=led_out)
    problem = _not_ready(refused.reason, **dict(refused.fields)) if refused is not None else None
    if held is None or floating_ip.spec.virtual_machine is None:
        return Outcome(held, None, problem)
    target = _target(observed, floating_ip.spec.virtual_machine)
    if isinstance(target, Fact):
        return Outcome(held, None, problem or target)
    found = _attachment(observed, view, held, target, ledger)
    if isinstance(found, Fact):
        return Outcome(held, None, problem or found)
    if problem is None and not found.reachable:
        problem = _not_ready("NoGatewayHost", physical=found.physical)
    return Outcome(held, found, problem)


def router_reference(router: Router, namespace: str | None) -> str:
    """A Router as the status of a FloatingIP of this namespace names it."""
    name, home = router.metadata.name, router.metadata.namespace
    return shared_reference(name) if home == NAMESPACE_SHARED != namespace else name


@dataclass(frozen=True)
class _Target:
    """The NIC that it shall lead to, with its IPv4 address."""

    vm: VirtualMachine
    wanted: Nic
    port: str
    network: Network
    address: str


def _target(observed: Observed, vm_name: str) -> _Target | Fact:
    vm, name = observed.vm, observed.floating_ip.metadata.name
    if vm is None:
        return _not_ready("VirtualMachineNotFound", vm=vm_name, name=name)
    if vm.deleting:
        # Before its addresses can be another's
        return _not_ready("VirtualMachineNotFound", going=vm_name, name=name)
    wanted = _nic(vm, observed.floating_ip)
    if wanted is None and observed.floating_ip.spec.nic is None:
        return _not_ready("NICNotFound", vm=vm_name)
    if wanted is None:
        return _not_ready("NICNotFound", vm=vm_name, nic=observed.floating_ip.spec.nic, name=name)
    nic = next((item for item in vm.status.nics if item.name == wanted.name), None)
    network = observed.networks.get(nic.network or "") if nic is not None else None
    if nic is None or network is None or nic.port is None or not nic.addresses:
        return _not_ready("NICNotReady", vm=vm_name, nic=wanted.name)
    address = _ipv4(nic)
    if address is None:
        return _not_ready("NoRoute", vm=vm_name, nic=nic.name)
    other = _rival(observed, vm, wanted, address)
    if other is not None:
        return _not_ready("NICInUse", vm=vm_name, nic=nic.name, other=other.metadata.name, name=name)
    return _Target(vm, wanted, nic.port, network, address)


def _nic(vm: VirtualMachine, floating_ip: FloatingIP) -> Nic | None:
    name = floating_ip.spec.nic
    return next((nic for nic in vm.spec.nics if name in (None, nic.name)), None)


def _ipv4(nic: NicStatus) -> str | None:
    return next((item for item in nic.addresses if ip_address(item).version == 4), None)


def _rival(observed: Observed, vm: VirtualMachine, nic: Nic, address: str) -> FloatingIP | None:
    """Who has the NIC: whoever leads to it already, else the eldest of those that shall."""

    def order(one: FloatingIP) -> tuple[bool, tuple[str, str]]:
        leads_here = (one.status.nic, one.status.nic_address) == (nic.name, address)
        return not leads_here, age_order(one)

    asking = [rival for rival in observed.rivals if _nic(vm, rival) == nic and not _is_without_address(rival)]
    first = min([*asking, observed.floating_ip], key=order)
    return None if first is observed.floating_ip else first


def _is_without_address(rival: FloatingIP) -> bool:
    """Whether it was refused its address: it leads nowhere then, and is in nobody's way."""
    ready = rival.status.condition("Ready")
    return rival.status.address is None and ready is not None and ready.status == "False"


def _attachment(
    observed: Observed, view: NetworkView, held: Allocation, target: _Target, ledger: Ledger
) -> Attachment | Fact:
    vm_name, spec = target.vm.metadata.name, observed.floating_ip.spec
    if target.network.metadata.uid == view.uid:
        return _not_ready("NoRoute", vm=vm_name, nic=target.wanted.name, outside=spec.network)
    found = _way(observed, target, ledger)
    if found is None:
        inside = target.wanted.network
        return _not_ready("NoRoute", vm=vm_name, nic=target.wanted.name, inside=inside, outside=spec.network)
    router, legs = found
    physical = view.network.spec.physical
    distributed = _everywhere(view.network, target.vm, observed.hosts)
    translation = Translation(
        router=router_owner(observed.cluster_uid, router),
        outside=held.addresses[0],
        inside=target.address,
        vm=target.vm.metadata.uid,
        port=target.port if distributed else None,
        mac=held.mac if distributed else None,
    )
    return Attachment(
        router=router_reference(router, observed.floating_ip.metadata.namespace),
        translation=translation,
        nic=target.wanted.name,
        physical=physical.name if physical is not None else view.key,
        reachable=legs.outside is not None and bool(legs.outside.gateways),
    )


def _way(observed: Observed, target: _Target, ledger: Ledger) -> tuple[Router, Legs] | None:
    """The Router between the NIC and outside: the gateway of the NIC's network, since answers leave through
    that, else the eldest. One that is being deleted only goes on with what leads through it already.
    """
    ways = []
    for around in observed.routers:
        router = around.router
        reference = router_reference(router, observed.floating_ip.metadata.namespace)
        if router.deleting and observed.floating_ip.status.router != reference:
            continue
        legs = plan_legs(around, ledger)
        own = _address_inside(legs, target.network.metadata.uid)
        if own is None or legs.outside is None or not _has_ipv4(legs.outside.addresses):
            continue
        view = make_view(observed.cluster_uid, target.network)
        is_gateway = view.v4 is not None and own == str(view.v4.pool.gateway)
        ways.append((not is_gateway, age_order(router), router, legs))
    first = min(ways, key=lambda way: way[:2], default=None)
    return (first[2], first[3]) if first is not None else None


def _address_inside(legs: Legs, network_uid: str) -> str | None:
    """The IPv4 address that a Router has in a network."""
    leg = next((leg for leg in legs.inside if leg.view.uid == network_uid), None)
    interfaces = [ip_interface(item) for item in leg.addresses] if leg is not None else []
    return next((str(item.ip) for item in interfaces if item.version == 4), None)


def _has_ipv4(addresses: Iterable[str]) -> bool:
    return any(ip_interface(item).version == 4 for item in addresses)


def _everywhere(network: Network, vm: VirtualMachine, hosts: Iterable[Host]) -> bool:
    """Whether every host that may run the VM has the wire: only then it can be translated where the VM is."""
    physical = network.spec.physical
    if physical is None:
        return False
    assignment, migration = vm.status.assignment, vm.status.migration
    there = {assignment.host} if assignment is not None else set()
    there |= {migration.source_host, migration.target_host} if migration is not None else set()
    may = [host for host in hosts if _is_open(host) or host.metadata.name in there]
    return bool(may) and all(has_wire(host, physical) for host in may)


def _is_open(host: Host) -> bool:
    joined = host.status.host_uid is not None and not host.deleting
    return joined and not (host.spec.unschedulable or host.spec.maintenance)


def _no_network(floating_ip: FloatingIP, why: Absence) -> Fact:
    reference, namespace = floating_ip.spec.network, floating_ip.metadata.namespace or ""
    if why == "Going":
        return _not_ready("NetworkNotFound", going=reference)
    if why == "NotAllowed":
        return _not_ready("NetworkNotAllowed", network=reference, namespace=namespace)
    return _not_ready("NetworkNotFound", network=reference)


def _not_ready(reason: str, **fields: object) -> Fact:
    return fact("Ready", "False", reason, **fields)
