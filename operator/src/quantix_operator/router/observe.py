"""Reads from the cache what a Router depends on: its networks, its neighbours, the hosts that can lead out.

Called by the controllers of routers and of the cluster. It decides and records nothing.
"""

from __future__ import annotations

from quantix_api import Host, Network, Router
from quantix_operator.network_context import NetworkContext
from quantix_operator.router.observed import Joined, Observed


def observe_router(context: NetworkContext, router: Router) -> Observed:
    """The Router and what is around it."""
    objects = context.objects
    namespace = router.metadata.namespace or ""
    joined = []
    for place, item in enumerate(router.spec.networks):
        network = objects.get(Network, f"{namespace}/{item.name}")
        there = network if network is not None and not network.deleting else None
        joined.append(Joined(item.name, f"spec.networks[{place}].address", item.address, there))
    external = router.spec.external
    return Observed(
        cluster_uid=context.cluster_uid,
        router=router,
        joined=tuple(joined),
        outside=objects.referred(Network, external.network, namespace) if external is not None else None,
        others=tuple(
            other
            for other in objects.list(Router, namespace)
            if other.metadata.uid != router.metadata.uid and not other.deleting
        ),
        hosts=tuple(objects.list(Host)),
        resolvers=context.resolvers,
    )
