"""What comes of routers on a real northbound database: whose an address is, and what they refuse to join."""

from __future__ import annotations

from quantix_api.resources import (
    HOSTS,
    NETWORKS,
    ROUTERS,
)
from quantix_lab.ovn_central import OvnCentral
from quantix_operator.router.plan import GATEWAY_LABEL

from .scenario import guest, host, installation
from .world import SHARED, World, world

_DUAL = [{"cidr": "10.79.0.0/24"}, {"cidr": "fd79::/64", "gateway": "fd79::1"}]


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


async def test_of_two_families_both_addresses_are_told_and_kept_also_while_the_way_out_is_away(
    here: World,
) -> None:
    here.add(NETWORKS, "dual", {"physical": {"name": "qx-local"}, "subnets": _DUAL})
    first, second = f"{SHARED}/first", f"{SHARED}/second"
    here.add(ROUTERS, "first", {"networks": [], "external": {"network": "dual"}})
    await here.settle()
    status = here.live(ROUTERS, first)["status"]
    assert ["." in address for address in status["addresses"]] == [True, False]
    assert status["address"] == status["addresses"][0]
    here.restart()
    here.add(
        ROUTERS,
        "second",
        {"networks": [], "external": {"network": "dual", "address": status["addresses"][1]}},
    )
    await here.settle()
    assert here.live(ROUTERS, first)["status"]["addresses"] == status["addresses"]
    assert here.ready(ROUTERS, second)[0] == "AddressInUse"
    here.ask_deletion(NETWORKS, f"{SHARED}/dual")
    await here.settle()
    assert here.live(ROUTERS, first)["status"]["addresses"] == status["addresses"]


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
    assert reason == "AddressInUse"
    assert "router default" in text
    here.change(ROUTERS, f"{SHARED}/second", spec={"networks": [{"name": "default", "address": "10.77.0.9"}]})
    await here.settle()
    assert here.ready(ROUTERS, f"{SHARED}/second")[0] == "Programmed"
    taken = await here.ensure(guest(here, "web-1", addresses=["10.77.0.9"], securityGroups=[]))
    assert taken.reason == "AddressInUse"
    assert "belongs to a router of another namespace" in taken.message


async def test_a_router_takes_no_address_of_a_guest_and_keeps_its_own_over_a_restart(
    here: World, database: OvnCentral
) -> None:
    key = guest(here, "web-1", addresses=["10.77.0.9"], securityGroups=[])
    assert (await here.ensure(key)).ready
    joined = {"networks": [{"name": "default", "address": "10.77.0.9"}]}
    here.add(ROUTERS, "second", joined)
    for _ in range(2):
        await here.settle()
        reason, text = here.ready(ROUTERS, f"{SHARED}/second")
        assert reason == "AddressInUse"
        assert "10.77.0.9 in network quantix-shared/default belongs to a VM of another namespace" in text
        assert "10.77.0.9" not in database.nbctl(
            "--bare", "--columns=networks", "list", "Logical_Router_Port"
        )
        here.restart()
    here.change(ROUTERS, f"{SHARED}/second", spec={"networks": [{"name": "default", "address": "10.77.0.8"}]})
    await here.settle()
    assert here.ready(ROUTERS, f"{SHARED}/second")[0] == "Programmed"
    here.restart()
    taken = await here.ensure(guest(here, "web-2", addresses=["10.77.0.8"], securityGroups=[]))
    assert taken.reason == "AddressInUse"


async def test_without_a_host_there_is_no_way_out(database: OvnCentral) -> None:
    async with world(database.northbound) as made:
        installation(made)
        made.cache.remove(HOSTS, made.live(HOSTS, "h1"))
        await made.settle()
        assert made.ready(ROUTERS, f"{SHARED}/default")[0] == "NoGatewayHost"
        assert "mtu" not in made.live(NETWORKS, f"{SHARED}/default")["status"]


def carriers(database: OvnCentral) -> dict[str, str]:
    """Priority of each host in the group of the one way out, by the host's UID."""
    text = database.nbctl(
        "--format=csv",
        "--no-headings",
        "--data=bare",
        "--columns=chassis_name,priority",
        "list",
        "HA_Chassis",
    )
    return dict(line.split(",") for line in text.splitlines())


async def test_five_of_many_hosts_carry_a_way_out_and_keep_their_order(
    here: World, database: OvnCentral
) -> None:
    for number in range(2, 8):
        host(here, f"h{number}")
    await here.settle()
    before = here.live(ROUTERS, f"{SHARED}/default")["status"]["gatewayHosts"]
    assert len(before) == 5
    uids = [here.live(HOSTS, name)["metadata"]["uid"] for name in before]
    assert carriers(database) == dict(zip(uids, ("50", "40", "30", "20", "10"), strict=True))
    for gone in (before[1], *({f"h{number}" for number in range(1, 8)} - set(before))):
        here.cache.remove(HOSTS, here.live(HOSTS, gone))
    await here.settle()
    after = here.live(ROUTERS, f"{SHARED}/default")["status"]["gatewayHosts"]
    assert after == [name for name in before if name != before[1]]
    here.change(HOSTS, before[4], metadata=labelled(here, before[4]))
    await here.settle()
    assert here.live(ROUTERS, f"{SHARED}/default")["status"]["gatewayHosts"] == [before[4]]
    assert list(carriers(database)) == [uids[4]]


def labelled(world: World, name: str) -> dict[str, object]:
    """The metadata of a host with the label of those that carry ways out."""
    return {**world.live(HOSTS, name)["metadata"], "labels": {GATEWAY_LABEL: ""}}


async def test_a_route_that_cannot_be_followed_is_left_out_and_said(
    here: World, database: OvnCentral
) -> None:
    router = f"{SHARED}/default"
    routes = [
        {"destination": "10.9.0.0/16", "nextHop": "10.77.0.99"},
        {"destination": "10.8.0.0/16", "nextHop": "10.66.0.1"},
        {"destination": "0.0.0.0/0", "nextHop": "10.77.0.99"},
    ]
    external = here.live(ROUTERS, router)["spec"]["external"]
    spec = {"networks": [{"name": "default"}], "external": external, "routes": routes}
    here.change(ROUTERS, router, spec=spec)
    await here.settle()
    reason, text = here.ready(ROUTERS, router)
    assert reason == "AddressOutsideSubnet"
    assert "Next hop 10.66.0.1 of the route to 10.8.0.0/16" in text
    columns = ("--format=csv", "--no-headings", "--data=bare", "--columns=ip_prefix,nexthop")
    rows = database.nbctl(*columns, "list", "Logical_Router_Static_Route").splitlines()
    assert "10.9.0.0/16,10.77.0.99" in rows
    assert [row for row in rows if row.startswith("10.8.")] == []
    (way_out,) = [row for row in rows if row.startswith("0.0.0.0/0,")]
    assert way_out != "0.0.0.0/0,10.77.0.99"
