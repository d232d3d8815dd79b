"""An upload that comes to nothing says that its Image is there, and how to go on or to be rid of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from quantix_api.layout import Layout
from quantix_cli import uploading
from quantix_cli.cluster import Target
from quantix_cli.exits import CommandError, Exit
from quantix_cli.session import Session
from quantix_cli.terminal import Terminal
from quantix_client.api import ApiClient

Manifest = dict[str, Any]
PLAIN = Terminal(is_tty=False, colour=False, unicode=True, width=None)
BOOTABLE = bytes(510) + b"\x55\xaa" + bytes(512)


def image(namespace: str, *conditions: Manifest) -> Manifest:
    metadata = {"name": "mine", "namespace": namespace, "generation": 1}
    return {"metadata": metadata, "spec": {"upload": {}}, "status": {"conditions": list(conditions)}}


class Api:
    """Has the Image, which says this once it is looked at again."""

    def __init__(self, namespace: str, *later: Manifest) -> None:
        self._looks = [image(namespace), image(namespace, *later)]

    async def get(self, *_: Any) -> Manifest:
        return self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]


def session(api: Api, namespace: str = "shop") -> Session:
    target = Target(Path("/x"), None, "a test says so")
    return Session(cast(ApiClient, api), PLAIN, Layout(Path("/nonexistent")), target, namespace, False, 5.0)


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
        await uploading.upload(session(Api(namespace), namespace), file, "mine", {"upload": {}})
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
        await uploading.upload(session(Api("shop", *refused)), file, "mine", {"upload": {}})
    assert capsys.readouterr().err.splitlines()[-1] == "Image mine stays; qx image delete mine removes it."
