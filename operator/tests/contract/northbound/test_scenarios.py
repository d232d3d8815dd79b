"""The first installation on a real northbound database: what comes of every object."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from quantix_api import VirtualMachine
from quantix_api.resources import (
    HOSTS,
    NETWORKS,
    ROUTERS,
    SECURITY_GROUPS,
    VIRTUAL_MACHINES,
)
from quantix_api.times import render_time
from quantix_lab.ovn_central import OvnCentral

from .connection import connected
from .scenario import guest, host, installation, web_group
from .world import SHARED, World, world


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


async def test_an_unknown_wire_is_named(here: World) -> None:
    here.add(NETWORKS, "dmz", {"physical": {"name": "physnet7", "vlan": 100}})
    await here.settle()
    assert here.ready(NETWORKS, f"{SHARED}/dmz")[0] == "PhysicalNetworkUnknown"
    key = guest(here, "web-1", network="shared/dmz", securityGroups=[])
    assert (await here.ensure(key)).reason == "PhysicalNetworkUnknown"
    here.change(HOSTS, "h1", spec={"physicalNetworks": [{"name": "physnet7", "interface": "eth4"}]})
    await here.settle()
    assert (await here.ensure(key)).ready
    assert here.ready(NETWORKS, f"{SHARED}/dmz")[0] == "Programmed"


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


async def test_a_group_that_is_deleted_stays_in_force_for_whoever_has_it(
    here: World, database: OvnCentral
) -> None:
    web_group(here)
    here.add(SECURITY_GROUPS, "db", {"ingress": [{"from": [{"group": "web"}]}]}, namespace="default")
    key = guest(here, "web-1", host="h1", securityGroups=["web"])
    await here.settle()
    assert (await here.ensure(key)).ready

    def in_force() -> list[str]:
        columns = (("Port_Group", "name,ports,acls"), ("ACL", "match"))
        lists = (database.nbctl("--bare", f"--columns={names}", "list", table) for table, names in columns)
        return sorted(word for listed in lists for word in listed.split())

    await here.settle()
    before = in_force()
    here.ask_deletion(SECURITY_GROUPS, "default/web")
    await here.settle()
    assert (await here.ensure(key)).ready
    assert in_force() == before
    reason, text = here.ready(SECURITY_GROUPS, "default/web")
    assert reason == "InUse"
    assert "stay in force as long as it is used by VM web-1, security group db" in text
    assert here.ready(SECURITY_GROUPS, "default/db")[0] == "Programmed"
    late = await here.ensure(guest(here, "web-2", host="h1", securityGroups=["web"]))
    assert (late.ready, late.reason) == (False, "SecurityGroupNotFound")
    assert "web is being deleted" in late.message
    for name in ("web-1", "web-2"):
        vm = here.live(VIRTUAL_MACHINES, f"default/{name}")
        nics = [{**vm["spec"]["nics"][0], "securityGroups": []}]
        here.change(VIRTUAL_MACHINES, f"default/{name}", spec={**vm["spec"], "nics": nics})
        assert (await here.ensure(f"default/{name}")).ready
    here.change(SECURITY_GROUPS, "default/db", spec={})
    await here.settle()
    assert here.cache.get(SECURITY_GROUPS, "default/web") is None


async def test_an_empty_cache_does_not_empty_the_network(here: World) -> None:
    keys = [guest(here, f"vm-{number}", securityGroups=[]) for number in range(60)]
    for key in keys:
        await here.ensure(key)
    rows = (await here.northbound.count())[0]
    for key in keys:
        here.cache.remove(VIRTUAL_MACHINES, here.live(VIRTUAL_MACHINES, key))
    with capture_logs() as logs:
        await here.settle()
    assert "SuspiciousDeletion" in {entry.get("reason") for entry in logs}
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
