"""The northbound database goes and comes back, as it was or empty."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from quantix_api.resources import NETWORKS
from quantix_client.reflector import key_of
from quantix_client.workqueue import WorkQueue
from quantix_lab.ovn_central import OvnCentral, database
from quantix_lab.waiting import eventually_async
from quantix_operator.clients.ovn_nb import Northbound
from quantix_operator.clients.ovn_nb_errors import NorthboundUnreachable
from quantix_operator.cluster.controller import KEY
from quantix_operator.northbound.rows import Owner

from .connection import CLUSTER, connected
from .scenario import guest, installation
from .world import SHARED, World

NETWORK = Owner(CLUSTER, "33333333-3333-4333-8333-333333333333", "Network", "default/net")
SWITCH = NETWORK.row("Logical_Switch", name="s")


class Server:
    """A northbound database that a test can stop, start and lose."""

    def __init__(self, directory: Path) -> None:
        self.central = OvnCentral(directory)
        self._directory = directory
        self._stack = ExitStack()

    def start(self) -> None:
        self._stack.enter_context(database(self._directory, "nb"))
        self.central.nbctl("init")

    def stop(self) -> None:
        self._stack.close()

    def lose(self) -> None:
        """Stop, and lose the file."""
        self.stop()
        (self._directory / "ovnnb_db.db").unlink()


@pytest.fixture
async def server(short_directory: Path) -> AsyncIterator[Server]:
    made = Server(short_directory)
    await asyncio.to_thread(made.start)
    yield made
    await asyncio.to_thread(made.stop)


async def is_away(northbound: Northbound) -> bool:
    """Whether the client has seen that its connection is gone."""
    try:
        await northbound.count()
    except NorthboundUnreachable:
        return True
    return False


async def until_it_answers(northbound: Northbound, timeout_s: float = 10.0) -> float:
    """Seconds until a change is possible again."""
    began = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                await northbound.converge(NETWORK.uid, [SWITCH])
            except NorthboundUnreachable:
                await asyncio.sleep(0.1)
            else:
                return time.monotonic() - began


async def test_while_it_is_away_calls_say_so_and_after_a_restart_changes_go_on(server: Server) -> None:
    async with connected(server.central.northbound) as northbound:
        await northbound.converge(NETWORK.uid, [SWITCH])
        await asyncio.to_thread(server.stop)
        await eventually_async("the connection to be seen as gone", lambda: is_away(northbound))
        with pytest.raises(NorthboundUnreachable, match="networks that work go on working"):
            await northbound.converge(NETWORK.uid, [])
        await asyncio.to_thread(server.start)
        # Its own backoff is capped at 2 s
        assert await until_it_answers(northbound) < 6
        assert await northbound.count() == (1, 0)


async def test_an_empty_database_in_its_place_is_filled_again(server: Server) -> None:
    async with connected(server.central.northbound) as northbound:
        await northbound.converge(NETWORK.uid, [SWITCH])
        await asyncio.to_thread(server.lose)
        await asyncio.to_thread(server.start)
        await until_it_answers(northbound)
        assert await northbound.count() == (1, 0)
        assert await northbound.owners() == {NETWORK.uid: 1}


async def test_a_new_database_wakes_every_controller_and_a_foreign_hand_the_owners(server: Server) -> None:
    async with connected(server.central.northbound) as northbound:
        made = World(northbound)
        installation(made)
        await made.settle()
        await made.ensure(guest(made, "web-1", securityGroups=[]))
        queues = {
            name: WorkQueue(name)
            for name in ("network-cluster", "network", "router", "securitygroup", "virtualmachine")
        }
        made.cluster.attach(queues)
        switch = made.live(NETWORKS, f"{SHARED}/outside")["metadata"]["uid"]
        server.central.nbctl("ls-del", switch)
        await eventually_async("the network to be queued", lambda: len(queues["network"]) == 1)
        assert [len(queues[name]) for name in ("network-cluster", "securitygroup", "virtualmachine")] == [
            0,
            0,
            0,
        ]
        await asyncio.to_thread(server.lose)
        await asyncio.to_thread(server.start)
        await eventually_async("the VM to be queued", lambda: len(queues["virtualmachine"]) == 1)
        assert len(queues["network"]) == len(made.cache.list(NETWORKS))
        assert len(queues["network-cluster"]) == 1


async def test_without_a_database_nothing_is_ready_and_nothing_fails(server: Server) -> None:
    async with connected(server.central.northbound) as northbound:
        made = World(northbound)
        installation(made)
        await made.settle()
        key = guest(made, "web-1", securityGroups=[])
        await asyncio.to_thread(server.stop)
        await eventually_async("the connection to be seen as gone", lambda: is_away(northbound))
        result = await made.ensure(key)
        assert (result.ready, result.reason) == (False, "NorthboundUnreachable")
        made.add(NETWORKS, "later", {"subnets": [{"cidr": "10.1.0.0/24"}]})
        for network in made.cache.list(NETWORKS):
            await made.networks.reconcile(key_of(network))
            made.clock.now_s += 1
        # What was in force stays so; what is new waits
        assert made.ready(NETWORKS, f"{SHARED}/default")[0] == "Programmed"
        assert made.ready(NETWORKS, f"{SHARED}/later")[0] == "NorthboundUnreachable"
        await asyncio.to_thread(server.start)
        await until_it_answers(northbound)
        await made.cluster.reconcile(KEY)
        await made.settle()
        assert (await made.ensure(key)).ready
        assert made.ready(NETWORKS, f"{SHARED}/later")[0] == "Programmed"
