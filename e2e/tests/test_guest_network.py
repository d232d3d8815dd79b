"""The network of a first VM, from its guest and from the machine: addresses, the way out, what is closed."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

from quantix_lab.guest_console import guest_console
from quantix_lab.machine import INTERNET, UPLINK, Machine
from quantix_lab.machine_view import SHARED, MachineView, Manifest
from quantix_lab.vm_manifests import READY, ipv4, ipv6, small_vm
from quantix_lab.waiting import wait_for

PORT = 8088
"""of the machine itself, where a test listens"""


def test_the_guest_gets_its_address_by_dhcp_and_answers(view: MachineView, web: Manifest) -> None:
    address = ipv4(web)
    assert web["status"]["addresses"][0] == address
    view.wait_answer(address, f"{READY}: hostname=web-1 address={address}")
    assert f"{READY}: hostname=web-1 address={address}" in view.printed(web)


def test_the_guest_gets_its_ipv6_address_by_dhcpv6_and_answers(view: MachineView, web: Manifest) -> None:
    address = ipv6(web)
    assert web["status"]["addresses"] == [ipv4(web), address]
    both = f"{READY}: hostname=web-1 address={ipv4(web)} address6={address}"
    view.wait_answer(address, both)
    view.wait_answer(ipv4(web), both)
    assert both in view.printed(web)


def test_packets_of_the_full_size_reach_the_guest_in_both_families(view: MachineView, web: Manifest) -> None:
    view.wait_answer(ipv6(web))
    mtu = view.get("network", "default", SHARED)["status"]["mtu"]
    for address, headers in ((ipv4(web), 20 + 8), (ipv6(web), 40 + 8)):
        sized = ("-c", "3", "-W", "5", "-M", "do", "-s", str(mtu - headers))
        said = view.machine.run("ping", *sized, address, check=False)
        assert " 0% packet loss" in said.stdout, f"{said.stdout}{said.stderr}"


def test_the_console_types_into_the_guest_which_reaches_the_outside(view: MachineView, web: Manifest) -> None:
    with guest_console(view.machine, "web-1") as console:
        assert f"inet {ipv4(web)}/24" in console.ask("ip -4 -o addr show eth0")
        said = console.ask(f"ping -c 3 -W 5 {INTERNET}")
        assert " 0% packet loss" in said, said


def test_a_guest_opens_no_port_of_the_machine_that_it_runs_on(view: MachineView, web: Manifest) -> None:
    leg = view.get("host", "box")["status"]["hostLeg"]["addresses"][0]
    subnet = view.get("network", "outside", SHARED)["spec"]["subnets"][0]
    gateway = subnet.get("gateway") or str(next(ip_network(subnet["cidr"]).hosts()))
    own = [address.partition("/")[0] for address in (UPLINK[0], gateway, leg)]
    with view.machine.listening(PORT), guest_console(view.machine, "web-1") as console:
        said = console.ask(f"for a in {' '.join(own)}; do nc -w 3 $a {PORT} </dev/null; echo got $a $?; done")
        assert re.findall(r"got (\S+) (\d+)", said) == [(address, "1") for address in own]
        with view.machine.serving(Path("/usr/share/ovn")):
            assert console.ask(f"nc -w 9 {INTERNET} 8000 </dev/null; echo got $?").endswith("got 0")
        said = console.ask(f"ping -c 2 -W 5 {own[0]}")
        assert " 0% packet loss" in said, said
        # Whoever is no guest gets in at the same door
        assert view.machine.knocks(own[0], PORT)
    view.wait_answer(ipv4(web))


def test_what_no_group_opens_stays_closed(view: MachineView, web: Manifest) -> None:
    for address in (ipv4(web), ipv6(web)):
        view.wait_answer(address)
        assert view.answer(address, 22) == "", f"{address} answers on port 22, the group web opens only 80"


def test_a_nic_without_groups_gets_the_group_default_of_its_namespace(view: MachineView) -> None:
    team = "plain-team"
    view.machine.kubectl("create", "namespace", team)
    plain = small_vm("plain", gracePeriodSeconds=0)
    plain["metadata"]["namespace"] = team
    assert view.find("securitygroup", "default", team) is None
    view.apply(plain)
    vm = view.wait_ready("plain", namespace=team, reason="Running")
    view.wait_ready("default", kind="securitygroup", namespace=team, reason="Programmed")

    def look() -> tuple[bool, object]:
        said = view.answer(ipv4(vm), 22)
        # before its lease is written down the guest answers without
        return "address=" in said, said or "nothing"

    wait_for("port 22 to answer with the guest's address", look)
    assert view.answer(ipv4(vm), 80) == "", "port 80 answers, though the group default opens 22 and 3389"
    view.machine.kubectl("delete", "vm", "plain", "-n", team, "--timeout=60s", timeout_s=90)
    view.wait_gone("volume", "plain-root", team)
    view.machine.kubectl("delete", "namespace", team, "--timeout=60s", timeout_s=90)


def test_the_machine_has_no_bridge_but_ours(machine: Machine, view: MachineView) -> None:
    links = machine.run("ip", "-br", "link").stdout.splitlines()
    names = {line.split()[0].partition("@")[0] for line in links}
    tap = {name for name in names if re.fullmatch(r"qx[0-9a-f]{12}", name)}
    assert names - tap == {"lo", "uplink", "ovs-netdev", "qx-int", "qx-ex", "qxh0"}
