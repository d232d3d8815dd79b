"""The MAC of the way out is what we say, whatever anybody on that wire answers."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path

from quantix_api import identity
from quantix_api.resources import HOSTS, NETWORKS, ROUTERS
from quantix_lab.open_vswitch import open_vswitch
from quantix_lab.ovn_central import OvnCentral
from quantix_lab.ovn_chassis import running_chassis

from .connection import CLUSTER
from .scenario import installation
from .world import SHARED, World, world

MAC_BINDINGS = 66
"""ovn-controller's table of MAC bindings (ovn-architecture(7), 23.03)."""
NEXT_HOP = "10.78.0.1"
STOLEN = "52:54:00:00:00:66"
PINNED = identity.way_out_mac(CLUSTER)


def rows(central: OvnCentral, database: str = "nb") -> list[list[str]]:
    """IP, MAC and whether it overrides, of each row."""
    ask = central.nbctl if database == "nb" else central.sbctl
    columns = "--columns=ip,mac,override_dynamic_mac"
    text = ask("--format=csv", "--no-headings", "--data=bare", columns, "list", "Static_MAC_Binding")
    return [line.split(",") for line in text.splitlines()]


def foreign_row(central: OvnCentral, port: str, ip: str) -> None:
    """A row that somebody else made, by hand or by another program."""
    columns = (f"logical_port={port}", f'ip="{ip}"', f'mac="{STOLEN}"')
    central.nbctl("create", "Static_MAC_Binding", *columns)


async def test_the_next_hop_of_the_way_out_is_pinned(here: World, database: OvnCentral) -> None:
    assert rows(database) == [[NEXT_HOP, PINNED, "true"]]


async def test_a_wire_of_the_site_is_believed(here: World, database: OvnCentral) -> None:
    wire = {"physical": {"name": "physnet1"}, "subnets": [{"cidr": "10.80.0.0/24"}]}
    here.change(HOSTS, "h1", spec={"physicalNetworks": [{"name": "physnet1", "interface": "eth4"}]})
    here.add(NETWORKS, "site", wire)
    here.change(ROUTERS, f"{SHARED}/default", spec={"networks": [], "external": {"network": "site"}})
    await here.settle()
    assert here.ready(ROUTERS, f"{SHARED}/default")[0] == "Programmed"
    assert rows(database) == []


async def test_what_somebody_changed_or_removed_is_put_right_and_foreign_rows_stay(
    here: World, database: OvnCentral
) -> None:
    foreign_row(database, "theirs", NEXT_HOP)
    touched = asyncio.Event()
    told: list[tuple[str, str]] = []

    def hear(kind: str, name: str) -> None:
        told.append((kind, name))
        touched.set()

    here.northbound.subscribe(hear)
    (uuid,) = database.nbctl(
        "--bare", "--columns=_uuid", "find", "Static_MAC_Binding", f'mac="{PINNED}"'
    ).split()
    for harm in (
        ("set", "Static_MAC_Binding", uuid, f'mac="{STOLEN}"'),
        ("destroy", "Static_MAC_Binding", uuid),
    ):
        touched.clear()
        database.nbctl(*harm)
        async with asyncio.timeout(5):
            await touched.wait()
        assert told[-1] == ("Router", f"{SHARED}/default")
        await here.settle()
        assert sorted(rows(database)) == sorted([[NEXT_HOP, PINNED, "true"], [NEXT_HOP, STOLEN, "false"]])
    here.ask_deletion(ROUTERS, f"{SHARED}/default")
    await here.settle()
    assert rows(database) == [[NEXT_HOP, STOLEN, "false"]]


async def test_a_row_that_another_cluster_made_is_not_ours(here: World, database: OvnCentral) -> None:
    port = database.nbctl("--bare", "--columns=logical_port", "list", "Static_MAC_Binding").strip()
    before = await here.northbound.count()
    foreign_row(database, port, "10.78.0.99")
    await here.settle()
    assert [NEXT_HOP, PINNED, "true"] in rows(database)
    assert ["10.78.0.99", STOLEN, "false"] in rows(database)
    ours, foreign = await here.northbound.count()
    assert (ours, foreign) == (before[0], before[1] + 1)


async def test_what_a_chassis_has_learned_does_not_win(central: OvnCentral) -> None:
    """A stale or a forged MAC_Binding stands in the southbound database, and no packet goes by it."""
    async with world(central.northbound) as made:
        installation(made)
        host = made.live(HOSTS, "h1")["metadata"]["uid"]
        await made.settle()
        central.sync()
        assert rows(central, "sb") == [[NEXT_HOP, PINNED, "true"]]
        port = central.sbctl("--bare", "--columns=logical_port", "list", "Static_MAC_Binding").strip()
        where = central.sbctl("--bare", "--columns=datapath", "list", "Static_MAC_Binding").strip()
        learned = (f"logical_port={port}", f'ip="{NEXT_HOP}"', f'mac="{STOLEN}"', f"datapath={where}")
        central.sbctl("create", "MAC_Binding", *learned)
        with (
            tempfile.TemporaryDirectory(prefix="qx") as directory,
            open_vswitch(Path(directory) / "r") as switch,
        ):
            with running_chassis(switch, central, host) as chassis:
                assert chassis.flows(MAC_BINDINGS, STOLEN), "the forged row is not there to be beaten"
                flows = chassis.flows(MAC_BINDINGS, "reg0=0xa4e0001")
    by_priority = {int(re.findall(r"priority=(\d+)", flow)[0]): flow for flow in flows}
    assert PINNED in by_priority[max(by_priority)]
    assert STOLEN in by_priority[min(by_priority)]
