"""Keeps the host's network as it should be: looks, plans, acts, whatever became of it meanwhile.

Called by the host controller, at every look (a change of the API's objects, and every 30 s): so a bridge that
somebody removed comes back.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, assert_never

import structlog

from quantix_api import Host, Network, identity
from quantix_api.errors import InvariantError, QuantixError
from quantix_api.layout import Layout
from quantix_api.messages import message_of, render
from quantix_hostd.clients.command import run
from quantix_hostd.clients.files import write_atomically
from quantix_hostd.clients.netlink import NetlinkClient
from quantix_hostd.clients.nft import NftClient
from quantix_hostd.clients.ovs import OvsClient
from quantix_hostd.endless import endless
from quantix_hostd.facts.links import HOST_LEG
from quantix_hostd.facts.switch import OWNER_KEY
from quantix_hostd.host.model import NetworkFacts
from quantix_hostd.host.network import model
from quantix_hostd.host.network.between_hosts import arrival_address, too_small
from quantix_hostd.host.network.desired import desired_network
from quantix_hostd.host.network.door import HostDoor
from quantix_hostd.host.network.model import (
    EXTERNAL_BRIDGE,
    MARK,
    TUNNEL_BRIDGE,
    WIRE,
    NetworkSpec,
    NetworkState,
    PhysicalWire,
)
from quantix_hostd.host.network.physical import PREFIX, physical_wires, wire_mtus
from quantix_hostd.host.network.plan import plan_network, traffic_problem, unknown_platform
from quantix_hostd.host.network.tunnel import Underlay, attached_wire, tunnel_place

_SYSTEM_OVS_RUN = "unix:/run/openvswitch/"
_MAX_ROUNDS = 6
_DEBIAN_SYSTEM_ID = Path("/etc/openvswitch/system-id.conf")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class NetworkClients:
    """The tools that change the host's network."""

    ovs: OvsClient
    netlink: NetlinkClient
    nft: NftClient


async def _none() -> frozenset[str]:
    return frozenset()


async def _unknown() -> None:
    return None


@dataclass(frozen=True)
class KnownAddresses:
    """What is asked at each look: the addresses at which hostd serves and from which it reaches the API, and
    those of the platform, None while they are not known; `missed` tells whether that is so for long.
    """

    own: Callable[[], Awaitable[frozenset[str]]] = _none
    platform: Callable[[], Awaitable[frozenset[str] | None]] = _unknown
    missed: Callable[[], bool] = lambda: False


class HostNetwork:
    """The network of one host; `southbound` is OVN's database as ovn-controller reaches it. `datapath` is
    OVS's word for how it moves packets here, found out where it is not said.
    """

    def __init__(
        self,
        clients: NetworkClients,
        layout: Layout,
        southbound: str,
        cluster_uid: str,
        addresses: KnownAddresses | None = None,
        datapath: str | None = None,
    ) -> None:
        self._addresses = addresses or KnownAddresses()
        self._clients = clients
        self.door = HostDoor(clients.nft)
        self._layout = layout
        self._southbound = southbound
        self._way_out_mac = identity.way_out_mac(cluster_uid)
        self._datapath = datapath

    async def first_facts(self) -> NetworkFacts:
        """What is known before anything was put right: how Open vSwitch moves packets here."""
        return NetworkFacts(userspace=await self._known_datapath() == "netdev")

    async def ensure(self, host: Host, networks: Iterable[Network]) -> NetworkFacts:
        """Put everything right and tell how it is. What cannot be put right is in the facts."""
        datapath = await self._known_datapath()
        underlay = await self._underlay(host)
        tunnel = tunnel_place(host.metadata.name, host.spec.interfaces.tunnel, datapath, underlay)
        arrival, lost = arrival_address(host, underlay)
        wires, lacking = await self._wires(host)
        networks = tuple(networks)
        spec = desired_network(
            host,
            networks,
            self._southbound,
            tunnel,
            datapath,
            way_out_mac=self._way_out_mac,
            physical=wires,
            platform=await self._addresses.platform(),
        )
        unusable = tunnel.problem or lacking or lost
        facts = NetworkFacts(
            underlay_mtu=tunnel.mtu,
            wire_mtus=wire_mtus(wires, underlay.links, underlay.default),
            userspace=datapath == "netdev",
            tunnel_address=tunnel.address,
            migration_address=arrival,
            traffic_problem=unusable,
        )
        try:
            await asyncio.to_thread(self._write_system_id, spec.system_id)
            state = await self._reach(spec)
        except InvariantError as bug:
            # all that could be done was: the host goes on, and says what does not stay
            log.error("network does not settle", rounds=_MAX_ROUNDS, error=bug.message)
            return replace(facts, traffic_problem=(bug.reason, message_of(bug)))
        except QuantixError as error:
            log.warning("network not as it should be", reason=error.reason, error=str(error))
            if error.reason != "OVNAlreadyConfigured":
                await self._put_tables_without_switch(spec)
            if error.reason in ("OVNAlreadyConfigured", "NetworkDown"):
                return replace(facts, problem=(error.reason, message_of(error)))
            text = render("NetworkDown", process="Open vSwitch", said=error.message).text
            return replace(facts, problem=("NetworkDown", text))
        closed = unknown_platform(spec) if self._addresses.missed() else None
        closed = closed or traffic_problem(spec, state) or unusable
        return replace(facts, traffic_problem=closed or too_small(host, tunnel, networks, state))

    async def _wires(self, host: Host) -> tuple[tuple[PhysicalWire, ...], tuple[str, str] | None]:
        if not host.spec.physical_networks:
            return (), None
        netlink = self._clients.netlink
        return physical_wires(host, await netlink.links(), await netlink.default_route())

    async def _underlay(self, host: Host) -> Underlay:
        interface = host.spec.interfaces.tunnel
        try:
            attached = attached_wire(await self._clients.ovs.bridges())
        except QuantixError:
            # as it is once Open vSwitch answers; until then nothing can be done about it
            attached = interface or ""
        netlink = self._clients.netlink
        own = await self._addresses.own() if interface else frozenset()
        links, default = await netlink.links(), await netlink.default_route()
        return Underlay(links, attached, default, own, member=not self._southbound.startswith("unix:"))

    async def _reach(self, spec: NetworkSpec) -> NetworkState:
        """Act until nothing is left to do; devices of a new bridge appear a moment after it.

        Raises InvariantError (InternalError) when there always is something left.
        """
        for _ in range(_MAX_ROUNDS):
            state = await observe_network(self._clients)
            self.door.want(spec)
            actions = plan_network(self.door.with_senders(spec), state)
            if not actions:
                return state
            await apply_network(self._clients, self.door, actions)
        raise endless(actions)

    async def _put_tables_without_switch(self, spec: NetworkSpec) -> None:
        """Guests' taps are there while the switch does not answer, and the host hears them. What it has of a
        wire for tunnels is its own stack's business meanwhile.
        """
        self.door.want(replace(spec, wire=None))
        try:
            await self.door.put()
        except QuantixError as error:
            log.warning("packet filter not as it should be", reason=error.reason, error=str(error))

    async def _known_datapath(self) -> str:
        """`system` where the kernel has Open vSwitch, else `netdev`; decided once a process."""
        if self._datapath is None:
            there = await asyncio.to_thread(Path("/sys/module/openvswitch").exists)
            if not there and shutil.which("modprobe"):
                # 0 also when it is built into the kernel
                there = (await run("modprobe", "--quiet", "openvswitch", check=False)).code == 0
            self._datapath = "system" if there else "netdev"
        return self._datapath

    def _write_system_id(self, system_id: str) -> None:
        """On disk, so that whoever starts Open vSwitch anew starts it as the same chassis."""
        own = self._layout.data / "openvswitch/system-id.conf"
        paths = [own]
        if self._clients.ovs.database.startswith(_SYSTEM_OVS_RUN) and self._layout.root == Path("/"):
            paths.append(_DEBIAN_SYSTEM_ID)
        for path in paths:
            if not path.exists() or path.read_text().strip() != system_id:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, f"{system_id}\n".encode(), mode=0o644)


async def observe_network(clients: NetworkClients) -> NetworkState:
    """What is now. Raises TransientError."""
    bridges = await clients.ovs.bridges()
    held = [bridge.ports for name, bridge in bridges.items() if name.startswith((TUNNEL_BRIDGE, PREFIX))]
    wires = frozenset[str]().union(*held)
    return NetworkState(
        external_ids=await clients.ovs.external_ids(),
        bridges=bridges,
        interfaces=await clients.ovs.interfaces([HOST_LEG, *wires]),
        links=await clients.netlink.links(),
        routes=await clients.netlink.our_routes(),
        packet_filter=await clients.nft.our_tables(),
        forwarding=await clients.netlink.sysctl(model.IP_FORWARD) == "1",
        forwarding_v6=await clients.netlink.sysctl(model.IP_FORWARD_V6) == "1",
        blockers=await clients.nft.forward_blockers(EXTERNAL_BRIDGE),
    )


async def apply_network(
    clients: NetworkClients, door: HostDoor, actions: Iterable[model.NetworkAction]
) -> None:
    """Do them in order; doing them again does no harm. Raises TransientError."""
    for action in actions:
        if isinstance(action, model.ReplacePacketFilter):
            # with those who began to send since it was planned
            await door.put()
            continue
        await _apply_action(clients, action)
        log.info("network changed", action=type(action).__name__, **_said(action))


async def _apply_action(clients: NetworkClients, action: model.SwitchAction | model.KernelAction) -> None:
    match action:
        case model.SetLink():
            await clients.netlink.set_link(action.device, mtu=action.mtu)
        case model.AddAddress():
            await clients.netlink.add_address(action.device, action.address)
        case model.RemoveAddress():
            await clients.netlink.remove_address(action.device, action.address)
        case model.PutRoute():
            await clients.netlink.put_route(action.route)
        case model.RemoveRoute():
            await clients.netlink.remove_route(action.route)
        case model.Forward():
            log.info("the kernel now forwards packets between networks", sysctl=action.sysctl)
            await clients.netlink.set_sysctl(action.sysctl, "1")
        case _:
            await _apply_to_switch(clients.ovs, action)


async def _apply_to_switch(ovs: OvsClient, action: model.SwitchAction) -> None:
    match action:
        case model.SetExternalIds():
            await ovs.set_external_ids(dict(action.values))
        case model.EnsureBridge():
            await ovs.ensure_bridge(
                action.name,
                datapath_type=action.datapath,
                fail_mode=action.fail_mode,
                external_ids={OWNER_KEY: action.owner, **({WIRE: action.wire} if action.wire else {})},
                mac=action.mac,
            )
        case model.RemoveBridge():
            await ovs.remove_bridge(action.name)
        case model.EnsurePort():
            await ovs.ensure_internal_port(action.port)
        case model.AttachPort():
            await ovs.attach_port(action.bridge, action.device, {MARK: action.owner})
        case model.RemovePort():
            await ovs.remove_port(action.bridge, action.name)
        case _:
            assert_never(action)


def _said(action: model.NetworkAction) -> dict[str, Any]:
    return {name: str(value) for name, value in vars(action).items()}
