"""Reads from the cache what a FloatingIP depends on: networks, routers, its VM, its rivals, the hosts.

Called by the controller. It decides and records nothing.
"""

from __future__ import annotations

from quantix_api import FloatingIP, Host, Network, Router, VirtualMachine
from quantix_api.references import resolve_key
from quantix_operator.floatingip.observed import Absence, Observed
from quantix_operator.indexers import floating_ips_of_vm, own_uid, routers_through
from quantix_operator.network_context import NetworkContext
from quantix_operator.router.observe import observe_router


def observe_floating_ip(context: NetworkContext, floating_ip: FloatingIP) -> Observed:
    """The FloatingIP and what is around it."""
    objects = context.objects
    namespace = floating_ip.metadata.namespace or ""
    name = floating_ip.spec.virtual_machine
    vm_key = f"{namespace}/{name}"
    vm = objects.get(VirtualMachine, vm_key) if name is not None else None
    uids = {nic.network for nic in vm.status.nics if nic.network} if vm is not None else set()
    outside_key = resolve_key(namespace, floating_ip.spec.network)
    return Observed(
        cluster_uid=context.cluster_uid,
        floating_ip=floating_ip,
        outside=_outside(context, floating_ip.spec.network, namespace),
        vm=vm,
        networks={uid: network for uid in uids for network in objects.by(Network, own_uid, uid)},
        routers=tuple(
            observe_router(context, router) for router in objects.by(Router, routers_through, outside_key)
        ),
        rivals=tuple(
            other
            for other in objects.by(FloatingIP, floating_ips_of_vm, vm_key)
            if other.metadata.uid != floating_ip.metadata.uid and not other.deleting
        ),
        hosts=tuple(objects.list(Host)),
    )


def _outside(context: NetworkContext, reference: str, namespace: str) -> Network | Absence:
    objects = context.objects
    network = objects.referred(Network, reference, namespace)
    if network is not None:
        return network
    if objects.is_going(Network, reference, namespace):
        return "Going"
    there = objects.get(Network, resolve_key(namespace, reference))
    return "NotFound" if there is None or there.deleting else "NotAllowed"
