"""Which hosts have which wire: by what they say in spec. Pure.

Used by the controllers of routers and of floating IPs.
"""

from __future__ import annotations

from quantix_api import Host
from quantix_api.network import Physical
from quantix_api.resources import LOCAL_PHYSICAL_NETWORK


def has_wire(host: Host, physical: Physical) -> bool:
    """Whether a Network with this `physical` can be had on a host; every host has the way out."""
    return physical.name == LOCAL_PHYSICAL_NETWORK or any(
        item.name == physical.name for item in host.spec.physical_networks
    )
