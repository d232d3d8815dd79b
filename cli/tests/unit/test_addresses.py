"""An address that no NIC would get is refused before the VM is written."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import NETWORKS, VIRTUAL_MACHINES, Resource
from quantix_cli.addressing import refuse_addresses, refuse_same_for_all
from quantix_cli.commands import changing_vm
from quantix_cli.exits import CommandError, Exit
from quantix_cli.session import Session
from quantix_cli.vm.devices import Device, attached
from quantix_client.api import ListResult
from quantix_client.errors import Forbidden, NotFound
from quantix_lab.qx_session import qx_session, typed

Manifest = dict[str, Any]
LAN: Manifest = {
    "subnets": [{"cidr": "10.9.0.0/24", "excludeRanges": [{"first": "10.9.0.200", "last": "10.9.0.209"}]}]
}
WEB: Manifest = {
    "metadata": {"name": "web-1", "namespace": "shop", "generation": 1, "resourceVersion": "7"},
    "spec": {},
}

CREATE = "vm create web --iso cd --cpu 1 --memory 1GiB --no-wait"
GIVEN: Manifest = {"name": "eth0", "network": "uid-lan", "addresses": ["10.9.0.7"]}


def network(spec: Manifest, subnets: tuple[str, ...] = ()) -> Manifest:
    metadata = {"name": "lan", "namespace": "quantix-shared", "uid": "uid-lan"}
    return {"metadata": metadata, "spec": spec, "status": {"subnets": list(subnets)}}


def nic(*addresses: str, name: str = "eth0", network: str = "shared/lan") -> Manifest:
    return {"name": name, "network": network} | ({"addresses": list(addresses)} if addresses else {})


def vm(name: str, *nics: Manifest, namespace: str = "shop", given: tuple[Manifest, ...] = ()) -> Manifest:
    metadata = {"name": name, "namespace": namespace}
    return {"metadata": metadata, "spec": {"nics": list(nics)}, "status": {"nics": list(given)}}


class Api:
    """Has one network and these VMs; `written` counts what came to it, `listed` how often it told all VMs."""

    def __init__(self, lan: Manifest, *vms: Manifest, forbids: tuple[Resource, ...] = ()) -> None:
        self.lan, self.vms, self.forbids = lan, vms, forbids
        self.written = self.listed = 0

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        if resource in self.forbids:
            raise Forbidden("may not look")
        if resource is NETWORKS and (namespace, name) != ("quantix-shared", "lan"):
            raise NotFound(f"{namespace}/{name}")
        return self.lan if resource is NETWORKS else {"metadata": {"name": name}}

    async def list(self, resource: Resource, namespace: str | None = None, **_: Any) -> ListResult:
        if resource in self.forbids:
            raise Forbidden("may not look")
        self.listed += resource is VIRTUAL_MACHINES
        return ListResult(list(self.vms) if resource is VIRTUAL_MACHINES else [], "1")

    async def create(self, *_: Any, **__: Any) -> Manifest:
        self.written += 1
        return WEB

    async def patch(self, *_: Any, **__: Any) -> Manifest:
        self.written += 1
        return WEB


def session(api: Api) -> Session:
    return qx_session(api, namespace="shop")


async def refusal(lan: Manifest, nics: list[Manifest], *vms: Manifest) -> str:
    with pytest.raises(CommandError) as refused:
        await refuse_addresses(session(Api(lan, *vms)), WEB, nics)
    assert refused.value.exit_code == Exit.REFUSED
    assert refused.value.hint.startswith("choose another address in --network NETWORK,address=ADDRESS")
    assert "by itself" not in refused.value.hint, "nothing was written that could"
    return str(refused.value)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("10.9.0.1", "is the gateway of network shared/lan, so"),
        ("10.9.0.0", "is the network address of network shared/lan, so"),
        ("10.9.0.255", "is the broadcast address of network shared/lan, so"),
        ("10.9.0.204", "is in excludeRanges of network shared/lan, so"),
        ("10.8.0.7", "is not in network shared/lan, which has 10.9.0.0/24, fd12::/64 (AddressOutsideSubnet)"),
        ("fd12::1", "is the gateway of network shared/lan, so"),
        ("fd13::7", "is not in network shared/lan, which has 10.9.0.0/24, fd12::/64 (AddressOutsideSubnet)"),
    ],
)
async def test_what_a_network_gives_nobody_is_refused(address: str, what: str) -> None:
    lan = network(LAN, ("10.9.0.0/24", "fd12::/64"))
    assert (await refusal(lan, [nic(address)])).startswith(f"Address {address} {what}")


async def test_a_network_without_a_subnet_gives_none() -> None:
    wire = network({"physical": {"name": "lab"}})
    said = await refusal(wire, [nic("10.9.0.7")])
    assert (
        said == "Address 10.9.0.7 is not in network shared/lan, which has no subnet (AddressOutsideSubnet)."
    )


@pytest.mark.parametrize(
    ("nics", "others", "user"),
    [
        ([nic("10.9.0.7")], [vm("web-2", nic("10.9.0.7"))], "VM shop/web-2"),
        ([nic("fd12::0:7")], [vm("web-2", nic("fd12:0::7"))], "VM shop/web-2"),
        (
            [nic("10.9.0.7")],
            [vm("web-2", nic(), given=(GIVEN,))],
            "VM shop/web-2",
        ),
        ([nic("10.9.0.7")], [vm("web-1", nic("10.9.0.7"), namespace="other")], "VM other/web-1"),
        ([nic("10.9.0.7"), nic("10.9.0.7", name="eth1")], [], "NIC eth1"),
    ],
    ids=["asked for", "written otherwise", "given", "of another namespace", "twice in one VM"],
)
async def test_what_another_has_is_refused(nics: list[Manifest], others: list[Manifest], user: str) -> None:
    said = await refusal(network(LAN, ("fd12::/64",)), nics, *others)
    assert said.endswith(f"in network shared/lan belongs to {user} (AddressInUse).")


@pytest.mark.parametrize(
    ("api", "nics", "before"),
    [
        (Api(network(LAN), vm("web-2", nic("10.9.0.8"))), [nic("10.9.0.7")], []),
        (Api(network(LAN), vm("web-1", nic("10.9.0.7"))), [nic("10.9.0.7")], []),
        (Api(network(LAN), vm("web-2", nic("10.9.0.7", network="lan"))), [nic("10.9.0.7")], []),
        (Api(network(LAN)), [nic("fd99::7")], []),
        (Api(network(LAN)), [nic("10.9.0.999")], []),
        (Api(network(LAN)), [nic("10.9.0.1") | {"securityGroups": ["web"]}], [nic("10.9.0.1")]),
        (Api(network(LAN), forbids=(NETWORKS,)), [nic("10.9.0.1")], []),
        (Api(network(LAN), forbids=(VIRTUAL_MACHINES,)), [nic("10.9.0.7")], []),
        (Api(network(LAN)), [nic("10.9.0.1", network="lan")], []),
    ],
    ids=[
        "free", "its own", "in another network", "in a subnet that is still to come", "no address",
        "it was so before", "networks are not shown", "VMs are not shown", "no such network",
    ],
)  # fmt: skip
async def test_what_may_be_given_is_left_to_the_operator(
    api: Api, nics: list[Manifest], before: list[Manifest]
) -> None:
    await refuse_addresses(session(api), WEB, nics, before)


async def test_an_address_that_another_nic_of_the_vm_was_given_is_refused() -> None:
    own = vm("web-1", nic(), given=(GIVEN,))
    wanted = nic("10.9.0.7", name="eth1")
    asking = session(Api(network(LAN), own))
    with pytest.raises(CommandError, match=r"belongs to NIC eth0 \(AddressInUse\)"):
        await refuse_addresses(asking, own, [nic(), wanted], [nic()])
    # what is to be kept may be written down, and what goes is free
    await refuse_addresses(asking, own, [nic("10.9.0.7")], [nic()])
    await refuse_addresses(asking, own, [wanted], [nic()])


async def test_without_an_address_nothing_is_asked() -> None:
    api = Api(network(LAN))
    await refuse_addresses(session(api), WEB, [nic()])
    assert api.listed == 0


async def test_a_vm_with_such_an_address_is_not_made_and_a_nic_does_not_come() -> None:
    api = Api(network(LAN))
    with pytest.raises(CommandError, match=r"is the gateway of network shared/lan"):
        await typed(session(api), f"{CREATE} --network shared/lan,address=10.9.0.1")
    device = Device(network="shared/lan,address=10.9.0.255")
    with pytest.raises(CommandError, match=r"is the broadcast address of network shared/lan"):
        await changing_vm.write_vm(session(api), WEB, lambda live: attached(live, device))
    assert api.written == 0


@pytest.mark.parametrize("detail", ["address=10.9.0.7", "mac=02:00:00:00:00:01"])
async def test_several_vms_cannot_share_what_is_for_one(detail: str) -> None:
    api = Api(network(LAN))
    with pytest.raises(CommandError, match=f"2 VMs cannot share {detail.replace('=', ' ')}") as refused:
        await typed(session(api), f"{CREATE} --count 2 --network shared/lan,{detail}")
    assert (refused.value.exit_code, api.written) == (Exit.USAGE, 0)
    refuse_same_for_all([vm("web-1", nic("10.9.0.7"))])
    refuse_same_for_all([vm("web-1", nic()), vm("web-2", nic())])


@pytest.mark.parametrize(
    "command",
    [
        "floatingip create web --network shared/lan --address 10.8.0.7",
        "router create r1 --network shared/lan --external shared/lan --address 10.8.0.7",
    ],
)
async def test_who_else_asks_for_an_address_is_refused_before_too(command: str) -> None:
    api = Api(network(LAN))
    with pytest.raises(CommandError) as refused:
        await typed(session(api), command)
    assert (refused.value.exit_code, api.written) == (Exit.REFUSED, 0)
    assert "Address 10.8.0.7 is not in network shared/lan, which has 10.9.0.0/24" in str(refused.value)
    assert refused.value.hint.startswith("choose another address in --address ADDRESS")
