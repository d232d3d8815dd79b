"""What a guest's NIC gets on a real northbound database: its port, its addresses, and why it has to wait."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from quantix_api import VirtualMachine, identity
from quantix_api.resources import (
    HOSTS,
    NETWORKS,
    ROUTERS,
    VIRTUAL_MACHINES,
)
from quantix_lab.ovn_central import OvnCentral

from .scenario import guest, host
from .world import SHARED, World


def change_nic(world: World, key: str, **members: Any) -> None:
    """Change the VM's NIC as a user does; None removes a member."""
    spec = world.live(VIRTUAL_MACHINES, key)["spec"]
    nic = {name: value for name, value in {**spec["nics"][0], **members}.items() if value is not None}
    world.change(VIRTUAL_MACHINES, key, spec={**spec, "nics": [nic]})


def limits(database: OvnCentral) -> dict[str, tuple[str, dict[str, int]]]:
    """Match and bandwidth of each limit in the database, by direction."""
    listed = json.loads(database.nbctl("--format=json", "--columns=direction,match,bandwidth", "list", "QoS"))
    return {direction: (match, dict(bandwidth[1])) for direction, match, bandwidth in listed["data"]}


async def test_a_stopped_guest_keeps_its_port_which_nobody_can_bind(
    here: World, database: OvnCentral
) -> None:
    key = guest(here, "web-1", host="h1", securityGroups=[])
    first = await here.ensure(key)
    port = first.nics[0].port or ""
    chassis = here.live(HOSTS, "h1")["metadata"]["uid"]
    assert chassis in database.nbctl("lsp-get-options", port)
    status = here.live(VIRTUAL_MACHINES, key)["status"]
    here.change(VIRTUAL_MACHINES, key, status={**status, "assignment": {"epoch": 2}})
    assert (await here.ensure(key)).nics == first.nics
    assert "requested-chassis=quantix-none" in database.nbctl("lsp-get-options", port)


async def test_while_a_guest_moves_both_hosts_may_bind_its_port(here: World, database: OvnCentral) -> None:
    host(here, "h2")
    key = guest(here, "web-1", host="h1", securityGroups=[])
    result = await here.ensure(key)
    status = here.live(VIRTUAL_MACHINES, key)["status"]
    move = {"uid": "m", "name": "m", "sourceHost": "h1", "targetHost": "h2"}
    here.change(VIRTUAL_MACHINES, key, status={**status, "migration": move})
    await here.ensure(key)
    both = ",".join(here.live(HOSTS, name)["metadata"]["uid"] for name in ("h1", "h2"))
    assert f"requested-chassis={both}" in database.nbctl("lsp-get-options", result.nics[0].port or "")


async def test_limits_come_change_move_with_the_nic_and_go(here: World, database: OvnCentral) -> None:
    here.add(NETWORKS, "lan", {"subnets": [{"cidr": "10.1.0.0/24"}], "ipv6": "Disabled"}, namespace="default")
    await here.settle()
    key = guest(here, "web-1", securityGroups=[], qos={"ingressBitsPerSecond": "8M"})
    port = (await here.ensure(key)).nics[0].port
    assert limits(database) == {"to-lport": (f'outport == "{port}"', {"rate": 8000, "burst": 2000})}
    change_nic(here, key, qos={"ingressBitsPerSecond": "100M", "egressBitsPerSecond": "500k"})
    await here.ensure(key)
    assert limits(database) == {
        "to-lport": (f'outport == "{port}"', {"rate": 100_000, "burst": 25_000}),
        "from-lport": (f'inport == "{port}"', {"rate": 500, "burst": 1000}),
    }
    before = database.nbctl("--columns=_uuid", "list", "QoS")
    change_nic(here, key, network="lan")
    await here.ensure(key)
    assert database.nbctl("--columns=_uuid", "list", "QoS") == before
    homes = [
        here.live(NETWORKS, name)["metadata"]["uid"] for name in ("quantix-shared/default", "default/lan")
    ]
    assert [len(database.nbctl("qos-list", home).splitlines()) for home in homes] == [0, 2]
    change_nic(here, key, qos=None)
    await here.ensure(key)
    assert limits(database) == {}


async def test_what_keeps_a_nic_from_its_new_network_leaves_port_and_limits_as_they_are(
    here: World, database: OvnCentral
) -> None:
    key = guest(here, "web-1", securityGroups=[], qos={"egressBitsPerSecond": "1M"})
    await here.ensure(key)
    before = database.nbctl("list", "QoS"), database.nbctl("list", "Logical_Switch_Port")
    change_nic(here, key, network="nowhere")
    assert (await here.ensure(key)).reason == "NetworkNotFound"
    assert (database.nbctl("list", "QoS"), database.nbctl("list", "Logical_Switch_Port")) == before


async def test_a_missing_network_waits_and_goes_on_when_it_appears(here: World) -> None:
    key = guest(here, "web-1", network="lan", securityGroups=[])
    waiting = await here.ensure(key)
    assert (waiting.reason, waiting.nics) == ("NetworkNotFound", ())
    assert waiting.waiting == {"eth0"}
    assert "There is no network lan here." in waiting.message
    assert "spec.nics[0]" in waiting.message
    here.add(NETWORKS, "lan", {"subnets": [{"cidr": "10.1.0.0/24"}]}, namespace="default")
    await here.settle()
    assert (await here.ensure(key)).ready


async def test_a_network_of_others_is_named_as_not_allowed(here: World) -> None:
    here.add(NETWORKS, "prod", {"allowedNamespaces": {"stage": "prod"}})
    await here.settle()
    result = await here.ensure(guest(here, "web-1", network="shared/prod", securityGroups=[]))
    assert result.reason == "NetworkNotAllowed"


async def test_a_missing_group_gives_the_port_and_waits(here: World) -> None:
    result = await here.ensure(guest(here, "web-1", securityGroups=["web"]))
    assert (result.reason, result.waiting) == ("SecurityGroupNotFound", frozenset({"eth0"}))
    assert len(result.nics) == 1


async def test_of_two_who_ask_for_an_address_the_elder_has_it(here: World) -> None:
    elder = guest(here, "web-1", addresses=["10.77.0.50"], securityGroups=[])
    younger = guest(here, "web-2", addresses=["10.77.0.50"], securityGroups=[])
    refused = await here.ensure(younger)
    assert refused.reason == "AddressInUse"
    assert "belongs to VM default/web-1" in refused.message
    assert (await here.ensure(elder)).nics[0].addresses[0] == "10.77.0.50"
    here.ask_deletion(VIRTUAL_MACHINES, elder)
    vm = here.objects.get(VirtualMachine, elder)
    assert vm is not None
    assert await here.ports.release_ports(vm)
    assert (await here.ensure(younger)).ready


@pytest.mark.parametrize("address", ["10.99.0.5", "10.77.0.1", "10.77.0.0", "10.77.0.255"])
async def test_an_address_that_is_not_for_guests_is_refused(here: World, address: str) -> None:
    result = await here.ensure(guest(here, "web-1", addresses=[address], securityGroups=[]))
    assert result.reason == ("AddressOutsideSubnet" if address == "10.99.0.5" else "AddressReserved")


async def test_an_exhausted_network_says_how_many_are_used(here: World) -> None:
    here.add(NETWORKS, "tiny", {"subnets": [{"cidr": "10.1.0.0/30"}], "ipv6": "Disabled"})
    await here.settle()
    first = guest(here, "web-1", network="shared/tiny", securityGroups=[])
    assert (await here.ensure(first)).ready
    second = await here.ensure(guest(here, "web-2", network="shared/tiny", securityGroups=[]))
    assert second.reason == "AddressesExhausted"
    assert "1 of 1 are used" in second.message
    assert second.retry_after_s is not None


async def test_a_mac_that_another_has_is_refused(here: World) -> None:
    mac = "52:54:00:00:00:01"
    assert (await here.ensure(guest(here, "web-1", mac=mac, securityGroups=[]))).ready
    assert (await here.ensure(guest(here, "web-2", mac=mac, securityGroups=[]))).reason == "MACInUse"


async def test_a_restart_before_the_status_was_written_gives_the_same_address(here: World) -> None:
    key = guest(here, "web-1", securityGroups=[])
    vm = here.objects.get(VirtualMachine, key)
    assert vm is not None
    committed = await here.ports.ensure_ports(vm)
    # Whoever came in between would get that address, if it were not read back
    here.add(NETWORKS, "other", {"subnets": [{"cidr": "10.2.0.0/24"}]})
    here.restart()
    assert (await here.ensure(key)).nics == committed.nics


@pytest.mark.parametrize("guests", [250, pytest.param(1000, marks=pytest.mark.soak)])
async def test_many_guests_at_once_get_an_address_each(here: World, guests: int) -> None:
    here.add(NETWORKS, "big", {"subnets": [{"cidr": "10.8.0.0/22"}]})
    await here.settle()
    keys = [guest(here, f"vm-{number}", network="shared/big", securityGroups=[]) for number in range(guests)]
    results = []
    for start in range(0, len(keys), 50):
        results += await asyncio.gather(*(here.ensure(key) for key in keys[start : start + 50]))
    addresses = [address for result in results for nic in result.nics for address in nic.addresses]
    assert all(result.ready for result in results)
    assert len(addresses) == len(set(addresses)) == 2 * guests


async def test_a_guest_asks_for_no_address_of_a_twin_on_the_same_wire(here: World) -> None:
    twin = {"physical": {"name": "qx-local"}, "subnets": [{"cidr": "10.78.0.0/24", "gateway": "10.78.0.254"}]}
    here.add(NETWORKS, "twin", twin, namespace="default")
    await here.settle()
    assert here.ready(NETWORKS, "default/twin")[0] == "Programmed"
    routers = here.live(ROUTERS, f"{SHARED}/default")["status"]["address"]
    for number, address in enumerate(("10.78.0.1", routers)):
        key = guest(here, f"vm-{number}", network="twin", addresses=[address], securityGroups=[])
        assert (await here.ensure(key)).reason == "AddressInUse"
    pinned = identity.way_out_mac(here.northbound.cluster_uid)
    key = guest(here, "vm-mac", network="twin", mac=pinned, securityGroups=[])
    assert (await here.ensure(key)).reason == "MACInUse"
    assert (await here.ensure(guest(here, "vm-plain", network="twin", securityGroups=[]))).ready
