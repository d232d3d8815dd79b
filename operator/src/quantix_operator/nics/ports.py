"""The ports of a VM: decided, programmed and reported. What the VM controller calls.

Observe (objects, ledger), plan (`assign`, `rows`), apply (`clients.ovn_nb`). It writes nothing into the
API but the security group `default` of a namespace that needs it and has none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from quantix_api import Host, Network, SecurityGroup, VirtualMachine, identity
from quantix_api.errors import WaitingError
from quantix_api.inbound import DEFAULT_GROUP
from quantix_api.references import resolve_key
from quantix_api.resources import SECURITY_GROUPS
from quantix_api.vm_devices import Nic
from quantix_api.vm_status import NicStatus
from quantix_client.api import ApiClient
from quantix_client.errors import AlreadyExists
from quantix_operator.clients.ovn_nb import Northbound
from quantix_operator.clients.ovn_nb_errors import NorthboundUnreachable, StaleObservation
from quantix_operator.ipam.assign import Problem
from quantix_operator.ipam.ledger import Allocation, Ledger
from quantix_operator.network.names import guest_hostname
from quantix_operator.nics.feed import LedgerFeed, claimant
from quantix_operator.nics.former_addresses import assign_and_hold, give_back, left_by
from quantix_operator.nics.rows import PortPlan, limits_of, refs_of_nic, vm_rows
from quantix_operator.nics.telling import told
from quantix_operator.northbound.groups import BASE_GROUP, EGRESS_GROUP, WIRE_GROUP
from quantix_operator.northbound.rows import Owner, SetRef
from quantix_operator.northbound.words import message
from quantix_operator.objects import Objects
from quantix_operator.securitygroup.rows import (
    default_group,
    group_set,
    lists_egress,
    security_group_owner,
)
from quantix_operator.topology.view import (
    NetworkView,
    make_view,
    network_owner,
    wants_automatic,
)
from quantix_operator.virtualmachine.ports import NicsResult

log = structlog.get_logger(__name__)

_SOON_S = 0.3
_RETRY_S = 10.0
_UNREACHABLE_S = 2.0
_LEFT_S = 2.0
_PROGRAMMING = Problem.of("Programming")


@dataclass(frozen=True)
class _Planned:
    """A NIC that gets its port; `problem` is what keeps it from being complete."""

    port: PortPlan
    problem: Problem | None = None


class NicPorts:
    """See `virtualmachine.ports.Ports`."""

    def __init__(
        self, api: ApiClient, objects: Objects, northbound: Northbound, ledger: Ledger, feed: LedgerFeed
    ) -> None:
        self._api = api
        self._objects = objects
        self._northbound = northbound
        self._ledger = ledger
        self._feed = feed
        self._read_back = False
        cluster = northbound.cluster_uid
        self._cluster = Owner(cluster, cluster, "Cluster", "cluster")

    async def ensure_ports(self, vm: VirtualMachine) -> NicsResult:
        """See the protocol."""
        try:
            await self._read_records()
            await self._ensure_default_group(vm)
            return await self._ensure(vm)
        except NorthboundUnreachable:
            return _unreachable(vm)
        except WaitingError as waiting:
            return self._result(vm, [], [_PROGRAMMING], waiting.retry_after_s)
        except StaleObservation:
            return self._result(vm, [], [_PROGRAMMING], _SOON_S)

    async def release_ports(self, vm: VirtualMachine) -> bool:
        """See the protocol."""
        try:
            await self._northbound.converge(vm.metadata.uid, [])
            led_to = await self._northbound.translated_to(vm.metadata.uid)
        except (NorthboundUnreachable, StaleObservation) as error:
            log.info("ports wait to be released", vm=vm.key, uid=vm.metadata.uid, cause=error.message)
            return False
        if led_to:
            log.info("addresses wait for their floating IPs", vm=vm.key, uid=vm.metadata.uid)
            return False
        self._ledger.release(vm.metadata.uid)
        self._ledger.want(vm.metadata.uid, ())
        return True

    async def _ensure(self, vm: VirtualMachine) -> NicsResult:
        planned: list[_Planned] = []
        problems: list[Problem] = []
        for place, nic in enumerate(vm.spec.nics):
            # No await from here to the ledger's record: two VMs must not be given the same address
            outcome = self._plan(vm, nic, f"spec.nics[{place}]")
            if isinstance(outcome, Problem):
                problems.append(outcome)
                continue
            planned.append(outcome)
            if outcome.problem is not None:
                problems.append(outcome.problem)
        await self._converge(vm, [item.port for item in planned])
        result = self._result(vm, planned, problems, _RETRY_S)
        left = left_by(vm, self._ledger)
        if left and not give_back(self._ledger, left, await self._northbound.translated_to(vm.metadata.uid)):
            return replace(result, retry_after_s=min(result.retry_after_s or _LEFT_S, _LEFT_S))
        return result

    async def _converge(self, vm: VirtualMachine, ports: list[PortPlan]) -> None:
        owner = Owner(self._northbound.cluster_uid, vm.metadata.uid, "VirtualMachine", vm.key)
        done = {port.nic for port in ports}
        # A NIC that has a port and a problem keeps the port: a guest may be running on it
        kept = [ref for nic in vm.spec.nics if nic.name not in done for ref in refs_of_nic(owner, nic.name)]
        rows = vm_rows(owner, guest_hostname(vm), self._chassis(vm), ports)
        await self._northbound.converge(vm.metadata.uid, rows, keep=kept)

    def _plan(self, vm: VirtualMachine, nic: Nic, path: str) -> _Planned | Problem:
        view = self._view(vm, nic, path)
        if isinstance(view, Problem):
            return view
        allocation = assign_and_hold(nic, path, claimant(vm, nic.name), view, self._ledger)
        if isinstance(allocation, Problem):
            return allocation
        groups, problem = self._groups(vm, nic, path, view)
        secured = nic.port_security == "Enabled"
        port = PortPlan(nic.name, view, allocation, secured, groups, limits_of(nic.qos))
        return _Planned(port, problem)

    def _view(self, vm: VirtualMachine, nic: Nic, path: str) -> NetworkView | Problem:
        namespace = vm.metadata.namespace or ""
        network = self._objects.referred(Network, nic.network, namespace)
        if network is None and self._objects.is_going(Network, nic.network, namespace):
            return Problem.of("NetworkNotFound", going=nic.network, path=path)
        if network is None:
            there = self._objects.get(Network, resolve_key(namespace, nic.network))
            if there is None or there.deleting:
                near = self._objects.near_name(Network, nic.network, namespace)
                known = {"near": near} if near else {}
                return Problem.of("NetworkNotFound", network=nic.network, path=path, **known)
            return Problem.of("NetworkNotAllowed", network=nic.network, namespace=namespace)
        problem = _withheld(network, vm, nic)
        if problem is not None:
            return problem
        view = make_view(self._northbound.cluster_uid, network)
        if wants_automatic(network) and view.v6 is None:
            return _PROGRAMMING
        return view

    def _groups(
        self, vm: VirtualMachine, nic: Nic, path: str, view: NetworkView
    ) -> tuple[frozenset[SetRef], Problem | None]:
        if nic.port_security == "Disabled":
            return frozenset(), None
        sets = {self._cluster_set(BASE_GROUP)}
        if not view.overlay and (view.v4 is None or not view.v4.dhcp):
            sets.add(self._cluster_set(WIRE_GROUP))
        problem: Problem | None = None
        restricted = False
        has_port = any(item.name == nic.name and item.port for item in vm.status.nics)
        for name in nic.effective_security_groups:
            group = self._objects.get(SecurityGroup, f"{vm.metadata.namespace}/{name}")
            # one that is being deleted is in force for whoever has it, and for nobody else
            if group is None or (group.deleting and not has_port):
                problem = _no_group(name, group, path)
                # Whoever names a group that is not there yet gets nothing more than the others allow
                restricted = True
                continue
            sets.add(group_set(security_group_owner(self._northbound.cluster_uid, group)))
            restricted = restricted or lists_egress(group)
        if not restricted:
            sets.add(self._cluster_set(EGRESS_GROUP))
        return frozenset(sets), problem

    def _cluster_set(self, name: str) -> SetRef:
        return SetRef(*self._cluster.ref("Port_Group", name), "ports")

    def _chassis(self, vm: VirtualMachine) -> list[str]:
        """The hosts that may bind the ports now: source and target while it moves, none when it has none."""
        names = [vm.status.assignment.host] if vm.status.assignment is not None else []
        if vm.status.migration is not None:
            names = [vm.status.migration.source_host, vm.status.migration.target_host]
        hosts = (self._objects.get(Host, name) for name in names if name is not None)
        return [host.metadata.uid for host in hosts if host is not None]

    async def _ensure_default_group(self, vm: VirtualMachine) -> None:
        namespace = vm.metadata.namespace or ""
        needed = any(DEFAULT_GROUP in nic.effective_security_groups for nic in vm.spec.nics)
        if not needed or self._objects.get(SecurityGroup, f"{namespace}/{DEFAULT_GROUP}") is not None:
            return
        try:
            await self._api.create(SECURITY_GROUPS, default_group(namespace))
        except AlreadyExists:
            # made by somebody else in the meantime: the cache will tell
            log.info("group default was there", namespace=namespace)

    async def _read_records(self) -> None:
        """Once: what the northbound database knows and no status does."""
        if self._read_back:
            return
        rows = await self._northbound.ports("VirtualMachine")
        switches = {
            str(
                network_owner(self._northbound.cluster_uid, network).ref("Logical_Switch").uuid
            ): network.metadata.uid
            for network in self._objects.list(Network)
        }
        self._feed.read_back(rows, switches)
        self._read_back = True

    def _result(
        self, vm: VirtualMachine, planned: list[_Planned], problems: list[Problem], retry_s: float
    ) -> NicsResult:
        done = {item.port.nic: item.port.allocation for item in planned}
        recorded = {nic.name: nic for nic in vm.status.nics}
        nics = []
        for nic in vm.spec.nics:
            if nic.name in done:
                nics.append(
                    nic_status(self._northbound.cluster_uid, vm.metadata.uid, nic.name, done[nic.name])
                )
            elif nic.name in recorded:
                nics.append(recorded[nic.name])
        if not problems:
            return NicsResult(tuple(nics), True, "AllReady", message("AllReady"))
        reason, said = told(problems)
        soon = any(problem.reason == "Programming" for problem in problems)
        whole = {item.port.nic for item in planned if item.problem is None}
        return NicsResult(
            tuple(nics),
            False,
            reason,
            said,
            min(retry_s, _SOON_S) if soon else retry_s,
            frozenset(nic.name for nic in vm.spec.nics if nic.name not in whole),
        )


def _no_group(name: str, group: SecurityGroup | None, path: str) -> Problem:
    """Why a NIC is not in a group that it names."""
    if group is not None:
        return Problem.of("SecurityGroupNotFound", going=name, path=path)
    # the cache will tell of the group default in a moment
    return (
        _PROGRAMMING if name == DEFAULT_GROUP else Problem.of("SecurityGroupNotFound", group=name, path=path)
    )


def _withheld(network: Network, vm: VirtualMachine, nic: Nic) -> Problem | None:
    """Why a Network takes in nobody; a NIC that is in it already does not mind an overlap."""
    ready = network.status.condition("Ready")
    if ready is None or network.spec.physical is None:
        return None
    if ready.reason == "PhysicalNetworkUnknown":
        return Problem.of("PhysicalNetworkUnknown", physical=network.spec.physical.name)
    inside = any(item.name == nic.name and item.network == network.metadata.uid for item in vm.status.nics)
    if ready.reason == "SubnetOverlap" and not inside:
        return Problem.of("SubnetOverlap", network=network.key)
    return None


def nic_status(cluster_uid: str, vm_uid: str, nic: str, allocation: Allocation) -> NicStatus:
    """What a NIC's status says of its port."""
    return NicStatus(
        name=nic,
        network=allocation.network_uid,
        port=identity.nic_port_name(cluster_uid, vm_uid, nic),
        mac=allocation.mac,
        addresses=allocation.addresses,
    )


def _unreachable(vm: VirtualMachine) -> NicsResult:
    """The data plane goes on without the database: what was ready stays so."""
    before = vm.status.condition("NetworkReady")
    names = [nic.name for nic in vm.spec.nics]
    if before is not None and before.status == "True" and [nic.name for nic in vm.status.nics] == names:
        return NicsResult(vm.status.nics, True, before.reason, before.message, _RETRY_S)
    said = message("NorthboundUnreachable")
    return NicsResult(
        vm.status.nics, False, "NorthboundUnreachable", said, _UNREACHABLE_S, waiting=frozenset(names)
    )
