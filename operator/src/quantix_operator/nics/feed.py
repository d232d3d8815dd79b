"""Keeps the ledger in step with Networks and VMs, and reads back what only the northbound database knows.

Built with `nics.ports`. Recorded addresses of every VM are in the ledger before any new one is given out, so
nothing is given out twice after the operator or the database came back.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from quantix_api import Network, VirtualMachine
from quantix_api.references import resolve_key
from quantix_api.resources import NETWORKS, VIRTUAL_MACHINES
from quantix_api.seniority import age_order
from quantix_client.reflector import Change
from quantix_operator.cache import Cache
from quantix_operator.ipam.ledger import Allocation, Claimant, Ledger
from quantix_operator.northbound.rows import NAME_KEY, ROW_KEY, ObservedRow
from quantix_operator.objects import Objects
from quantix_operator.topology.view import make_view


def claimant(vm: VirtualMachine, nic: str) -> Claimant:
    """A NIC as somebody who asks for addresses."""
    return Claimant(*age_order(vm), nic, f"VM {vm.key}")


class LedgerFeed:
    """Follows the Networks and VMs of the cache."""

    def __init__(self, cache: Cache, objects: Objects, ledger: Ledger, cluster_uid: str) -> None:
        self._objects = objects
        self._ledger = ledger
        self._cluster_uid = cluster_uid
        for network in objects.list(Network):
            ledger.join(make_view(cluster_uid, network))
        cache.subscribe(NETWORKS, self._network_changed)
        for vm in sorted(objects.list(VirtualMachine), key=lambda vm: claimant(vm, "")):
            self._take(vm)
        cache.subscribe(VIRTUAL_MACHINES, self._changed)

    def _network_changed(self, change: Change) -> None:
        if change.type == "DELETED":
            self._ledger.leave(change.object["metadata"].get("uid", ""))
            return
        network = self._objects.get(Network, change.key)
        if network is not None:
            self._ledger.join(make_view(self._cluster_uid, network))

    def _changed(self, change: Change) -> None:
        if change.type == "DELETED":
            uid = change.object["metadata"].get("uid", "")
            self._ledger.release(uid)
            self._ledger.want(uid, ())
            return
        vm = self._objects.get(VirtualMachine, change.key)
        if vm is not None:
            self._take(vm)

    def _take(self, vm: VirtualMachine) -> None:
        namespace = vm.metadata.namespace or ""
        self._ledger.want(
            vm.metadata.uid,
            (
                (
                    resolve_key(namespace, nic.network),
                    str(ip_address(address)),
                    claimant(vm, nic.name),
                )
                for nic in vm.spec.nics
                for address in nic.addresses
            ),
        )
        for nic in vm.status.nics:
            # What was decided here since is newer than what this object says
            if self._ledger.allocation(vm.metadata.uid, nic.name) is None and nic.network and nic.mac:
                self._ledger.hold(claimant(vm, nic.name), Allocation(nic.network, nic.mac, nic.addresses))

    def read_back(self, rows: Iterable[ObservedRow], network_uids: dict[str, str]) -> None:
        """Take over ports from the northbound database that no status knows yet (a crash before its write).

        `network_uids` are the networks' UIDs by the UUID of their switch, in text form.
        """
        vms = {vm.metadata.uid: vm for vm in self._objects.list(VirtualMachine)}
        for row in rows:
            vm = vms.get(row.owner)
            marks = row.columns.get("external_ids")
            if vm is None or not isinstance(marks, dict) or marks.get(NAME_KEY) != vm.key:
                continue
            nic = marks.get(ROW_KEY, "")
            switch = next(
                (
                    str(parent.uuid)
                    for parent in row.parents
                    if parent.column == "ports" and parent.table == "Logical_Switch"
                ),
                "",
            )
            allocation = _allocation(row, network_uids.get(switch, ""))
            if allocation is not None and self._ledger.allocation(vm.metadata.uid, nic) is None:
                self._ledger.hold(claimant(vm, nic), allocation)


def _allocation(row: ObservedRow, network_uid: str) -> Allocation | None:
    addresses = row.columns.get("addresses")
    if not network_uid or not isinstance(addresses, frozenset):
        return None
    for entry in addresses:
        mac, *rest = str(entry).split()
        if mac != "unknown":
            return Allocation(network_uid, mac, tuple(rest))
    return None
