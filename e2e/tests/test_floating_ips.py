"""A floating IP from the outside and from the guest: reached by it, gone out with it, and no more after."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from quantix_lab.guest_console import guest_console
from quantix_lab.machine_view import SHARED, MachineView, Manifest
from quantix_lab.neighbour import Neighbour, neighbour
from quantix_lab.vm_manifests import READY, ipv4, small_vm
from quantix_lab.waiting import wait_for

PORT = 8089
"""of the neighbour, who tells who called"""
IN_FORCE_S = 5.0
"""At most, from what qx says to what a packet sees."""


@pytest.fixture
def outside(view: MachineView) -> Iterator[Neighbour]:
    """Somebody on the wire outside, with an address that nobody else is given."""
    subnet = ip_network(view.get("network", "outside", SHARED)["spec"]["subnets"][0]["cidr"])
    address, taken = subnet[-2], view.get("router", "default", SHARED)["status"]["address"]
    address = address if str(address) != taken else subnet[-3]
    with neighbour(view, f"{address}/{subnet.prefixlen}") as somebody:
        yield somebody


@pytest.fixture
def front(view: MachineView, web: Manifest) -> Iterator[str]:
    """The floating IP `front`, which leads to web-1, as an address."""
    said = view.machine.qx("floatingip", "create", "front", "--vm", "web-1").stderr
    address = str(view.get("floatingip", "front")["status"]["address"])
    assert f"{address} leads to NIC eth0 of VM web-1." in said
    yield address
    view.machine.qx("floatingip", "delete", "front", "--yes")
    assert view.find("floatingip", "front") is None


def callers(view: MachineView, outside: Neighbour) -> str:
    """Whose address the neighbour sees when the guest of web-1 calls."""
    with outside.listening(PORT) as server, guest_console(view.machine, "web-1") as console:
        assert server.stdout is not None
        console.ask(f"nc -w 5 {outside.address} {PORT} </dev/null; echo called")
        return server.stdout.readline().strip()


def test_a_guest_is_reached_at_its_floating_ip_and_goes_out_with_it_until_it_is_detached(
    view: MachineView, web: Manifest, outside: Neighbour, front: str
) -> None:
    router = view.get("router", "default", SHARED)["status"]["address"]
    banner = f"{READY}: hostname=web-1 address={ipv4(web)}"
    view.wait_answer(front, banner)
    assert banner in outside.answer(front)
    assert outside.pings(front)
    assert outside.answer(front, 22) == "", "port 22 answers, which no group of the NIC opens"
    assert callers(view, outside) == front
    listed = view.machine.qx("vm", "list", "web-1").stdout
    assert f"{ipv4(web)}, {front}" in listed
    assert f"{front} (front) on NIC eth0" in view.machine.qx("vm", "explain", "web-1").stdout

    said = view.machine.qx("floatingip", "detach", "front").stderr
    assert f"{front} is kept, and leads to no VM" in said
    wait_for("the floating IP to answer no more", lambda: (not outside.answer(front), ""), IN_FORCE_S)
    assert not outside.pings(front)
    assert view.answer(front) == ""
    assert callers(view, outside) == router
    view.wait_answer(ipv4(web), banner)

    view.machine.qx("floatingip", "attach", "front", "web-1")
    wait_for("the floating IP to answer again", lambda: (banner in outside.answer(front), ""), IN_FORCE_S)


def test_nobody_outside_reaches_a_guest_at_its_own_address_whatever_route_leads_there(
    view: MachineView, web: Manifest, outside: Neighbour
) -> None:
    router = view.get("router", "default", SHARED)["status"]["address"]
    outside.run("ip", "route", "add", ipv4(web), "via", router)
    assert callers(view, outside) == router
    assert not outside.pings(ipv4(web))
    assert outside.answer(ipv4(web)) == ""
    assert callers(view, outside) == router


def misses(view: MachineView, said: str) -> tuple[bool, object]:
    message = view.wait_reason("floatingip", "kept", "VirtualMachineNotFound")["message"]
    return said in message, message


def test_it_stays_when_its_vm_goes_and_says_so(view: MachineView) -> None:
    view.apply(small_vm("float-1", powerState="Stopped"))
    view.wait_ready("float-1", reason="Stopped")
    view.machine.qx("floatingip", "create", "kept", "--vm", "float-1")
    address = view.get("floatingip", "kept")["status"]["address"]
    refused = view.machine.qx("floatingip", "create", "second", "--vm", "float-1", check=False)
    assert refused.returncode == 6
    assert "has floating IP kept already" in refused.stderr
    view.machine.kubectl("delete", "vm", "float-1", "--timeout=60s", timeout_s=90)
    # "is being deleted" comes first, and its reason is the same
    wait_for("the floating IP to miss its VM", lambda: misses(view, "There is no VM float-1 here"), 60)
    assert view.get("floatingip", "kept")["status"]["address"] == address
    assert view.northbound_rows(view.get("floatingip", "kept")["metadata"]["uid"]) == []
    view.machine.qx("floatingip", "delete", "kept", "--yes")
