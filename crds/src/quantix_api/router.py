"""The kind Router: joins Networks with each other and with the world outside."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from quantix_api.markers import Doc, Live, keyed, ordered
from quantix_api.model import AGE, READY, REASON, ApiModel, ApiObject, Column, Definition, Status
from quantix_api.network import Route
from quantix_api.resources import ROUTERS
from quantix_api.scalars import IP, Name, SharedName


class RouterNetwork(ApiModel):
    """A Network that the router is in."""

    name: Annotated[Name, Live("Name of the Network.")]
    address: Annotated[IP | None, Live("Its address there. Absent: the Network's gateway.")] = None


class External(ApiModel):
    """The way out."""

    network: Annotated[SharedName, Live("Network that leads out: NAME here, or shared/NAME.")]
    snat: Annotated[
        Literal["Enabled", "Disabled"],
        Live("Enabled: guests go out with the router's address; nobody outside reaches their own (IPv4)."),
    ] = "Enabled"
    address: Annotated[IP | None, Live("Its address there. Absent: chosen once and kept.")] = None


class RouterSpec(ApiModel):
    """What is wanted."""

    networks: Annotated[
        tuple[RouterNetwork, ...],
        keyed("name", at_most=64),
        Live("Networks of this namespace that it joins."),
    ] = ()
    external: Annotated[External | None, Live("The way out. Absent: there is none.")] = None
    routes: Annotated[
        tuple[Route, ...], keyed("destination", at_most=64), Live("Ways to addresses that lie further away.")
    ] = ()


class RouterStatus(Status):
    """What is so."""

    address: Annotated[IP | None, Doc("Its address in the external network; of two, the IPv4 one.")] = None
    addresses: Annotated[
        tuple[IP, ...], ordered(2), Doc("All its addresses in the external network, one of each family.")
    ] = ()
    gateway_hosts: Annotated[
        tuple[Name, ...], ordered(), Doc("Hosts that carry its way out, the acting one first.")
    ] = ()


class Router(ApiObject):
    """A router between networks, and from them to the world outside."""

    DEFINITION: ClassVar[Definition] = Definition(
        ROUTERS, ("rtr",), (READY, Column("Address", ".status.address"), REASON, AGE)
    )

    spec: Annotated[RouterSpec, Live("What is wanted.")]
    status: RouterStatus = RouterStatus()
