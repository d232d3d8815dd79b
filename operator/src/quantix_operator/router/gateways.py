"""Which of several Routers is the gateway of a network: by what they ask for and their age alone. Pure.

Called by `plan`. It never depends on the order in which Routers are looked at, so that it is the same after a
restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from quantix_api import Router
from quantix_api.seniority import age_order
from quantix_operator.northbound.match import Family
from quantix_operator.router.observed import Joined, Observed
from quantix_operator.topology.view import NetworkView

Gateways = Mapping[Family, Router]
"""Who has the gateway's address of each family; none has it where nobody wants it."""


def share_gateways(observed: Observed, joined: Joined, view: NetworkView) -> Gateways:
    """The gateways of a network that Routers of one namespace are joined to.

    The eldest that ask come first; whoever asks for one that is gone has none at all. What nobody asked for
    goes to the eldest of those whose own address is of the other family.
    """
    asking = [
        (router, item.address)
        for router in sorted((observed.router, *observed.others), key=age_order)
        for item in router.spec.networks
        if item.name == joined.name
    ]
    shared: dict[Family, Router] = {}
    refused = set()
    for router, address in asking:
        families = asked_families(address, view)
        if families & shared.keys():
            refused.add(router.metadata.uid)
        else:
            shared |= dict.fromkeys(families, router)
    for router, address in asking:
        if address is not None and router.metadata.uid not in refused:
            others = {subnet.family for subnet in view.subnets} - {ip_address(address).version}
            shared |= dict.fromkeys(others - shared.keys(), router)
    return shared


def asked_families(address: str | None, view: NetworkView) -> frozenset[Family]:
    """In which families a Router with this address in spec, or none, asks to be the gateway."""
    return frozenset(
        subnet.family
        for subnet in view.subnets
        if address is None or ip_address(address) == subnet.pool.gateway
    )
