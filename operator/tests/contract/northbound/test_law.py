"""The law of every reconciler, on a real ovsdb-server: after a plan was applied, the next one is empty.

Any set of objects to any other: rows appear, change, move between parents and go, and what is there
afterwards is exactly what was wanted.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from quantix_lab.ovn_central import running_northbound
from quantix_operator.clients.ovn_nb import Northbound
from quantix_operator.northbound.rows import DesiredRow, Owner, SetRef

from .connection import CLUSTER, connected

OWNER = Owner(CLUSTER, "33333333-3333-4333-8333-333333333333", "Network", "default/net")
SWITCHES = ("a", "b")


@dataclass(frozen=True)
class Port:
    """A switch port in some of its shapes."""

    switch: str
    groups: frozenset[str]
    addresses: frozenset[str]
    dhcp: bool
    tag: int | None
    options: dict[str, str]


@dataclass(frozen=True)
class Wanted:
    """A small network of every shape of row that there is; `gateways` None: no router. `pinned`: the MACs of
    the router's neighbours; `limits`: switch and rate; `translated`: router, and the port that does it.
    """

    ports: dict[str, Port]
    acls: frozenset[tuple[str, int, str]]
    limits: dict[str, tuple[str, str]]
    gateways: frozenset[str] | None
    pinned: dict[str, str]
    translated: dict[str, tuple[str, str | None]]
    texts: dict[str, str]


_switches = st.sampled_from(SWITCHES)
_texts = st.dictionaries(st.sampled_from(["x", "y", "z"]), st.sampled_from(["1", "2", ""]), max_size=3)
_ports = st.builds(
    Port,
    switch=_switches,
    groups=st.frozensets(st.sampled_from(["qx_a", "qx_b"])),
    addresses=st.frozensets(st.sampled_from(["02:00:00:00:00:01 10.0.0.1", "unknown"])),
    dhcp=st.booleans(),
    tag=st.one_of(st.none(), st.integers(1, 4094)),
    options=_texts,
)
_wanted = st.builds(
    Wanted,
    ports=st.dictionaries(st.sampled_from(["p", "q", "r"]), _ports),
    acls=st.frozensets(st.tuples(_switches, st.integers(0, 3), st.sampled_from(["drop", "allow"]))),
    limits=st.dictionaries(st.sampled_from(["p", "q"]), st.tuples(_switches, st.sampled_from(["1", "8000"]))),
    gateways=st.one_of(st.none(), st.frozensets(st.sampled_from(["h1", "h2", "h3"]))),
    pinned=st.dictionaries(
        st.sampled_from(["10.0.0.9", "fd00::9"]), st.sampled_from(["0e:00:00:00:00:01", "0e:00:00:00:00:02"])
    ),
    translated=st.dictionaries(
        st.sampled_from(["10.9.0.1", "10.9.0.2"]),
        st.tuples(st.sampled_from(["s", "t"]), st.sampled_from([None, "p", "q"])),
    ),
    texts=_texts,
)


def render(wanted: Wanted) -> list[DesiredRow]:
    """The rows of a wanted network."""
    rows = [OWNER.row("Logical_Switch", key, name=key, other_config=wanted.texts) for key in SWITCHES]
    rows += [OWNER.row("Port_Group", key, name=key) for key in ("qx_a", "qx_b")]
    rows.append(OWNER.row("DHCP_Options", "d", cidr="10.0.0.0/24", options=wanted.texts))
    if wanted.gateways is not None:
        rows += _router(wanted.gateways)
        rows += [
            OWNER.unmarked_row(
                "Static_MAC_Binding", logical_port="lrp", ip=ip, mac=mac, override_dynamic_mac=True
            )
            for ip, mac in wanted.pinned.items()
        ]
    rows += [OWNER.row("Logical_Router", key, name=key) for key in ("s", "t")]
    rows += [_translation(address, *how) for address, how in wanted.translated.items()]
    rows += [_port(key, port) for key, port in wanted.ports.items()]
    for key, (switch, rate) in wanted.limits.items():
        rules = SetRef(*OWNER.ref("Logical_Switch", switch), "qos_rules")
        limit = {"rate": rate, "burst": "1000"}
        rows.append(
            OWNER.row(
                "QoS",
                key,
                parents=[rules],
                priority=1,
                direction="to-lport",
                match="ip4",
                bandwidth=limit,
            )
        )
    for switch, priority, action in wanted.acls:
        acls = SetRef(*OWNER.ref("Logical_Switch", switch), "acls")
        rows.append(
            OWNER.row(
                "ACL",
                f"{switch}/{priority}/{action}",
                parents=[acls],
                direction="to-lport",
                priority=priority,
                match="ip4",
                action=action,
            )
        )
    return rows


def _router(gateways: frozenset[str]) -> list[DesiredRow]:
    group = OWNER.row("HA_Chassis_Group", name="g")
    router = OWNER.row("Logical_Router", name="r")
    members = SetRef(*group.ref, "ha_chassis")
    port = OWNER.row(
        "Logical_Router_Port",
        parents=[SetRef(*router.ref, "ports")],
        name="lrp",
        mac="06:00:00:00:00:01",
        networks=frozenset({"10.0.0.1/24"}),
        ha_chassis_group=group.ref.uuid if gateways else None,
    )
    chassis = [
        OWNER.row("HA_Chassis", host, parents=[members], chassis_name=host, priority=1) for host in gateways
    ]
    return [group, router, port, *chassis]


def _translation(address: str, router: str, port: str | None) -> DesiredRow:
    return OWNER.row(
        "NAT",
        address,
        parents=[SetRef(*OWNER.ref("Logical_Router", router), "nat")],
        type="dnat_and_snat",
        external_ip=address,
        logical_ip="10.0.0.1",
        logical_port=port,
        external_mac="0a:00:00:00:00:01" if port is not None else None,
    )


def _port(key: str, port: Port) -> DesiredRow:
    parents = [SetRef(*OWNER.ref("Logical_Switch", port.switch), "ports")]
    parents += [SetRef(*OWNER.ref("Port_Group", name), "ports") for name in port.groups]
    return OWNER.row(
        "Logical_Switch_Port",
        key,
        parents=parents,
        name=key,
        addresses=port.addresses,
        tag_request=port.tag,
        options=port.options,
        dhcpv4_options=OWNER.ref("DHCP_Options", "d").uuid if port.dhcp else None,
    )


async def _holds(northbound: Northbound, before: Wanted, after: Wanted) -> None:
    for wanted in (before, after):
        rows = render(wanted)
        await northbound.converge(OWNER.uid, rows)
        assert await northbound.converge(OWNER.uid, rows) == 0
        observed = await northbound.observe(OWNER.uid)
        assert observed.rows.keys() == {row.ref for row in rows}
    await northbound.converge(OWNER.uid, [])
    assert await northbound.count() == (0, 0)


def test_after_a_plan_was_applied_the_next_one_is_empty() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="nb") as directory,
        running_northbound(Path(directory)) as database,
    ):
        with asyncio.Runner() as runner:
            connection = connected(database.northbound)
            northbound = runner.run(connection.__aenter__())

            @settings(max_examples=60)
            @given(_wanted, _wanted)
            def law(before: Wanted, after: Wanted) -> None:
                runner.run(_holds(northbound, before, after))

            law()
            runner.run(connection.__aexit__(None, None, None))
