"""An upload that comes to nothing says that its Image is there, and how to go on or to be rid of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from quantix_api.disk_image import ImageFormat
from quantix_cli import uploading
from quantix_cli.commands.images import use_of
from quantix_cli.exits import CommandError, Exit
from quantix_cli.naming import Name
from quantix_cli.sending import Parcel
from quantix_cli.session import Session
from quantix_client.errors import Forbidden, NotFound
from quantix_lab.qx_session import Looks, qx_session

Manifest = dict[str, Any]
BOOTABLE = bytes(510) + b"\x55\xaa" + bytes(512)
SENT = uploading.Sent("sum", ImageFormat.RAW)


def image(namespace: str, *conditions: Manifest) -> Manifest:
    metadata = {"name": "mine", "namespace": namespace, "generation": 1}
    return {"metadata": metadata, "spec": {"upload": {}}, "status": {"conditions": list(conditions)}}


def session(namespace: str, *later: Manifest) -> Session:
    """With the Image, which says this once it is looked at again."""
    return qx_session(Looks(image(namespace), image(namespace, *later)), namespace=namespace)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "my disk.raw"
    made.write_bytes(BOOTABLE)
    return made


AWAY = CommandError(Exit.UNREACHABLE, "hostd on h1 does not answer.")


@pytest.mark.parametrize(
    ("namespace", "error", "named"),
    [
        ("shop", AWAY, "mine"),
        ("quantix-shared", AWAY, "shared/mine"),
    ],
    ids=["broken off", "shared"],
)
async def test_what_was_not_sent_can_be_gone_on_with_or_removed(
    namespace: str,
    error: BaseException,
    named: str,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def breaks_off(*_: Any) -> str:
        raise error

    monkeypatch.setattr(uploading, "send", breaks_off)
    with pytest.raises(type(error)):
        await uploading.upload(session(namespace), file, "mine", {"upload": {}})
    assert capsys.readouterr().err == (
        f"Image {named} stays without content: qx image upload '{file}' --name {named} goes on, "
        f"qx image delete {named} removes it.\n"
    )


async def test_an_interrupted_upload_says_how_it_is_gone_on_with_and_not_that_it_goes_on(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted(*_: Any) -> str:
        raise asyncio.CancelledError

    monkeypatch.setattr(uploading, "send", interrupted)
    here = session("shop")
    with pytest.raises(asyncio.CancelledError):
        await uploading.upload(here, file, "mine", {"upload": {}})
    said = here.begun.interrupted()
    assert said is not None
    assert said.message == (
        f"Stopped sending. Image mine stays without content: qx image upload '{file}' --name mine goes on, "
        "qx image delete mine removes it."
    )


async def test_what_the_host_refuses_can_only_be_removed(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def sent(*_: Any) -> str:
        return "sum"

    monkeypatch.setattr(uploading, "send", sent)
    refused = [
        {"type": "Ready", "status": "False", "reason": "ImageRefused", "message": "It names a file."},
        {"type": "Stalled", "status": "True"},
    ]
    with pytest.raises(CommandError, match="It names a file"):
        await uploading.upload(session("shop", *refused), file, "mine", {"upload": {}})
    assert capsys.readouterr().err.splitlines()[-1] == "Image mine stays; qx image delete mine removes it."


async def test_an_upload_that_goes_on_says_that_it_changes_no_login_user(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def sent(*_: Any) -> str:
        return "sum"

    monkeypatch.setattr(uploading, "send", sent)
    wish = {"upload": {}, "loginUser": "debian"}
    assert await uploading.upload(session("shop"), file, "mine", wish, wait=False) == SENT
    assert "qx image set mine --login-user debian" in capsys.readouterr().err
    assert uploading.other_login_user({"spec": {"loginUser": "debian"}}, wish) == ""


def volume(*conditions: Manifest, **spec: Any) -> Manifest:
    metadata = {"name": "web-1", "namespace": "shop", "generation": 1}
    source: Manifest = {"source": {"upload": {}}}
    status = {"host": "h1", "conditions": list(conditions)}
    return {"metadata": metadata, "spec": source | spec, "status": status}


class Writing:
    """Has no such volume until one is made, which its host then makes."""

    def __init__(self, later: Manifest) -> None:
        self.made: Manifest = {}
        self._later = later

    async def get(self, *_: Any) -> Manifest:
        if not self.made:
            raise NotFound("there is none")
        return self._later

    async def list(self, *_: Any) -> Manifest:
        raise Forbidden("a user of this namespace reads no pools")

    async def create(self, _: Any, manifest: Manifest, **__: Any) -> Manifest:
        self.made = manifest
        return volume(**{key: value for key, value in manifest["spec"].items() if key != "source"})


@pytest.mark.parametrize(("asked", "size"), [({}, "1Ki"), ({"size": "1Gi"}, "1Gi")])
async def test_a_volume_is_declared_as_large_as_its_file_or_as_asked(
    asked: Manifest, size: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcels: list[Parcel] = []

    async def sent(_: Session, parcel: Parcel) -> str:
        parcels.append(parcel)
        return "sum"

    monkeypatch.setattr(uploading, "send", sent)
    api = Writing(volume({"type": "Ready", "status": "True", "reason": "Available", "message": ""}))
    spec: Manifest = {"source": {"upload": {}}, **asked}
    there = qx_session(api, namespace="shop")
    assert await uploading.upload(there, file, "web-1", spec, product=uploading.VOLUME) == SENT
    assert (api.made["kind"], api.made["spec"]) == ("Volume", {"size": size, "source": {"upload": {}}})
    assert (parcels[0].path, parcels[0].noun) == ("/v1/volumes/shop/web-1/upload", "volume")


async def test_a_file_larger_than_the_volume_is_not_sent(file: Path) -> None:
    file.write_bytes(BOOTABLE + BOOTABLE)
    api = Writing(volume())
    spec = {"source": {"upload": {}}, "size": "1Ki"}
    with pytest.raises(CommandError, match="describes a disk of 2Ki; the volume takes one of 1Ki at most"):
        await uploading.upload(
            qx_session(api, namespace="shop"), file, "web-1", spec, product=uploading.VOLUME
        )
    assert api.made == {}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (volume() | {"spec": {"size": "1Gi"}}, "Volume web-1 is not made from a file that is sent."),
        (
            volume() | {"status": {"capacity": "1Gi"}},
            "Volume web-1 has its data already; a file is sent once.",
        ),
        (
            volume(
                {"type": "Ready", "status": "False", "message": "The file is no disk. Try: x."},
                {"type": "Stalled", "status": "True"},
            ),
            "Volume web-1 was refused: The file is no disk.",
        ),
    ],
)
def test_a_volume_that_takes_no_file_is_told_at_once(made: Manifest, said: str) -> None:
    with pytest.raises(CommandError) as refused:
        uploading.refuse_other_content(made, uploading.VOLUME)
    assert str(refused.value).startswith(said)
    assert refused.value.exit_code is Exit.REFUSED


def test_what_an_image_is_for_is_told_by_what_was_found_in_the_file() -> None:
    assert (
        use_of(Name("debian"), "ISO") == "It goes into a drive by   image: debian   in spec.cdroms of a VM."
    )
    for form in ("Qcow2", "Raw"):
        told = use_of(Name("debian", "quantix-shared"), form)
        assert told == "A disk is made from it by   image: shared/debian   in spec.disks of a VM."


async def test_an_upload_says_what_it_found_in_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def sent(*_: Any) -> str:
        return "sum"

    monkeypatch.setattr(uploading, "send", sent)
    found = await uploading.upload(session("shop"), file, "mine", {"upload": {}}, wait=False)
    assert found == SENT
