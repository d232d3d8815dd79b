"""The names of the guests of a Network."""

from __future__ import annotations

from quantix_api import VirtualMachine
from quantix_operator.network.names import dns_records, guest_hostname, named_ports


def machine(
    name: str, address: str, hostname: str | None = None, created: str = "2026-01-01"
) -> VirtualMachine:
    cloud_init = {"cloudInit": {"hostname": hostname}} if hostname else {}
    return VirtualMachine.parse(
        {
            "metadata": {
                "name": name,
                "namespace": "default",
                "uid": f"uid-{name}",
                "creationTimestamp": f"{created}T00:00:00Z",
            },
            "spec": {"instanceType": "small", **cloud_init},
            "status": {"nics": [{"name": "eth0", "network": "uid-net", "addresses": [address]}]},
        }
    )


def test_names_go_both_ways_and_the_elder_has_a_name_twice_asked_for() -> None:
    machines = [
        machine("b", "10.0.0.6", hostname="web", created="2026-01-02"),
        machine("a.example", "10.0.0.5", hostname="Web"),
        machine("c.example", "10.0.0.7"),
        machine("elsewhere", "10.9.0.7"),
    ]
    ports = [port for vm in machines[:3] for port in named_ports(vm, "uid-net")]
    assert dns_records(ports, "quantix.internal") == {
        "web.default.quantix.internal": "10.0.0.5",
        "5.0.0.10.in-addr.arpa": "web.default.quantix.internal",
        "c.default.quantix.internal": "10.0.0.7",
        "7.0.0.10.in-addr.arpa": "c.default.quantix.internal",
    }
    assert list(named_ports(machines[3], "uid-other")) == []


def test_a_hostname_is_a_label() -> None:
    assert guest_hostname(machine("a" * 62 + "-" + "b" * 20, "10.0.0.5")) == "a" * 62
