"""A name that means nothing is refused before anything is written, with the nearest that does."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from quantix_api.resources import Resource
from quantix_cli import fetch
from quantix_cli.commands import changing_vm
from quantix_cli.exits import CommandError, Exit
from quantix_cli.mentions import Mention, mentions, new_mentions
from quantix_cli.session import Session
from quantix_cli.vm.changes import Wanted, patch_of
from quantix_cli.vm.devices import Device, attached
from quantix_client.api import ListResult
from quantix_client.errors import Forbidden, NotFound
from quantix_lab.qx_session import qx_session, typed

Manifest = dict[str, Any]
Act = Callable[[Session], Awaitable[Any]]
ALLOWS: Manifest = {"ingress": [{"from": [{"cidr": "10.0.0.0/8"}, {"group": "web-2"}]}]}
ENCRYPTED: Manifest = {"size": "1Gi", "encryption": {"secretRef": {"name": "kye", "key": "passphrase"}}}
NIC = {"name": "eth0", "network": "old"}
VM: Manifest = {
    "metadata": {"name": "web-1", "namespace": "shop", "generation": 1, "resourceVersion": "7"},
    "spec": {"instanceType": "gone", "disks": [{"name": "root", "pool": "gone"}], "nics": [NIC]},
}
FREE: Manifest = {
    "metadata": {"name": "files", "namespace": "shop", "generation": 1},
    "spec": {"size": "1Gi"},
}
THERE = {
    "images": ("quantix-shared/tiny",),
    "networks": ("quantix-shared/default", "shop/web"),
    "securitygroups": ("shop/web",),
    "instancetypes": ("small",),
    "storagepools": ("fast", "local"),
    "volumes": ("shop/files",),
    "secrets": ("shop/key",),
    "namespaces": ("shop",),
}


class Api:
    """Has what THERE says, and forbids what it is told to; `written` counts what came to it."""

    def __init__(self, *, forbids: tuple[str, ...] = (), lists: bool = True) -> None:
        self.forbids = forbids
        self.lists = lists
        self.written = 0
        self.listed: list[str] = []

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        self._judge(resource)
        if f"{namespace}/{name}" == "shop/web-1":
            return VM
        if f"{namespace}/{name}" == "shop/files":
            return FREE
        if (f"{namespace}/{name}" if namespace else name) not in THERE[resource.plural]:
            raise NotFound(f"there is no {name}")
        return {"metadata": {"name": name}}

    async def list(self, resource: Resource, namespace: str | None = None, **_: Any) -> ListResult:
        self._judge(resource)
        self.listed.append(resource.plural)
        if not self.lists:
            raise Forbidden("may not list")
        keys = [key.rpartition("/")[::2] for key in THERE[resource.plural]]
        found: list[Manifest] = [
            {"metadata": {"name": n, "namespace": s or None}, "spec": {"default": n == "local"}}
            for s, n in keys
            if s == (namespace or "")
        ]
        return ListResult(found or [{"metadata": {"name": "other", "namespace": namespace}}], "1")

    async def patch(self, *_: Any, **__: Any) -> Manifest:
        self.written += 1
        return VM

    create = patch

    def _judge(self, resource: Resource) -> None:
        if resource.plural in self.forbids:
            raise Forbidden("may not look")


session = partial(qx_session, namespace="shop")


def create(options: str, image: str = "shared/tiny", kind: str = "small", network: str = "web") -> Act:
    of = f"--image {image} " if image else ""
    words = f"vm create new {of}--type {kind} --network {network} {options} --no-wait"
    return lambda asking: typed(asking, words)


def attach(options: str) -> Act:
    return lambda asking: typed(asking, f"vm attach web-1 {options} --no-wait")


def change(**wanted: Any) -> Act:
    said = Wanted(**wanted)
    return lambda asking: changing_vm._change(asking, VM, lambda live: patch_of(live, said), False)


def named(word: str, spec: Manifest, name: str = "new") -> Act:
    """A `qx WORD create NAME`, up to what is sent."""
    return lambda asking: fetch.refuse_missing(asking, "shop", spec, own=Mention(word, name))


def move(pool: str) -> Act:
    return lambda asking: typed(asking, f"volume move files --pool {pool} --no-wait")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (create("", image="tiny"), "There is no image tiny here. Did you mean shared/tiny?"),
        (create("", kind="smal"), "There is no instance type smal here. Did you mean small?"),
        (create("--pool fats"), "There is no pool fats here. Did you mean fast?"),
        (create("--disk 5GiB,pool=lcal"), "There is no pool lcal here. Did you mean local?"),
        (create("", network="wbe"), "There is no network wbe here. Did you mean web?"),
        (create("--group wbe"), "There is no security group wbe here. Did you mean web?"),
        (create("--iso shared/tiyn"), "There is no image shared/tiyn here. Did you mean shared/tiny?"),
        (attach("--network default"), "There is no network default here. Did you mean shared/default?"),
        (attach("--volume nope"), "There is no volume nope here."),
        (attach("--iso tiny"), "There is no image tiny here. Did you mean shared/tiny?"),
        (attach("--disk 1GiB,pool=fats"), "There is no pool fats here. Did you mean fast?"),
        (change(groups=("wbe",)), "There is no security group wbe here. Did you mean web?"),
        (change(instance_type="smal"), "There is no instance type smal here. Did you mean small?"),
        (create("--user-data-secret kye/config"), "There is no Secret kye here."),
        (named("volume", ENCRYPTED), "There is no Secret kye here."),
        (named("securitygroup", ALLOWS), "There is no security group web-2 here. Did you mean web?"),
        (move("fsat"), "There is no pool fsat here. Did you mean fast?"),
    ],
)  # fmt: skip
async def test_what_is_not_there_is_refused_before_anything_is_sent(act: Act, said: str) -> None:
    api = Api()
    with pytest.raises(CommandError) as refused:
        await act(session(api))
    assert (refused.value.exit_code, refused.value.message) == (Exit.NOT_FOUND, said)
    assert api.written == 0


class Disks(Api):
    """Of which every image is a disk."""

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        found = await super().get(resource, name, namespace)
        return found | {"spec": {"format": "Auto"}, "status": {"format": "Qcow2"}}


@pytest.mark.parametrize("act", [attach("--iso shared/tiny"), create("--iso shared/tiny", image="")])
async def test_a_disk_is_not_put_into_a_drive(act: Act) -> None:
    api = Disks()
    with pytest.raises(CommandError, match=r"shared/tiny is a disk \(Qcow2\), not a medium for a drive\."):
        await act(session(api))
    assert api.written == 0


async def test_a_secret_that_is_there_or_that_nobody_may_look_for_is_named_and_none_is_listed() -> None:
    for api, name in ((Api(), "key"), (Api(forbids=("secrets",)), "kye")):
        await create(f"--user-data-secret {name}")(session(api))
        assert api.written == 1
    missing = Api()
    with pytest.raises(CommandError) as refused:
        await create("--user-data-secret kye")(session(missing))
    assert refused.value.hint == "kubectl get secrets -n shop"
    assert "secrets" not in missing.listed


async def test_a_group_may_name_itself_from_the_beginning() -> None:
    await named("securitygroup", ALLOWS, name="web-2")(session(Api()))


@pytest.mark.parametrize("api", [Api(forbids=("networks", "images")), Api(lists=False)], ids=["look", "list"])
@pytest.mark.parametrize("act", [attach("--network nope"), create("", image="nope", network="nope")])
async def test_who_may_not_look_is_refused_by_nobody_but_the_api(api: Api, act: Act) -> None:
    api.written = 0
    await act(session(api))
    assert api.written == 1


async def test_what_was_named_before_is_not_asked_for() -> None:
    patch = attached(VM, Device(network="web"))["spec"]
    assert new_mentions(patch, VM["spec"]) == [Mention("network", "web")]
    await fetch.refuse_missing(session(Api()), "shop", patch, VM["spec"])
    with pytest.raises(CommandError, match="no network old"):
        await fetch.refuse_missing(session(Api()), "shop", patch)


def test_every_kind_names_others_in_its_own_places() -> None:
    volume = {"source": {"volume": "files"}, "pool": "fast", "encryption": {"secretRef": {"name": "key"}}}
    expected = [Mention("volume", "files"), Mention("pool", "fast"), Mention("secret", "key")]
    assert mentions(volume) == expected
    router = {"networks": [{"name": "web"}, {"name": "db"}], "external": {"network": "shared/outside"}}
    assert [name for _, name in mentions(router)] == ["web", "db", "shared/outside"]


def test_the_group_that_the_operator_makes_is_not_asked_for() -> None:
    assert mentions({"nics": [{"name": "eth0", "securityGroups": ["default", "web"]}]}) == [
        Mention("securitygroup", "web")
    ]


REFUSED_IMAGE = "a.example leads to 127.0.0.1, an address of this host. Try: qx image upload."


class Refused(Api):
    """Has images that their host has refused."""

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        found = await super().get(resource, name, namespace)
        if resource.plural != "images":
            return found
        said = {"reason": "AddressRefused", "message": REFUSED_IMAGE}
        conditions = [
            {"type": "Ready", "status": "False"} | said,
            {"type": "Stalled", "status": "True"} | said,
        ]
        return {**found, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    "act",
    [
        create("", network="none"),
        lambda asking: typed(asking, "volume create new --image shared/tiny --no-wait"),
        lambda asking: fetch.refuse_missing(asking, "shop", {"cdroms": [{"image": "shared/tiny"}]}),
    ],
    ids=["a VM", "a volume", "a drive"],
)
async def test_nothing_is_made_of_an_image_that_was_refused(act: Act) -> None:
    api = Refused()
    with pytest.raises(CommandError, match=r"Nothing comes of image shared/tiny: a.example leads") as ended:
        await act(session(api))
    assert (ended.value.exit_code, ended.value.hint) == (Exit.REFUSED, "qx image upload")
    assert api.written == 0


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("debian.iso", "There is no image debian.iso here."),
        ("my disk.qcow2", "There is no image my disk.qcow2 here."),
        ("./debian.iso", "./debian.iso is a file, not an image."),
    ],
)
async def test_a_file_that_is_named_as_an_image_is_to_be_uploaded(
    written: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(written).touch()
    there = qx_session(Api(), namespace="shop")
    for refuse in (
        typed(there, f"vm create new --iso {shlex.quote(written)}"),
        typed(there, f"vm create new --image {shlex.quote(written)}"),
        typed(there, f"volume create new --image {shlex.quote(written)}"),
        typed(there, f"vm attach web-1 --iso {shlex.quote(written)}"),
    ):
        with pytest.raises(CommandError) as refused:
            await refuse
        assert (refused.value.message, refused.value.exit_code) == (said, Exit.NOT_FOUND)
        assert refused.value.hint == f"qx image upload {shlex.quote(written)}"


async def test_what_is_neither_an_image_nor_a_file_stays_what_it_is() -> None:
    with pytest.raises(CommandError) as refused:
        await fetch.image(qx_session(Api(), namespace="shop"), "tiny")
    assert refused.value.message == "There is no image tiny here. Did you mean shared/tiny?"
    assert refused.value.hint == "qx image list 'shared/*'"
