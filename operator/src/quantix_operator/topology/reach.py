"""Which hosts have which wire, by their spec and what they say of it. Pure.

Used by the scheduler and the controllers of networks, of routers and of floating IPs.
"""

from __future__ import annotations

from quantix_api import Host
from quantix_api.message_text import cause_of
from quantix_api.network import Physical
from quantix_api.resources import LOCAL_PHYSICAL_NETWORK


def wires_of(host: Host) -> frozenset[str]:
    """The names of the wires that its spec gives it, without those that it cannot have. One that has told of
    none yet, not even of its way out, is believed to have them.
    """
    given = frozenset(item.name for item in host.spec.physical_networks)
    said = host.status.network
    if said is None or not said.physical:
        return given
    return given & {item.name for item in said.physical}


def has_wire(host: Host, physical: Physical) -> bool:
    """Whether a Network with this `physical` can be had on a host; every host has the way out."""
    return physical.name == LOCAL_PHYSICAL_NETWORK or physical.name in wires_of(host)


def refused_wire(host: Host, physical: Physical) -> str:
    """Why it says that it cannot have this wire; "" where it says nothing of it. It tells of one wire at a
    time.
    """
    said = host.status.condition("GuestTraffic")
    if said is None or said.status == "True" or said.reason != "PhysicalNetworkUnusable":
        return ""
    return cause_of(said.message) if f" physical network {physical.name}, " in said.message else ""
