"""The taps of guests on the integration bridge: are they wired, whose are they, which are left over, what may
come in by them.

Used by the VM's reconciler (before, during and after a start) and by sweeps. It reads and marks interfaces of
`qx-int` only and removes only those that carry our owner key, or the id of a port that is about to be started
(network.md, section 5); of flows it knows only its own. Bridges and OVN's settings are `clients/ovs.py`'s.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.clients import command
from quantix_hostd.clients.guest_guard import (
    COOKIES,
    COOKIES_MASK,
    TABLE,
    Guarded,
    GuardedPort,
    parse_guarded,
    plan_guard,
)
from quantix_hostd.domainxml.spec import tap_name
from quantix_hostd.facts.switch import OWNER_KEY, PortProblem

_PORT_KEY = "iface-id"
_INSTALLED_KEY = "ovn-installed"
# libvirt 9.0, virnetdevopenvswitch.c
_MAC_KEY = "attached-mac"
_CALL_TIMEOUT_S = 5


@dataclass(frozen=True)
class Interface:
    """One interface of the bridge. `port` is the logical switch port (iface-id), "" when it has none;
    `number` the bridge's own number for it, None while it has none; `mac` the guest's, as libvirt notes it.
    """

    name: str
    port: str
    owner: str
    installed: bool
    number: int | None = None
    mac: str = ""


class GuestPorts(Protocol):
    """What the VM's reconciler needs of the virtual switch. All may raise TransientError."""

    async def problems(self, ports: Collection[str]) -> tuple[PortProblem, ...]:
        """What is wrong with these ports now; empty when all are wired and their flows are in."""

    async def wait_installed(self, ports: Collection[str], timeout_s: float) -> tuple[PortProblem, ...]:
        """Wait until OVN has put in the flows of all ports, at most `timeout_s`; then what is missing."""

    async def set_owner(self, ports: Collection[str], vm_uid: str) -> None:
        """Mark the taps of these ports as the VM's."""

    async def remove(self, ports: Collection[str]) -> None:
        """Remove every interface with one of these ports' ids: before a start and at the release."""

    async def purge_stale(self, live: Collection[str]) -> tuple[str, ...]:
        """Remove interfaces of ours whose port is not in `live`; returns their names."""

    async def guard(self, routers: Collection[str]) -> int:
        """Let nobody pose as a router, or as another guest, by any interface of ours (`clients.guest_guard`),
        but by those of the ports `routers`; returns how many flows were missing for that.
        """


class OvsGuestPorts:
    """`GuestPorts` by ovs-vsctl on the database at `database` ("unix:/…/db.sock")."""

    def __init__(self, database: str, bridge: str = "qx-int") -> None:
        self._database = database
        self._bridge = bridge

    async def problems(self, ports: Collection[str]) -> tuple[PortProblem, ...]:
        return find_problems(ports, await self.interfaces()) if ports else ()

    async def wait_installed(self, ports: Collection[str], timeout_s: float) -> tuple[PortProblem, ...]:
        if not ports:
            return ()
        waits: list[str] = []
        for port in ports:
            key = f"external_ids:{_INSTALLED_KEY}=true"
            waits += ["--", "wait-until", "Interface", tap_name(port), key]
        # ovs-vsctl ends itself by SIGALRM at its timeout; what is missing is then read, not guessed
        await self._vsctl(*waits[1:], timeout_s=max(1, round(timeout_s)), check=False)
        return await self.problems(ports)

    async def set_owner(self, ports: Collection[str], vm_uid: str) -> None:
        wanted = set(ports)
        marks: list[str] = []
        for interface in await self.interfaces():
            if interface.port in wanted and interface.owner != vm_uid:
                marks += ["--", "set", "Interface", interface.name, f'external_ids:"{OWNER_KEY}"="{vm_uid}"']
        if marks:
            await self._vsctl(*marks[1:])

    async def remove(self, ports: Collection[str]) -> None:
        wanted = set(ports)
        await self._delete(
            interface.name for interface in await self.interfaces() if interface.port in wanted
        )

    async def purge_stale(self, live: Collection[str]) -> tuple[str, ...]:
        names = stale_interfaces(set(live), await self.interfaces())
        await self._delete(names)
        return names

    async def guard(self, routers: Collection[str]) -> int:
        guarded = guarded_ports(set(routers), await self.interfaces())
        plan = plan_guard(guarded, await self._guarded())
        if plan.lines:
            await self._ofctl("add-flows", "-", stdin="\n".join(plan.lines))
        return len(plan.missing)

    async def interfaces(self) -> tuple[Interface, ...]:
        """The interfaces of our bridge but its own; none while there is no bridge."""
        # in one process, of which a start needs several: each costs as much as all the rest of the question
        bridge = ["--if-exists", "--columns=ports", "list", "Bridge", self._bridge]
        ports = ["--columns=_uuid,name", "list", "Port"]
        interfaces = ["--columns=name,external_ids,ofport", "list", "Interface"]
        tables = await self._vsctl("--format=json", "--", *bridge, "--", *ports, "--", *interfaces)
        return tuple(found for found in parse_bridge(tables) if found.name != self._bridge)

    async def _delete(self, names: Iterable[str]) -> None:
        deletions: list[str] = []
        for name in names:
            deletions += ["--", "--if-exists", "del-port", self._bridge, name]
        if deletions:
            await self._vsctl(*deletions[1:])

    async def _guarded(self) -> Guarded:
        """Our flows; none while there is no bridge."""
        flows = f"cookie={COOKIES:#x}/{COOKIES_MASK:#x},table={TABLE}"
        return parse_guarded(await self._ofctl("--no-stats", "--no-names", "dump-flows", flows, check=False))

    async def _ofctl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """ovs-ofctl [option …] command BRIDGE argument."""
        bridge = str(Path(self._database.removeprefix("unix:")).with_name(f"{self._bridge}.mgmt"))
        *start, last = arguments
        program = ("ovs-ofctl", "-O", "OpenFlow15", f"--timeout={_CALL_TIMEOUT_S}")
        result = await command.run(
            *program,
            *start,
            f"unix:{bridge}",
            last,
            stdin=stdin,
            timeout_s=_CALL_TIMEOUT_S + 2.0,
            check=check,
        )
        return result.stdout

    async def _vsctl(self, *arguments: str, timeout_s: int = _CALL_TIMEOUT_S, check: bool = True) -> str:
        program = ("ovs-vsctl", f"--db={self._database}", f"--timeout={timeout_s}")
        result = await command.run(*program, *arguments, timeout_s=timeout_s + 2.0, check=check)
        return result.stdout


def parse_bridge(tables: str) -> tuple[Interface, ...]:
    """The interfaces whose port the bridge has. `tables`: one JSON table a line, its ports as `ports` of
    Bridge (without rows: there is no bridge), all ports as `_uuid` and `name` of Port, and all interfaces.
    """
    try:
        bridge, ports, interfaces = tables.splitlines()
        names = {uuid[1]: name for uuid, name in json.loads(ports)["data"]}
        own = {names.get(uuid) for (column,) in json.loads(bridge)["data"] for uuid in _references(column)}
    except (ValueError, KeyError, TypeError, IndexError) as error:
        said = f"{type(error).__name__} in its list of ports"
        raise as_error(TransientError, "PortNotBound", said=said) from error
    return tuple(found for found in parse_interfaces(interfaces) if found.name in own)


def _references(column: Any) -> tuple[str, ...]:
    """The UUIDs in a column of references: one, or a set of them (RFC 7047, section 5.1)."""
    kind, content = column
    return tuple(uuid for _, uuid in content) if kind == "set" else (content,)


def parse_interfaces(table: str) -> tuple[Interface, ...]:
    """Parse `ovs-vsctl --format=json --columns=name,external_ids,ofport list Interface` (ovs-vsctl(8))."""
    try:
        rows = json.loads(table)["data"]
        return tuple(_interface(name, dict(external_ids[1]), ofport) for name, external_ids, ofport in rows)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        said = f"{type(error).__name__} in its list of interfaces"
        raise as_error(TransientError, "PortNotBound", said=said) from error


def find_problems(ports: Collection[str], interfaces: Iterable[Interface]) -> tuple[PortProblem, ...]:
    """What keeps `ports` from carrying packets, seen from this host's switch."""
    by_port: dict[str, list[Interface]] = {}
    for interface in interfaces:
        by_port.setdefault(interface.port, []).append(interface)
    found = (_problem(port, by_port.get(port, [])) for port in ports)
    return tuple(problem for problem in found if problem)


def stale_interfaces(live: set[str], interfaces: Iterable[Interface]) -> tuple[str, ...]:
    """Interfaces with our owner key and a port of no live domain, and second ones of a live port.

    Of two with one port the tap of our own naming stays: the other is what an older start left.
    """
    names = [
        interface.name
        for interface in interfaces
        if interface.owner and (interface.port not in live or interface.name != tap_name(interface.port))
    ]
    return tuple(names)


def guarded_ports(routers: set[str], interfaces: Iterable[Interface]) -> frozenset[GuardedPort]:
    """The interfaces of ours whose guest is no router."""
    return frozenset(
        GuardedPort(interface.number, interface.mac)
        for interface in interfaces
        if interface.owner and interface.number is not None and interface.port not in routers
    )


def _problem(port: str, interfaces: list[Interface]) -> PortProblem | None:
    if not interfaces:
        return PortProblem(port, "PortNotBound", "its interface is missing")
    if len(interfaces) > 1:
        names = ", ".join(sorted(interface.name for interface in interfaces))
        return PortProblem(port, "DuplicateInterface", names)
    if not interfaces[0].installed:
        return PortProblem(port, "PortNotBound", "ovn-controller has not put in its flows")
    return None


def _interface(name: str, external_ids: Mapping[str, str], ofport: Any) -> Interface:
    return Interface(
        name=name,
        port=external_ids.get(_PORT_KEY, ""),
        owner=external_ids.get(OWNER_KEY, ""),
        installed=external_ids.get(_INSTALLED_KEY) == "true",
        # An empty set before it has a number, -1 when it gets none (ovs-vswitchd.conf.db(5), Interface)
        number=ofport if isinstance(ofport, int) and ofport > 0 else None,
        mac=external_ids.get(_MAC_KEY, "").lower(),
    )
