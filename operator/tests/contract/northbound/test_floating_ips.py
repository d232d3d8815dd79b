"""What comes of floating IPs on a real northbound database: where they lead, and whose an address is."""

from __future__ import annotations

import pytest

from quantix_api import FloatingIP, VirtualMachine
from quantix_api.resources import FLOATING_IPS, HOSTS, NETWORKS, ROUTERS, VIRTUAL_MACHINES
from quantix_lab.ovn_central import OvnCentral
from quantix_operator.floatingip.observe import observe_floating_ip
from quantix_operator.floatingip.plan import plan_floating_ip
from quantix_operator.floatingip.rows import floating_ip_owner, floating_ip_rows

from .scenario import floating, guest, host, installation
from .world import SHARED, World, world

ROUTER = f"{SHARED}/default"
FOREIGN = ("dnat_and_snat", "10.78.0.99", "10.77.0.99")


@pytest.fixture
async def web(here: World) -> World:
    """The first installation with a guest on its host."""
    assert (await here.ensure(guest(here, "web-1", host="h1", securityGroups=[]))).ready
    return here


def nat(database: OvnCentral, world: World, router: str = ROUTER) -> str:
    """The translations of a router, as OVN lists them."""
    return database.nbctl("lr-nat-list", world.live(ROUTERS, router)["metadata"]["uid"])


def inside(world: World, vm: str = "default/web-1") -> str:
    """The IPv4 address of a VM's first NIC."""
    return str(world.live(VIRTUAL_MACHINES, vm)["status"]["nics"][0]["addresses"][0])


async def operations(world: World, key: str) -> int:
    """How many operations a further look at a floating IP takes in the database."""
    floating_ip = world.objects.get(FloatingIP, key)
    assert floating_ip is not None
    outcome = plan_floating_ip(observe_floating_ip(world.context, floating_ip), world.ledger)
    translation = outcome.attachment.translation if outcome.attachment is not None else None
    rows = floating_ip_rows(floating_ip_owner(world.northbound.cluster_uid, floating_ip), translation)
    return await world.northbound.converge(floating_ip.metadata.uid, rows)


async def test_it_is_translated_on_the_host_of_the_vm_where_all_hosts_have_the_wire(
    web: World, database: OvnCentral
) -> None:
    key = floating(web, "web", virtualMachine="web-1")
    await web.settle()
    assert web.ready(FLOATING_IPS, key)[0] == "Attached"
    status = web.live(FLOATING_IPS, key)["status"]
    assert status["address"].startswith("10.78.0.")
    assert (status["mode"], status["nic"], status["router"]) == ("Distributed", "eth0", "shared/default")
    assert status["nicAddress"] == inside(web)
    port = web.live(VIRTUAL_MACHINES, "default/web-1")["status"]["nics"][0]["port"]
    line = next(line for line in nat(database, web).splitlines() if "dnat_and_snat" in line)
    for word in (status["address"], inside(web), port, "0a:"):
        assert word in line


async def test_it_is_translated_at_the_gateway_while_a_host_lacks_the_wire(
    web: World, database: OvnCentral
) -> None:
    physical = {"name": "site", "vlan": 7}
    web.add(NETWORKS, "site", {"physical": physical, "subnets": [{"cidr": "10.79.0.0/24"}]})
    web.change(HOSTS, "h1", spec={"physicalNetworks": [{"name": "site", "interface": "eth9"}]})
    host(web, "h2")
    web.change(ROUTERS, ROUTER, spec={"networks": [{"name": "default"}], "external": {"network": "site"}})
    key = floating(web, "web", virtualMachine="web-1", network="shared/site")
    await web.settle()
    assert web.ready(FLOATING_IPS, key)[0] == "Attached"
    assert web.live(FLOATING_IPS, key)["status"]["mode"] == "Centralized"
    assert "0a:" not in nat(database, web)
    web.change(HOSTS, "h2", spec={"unschedulable": True})
    await web.settle()
    assert web.live(FLOATING_IPS, key)["status"]["mode"] == "Distributed"
    assert "0a:" in nat(database, web)
    web.change(HOSTS, "h2", spec={})
    await web.settle()
    assert web.live(FLOATING_IPS, key)["status"]["mode"] == "Centralized"
    assert "0a:" not in nat(database, web)


async def test_a_further_look_changes_nothing(web: World) -> None:
    keys = (floating(web, "web", virtualMachine="web-1"), floating(web, "kept"))
    await web.settle()
    written = len(web.api.writes)
    assert [await operations(web, key) for key in keys] == [0, 0]
    await web.settle()
    assert len(web.api.writes) == written


async def test_it_moves_with_its_target_and_lets_go_when_it_is_told_to(
    web: World, database: OvnCentral
) -> None:
    assert (await web.ensure(guest(web, "web-2", securityGroups=[]))).ready
    key = floating(web, "web", virtualMachine="web-1")
    await web.settle()
    address = web.live(FLOATING_IPS, key)["status"]["address"]
    web.change(FLOATING_IPS, key, spec={"network": "shared/outside", "virtualMachine": "web-2"})
    await web.settle()
    assert inside(web, "default/web-2") in nat(database, web)
    assert inside(web) not in nat(database, web)
    web.change(FLOATING_IPS, key, spec={"network": "shared/outside"})
    await web.settle()
    reason, text = web.ready(FLOATING_IPS, key)
    assert (reason, address in text) == ("Allocated", True)
    assert "dnat_and_snat" not in nat(database, web)
    status = web.live(FLOATING_IPS, key)["status"]
    assert status["address"] == address
    assert not {"mode", "nic", "nicAddress", "router"} & status.keys()


async def test_the_address_inside_is_free_only_after_it_let_go(web: World, database: OvnCentral) -> None:
    key = floating(web, "web", virtualMachine="web-1")
    await web.settle()
    web.ask_deletion(VIRTUAL_MACHINES, "default/web-1")
    vm = web.objects.get(VirtualMachine, "default/web-1")
    assert vm is not None
    assert not await web.ports.release_ports(vm)
    assert inside(web) in nat(database, web)
    await web.floating_ips.reconcile(key)
    assert inside(web) not in nat(database, web)
    assert await web.ports.release_ports(vm)


async def test_it_moves_to_another_router_and_leaves_the_first(web: World, database: OvnCentral) -> None:
    web.add(NETWORKS, "inner", {"subnets": [{"cidr": "10.80.0.0/24"}]}, namespace="default")
    joined = {"networks": [{"name": "inner"}], "external": {"network": "shared/outside"}}
    web.add(ROUTERS, "r", joined, namespace="default")
    await web.settle()
    assert (await web.ensure(guest(web, "in-1", network="inner", securityGroups=[]))).ready
    key = floating(web, "web", virtualMachine="web-1")
    await web.settle()
    web.change(FLOATING_IPS, key, spec={"network": "shared/outside", "virtualMachine": "in-1"})
    await web.settle()
    assert "dnat_and_snat" not in nat(database, web)
    assert "dnat_and_snat" in nat(database, web, "default/r")
    assert web.live(FLOATING_IPS, key)["status"]["router"] == "r"
    web.ask_deletion(FLOATING_IPS, key)
    await web.settle()
    assert "dnat_and_snat" not in nat(database, web, "default/r")


async def test_it_stays_when_its_vm_goes_and_says_why_it_leads_nowhere(
    web: World, database: OvnCentral
) -> None:
    key = floating(web, "web", virtualMachine="web-1")
    await web.settle()
    address = web.live(FLOATING_IPS, key)["status"]["address"]
    web.ask_deletion(VIRTUAL_MACHINES, "default/web-1")
    await web.settle()
    reason, text = web.ready(FLOATING_IPS, key)
    assert (reason, "VM web-1 is being deleted" in text) == ("VirtualMachineNotFound", True)
    assert "dnat_and_snat" not in nat(database, web)
    web.cache.remove(VIRTUAL_MACHINES, web.live(VIRTUAL_MACHINES, "default/web-1"))
    await web.settle()
    assert "There is no VM web-1 here" in web.ready(FLOATING_IPS, key)[1]
    assert web.live(FLOATING_IPS, key)["status"]["address"] == address


async def test_of_two_for_one_nic_the_first_keeps_it_and_the_other_waits(
    web: World, database: OvnCentral
) -> None:
    elder = floating(web, "elder")
    first = floating(web, "first", virtualMachine="web-1")
    await web.settle()
    spec = {"network": "shared/outside", "virtualMachine": "web-1", "nic": "eth0"}
    web.change(FLOATING_IPS, elder, spec=spec)
    await web.settle()
    assert web.ready(FLOATING_IPS, first)[0] == "Attached"
    reason, text = web.ready(FLOATING_IPS, elder)
    assert reason == "NICInUse"
    assert "NIC eth0 of VM web-1 has floating IP first already" in text
    assert nat(database, web).count("dnat_and_snat") == 1
    web.change(FLOATING_IPS, first, spec={"network": "shared/outside"})
    await web.settle()
    assert web.ready(FLOATING_IPS, elder)[0] == "Attached"
    assert nat(database, web).count("dnat_and_snat") == 1


async def test_an_address_is_one_floating_ips_and_neither_a_routers_nor_a_guests(web: World) -> None:
    routers = web.live(ROUTERS, ROUTER)["status"]["address"]
    taken = floating(web, "taken", address=routers)
    has_it = floating(web, "has-it", address="10.78.0.20")
    wants_it = floating(web, "wants-it", namespace="other", address="10.78.0.20")
    outside = floating(web, "outside", address="10.99.0.1")
    gateway = floating(web, "gateway", address="10.78.0.1")
    await web.settle()
    assert web.ready(FLOATING_IPS, taken)[0] == "AddressInUse"
    assert web.ready(FLOATING_IPS, has_it)[0] == "Allocated"
    reason, text = web.ready(FLOATING_IPS, wants_it)
    assert (reason, "belongs to a floating IP of another namespace" in text) == ("AddressInUse", True)
    assert web.ready(FLOATING_IPS, outside)[0] == "AddressOutsideSubnet"
    assert "is the gateway of network" in web.ready(FLOATING_IPS, gateway)[1]
    on_wire = guest(web, "wire", network="shared/outside", addresses=["10.78.0.20"], securityGroups=[])
    assert (await web.ensure(on_wire)).reason == "AddressInUse"
    web.ask_deletion(FLOATING_IPS, has_it)
    await web.settle()
    assert web.ready(FLOATING_IPS, wants_it)[0] == "Allocated"


async def test_what_was_given_out_is_kept_over_a_restart(web: World, database: OvnCentral) -> None:
    keys = [floating(web, name) for name in ("a", "b", "c")]
    attached = floating(web, "web", virtualMachine="web-1")
    await web.settle()
    before = {key: web.live(FLOATING_IPS, key)["status"] for key in (*keys, attached)}
    assert len({status["address"] for status in before.values()}) == 4
    rows = nat(database, web)
    web.restart()
    await web.settle()
    assert {key: web.live(FLOATING_IPS, key)["status"] for key in before} == before
    assert nat(database, web) == rows


async def test_a_router_waits_for_what_leads_through_it(web: World, database: OvnCentral) -> None:
    key = floating(web, "web", virtualMachine="web-1")
    await web.settle()
    web.ask_deletion(ROUTERS, ROUTER)
    await web.settle()
    reason, text = web.ready(ROUTERS, ROUTER)
    assert reason == "InUse"
    assert "it leads to 1 floating IP of other namespaces" in text
    assert web.ready(FLOATING_IPS, key)[0] == "Attached"
    assert "dnat_and_snat" in nat(database, web)
    # as if nobody had deleted it: guests are told the way out, and the machine has its leg
    assert "router=10.77.0.1" in database.nbctl("--bare", "--columns=options", "list", "DHCP_Options")
    assert "Cluster" in database.nbctl("--bare", "--columns=external_ids", "list", "Logical_Router_Port")
    late = floating(web, "late", virtualMachine="late")
    assert (await web.ensure(guest(web, "late", securityGroups=[]))).ready
    await web.settle()
    assert web.ready(FLOATING_IPS, late)[0] == "NoRoute"
    web.change(FLOATING_IPS, key, spec={"network": "shared/outside"})
    await web.settle()
    assert web.cache.list(ROUTERS) == []


async def test_without_a_router_between_there_is_no_way(web: World) -> None:
    web.add(NETWORKS, "inner", {"subnets": [{"cidr": "10.80.0.0/24"}]}, namespace="default")
    await web.settle()
    assert (await web.ensure(guest(web, "in-1", network="inner", securityGroups=[]))).ready
    alone = floating(web, "alone", virtualMachine="in-1")
    on_wire = floating(web, "on-wire", virtualMachine="wire")
    assert (await web.ensure(guest(web, "wire", network="shared/outside", securityGroups=[]))).ready
    await web.settle()
    reason, text = web.ready(FLOATING_IPS, alone)
    assert reason == "NoRoute"
    assert "No router joins network inner, which NIC eth0 of VM in-1 is in, with network shared/out" in text
    reason, text = web.ready(FLOATING_IPS, on_wire)
    assert (reason, "is in network shared/outside itself" in text) == ("NoRoute", True)


async def test_rows_that_others_made_at_the_router_stay(web: World, database: OvnCentral) -> None:
    uid = web.live(ROUTERS, ROUTER)["metadata"]["uid"]
    database.nbctl("lr-nat-add", uid, *FOREIGN)
    key = floating(web, "web", virtualMachine="web-1")
    await web.settle()
    web.ask_deletion(FLOATING_IPS, key)
    await web.settle()
    assert FOREIGN[1] in nat(database, web)
    assert nat(database, web).count("dnat_and_snat") == 1


async def test_before_there_is_a_host_the_way_out_is_missing(database: OvnCentral) -> None:
    async with world(database.northbound) as made:
        installation(made)
        made.cache.remove(HOSTS, made.live(HOSTS, "h1"))
        await made.settle()
        assert (await made.ensure(guest(made, "web-1", securityGroups=[]))).ready
        key = floating(made, "web", virtualMachine="web-1")
        await made.settle()
        assert made.ready(FLOATING_IPS, key)[0] == "NoGatewayHost"
