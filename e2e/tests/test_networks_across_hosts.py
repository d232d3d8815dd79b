"""Networks of guests on several hosts: the site's wire, a router out to it, floating IPs.

The world has the first address of the site's network; what it reaches is what somebody outside would.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from quantix_lab.guest_console import GuestConsole, guest_console, wait_booted
from quantix_lab.lab import SITE, Lab
from quantix_lab.machine import INTERNET
from quantix_lab.machine_view import MachineView, Manifest
from quantix_lab.moving_guest import pinged_by_world
from quantix_lab.simulated_host import SimulatedHost
from quantix_lab.vm_manifests import ipv4, small_vm
from quantix_lab.waiting import eventually
from quantix_lab.wire_tap import heard

WORLD = f"{SITE}.1"
GUESTS = {
    "in-1": ("h1", "inner"),
    "in-2": ("h2", "inner"),
    "in-3": ("h3", "inner"),
    "apart-2": ("h2", "apart"),
    "site-2": ("h2", "site"),
}
"""Their hosts and networks."""
NIC = {"name": "eth0", "network": "inner"}
VLAN = 20
WIRE_MTU = 1500
IN_FORCE_S = 10.0
FAILOVER_S = 20.0

pytestmark = pytest.mark.usefixtures("audited")


@pytest.fixture(scope="module")
def site(lab: Lab) -> MachineView:
    """The cluster, whose hosts are on the site's wire, with a network of that wire and a router out to it."""
    for host in lab.hosts:
        lab.plug_into_site(host)
    view = MachineView(lab.first)
    free = [{"first": f"{SITE}.2", "last": f"{SITE}.99"}]
    subnet = {"cidr": f"{SITE}.0/24", "gateway": WORLD, "dhcp": "Enabled", "excludeRanges": free}
    view.apply(
        network("site", {"physical": {"name": "site"}, "subnets": [subnet]}),
        network("inner", {"subnets": [{"cidr": "10.33.0.0/24"}]}),
        network("apart", {"subnets": [{"cidr": "10.34.0.0/24"}]}),
        {
            "apiVersion": "quantix.io/v1alpha1",
            "kind": "Router",
            "metadata": {"name": "r1", "namespace": "default"},
            "spec": {"networks": [{"name": "inner"}], "external": {"network": "site", "snat": "Enabled"}},
        },
    )
    for name, (where, net) in GUESTS.items():
        view.apply(vm(name, where, net))
    for name, (where, _) in GUESTS.items():
        (host,) = (host for host in lab.hosts if host.name == where)
        # no host has a way to these networks, so nobody but the guest can say that it is up
        wait_booted(view, name, on=MachineView(host))
    return view


def network(name: str, spec: dict[str, Any]) -> Manifest:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "quantix.io/v1alpha1", "kind": "Network", "metadata": metadata, "spec": spec}


def group(name: str, spec: dict[str, Any]) -> Manifest:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "quantix.io/v1alpha1", "kind": "SecurityGroup", "metadata": metadata, "spec": spec}


def vm(name: str, host: str, net: str) -> Manifest:
    nics = [NIC | {"network": net}]
    placement = {"hostSelector": {"quantix.io/host": host}}
    return small_vm(name, nics=nics, placement=placement, gracePeriodSeconds=0)


def address_of(site: MachineView, name: str) -> str:
    return ipv4(site.get("virtualmachine", name))


def world_pings(lab: Lab, address: str, *, count: int = 3) -> bool:
    """Whether all come back; a first one that nobody counts finds the way."""
    lab.first.world("ping", "-c", "1", "-W", "5", address, check=False)
    return lab.first.world("ping", "-c", str(count), "-W", "3", address, check=False).returncode == 0


def test_guests_reach_each_other_and_no_other_network(lab: Lab, site: MachineView) -> None:
    beside, apart = address_of(site, "in-2"), address_of(site, "apart-2")
    with guest_console(lab.first, "in-1") as console:
        said = console.ask(f"ping -c 1 -W 5 {beside} >/dev/null; ping -c 3 -W 5 {beside}")
        assert " 0% packet loss" in said, said
        said = console.ask(
            f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 9 {beside} 80 | grep -o 'hostname=[a-z0-9-]*'"
        )
        assert said.endswith("hostname=in-2"), said
        assert "100% packet loss" in console.ask(f"ping -c 2 -W 2 {apart}")


def test_a_group_lets_in_guests_of_the_group_that_it_names_and_no_other(lab: Lab, site: MachineView) -> None:
    """Each of them on a host of its own, and asked from inside."""
    members = {"in-1": "askers", "in-2": "pages", "in-3": "others"}
    pages = {"ingress": [{"protocol": "TCP", "ports": [{"port": 80}], "from": [{"group": "askers"}]}]}
    site.apply(group("askers", {}), group("others", {}), group("pages", pages))
    for name, own in members.items():
        site.patch("virtualmachine", name, {"spec": {"nics": [NIC | {"securityGroups": [own]}]}})
    asks = f"nc -w 4 {address_of(site, 'in-2')} 80 </dev/null; echo got $?"
    with guest_console(lab.first, "in-1") as asker, guest_console(lab.first, "in-3") as other:
        eventually("the asker is let in", lambda: asker.ask(asks).endswith("got 0"), IN_FORCE_S)
        eventually("the other is not", lambda: not other.ask(asks).endswith("got 0"), IN_FORCE_S)
        site.patch("virtualmachine", "in-3", {"spec": {"nics": [NIC | {"securityGroups": ["askers"]}]}})
        eventually("it is once it is one of them", lambda: other.ask(asks).endswith("got 0"), IN_FORCE_S)
    for name in members:
        site.patch("virtualmachine", name, {"spec": {"nics": [NIC]}})


def test_a_guest_on_the_sites_wire_is_the_sites_neighbour(lab: Lab, site: MachineView) -> None:
    assert world_pings(lab, address_of(site, "site-2"))
    assert not lab.first.knocks(address_of(site, "site-2"), 80), "no group lets anybody in there"


def test_guests_of_a_vlan_reach_each_other_by_tagged_frames(lab: Lab, site: MachineView) -> None:
    """Those two guests have nothing but the site's wire in common there."""
    physical = {"name": "site", "vlan": VLAN}
    site.apply(
        network("tagged", {"physical": physical, "subnets": [{"cidr": "10.35.0.0/24", "dhcp": "Enabled"}]})
    )
    for name in ("in-1", "in-3"):
        lab.first.qx("vm", "attach", name, "--network", "tagged", "--name", "eth1")
    nics = site.get("virtualmachine", "in-3")["status"]["nics"]
    (other,) = (nic["addresses"][0] for nic in nics if nic["name"] == "eth1")
    with guest_console(lab.first, "in-1") as console:
        console.until("ip -4 -o addr show eth1 | wc -l", "1")
        with heard(lab.world, "phys-h1", b"what-the-guest-asks") as told:
            asks = f"printf 'GET / HTTP/1.0\\r\\nX: what-the-guest-asks\\r\\n\\r\\n' | nc -w 9 {other} 80"
            console.until(f"{asks} | grep -o 'hostname=[a-z0-9-]*'", "hostname=in-3")
    assert told.vlans == (VLAN,)
    assert site.get("network", "tagged")["status"]["mtu"] == WIRE_MTU, "not that of the hosts' tunnels"


def test_a_router_leads_out_of_every_host(lab: Lab, site: MachineView) -> None:
    # by TCP: where Open vSwitch forwards without the kernel, pings with one number (guests that boot alike
    # give them the same) to one address outside are one connection, of the guest that was first
    with lab.first.serving(Path("/usr/share/ovn")):
        for name in ("in-1", "in-2", "in-3"):
            with guest_console(lab.first, name) as console:
                said = console.ask(f"nc -w 9 {INTERNET} 8000 </dev/null; echo got $?")
                assert said.endswith("got 0"), (name, said)


def test_the_way_out_goes_on_when_its_gateway_fails(lab: Lab, site: MachineView) -> None:
    """The switch of the gateway's host stands still; the others see that by BFD, and the next takes over."""
    active = site.get("router", "r1")["status"]["gatewayHosts"][0]
    (failing,) = (host for host in lab.hosts if host.name == active)
    name = next(f"in-{host.name[1:]}" for host in lab.hosts if host is not failing)
    with guest_console(lab.first, name) as console, switch_stopped_of(failing):
        began_s = time.monotonic()
        again = f"until ping -c 1 -W 1 {WORLD} >/dev/null; do :; done; echo back"
        assert console.ask(again, timeout_s=FAILOVER_S).endswith("back")
        sys.stdout.write(f"the way out goes on after {time.monotonic() - began_s:.1f} s\n")


@contextmanager
def switch_stopped_of(host: SimulatedHost) -> Iterator[None]:
    """As if the host had died, for its guests' packets alone."""
    (switch,) = (pid for pid in host.processes() if _is_switch(pid))
    os.kill(switch, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(switch, signal.SIGCONT)


def _is_switch(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"/usr/sbin/ovs-vswitchd\0")
    except OSError:
        return False


def echoes(console: GuestConsole) -> int:
    """How many pings the guest has heard, by its kernel's count."""
    names, values = (line.split() for line in console.ask("grep ^Icmp: /proc/net/snmp").splitlines())
    return int(values[names.index("InEchos")])


def test_a_floating_ip_is_reached_on_the_host_of_its_guest(lab: Lab, site: MachineView) -> None:
    lab.first.qx("floatingip", "create", "front", "--network", "site", "--vm", "in-2")
    front = site.get("floatingip", "front")["status"]
    assert front["mode"] == "Distributed"
    eventually("the world reaches it", lambda: world_pings(lab, front["address"], count=1), IN_FORCE_S)
    lab.first.qx("floatingip", "attach", "front", "in-1")
    with guest_console(lab.first, "in-1") as console:
        before = echoes(console)
        eventually("the world reaches it", lambda: world_pings(lab, front["address"], count=1), IN_FORCE_S)
        eventually("it leads to the other host", lambda: echoes(console) > before, IN_FORCE_S)
    lab.first.qx("floatingip", "delete", "front", "--yes")


def test_a_floating_ip_follows_its_guest_to_another_host(lab: Lab, site: MachineView) -> None:
    lab.first.qx("floatingip", "create", "front", "--network", "site", "--vm", "in-1")
    address = site.get("floatingip", "front")["status"]["address"]
    eventually("the world reaches it", lambda: world_pings(lab, address, count=1), IN_FORCE_S)
    site.patch("virtualmachine", "in-1", {"spec": {"placement": {"hostSelector": None}}})
    with pinged_by_world(lab, address) as gaps:
        lab.first.qx("vm", "migrate", "in-1", "--to", "h3", timeout_s=120)
        assert world_pings(lab, address)
    sys.stdout.write(f"the floating IP moved with its guest: longest silence {gaps[0]:.2f} s\n")
    assert gaps[0] < IN_FORCE_S
    lab.first.qx("floatingip", "delete", "front", "--yes")
