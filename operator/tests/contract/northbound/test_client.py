"""The client against a real ovsdb-server."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from quantix_api.errors import InvariantError, WaitingError
from quantix_lab.ovn_central import OvnCentral
from quantix_operator.clients.ovn_nb import Northbound
from quantix_operator.clients.ovn_nb_errors import NorthboundUnreachable
from quantix_operator.northbound.rows import DesiredRow, Owner, SetRef, SharedKeys

from .connection import CLUSTER

NETWORK = Owner(CLUSTER, "33333333-3333-4333-8333-333333333333", "Network", "default/net")
MACHINE = Owner(CLUSTER, "44444444-4444-4444-8444-444444444444", "VirtualMachine", "default/vm")


def switch(owner: Owner = NETWORK) -> DesiredRow:
    return owner.row("Logical_Switch", name=owner.uid, other_config={"mcast_snoop": "true"})


def port(
    network: Owner = NETWORK, name: str = "p1", addresses: str = "02:00:00:00:00:01 10.0.0.5"
) -> DesiredRow:
    return MACHINE.row(
        "Logical_Switch_Port",
        "eth0",
        parents=[SetRef(*network.ref("Logical_Switch"), "ports")],
        name=name,
        addresses=frozenset({addresses}),
        options={"requested-chassis": "quantix-none"},
    )


async def test_rows_get_our_uuids_and_the_second_plan_is_empty(
    northbound: Northbound, database: OvnCentral
) -> None:
    assert await northbound.converge(NETWORK.uid, [switch()]) == 1
    assert await northbound.converge(MACHINE.uid, [port()]) == 1
    assert await northbound.converge(NETWORK.uid, [switch()]) == 0
    assert await northbound.converge(MACHINE.uid, [port()]) == 0
    uuid = database.nbctl("--bare", "--columns=_uuid", "find", "Logical_Switch_Port", "name=p1").strip()
    assert uuid == str(port().ref.uuid)
    assert await northbound.count() == (2, 0)
    assert await northbound.owners() == {NETWORK.uid: 1, MACHINE.uid: 1}


async def test_a_key_that_left_a_map_is_removed(northbound: Northbound, database: OvnCentral) -> None:
    await northbound.converge(NETWORK.uid, [switch()])
    plain = NETWORK.row("Logical_Switch", name=NETWORK.uid, other_config={"mcast_querier": "true"})
    assert await northbound.converge(NETWORK.uid, [plain]) == 1
    config = database.nbctl("get", "Logical_Switch", NETWORK.uid, "other_config").strip()
    assert config == '{mcast_querier="true"}'


async def test_a_port_moves_between_switches_in_place(northbound: Northbound, database: OvnCentral) -> None:
    other = Owner(CLUSTER, "55555555-5555-4555-8555-555555555555", "Network", "default/other")
    await northbound.converge(NETWORK.uid, [switch()])
    await northbound.converge(other.uid, [switch(other)])
    await northbound.converge(MACHINE.uid, [port()])
    assert await northbound.converge(MACHINE.uid, [port(other)]) == 1
    assert await northbound.converge(MACHINE.uid, [port(other)]) == 0
    assert database.nbctl("lsp-list", NETWORK.uid) == ""
    assert "(p1)" in database.nbctl("lsp-list", other.uid)


async def test_removing_rows_leaves_foreign_ones_alone(northbound: Northbound, database: OvnCentral) -> None:
    database.nbctl("ls-add", "foreign")
    await northbound.converge(NETWORK.uid, [switch()])
    await northbound.converge(MACHINE.uid, [port()])
    assert await northbound.count() == (2, 1)
    assert await northbound.converge(MACHINE.uid, []) == 1
    assert await northbound.converge(NETWORK.uid, []) == 1
    assert database.nbctl("--bare", "--columns=name", "list", "Logical_Switch").split() == ["foreign"]
    assert await northbound.count() == (0, 1)


async def test_a_missing_parent_waits(northbound: Northbound) -> None:
    with pytest.raises(WaitingError, match="does not have Logical_Switch"):
        await northbound.converge(MACHINE.uid, [port()])


async def test_a_value_that_the_column_cannot_hold_changes_nothing(northbound: Northbound) -> None:
    wrong = NETWORK.row("Logical_Switch", name=7)
    with pytest.raises(InvariantError, match=r"Logical_Switch\.name cannot hold 7"):
        await northbound.converge(NETWORK.uid, [wrong])
    assert await northbound.count() == (0, 0)


async def test_only_our_keys_of_a_shared_map_are_written(
    northbound: Northbound, database: OvnCentral
) -> None:
    database.nbctl("set", "NB_Global", ".", "options:mac_prefix=aa:bb:cc")
    keys = SharedKeys(await northbound.global_ref(), "options", {"northd_probe_interval": "60000"})
    assert await northbound.converge(CLUSTER, [], [keys]) == 1
    assert await northbound.converge(CLUSTER, [], [keys]) == 0
    options = database.nbctl("get", "NB_Global", ".", "options")
    assert "mac_prefix" in options
    assert "60000" in options


async def test_more_rows_than_one_transaction_takes(northbound: Northbound) -> None:
    rows = [
        switch(),
        *(
            NETWORK.row(
                "Logical_Switch_Port",
                f"p{index}",
                parents=[SetRef(*NETWORK.ref("Logical_Switch"), "ports")],
                name=f"p{index}",
            )
            for index in range(700)
        ),
    ]
    assert await northbound.converge(NETWORK.uid, rows) == 701
    assert await northbound.converge(NETWORK.uid, rows) == 0


async def test_a_foreign_hand_on_our_rows_is_reported(northbound: Northbound, database: OvnCentral) -> None:
    await northbound.converge(NETWORK.uid, [switch()])
    touched: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    northbound.subscribe(lambda kind, name: touched.put_nowait((kind, name)))
    database.nbctl("ls-del", NETWORK.uid)
    async with asyncio.timeout(5):
        assert await touched.get() == ("Network", "default/net")
    assert await northbound.converge(NETWORK.uid, [switch()]) == 1


async def test_a_hung_database_is_unreachable_and_the_given_up_change_is_not_made_later(
    database: OvnCentral,
) -> None:
    client = Northbound(database.northbound, CLUSTER, deadline_s=1.0)
    task = asyncio.create_task(client.run())
    async with asyncio.timeout(5):
        await client.connected.wait()
    server = int(database.directory.joinpath("ovnnb_db.pid").read_text())
    os.kill(server, signal.SIGSTOP)
    try:
        with pytest.raises(NorthboundUnreachable):
            await client.converge(NETWORK.uid, [switch()])
        with pytest.raises(NorthboundUnreachable):
            await client.converge(MACHINE.uid, [switch(MACHINE)])
    finally:
        os.kill(server, signal.SIGCONT)
    async with asyncio.timeout(5):
        while True:
            try:
                ours, _foreign = await client.count()
                break
            except NorthboundUnreachable:
                await asyncio.sleep(0.05)
    assert ours <= 1  # the one in flight may have been committed; the one behind it was given up
    assert await client.converge(NETWORK.uid, [switch()]) == 1 - ours
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_second_operator_waits_for_the_lock(northbound: Northbound, database: OvnCentral) -> None:
    second = Northbound(database.northbound, CLUSTER)
    task = asyncio.create_task(second.run())
    async with asyncio.timeout(5):
        await second.connected.wait()
    with pytest.raises(NorthboundUnreachable, match="lock"):
        await second.converge(NETWORK.uid, [switch()])
    assert await northbound.converge(NETWORK.uid, [switch()]) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_each_transaction_is_told(database: OvnCentral) -> None:
    told: list[tuple[str, int]] = []
    client = Northbound(
        database.northbound, CLUSTER, on_transaction=lambda outcome, rows, _s: told.append((outcome, rows))
    )
    task = asyncio.create_task(client.run())
    await client.converge(NETWORK.uid, [switch()])
    await client.converge(NETWORK.uid, [switch()])
    with pytest.raises(InvariantError):
        await client.converge(NETWORK.uid, [NETWORK.row("Logical_Switch", "wrong", name=7)])
    assert told == [("committed", 1), ("InternalError", 2)]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
