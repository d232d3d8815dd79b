"""A `create` that comes to nothing ends at once, and says what is there and what to type."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.messages import render
from quantix_api.resources import IMAGES, Resource
from quantix_cli.commands import creating_vm, making
from quantix_cli.exits import CommandError, Exit
from quantix_cli.left_behind import telling_what_stays, telling_what_stays_in
from quantix_cli.nouns import NOUNS
from quantix_cli.session import Session
from quantix_cli.waiting import until
from quantix_client.errors import NotFound
from quantix_lab.qx_session import qx_session

Manifest = dict[str, Any]
NIC = {"name": "eth0", "network": "shared/default", "addresses": ["10.9.0.7"]}
GONE = render("ImageUnreachable", server="a.example", code=404, file="x.qcow2")
UNREACHABLE = f"{GONE.sentence[:-1]}; asked again in 10 s. Try: {GONE.hint}."


def conditions(reason: str, message: str, *, stalled: bool = False, generation: int = 1) -> list[Manifest]:
    ready: Manifest = {"type": "Ready", "status": "False", "reason": reason, "message": message}
    ready |= {"observedGeneration": generation}
    return [ready, {**ready, "type": "Stalled", "status": "True"}] if stalled else [ready]


def obj(name: str, spec: Manifest, said: list[Manifest], **status: Any) -> Manifest:
    metadata = {"name": name, "namespace": "shop", "generation": 1}
    return {"metadata": metadata, "spec": spec, "status": {"conditions": said, **status}}


class Api:
    """Whatever is made there becomes `made`; it has these images, too."""

    def __init__(self, made: Manifest, *images: Manifest) -> None:
        self.made, self.images = made, images

    async def create(self, *_: Any, **__: Any) -> Manifest:
        return self.made

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        if resource is not IMAGES:
            return self.made
        found = next((one for one in (self.made, *self.images) if one["metadata"]["name"] == name), None)
        if found is None:
            raise NotFound(f"{namespace}/{name}")
        return found


def session(api: Api) -> Session:
    return qx_session(api, namespace="shop", timeout_s=60.0)


async def refusal(vm: Manifest, *images: Manifest) -> CommandError:
    """How `qx vm create` ends."""
    asking = session(Api(vm, *images))
    began_s = asking.clock.monotonic()
    with pytest.raises(CommandError) as ended:
        await creating_vm.make_vm(asking, vm, wait=True, login=False)
    # what is waited for has 60 s, and what fits nowhere 10 s
    assert asking.clock.monotonic() - began_s < 11.0
    return ended.value


async def test_a_vm_whose_address_is_refused_stays_and_can_be_mended() -> None:
    said = "Address 10.9.0.7 is the gateway of network lan. Try: choose another address in spec.nics[0]."
    ended = await refusal(
        obj("web-1", {"nics": [NIC]}, conditions("AddressOutsideSubnet", said, stalled=True))
    )
    assert str(ended) == "Address 10.9.0.7 is the gateway of network lan. VM web-1 stays."
    assert ended.hint == (
        "qx vm detach web-1 eth0, then qx vm attach web-1 --network shared/default,address=ANOTHER; "
        "qx vm delete web-1 removes it"
    )


@pytest.mark.parametrize(
    ("reason", "nics", "mends"),
    [
        ("AddressInUse", [NIC], "qx vm detach web-1 eth0, then qx vm attach web-1 --network shared/"),
        ("AddressInUse", [NIC, {**NIC, "name": "eth1"}], "qx vm detach web-1 NIC, then qx vm attach web-1 "),
        ("MACInUse", [{**NIC, "mac": "02:00:00:00:00:01"}], "qx vm detach web-1 eth0, then qx vm"),
        ("PoolFull", [NIC], "delete volumes; qx vm delete web-1 removes it"),
    ],
)
async def test_what_another_has_ends_the_wait_and_goes_on_once_it_is_free(
    reason: str, nics: list[Manifest], mends: str
) -> None:
    said = conditions(reason, "web-2 has it. Try: delete volumes.")
    ended = await refusal(obj("web-1", {"nics": nics}, said))
    assert (ended.exit_code, str(ended)) == (
        Exit.FAILED,
        "web-1 waits: web-2 has it. It goes on by itself once that is done.",
    )
    assert ended.hint.startswith(mends)
    assert ended.hint.endswith("; qx vm delete web-1 removes it")


def image(said: list[Manifest], data: str = "Absent") -> Manifest:
    return obj("debian", {"url": "http://a.example/x.qcow2"}, said, data=data)


async def test_an_image_that_its_server_does_not_have_is_not_waited_for() -> None:
    lost = image(conditions("ImageUnreachable", UNREACHABLE))
    with pytest.raises(CommandError) as ended, telling_what_stays(NOUNS["image"], "debian"):
        await making._until_ready(session(Api(lost)), NOUNS["image"], lost)
    assert ended.value.exit_code == Exit.REFUSED
    assert str(ended.value) == (
        "debian waits: a.example answered 404 for x.qcow2; asked again in 10 s. "
        "It goes on by itself once the file comes."
    )
    assert ended.value.hint == f"{GONE.hint}; qx image delete debian removes it"


async def test_a_download_that_broke_off_is_waited_for() -> None:
    broken = image(conditions("ImageUnreachable", UNREACHABLE), data="Present")
    asking = session(Api(broken))
    with pytest.raises(CommandError) as ended:
        await making._until_ready(asking, NOUNS["image"], broken)
    assert ended.value.exit_code == Exit.TIMED_OUT


@pytest.mark.parametrize(
    "spec",
    [{"disks": [{"name": "root", "image": "debian"}]}, {"cdroms": [{"name": "cd", "image": "debian"}]}],
)
async def test_a_vm_is_not_waited_for_while_its_image_comes_from_nowhere(spec: Manifest) -> None:
    said = conditions("ImageUnreachable", UNREACHABLE)
    ended = await refusal(obj("web-1", spec, said), image(said))
    assert str(ended).startswith("web-1 waits: a.example answered 404 for x.qcow2; asked again")


async def test_an_image_that_cannot_be_looked_at_is_waited_for() -> None:
    vm = obj("web-1", {"disks": [{"image": "shared/x"}]}, conditions("ImageUnreachable", UNREACHABLE))
    with pytest.raises(CommandError) as ended:
        await until(session(Api(vm)), NOUNS["vm"], vm, lambda _: False)
    assert ended.value.exit_code == Exit.TIMED_OUT


async def test_a_pool_that_is_refused_is_named() -> None:
    said = "box has no directory /srv/x. Try: mkdir -p /srv/x on box."
    pool = obj("fast", {}, conditions("DirectoryMissing", said, stalled=True))
    with pytest.raises(CommandError) as ended, telling_what_stays(NOUNS["pool"], "fast"):
        await making._until_ready(session(Api(pool)), NOUNS["pool"], pool)
    assert str(ended.value) == "box has no directory /srv/x. Pool fast stays."
    assert ended.value.hint == "mkdir -p /srv/x on box; qx pool delete fast removes it"


async def test_a_way_out_that_removes_it_is_not_told_twice() -> None:
    said = "box keeps nothing there. Try: qx pool delete fast, then qx pool create fast --path DIR."
    pool = obj("fast", {}, conditions("PathRefused", said, stalled=True))
    with pytest.raises(CommandError) as ended, telling_what_stays(NOUNS["pool"], "fast"):
        await making._until_ready(session(Api(pool)), NOUNS["pool"], pool)
    assert ended.value.hint == "qx pool delete fast, then qx pool create fast --path DIR"


async def test_a_device_that_does_not_come_can_be_taken_out() -> None:
    said = "Address 10.9.0.7 belongs to VM other/web-2. Try: choose another address."
    vm = obj("web-1", {"nics": [NIC]}, conditions("AddressInUse", said))
    with pytest.raises(CommandError) as ended, telling_what_stays_in("web-1", "eth0"):
        await until(session(Api(vm)), NOUNS["vm"], vm, lambda _: False)
    assert ended.value.hint == "choose another address; qx vm detach web-1 eth0 takes it out"
