"""The first installation on a real northbound database: what comes of every object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from quantix_api import VirtualMachine, identity
from quantix_api.resources import (
    HOSTS,
    NETWORKS,
    ROUTERS,
    SECURITY_GROUPS,
    VIRTUAL_MACHINES,
)
from quantix_api.times import render_time
from quantix_lab.ovn_central import OvnCentral

from .conftest import connected
from .scenario import guest, host, installation, web_group
from .world import SHARED, World, world


@pytest.fixture
async def here(database: OvnCentral) -> AsyncIterator[World]:
    async with world(database.northbound) as made:
        installation(made)
        await made.settle()
        yield made


async def test_the_first_installation_is_programmed_and_says_so(here: World) -> None:
    assert here.ready(NETWORKS, f"{SHARED}/default")[0] == "Programmed"
    assert here.ready(ROUTERS, f"{SHARED}/default")[0] == "Programmed"
    network = here.live(NETWORKS, f"{SHARED}/default")["status"]
    assert (network["mtu"], network["ports"], network["addressesFree"]) == (1442, 0, 253)
    assert network["subnets"][0] == "10.77.0.0/24"
    assert network["subnets"][1].endswith("::/64")
    router = here.live(ROUTERS, f"{SHARED}/default")["status"]
    assert router["address"].startswith("10.78.0.")
    assert router["gatewayHosts"] == ["h1"]


async def test_a_second_look_changes_neither_the_database_nor_the_api(here: World) -> None:
    key = guest(here, "web-1", host="h1", securityGroups=[])
    await here.ensure(key)
    await here.settle()
    writes, rows = len(here.api.writes), await here.northbound.count()
    await here.settle()
    assert (await here.ensure(key)).ready
    assert len(here.api.writes) == writes
    assert await here.northbound.count() == rows


async def test_a_host_learns_how_to_plug_its_own_leg(here: World) -> None:
    leg = here.live(HOSTS, "h1")["status"]["hostLeg"]
    assert leg["mac"].startswith("0e:")
    assert leg["addresses"][0].endswith("/22")
    assert leg["prefixes"][0] == "10.77.0.0/24"
    assert leg["mtu"] == 1442
    host(here, "h2", mtu=1400)
    await here.settle()
    assert here.live(HOSTS, "h1")["status"]["hostLeg"]["addresses"] == leg["addresses"]
    assert here.live(HOSTS, "h2")["status"]["hostLeg"]["addresses"] != leg["addresses"]


async def test_an_mtu_is_kept_when_a_host_with_less_joins(here: World) -> None:
    host(here, "h2", mtu=1400)
    await here.settle()
    assert here.live(NETWORKS, f"{SHARED}/default")["status"]["mtu"] == 1442


async def test_the_group_default_is_made_when_a_nic_needs_it_and_never_changed(here: World) -> None:
    key = guest(here, "web-1")
    waiting = await here.ensure(key)
    assert (waiting.ready, waiting.reason) == (False, "Programming")
    await here.settle()
    assert (await here.ensure(key)).ready
    here.change(SECURITY_GROUPS, "default/default", spec={"ingress": []})
    await here.ensure(key)
    assert here.live(SECURITY_GROUPS, "default/default")["spec"] == {"ingress": []}


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


async def test_a_missing_network_waits_and_goes_on_when_it_appears(here: World) -> None:
    key = guest(here, "web-1", network="lan", securityGroups=[])
    waiting = await here.ensure(key)
    assert (waiting.reason, waiting.nics) == ("NetworkNotFound", ())
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
    assert result.reason == "SecurityGroupNotFound"
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
    assert result.reason == "AddressOutsideSubnet"


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


async def test_a_lost_database_comes_back_the_same(
    short_directory_pair: tuple[OvnCentral, OvnCentral],
) -> None:
    old, new = short_directory_pair
    async with world(old.northbound) as made:
        installation(made)
        await made.settle()
        key = guest(made, "web-1", host="h1", securityGroups=[])
        before = await made.ensure(key)
        await made.settle()
        async with connected(new.northbound) as empty:
            made.northbound = empty
            made.restart()
            await made.settle()
            assert (await made.ensure(key)).nics == before.nics
            await made.settle()
            assert ports_of(new) == ports_of(old)


def ports_of(central: OvnCentral) -> list[str]:
    """Every row of a switch port, with its UUID."""
    listed = central.nbctl("--format=csv", "--no-headings", "list", "Logical_Switch_Port")
    return sorted(line for line in listed.splitlines())


async def test_a_thousand_guests_at_once_get_a_thousand_addresses(here: World) -> None:
    here.add(NETWORKS, "big", {"subnets": [{"cidr": "10.8.0.0/22"}]})
    await here.settle()
    keys = [guest(here, f"vm-{number}", network="shared/big", securityGroups=[]) for number in range(1000)]
    results = []
    for start in range(0, len(keys), 50):
        results += await asyncio.gather(*(here.ensure(key) for key in keys[start : start + 50]))
    addresses = [address for result in results for nic in result.nics for address in nic.addresses]
    assert all(result.ready for result in results)
    assert len(addresses) == len(set(addresses)) == 2000


async def test_a_network_in_use_does_not_go_and_goes_when_it_is_free(here: World) -> None:
    here.add(NETWORKS, "lan", {"subnets": [{"cidr": "10.1.0.0/24"}]}, namespace="default")
    await here.settle()
    key = guest(here, "web-1", network="lan", securityGroups=[])
    await here.ensure(key)
    here.ask_deletion(NETWORKS, "default/lan")
    await here.settle()
    reason, text = here.ready(NETWORKS, "default/lan")
    assert reason == "InUse"
    assert "default/web-1" in text
    assert (await here.ensure(key)).reason == "NetworkNotFound"
    vm = here.objects.get(VirtualMachine, key)
    assert vm is not None
    assert await here.ports.release_ports(vm)
    here.cache.remove(VIRTUAL_MACHINES, here.live(VIRTUAL_MACHINES, key))
    await here.settle()
    assert here.cache.get(NETWORKS, "default/lan") is None


async def test_everything_goes_without_a_trace(here: World, database: OvnCentral) -> None:
    web_group(here)
    key = guest(here, "web-1", host="h1", securityGroups=["web"])
    await here.settle()
    assert (await here.ensure(key)).ready
    vm = here.objects.get(VirtualMachine, key)
    assert vm is not None
    assert await here.ports.release_ports(vm)
    here.cache.remove(VIRTUAL_MACHINES, here.live(VIRTUAL_MACHINES, key))
    here.ask_deletion(SECURITY_GROUPS, "default/web")
    here.ask_deletion(ROUTERS, f"{SHARED}/default")
    for name in ("default", "outside"):
        here.ask_deletion(NETWORKS, f"{SHARED}/{name}")
    await here.settle()
    assert here.cache.list(NETWORKS) == here.cache.list(ROUTERS) == here.cache.list(SECURITY_GROUPS) == []
    assert database.nbctl("show") == ""
    groups = database.nbctl("--bare", "--columns=name", "list", "Port_Group").split()
    assert sorted(groups) == ["qx_base", "qx_egress", "qx_hosts", "qx_wire"]
    for table in ("DHCP_Options", "DNS", "HA_Chassis_Group", "Address_Set", "NAT", "Static_MAC_Binding"):
        assert database.nbctl("list", table) == ""


async def test_subnets_that_overlap_are_not_joined_by_one_router(here: World) -> None:
    here.add(NETWORKS, "twin", {"subnets": [{"cidr": "10.77.0.128/25"}]})
    here.change(
        ROUTERS,
        f"{SHARED}/default",
        spec={"networks": [{"name": "default"}, {"name": "twin"}, {"name": "nobody"}]},
    )
    await here.settle()
    reason, text = here.ready(ROUTERS, f"{SHARED}/default")
    assert reason == "SubnetOverlap"
    assert "10.77.0.128/25 overlaps 10.77.0.0/24" in text


async def test_two_routers_get_different_addresses_outside_and_keep_them(here: World) -> None:
    first = here.live(ROUTERS, f"{SHARED}/default")["status"]["address"]
    here.add(ROUTERS, "second", {"networks": [], "external": {"network": "outside"}})
    await here.settle()
    second = here.live(ROUTERS, f"{SHARED}/second")["status"]["address"]
    assert second != first
    here.restart()
    await here.settle()
    assert here.live(ROUTERS, f"{SHARED}/default")["status"]["address"] == first
    assert here.live(ROUTERS, f"{SHARED}/second")["status"]["address"] == second


async def test_a_router_that_asks_for_a_taken_address_waits_for_it(here: World) -> None:
    asked = here.live(ROUTERS, f"{SHARED}/default")["status"]["address"]
    second = f"{SHARED}/second"
    here.add(ROUTERS, "second", {"networks": [], "external": {"network": "outside", "address": asked}})
    await here.settle()
    reason, text = here.ready(ROUTERS, second)
    assert reason == "AddressInUse"
    assert f"{asked} in network {SHARED}/outside belongs to router {SHARED}/default" in text
    assert "spec.external.address" in text
    assert "address" not in here.live(ROUTERS, second)["status"]
    here.change(ROUTERS, f"{SHARED}/default", spec={"networks": [{"name": "default"}]})
    await here.settle()
    assert here.ready(ROUTERS, second)[0] == "Programmed"
    assert here.live(ROUTERS, second)["status"]["address"] == asked


async def test_a_router_goes_on_with_what_it_has_while_it_asks_for_the_impossible(
    here: World, database: OvnCentral
) -> None:
    key = f"{SHARED}/default"
    before = here.live(ROUTERS, key)["status"]["address"]
    spec = {"networks": [{"name": "default"}], "external": {"network": "outside", "address": "10.99.0.9"}}
    here.change(ROUTERS, key, spec=spec)
    await here.settle()
    assert here.ready(ROUTERS, key)[0] == "AddressOutsideSubnet"
    assert here.live(ROUTERS, key)["status"]["address"] == before
    assert before in database.nbctl("lr-nat-list", here.live(ROUTERS, key)["metadata"]["uid"])


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


async def test_of_subnets_that_overlap_on_a_wire_the_younger_waits_and_its_guests_say_why(
    here: World,
) -> None:
    wide = {"physical": {"name": "qx-local"}, "subnets": [{"cidr": "10.78.0.0/16"}]}
    here.add(NETWORKS, "wide", wide, namespace="default")
    await here.settle()
    reason, text = here.ready(NETWORKS, "default/wide")
    assert reason == "SubnetOverlap"
    assert "10.78.0.0/16 overlaps 10.78.0.0/24 of a network of another namespace" in text
    assert here.ready(NETWORKS, f"{SHARED}/outside")[0] == "Programmed"
    key = guest(here, "web-1", network="wide", securityGroups=[])
    refused = await here.ensure(key)
    assert (refused.ready, refused.reason) == (False, "SubnetOverlap")
    here.add(ROUTERS, "r", {"networks": [], "external": {"network": "wide"}}, namespace="default")
    await here.settle()
    assert here.ready(ROUTERS, "default/r")[0] == "SubnetOverlap"
    here.change(NETWORKS, "default/wide", spec={**wide, "subnets": [{"cidr": "10.79.0.0/24"}]})
    await here.settle()
    assert here.ready(NETWORKS, "default/wide")[0] == "Programmed"
    assert (await here.ensure(key)).ready
    # What is in it already stays, and says nothing of it
    here.change(NETWORKS, "default/wide", spec={**wide, "subnets": [{"cidr": "10.78.0.0/15"}]})
    await here.settle()
    assert here.ready(NETWORKS, "default/wide")[0] == "SubnetOverlap"
    assert (await here.ensure(key)).ready


async def test_a_network_that_overlaps_the_way_out_is_left_out_by_the_router(
    here: World, database: OvnCentral
) -> None:
    here.add(NETWORKS, "inner", {"subnets": [{"cidr": "10.78.0.128/25"}]})
    spec = {"networks": [{"name": "default"}, {"name": "inner"}], "external": {"network": "outside"}}
    here.change(ROUTERS, f"{SHARED}/default", spec=spec)
    await here.settle()
    reason, text = here.ready(ROUTERS, f"{SHARED}/default")
    assert reason == "SubnetOverlap"
    assert f"10.78.0.128/25 overlaps 10.78.0.0/24 of {SHARED}/outside" in text
    ports = database.nbctl("--bare", "--columns=networks", "list", "Logical_Router_Port")
    assert "10.77.0.1/24" in ports
    assert here.live(ROUTERS, f"{SHARED}/default")["status"]["address"] in ports
    assert "10.78.0.129/25" not in ports


async def test_a_network_has_one_gateway_and_the_elder_router_is_it(here: World) -> None:
    here.add(ROUTERS, "second", {"networks": [{"name": "default"}]})
    await here.settle()
    assert here.ready(ROUTERS, f"{SHARED}/default")[0] == "Programmed"
    reason, text = here.ready(ROUTERS, f"{SHARED}/second")
    assert reason == "SubnetOverlap"
    assert "router default" in text
    here.change(ROUTERS, f"{SHARED}/second", spec={"networks": [{"name": "default", "address": "10.77.0.9"}]})
    await here.settle()
    assert here.ready(ROUTERS, f"{SHARED}/second")[0] == "Programmed"
    taken = await here.ensure(guest(here, "web-1", addresses=["10.77.0.9"], securityGroups=[]))
    assert taken.reason == "AddressInUse"
    assert "belongs to a router of another namespace" in taken.message


async def test_without_a_host_there_is_no_way_out(database: OvnCentral) -> None:
    async with world(database.northbound) as made:
        installation(made)
        made.cache.remove(HOSTS, made.live(HOSTS, "h1"))
        await made.settle()
        assert made.ready(ROUTERS, f"{SHARED}/default")[0] == "NoGatewayHost"
        assert "mtu" not in made.live(NETWORKS, f"{SHARED}/default")["status"]


async def test_an_unknown_wire_is_named(here: World) -> None:
    here.add(NETWORKS, "dmz", {"physical": {"name": "physnet7", "vlan": 100}})
    await here.settle()
    assert here.ready(NETWORKS, f"{SHARED}/dmz")[0] == "PhysicalNetworkUnknown"
    key = guest(here, "web-1", network="shared/dmz", securityGroups=[])
    assert (await here.ensure(key)).reason == "PhysicalNetworkUnknown"
    here.change(HOSTS, "h1", spec={"physicalNetworks": [{"name": "physnet7", "interface": "eth4"}]})
    await here.settle()
    assert (await here.ensure(key)).ready


async def test_a_group_that_names_a_missing_one_says_so(here: World) -> None:
    here.add(SECURITY_GROUPS, "db", {"ingress": [{"from": [{"group": "web"}]}]}, namespace="default")
    await here.settle()
    reason, text = here.ready(SECURITY_GROUPS, "default/db")
    assert reason == "GroupNotFound"
    assert "spec.ingress[0].from" in text
    web_group(here)
    await here.settle()
    assert here.ready(SECURITY_GROUPS, "default/db")[0] == "Programmed"
    here.ask_deletion(SECURITY_GROUPS, "default/web")
    await here.settle()
    assert here.ready(SECURITY_GROUPS, "default/web")[0] == "InUse"


async def test_an_empty_cache_does_not_empty_the_network(here: World) -> None:
    keys = [guest(here, f"vm-{number}", securityGroups=[]) for number in range(60)]
    for key in keys:
        await here.ensure(key)
    rows = (await here.northbound.count())[0]
    for key in keys:
        here.cache.remove(VIRTUAL_MACHINES, here.live(VIRTUAL_MACHINES, key))
    await here.settle()
    assert (await here.northbound.count())[0] == rows
    held = here.metrics.registry.get_sample_value("quantix_operator_northbound_rows", {"whose": "suspicious"})
    assert held == 60
    here.api.config = {"networkDeletionsUntil": "yesterday"}
    await here.settle()
    assert (await here.northbound.count())[0] == rows
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    here.api.config = {"networkDeletionsUntil": render_time(tomorrow)}
    await here.settle()
    assert (await here.northbound.count())[0] < rows - 50


async def test_what_nobody_owns_and_is_little_is_removed(here: World, database: OvnCentral) -> None:
    database.nbctl("ls-add", "foreign")
    key = guest(here, "web-1", securityGroups=[])
    result = await here.ensure(key)
    here.cache.remove(VIRTUAL_MACHINES, here.live(VIRTUAL_MACHINES, key))
    await here.settle()
    assert str(result.nics[0].port) not in database.nbctl("show")
    assert "(foreign)" in database.nbctl("show")
