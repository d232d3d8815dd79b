"""An address is nobody else's before its floating IP has let go of it."""

from __future__ import annotations

from itertools import count
from typing import Any

from quantix_api import VirtualMachine
from quantix_api.resources import NAMESPACES, NETWORKS, QUANTIX_RESOURCES, VIRTUAL_MACHINES
from quantix_operator.cache import Cache
from quantix_operator.ipam.ledger import Ledger
from quantix_operator.nics.feed import LedgerFeed
from quantix_operator.nics.ports import NicPorts
from quantix_operator.objects import Objects
from quantix_operator.virtualmachine.ports import NicsResult

CLUSTER = "11111111-1111-4111-8111-111111111111"
SUBNET = {"cidr": "10.0.0.0/29"}


class Database:
    """Holds any ports; `led_to` is what floating IPs are translated to, by the UID of the VM."""

    cluster_uid = CLUSTER

    def __init__(self) -> None:
        self.led_to: dict[str, frozenset[str]] = {}

    async def ports(self, _: str) -> list[Any]:
        return []

    async def converge(self, *_: Any, **__: Any) -> int:
        return 0

    async def translated_to(self, target_uid: str) -> frozenset[str]:
        return self.led_to.get(target_uid, frozenset())


class Place:
    """A network and VMs with a NIC each."""

    def __init__(self) -> None:
        self.versions = count(1)
        self.cache = Cache((*QUANTIX_RESOURCES, NAMESPACES))
        self.objects = Objects(self.cache)
        self.ledger = Ledger(self.objects.takes_in)
        self.database = Database()
        api: Any = None
        database: Any = self.database
        feed = LedgerFeed(self.cache, self.objects, self.ledger, CLUSTER)
        self.ports = NicPorts(api, self.objects, database, self.ledger, feed)
        metadata = {"name": "lan", "namespace": "a", "uid": "uid-lan"}
        self.cache.put(NETWORKS, {"metadata": metadata, "spec": {"subnets": [SUBNET], "ipv6": "Disabled"}})

    def vm(self, name: str, *addresses: str, nics: tuple[str, ...] = ("eth0",)) -> VirtualMachine:
        """A VM whose NICs ask for these addresses."""
        wanted = [
            {"name": nic, "network": "lan", "addresses": [address], "securityGroups": []}
            for nic, address in zip(nics, addresses, strict=True)
        ]
        spec = {"cpu": {"cores": 1}, "memory": {"size": "1Gi"}, "nics": wanted}
        version = str(next(self.versions))
        metadata = {"name": name, "namespace": "a", "uid": f"uid-{name}", "resourceVersion": version}
        self.cache.put(VIRTUAL_MACHINES, {"metadata": metadata, "spec": spec})
        vm = self.objects.get(VirtualMachine, f"a/{name}")
        assert vm is not None
        return vm

    async def ensure(self, name: str, *addresses: str, nics: tuple[str, ...] = ("eth0",)) -> NicsResult:
        """What comes of the NICs of such a VM."""
        return await self.ports.ensure_ports(self.vm(name, *addresses, nics=nics))


async def test_the_address_of_a_deleted_vm_waits_for_its_floating_ip() -> None:
    place = Place()
    vm = place.vm("web", "10.0.0.2")
    assert (await place.ports.ensure_ports(vm)).ready
    place.database.led_to["uid-web"] = frozenset({"10.0.0.2"})
    assert not await place.ports.release_ports(vm)
    assert (await place.ensure("next", "10.0.0.2")).reason == "AddressInUse"
    place.database.led_to.clear()
    assert await place.ports.release_ports(vm)


async def test_the_address_of_a_nic_that_is_taken_out_waits_for_its_floating_ip() -> None:
    place = Place()
    assert (await place.ensure("web", "10.0.0.2", "10.0.0.3", nics=("eth0", "eth1"))).ready
    place.database.led_to["uid-web"] = frozenset({"10.0.0.3"})
    without = await place.ensure("web", "10.0.0.2")
    assert (without.ready, without.retry_after_s) == (True, 2.0)
    assert (await place.ensure("next", "10.0.0.3")).reason == "AddressInUse"
    place.database.led_to.clear()
    assert (await place.ensure("web", "10.0.0.2")).retry_after_s is None
    assert (await place.ensure("next", "10.0.0.3")).ready


async def test_an_address_that_a_nic_gave_up_waits_for_its_floating_ip() -> None:
    place = Place()
    assert (await place.ensure("web", "10.0.0.2")).ready
    place.database.led_to["uid-web"] = frozenset({"10.0.0.2"})
    changed = await place.ensure("web", "10.0.0.3")
    assert changed.nics[0].addresses == ("10.0.0.3",)
    assert changed.retry_after_s == 2.0
    assert (await place.ensure("next", "10.0.0.2")).reason == "AddressInUse"
    place.database.led_to["uid-web"] = frozenset({"10.0.0.3"})
    assert (await place.ensure("web", "10.0.0.3")).retry_after_s is None
    assert (await place.ensure("next", "10.0.0.2")).ready


async def test_a_nic_may_have_again_what_it_gave_up() -> None:
    place = Place()
    assert (await place.ensure("web", "10.0.0.2")).ready
    place.database.led_to["uid-web"] = frozenset({"10.0.0.2"})
    assert (await place.ensure("web", "10.0.0.3")).ready
    back = await place.ensure("web", "10.0.0.2")
    assert (back.ready, back.retry_after_s) == (True, None)
    assert (await place.ensure("next", "10.0.0.3")).ready


async def test_an_address_that_nothing_leads_to_is_free_at_once() -> None:
    place = Place()
    assert (await place.ensure("web", "10.0.0.2")).ready
    assert (await place.ensure("web", "10.0.0.3")).retry_after_s is None
    assert (await place.ensure("next", "10.0.0.2")).ready
