"""An upload that comes to nothing says that its Image is there, and how to go on or to be rid of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from quantix_cli import uploading
from quantix_cli.exits import CommandError, Exit
from quantix_cli.session import Session
from quantix_lab.qx_session import Looks, qx_session

Manifest = dict[str, Any]
BOOTABLE = bytes(510) + b"\x55\xaa" + bytes(512)


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
        ("shop", asyncio.CancelledError(), "mine"),
    ],
    ids=["broken off", "shared", "interrupted"],
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
    assert await uploading.upload(session("shop"), file, "mine", wish, wait=False) == "sum"
    assert "qx image set mine --login-user debian" in capsys.readouterr().err
    assert uploading.other_login_user({"spec": {"loginUser": "debian"}}, wish) == ""
