"""A place for floating IPs: a network inside, one outside, a Router between them, hosts and a guest."""

from __future__ import annotations

from typing import Any

from quantix_api import FloatingIP, Host, Network, Router, VirtualMachine
from quantix_operator.floatingip.claims import record
from quantix_operator.floatingip.observed import Observed
from quantix_operator.floatingip.plan import Outcome, plan_floating_ip
from quantix_operator.floatingip.status import leads_to, ready_of
from quantix_operator.ipam.ledger import Ledger
from quantix_operator.router.claims import record as record_router
from quantix_operator.router.observed import Joined
from quantix_operator.router.observed import Observed as ObservedRouter
from quantix_operator.router.plan import plan_legs
from quantix_operator.topology.view import make_view

CLUSTER = "11111111-1111-4111-8111-111111111111"
HOME = "default"


def metadata(name: str, age: int = 0, **more: Any) -> dict[str, Any]:
    """Of an object; a greater `age` is a younger one."""
    created = f"2026-01-01T00:00:{age:02d}Z"
    return {"name": name, "namespace": HOME, "uid": f"uid-{name}", "creationTimestamp": created, **more}


def network(name: str, *cidrs: str, physical: str | None = None) -> Network:
    """A network with these subnets."""
    spec: dict[str, Any] = {"subnets": [{"cidr": cidr} for cidr in cidrs], "ipv6": "Disabled"}
    if physical is not None:
        spec["physical"] = {"name": physical}
    return Network.parse({"metadata": metadata(name), "spec": spec})


def outside(**subnet: Any) -> Network:
    """The network outside, on the way out of every host."""
    physical, subnets = {"name": "qx-local"}, [{"cidr": "10.78.0.0/24", **subnet}]
    return Network.parse({"metadata": metadata("out"), "spec": {"physical": physical, "subnets": subnets}})


def host(name: str, *wires: str, joined: bool = True, **spec: Any) -> Host:
    """A host with these wires."""
    spec["physicalNetworks"] = [{"name": wire, "interface": wire} for wire in wires]
    status = {"hostUID": name} if joined else {}
    return Host.parse({"metadata": {"name": name, "uid": f"uid-{name}"}, "spec": spec, "status": status})


def router(name: str = "r", age: int = 0, address: str | None = None, **more: Any) -> Router:
    """A Router between `lan` and `out`."""
    joined = {"name": "lan", **({"address": address} if address is not None else {})}
    spec = {"networks": [joined], "external": {"network": "out"}}
    return Router.parse({"metadata": metadata(name, age, **more), "spec": spec})


def guest(*addresses: str, on: str = "h1", nics: tuple[str, ...] = ("eth0",), **more: Any) -> VirtualMachine:
    """The VM web-1 on a host: each NIC has the address of its place, as far as there are any."""
    given = [
        {"name": nic, "network": "uid-lan", "port": f"port-{nic}", "mac": "m", "addresses": [address]}
        for nic, address in zip(nics, addresses, strict=False)
    ]
    return VirtualMachine.parse(
        {
            "metadata": metadata("web-1", **more),
            "spec": {"nics": [{"name": nic, "network": "lan"} for nic in nics]},
            "status": {"nics": given, "assignment": {"host": on, "epoch": 1}},
        }
    )


def floating(name: str = "fip", age: int = 0, status: Any = None, **spec: Any) -> FloatingIP:
    """A FloatingIP in `out`; what is None in `spec` is not there."""
    given = {member: value for member, value in spec.items() if value is not None}
    manifest = {"metadata": metadata(name, age), "spec": {"network": "out", **given}}
    return FloatingIP.parse({**manifest, "status": status or {}})


class Place:
    """What is there. Change it, then ask what becomes of a FloatingIP."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.inside = network("lan", "10.0.0.0/24")
        self.outside: Any = network("out", "10.78.0.0/24", physical="qx-local")
        self.routers = [router()]
        self.hosts = [host("h1")]
        self.vm: VirtualMachine | None = guest("10.0.0.5")

    def observed(self, floating_ip: FloatingIP, *rivals: FloatingIP) -> Observed:
        """What `observe` finds."""
        networks = [one for one in (self.inside, self.outside) if isinstance(one, Network)]
        for one in networks:
            self.ledger.join(make_view(CLUSTER, one))
        targeted = floating_ip.spec.virtual_machine is not None
        return Observed(
            cluster_uid=CLUSTER,
            floating_ip=floating_ip,
            outside=self.outside,
            vm=self.vm if targeted else None,
            networks={one.metadata.uid: one for one in networks},
            routers=tuple(map(self.around, self.routers)),
            rivals=rivals,
            hosts=tuple(self.hosts),
        )

    def around(self, one: Router) -> ObservedRouter:
        """A Router as `observe` finds it, programmed."""
        item = one.spec.networks[0]
        joined = Joined("lan", "spec.networks[0].address", item.address, self.inside)
        others = tuple(other for other in self.routers if other is not one and not other.deleting)
        outside = self.outside if isinstance(self.outside, Network) else None
        found = ObservedRouter(CLUSTER, one, (joined,), outside, others, tuple(self.hosts), ())
        record_router(one, plan_legs(found, self.ledger).held, self.ledger)
        return found

    def outcome(self, floating_ip: FloatingIP, *rivals: FloatingIP) -> Outcome:
        """What comes of it, recorded as the controller does it."""
        outcome = plan_floating_ip(self.observed(floating_ip, *rivals), self.ledger)
        record(floating_ip, outcome.held, self.ledger)
        return outcome

    def said(self, floating_ip: FloatingIP, *rivals: FloatingIP) -> tuple[str, str]:
        """Reason and message of its Ready."""
        ready = ready_of(floating_ip, self.outcome(floating_ip, *rivals))
        return ready.reason, ready.message

    def told(self, floating_ip: FloatingIP, *rivals: FloatingIP) -> FloatingIP:
        """It again, with the status that it gets."""
        outcome = self.outcome(floating_ip, *rivals)
        status = leads_to(outcome.attachment)
        if outcome.held is not None:
            status["address"] = outcome.held.addresses[0]
        return floating_ip.model_copy(update={"status": type(floating_ip.status).model_validate(status)})
