"""NICs that change under a running guest, seen from inside it and on its wire."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from quantix_lab.guest_console import GuestConsole
from quantix_lab.machine_view import SHARED, MachineView, Manifest
from quantix_lab.roomy_guest import NAME, change
from quantix_lab.vm_manifests import ipv4
from quantix_lab.waiting import wait_for

pytestmark = pytest.mark.usefixtures("same_qemu")

API = "quantix.io/v1alpha1"
PAGES = {"ingress": [{"protocol": "TCP", "ports": [{"port": 80}]}]}
GROUP = {"apiVersion": API, "kind": "SecurityGroup", "metadata": {"name": "pages"}, "spec": PAGES}
WIRE = {"subnets": [{"cidr": "10.123.0.0/24"}], "ipv6": "Disabled"}
LAN = {"apiVersion": API, "kind": "Network", "metadata": {"name": "lan"}, "spec": WIRE}
FLAPS = 20
LIMIT = "500k"
LIMIT_BITS = 5e5
PAYLOAD = 512 * 1024  # 4 s at the limit: the second's worth that is let through at once counts little


def test_a_nic_comes_gets_its_lease_and_leaves(view: MachineView, console: GuestConsole) -> None:
    first = view.get("virtualmachine", NAME)["spec"]["nics"][0]
    vm = change(view, nics=[first, {"name": "eth1", "network": "shared/default"}])
    address = vm["status"]["nics"][1]["addresses"][0]
    console.until("ip -4 -o addr show eth1 | awk '{ print $4 }'", f"{address}/24")
    change(view, nics=[first])
    left = console.ask("ls /sys/class/net").split()
    assert ("eth0" in left, "eth1" in left) == (True, False)


def test_the_cable_is_pulled_and_put_in_again(view: MachineView, console: GuestConsole) -> None:
    first = view.get("virtualmachine", NAME)["spec"]["nics"][0]
    for state, carrier in (("Down", "0"), ("Up", "1")):
        change(view, nics=[first | {"linkState": state}])
        console.until("cat /sys/class/net/eth0/carrier", carrier)


def test_a_link_that_flaps_ends_as_it_was_asked_last_with_few_writes(
    view: MachineView, console: GuestConsole, roomy: Manifest
) -> None:
    line, first = len(view.audit()), view.get("virtualmachine", NAME)["spec"]["nics"][0]
    for turn in range(FLAPS):
        nic = first | {"linkState": "Up" if turn % 2 else "Down"}
        view.patch("virtualmachine", NAME, {"spec": {"nics": [nic]}})
    view.wait_ready(NAME, reason="Running")
    console.until("cat /sys/class/net/eth0/carrier", "1")
    writers = [who for who in view.writes("virtualmachines", NAME, after=line) if who.startswith("quantix")]
    # each says of a change that it has seen it, hostd also that the guest was compared with it (adr/0035)
    counted = Counter(writers) - Counter({"quantix-hostd": FLAPS})
    assert max(counted.values()) <= FLAPS, writers


def test_a_guest_that_flaps_its_own_link_is_on_its_wire_again_and_costs_no_write(
    view: MachineView, console: GuestConsole, roomy: Manifest
) -> None:
    # as the network has it: the guest may ask for its lease anew since the test before, and has no route then
    subnet = view.get("network", "default", SHARED)["spec"]["subnets"][0]
    gateway = subnet.get("gateway") or next(ip_network(subnet["cidr"]).hosts())
    line = len(view.audit())
    console.ask(f"for i in $(seq {FLAPS}); do ip link set eth0 down; ip link set eth0 up; done")
    # on the wire itself: a link that goes takes the route to other networks with it
    console.until(f"ping -c 1 -w 5 {gateway} > /dev/null && echo answers", "answers")
    console.until(f"ip route add default via {gateway}; ip route | grep -c ^default", "1")
    assert view.writes("virtualmachines", NAME, after=line) == []


def first_nic(view: MachineView) -> Manifest:
    nic: Manifest = view.get("virtualmachine", NAME)["spec"]["nics"][0]
    return nic


def bits_per_second(transfer: Callable[[], object]) -> float:
    """How fast the payload is transferred."""
    began_s = time.monotonic()
    assert str(PAYLOAD) in str(transfer())
    return PAYLOAD * 8 / (time.monotonic() - began_s)


def test_what_a_nic_receives_and_sends_is_limited_and_free_again(
    view: MachineView, console: GuestConsole, tmp_path: Path
) -> None:
    (tmp_path / "payload").write_bytes(bytes(PAYLOAD))
    tmp_path.chmod(0o755)
    view.apply(GROUP)
    nic = first_nic(view)
    vm = change(view, nics=[nic | {"securityGroups": ["pages"]}])
    console.ask(f"head -c {PAYLOAD} /dev/zero > /srv/payload")

    def fetched() -> int:
        """How much the machine gets of the guest's payload."""
        with view.machine.connect(ipv4(vm), 80, 60) as door:
            door.sendall(b"GET /payload HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: door.recv(65536), b""))
        return len(answer.partition(b"\r\n\r\n")[2])

    def rates(**limits: str) -> tuple[float, float]:
        """What the guest receives from the world, and what it sends to the machine."""
        change(view, nics=[nic | {"securityGroups": ["pages"], "qos": limits or None}])
        wait_for("the limits", lambda: (limits_in_force(view, vm) == len(limits), limits), 20)
        received = bits_per_second(lambda: console.ask(f"wget -q -O - {url}/payload | wc -c"))
        return received, bits_per_second(fetched)

    with view.machine.serving(tmp_path, port=8002) as url:
        free_in, free_out = rates()
        slow_in, still_out = rates(ingressBitsPerSecond=LIMIT)
        still_in, slow_out = rates(egressBitsPerSecond=LIMIT)
        rates()
    change(view, nics=[nic])
    seen = f"in {free_in:.3g} {slow_in:.3g} {still_in:.3g}, out {free_out:.3g} {still_out:.3g} {slow_out:.3g}"
    assert max(slow_in, slow_out) < 2 * LIMIT_BITS, seen
    assert min(free_in, still_in, free_out, still_out) > 3 * LIMIT_BITS, seen


def limits_in_force(view: MachineView, vm: Manifest) -> int:
    """How many limits of the VM the database has."""
    return sum(row.startswith("QoS ") for row in view.northbound_rows(vm["metadata"]["uid"]))


def test_a_nic_moves_to_another_network_and_back(view: MachineView, console: GuestConsole) -> None:
    view.apply(LAN)
    lan, shared = view.wait_ready("lan", kind="network"), view.get("network", "default", SHARED)
    nic = first_nic(view)
    view.patch("virtualmachine", NAME, {"spec": {"nics": [nic | {"network": "lan"}]}})
    wait_for("the NIC in lan", lambda: nic_is_in(view, lan), 20)
    console.until("cat /sys/class/net/eth0/carrier", "0")
    view.wait_reason("virtualmachine", NAME, "WaitingForGuest")
    vm = view.wait_ready(NAME, reason="Running")
    console.until("ip -4 -o addr show eth0 | awk '{ print $4 }'", f"{ipv4(vm)}/24")
    assert ipv4(vm).startswith("10.123.0.")
    # an address of here is none of there: it stays here and says why
    stay = nic | {"network": "shared/default", "addresses": [ipv4(vm)]}
    view.patch("virtualmachine", NAME, {"spec": {"nics": [stay]}})
    said = view.wait_reason("virtualmachine", NAME, "AddressOutsideSubnet", type="NetworkReady")
    assert ipv4(vm) in said["message"]
    assert "quantix-shared/default" in said["message"]
    assert nic_is_in(view, lan)[0]
    assert view.wait_reason("virtualmachine", NAME, "AddressOutsideSubnet")["message"] == said["message"]
    view.patch("virtualmachine", NAME, {"spec": {"nics": [nic]}})
    wait_for("the NIC back again", lambda: nic_is_in(view, shared), 20)
    view.wait_reason("virtualmachine", NAME, "WaitingForGuest")
    back = view.wait_ready(NAME, reason="Running")
    console.until("ip -4 -o addr show eth0 | awk '{ print $4 }'", f"{ipv4(back)}/24")
    # nothing of it is left in lan, which can go
    view.machine.kubectl("delete", "network", "lan", "--timeout=20s")


def nic_is_in(view: MachineView, network: Manifest) -> tuple[bool, object]:
    nics = view.get("virtualmachine", NAME)["status"]["nics"]
    return nics[0]["network"] == network["metadata"]["uid"], nics
