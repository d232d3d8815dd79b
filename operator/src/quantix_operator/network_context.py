"""What the controllers of networks, routers, security groups and the cluster's own rows have in common.

Made once by `networking`. No controller is imported here, and none imports another.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_api import FloatingIP, Router
from quantix_api.conditions import condition_of
from quantix_api.facts import Fact, fact
from quantix_client.api import ApiClient, Manifest
from quantix_client.clock import Clock
from quantix_operator.cache import Cache
from quantix_operator.clients.ovn_nb import Northbound
from quantix_operator.indexers import leading_through
from quantix_operator.ipam.ledger import Ledger
from quantix_operator.objects import Objects

SLOW_S = 300.0
RETRY_S = 2.0


@dataclass(frozen=True)
class NetworkContext:
    """What the controllers of the network share."""

    api: ApiClient
    cache: Cache
    objects: Objects
    northbound: Northbound
    ledger: Ledger
    clock: Clock
    resolvers: tuple[str, ...]
    """The host's own name servers, for Networks that name none."""

    @property
    def cluster_uid(self) -> str:
        """UID of the cluster."""
        return self.northbound.cluster_uid

    def in_force(self, router: Router) -> bool:
        """Whether a Router is programmed: one that goes as long as floating IPs lead through it."""
        return not router.deleting or bool(self.objects.by(FloatingIP, leading_through, router.key))


def unreachable(live: Manifest) -> Fact:
    """Ready while the database does not answer: what was in force stays so."""
    generation = live["metadata"].get("generation")
    ready = condition_of(live)
    if ready.get("status") == "True" and ready.get("observedGeneration") == generation:
        return Fact("Ready", "True", ready["reason"], ready.get("message", ""))
    return fact("Ready", "Unknown", "NorthboundUnreachable")
