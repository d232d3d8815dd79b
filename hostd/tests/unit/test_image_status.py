"""What is said of an image, and when it is tried again."""

from __future__ import annotations

import asyncio
import errno
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from quantix_api import Condition, Image
from quantix_api.conditions import checked
from quantix_api.disk_image import ImageFacts, ImageFormat
from quantix_api.errors import InvariantError, PermanentError, QuantixError, TransientError
from quantix_hostd.image.status import (
    ImageVerdict,
    derive_status,
    verdict_kept,
    verdict_of_error,
    waiting_for_upload,
)
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.transfers import Transfer, Transfers

_NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
_FACTS = ImageFacts(ImageFormat.QCOW2, 3 << 30)
_IMAGE = Image.model_validate(
    {"metadata": {"name": "debian-13", "namespace": "default", "generation": 1}, "spec": {"upload": {}}}
)
_UNREACHABLE = TransientError("ImageUnreachable", "a.example answered 404 for x.", "check the network")
# an administrator may allow it, so the host asks again
_FORBIDDEN = TransientError("AddressRefused", "a.example leads to 127.0.0.1.", "put the file elsewhere")
_WRONG_SUM = PermanentError("ChecksumMismatch", "The file has another sum.", "correct the sum")


@pytest.mark.parametrize(
    ("namespace", "name"), [("default", "debian-13"), ("quantix-shared", "shared/debian-13")]
)
def test_the_upload_that_is_waited_for_can_be_typed_anywhere(namespace: str, name: str) -> None:
    metadata = {"name": "debian-13", "namespace": namespace}
    image = Image.model_validate({"metadata": metadata, "spec": {"upload": {}}})
    assert waiting_for_upload(image).message.endswith(f"Try: qx image upload FILE --name {name}.")


@pytest.mark.parametrize(
    ("verdict", "phase", "ready", "second"),
    [
        (ImageVerdict("Verified", "x", True, _FACTS, "sha256:" + "0" * 64), "Ready", "True", None),
        (ImageVerdict("ImageDownloading", "x", True), "Downloading", "False", "Reconciling"),
        (waiting_for_upload(_IMAGE), "Pending", "False", "Reconciling"),
        (verdict_of_error(_UNREACHABLE), "Failed", "False", "Reconciling"),
        (verdict_of_error(_FORBIDDEN), "Failed", "False", "Stalled"),
        (verdict_of_error(_WRONG_SUM), "Failed", "False", "Stalled"),
    ],
)
def test_phase_and_conditions_follow_from_the_reason(
    verdict: ImageVerdict, phase: str, ready: str, second: str | None
) -> None:
    status = derive_status(_IMAGE, verdict, _NOW)
    conditions = [Condition.model_validate(entry) for entry in status["conditions"]]
    assert status["phase"] == phase
    assert conditions[0].status == ready
    assert [entry.type for entry in conditions[1:]] == ([second] if second else [])
    checked("Image", conditions)


def test_a_checked_image_tells_its_facts_and_progress_its_percent() -> None:
    checked_one = ImageVerdict("Verified", "x", True, _FACTS, "sha256:" + "0" * 64)
    status = derive_status(_IMAGE, checked_one, _NOW)
    assert (status["format"], status["virtualSize"], status["data"]) == ("Qcow2", "3Gi", "Present")
    half = derive_status(_IMAGE, ImageVerdict("ImageDownloading", "x", True, None, "", 50, 200), _NOW)
    assert half["progress"] == {"doneBytes": 50, "totalBytes": 200, "percent": 25}


def test_the_time_of_the_next_try_stands_in_the_message() -> None:
    text = verdict_of_error(_UNREACHABLE, 300.0).message
    assert text == "a.example answered 404 for x; asked again in 5 min. Try: check the network."


async def finished(transfers: Transfers[Received], error: QuantixError | None) -> Transfer[Received]:
    async def work(_: Transfer[Received]) -> Received:
        if error is not None:
            raise error
        return Received(_FACTS, "sha256:x")

    transfer = transfers.begin("u1", "local", "default/a", work)
    assert transfer.task is not None
    await transfer.task
    return transfer


async def test_failures_are_tried_again_later_and_later_refusals_never() -> None:
    ended: list[str] = []
    transfers: Transfers[Received] = Transfers("image", ended.append)
    delays = [(await finished(transfers, _UNREACHABLE)).delay_s for _ in range(7)]
    assert delays == [10, 20, 40, 80, 160, 300, 300]
    assert (await finished(transfers, _WRONG_SUM)).retry_in_s() is None
    assert (await finished(transfers, None)).received is not None
    assert ended == ["default/a"] * 9


async def test_a_forgotten_transfer_is_stopped() -> None:
    transfers: Transfers[Received] = Transfers("image", lambda _: None)
    stopped: list[bool] = []

    async def work(_: Transfer[Received]) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    transfer = transfers.begin("u1", "local", "default/a", work)
    await asyncio.sleep(0)
    assert transfer.running
    await transfers.forget("u1")
    assert (stopped, transfers.get("u1", "local")) == ([True], None)


def test_an_image_that_cannot_be_looked_at_keeps_what_was_found_of_it() -> None:
    kept = {"data": "Present", "format": "Qcow2", "virtualSize": "3Gi", "checksum": "sha256:" + "0" * 64}
    image = _IMAGE.model_copy(update={"status": type(_IMAGE.status).model_validate(kept)})
    error = TransientError("PoolUnreachable", "Pool local cannot be used on h1.", "mount it")
    status = derive_status(image, verdict_kept(image, error), _NOW)
    assert {name: status[name] for name in kept} == kept
    assert status["conditions"][0]["reason"] == "PoolUnreachable"
    checked("Image", [Condition.model_validate(entry) for entry in status["conditions"]])


def test_an_error_that_the_table_does_not_know_is_still_said_in_its_words() -> None:
    verdict = verdict_of_error(TransientError("CommandFailed", "qemu-img ended with 1.", "look at the log"))
    assert (verdict.reason, verdict.message) == (
        "InternalError",
        "qemu-img ended with 1. Try: look at the log.",
    )


async def test_a_stream_that_filled_the_pool_is_not_fetched_again_soon() -> None:
    full = TransientError("PoolFull", "Pool local has no room for this image.")

    async def work(transfer: Transfer[Received], length_bytes: int | None) -> Received:
        transfer.total_bytes = length_bytes
        raise full

    delays = []
    for uid, length_bytes in (("u1", None), ("u2", 1 << 30)):
        transfers: Transfers[Received] = Transfers("image", lambda _: None)
        begun = transfers.begin(uid, "local", "default/a", partial(work, length_bytes=length_bytes))
        assert begun.task is not None
        await begun.task
        delays.append(begun.delay_s)
    assert delays == [300, 10]


async def test_an_error_that_nobody_foresaw_is_said_and_waited_after() -> None:
    async def work(_: Transfer[Received]) -> Received:
        raise KeyError("holder")

    transfers: Transfers[Received] = Transfers("image", lambda _: None)
    begun = transfers.begin("u1", "local", "default/a", work)
    assert begun.task is not None
    await begun.task
    assert isinstance(begun.error, InvariantError)
    assert (begun.retry_in_s() or 0) > 0
    verdict = verdict_of_error(begun.error, begun.delay_s)
    assert verdict.reason == "InternalError"
    assert "KeyError: 'holder'" in verdict.message


@pytest.mark.parametrize(("number", "reason"), [(errno.ENOSPC, "PoolFull"), (errno.EIO, "PoolUnreachable")])
async def test_what_the_operating_system_refuses_is_told_apart(number: int, reason: str) -> None:
    async def work(_: Transfer[Received]) -> Received:
        raise OSError(number, "said the kernel")

    transfers: Transfers[Received] = Transfers("image", lambda _: None)
    begun = transfers.begin("u1", "local", "default/a", work)
    assert begun.task is not None
    await begun.task
    assert begun.error is not None
    assert begun.error.reason == reason


async def test_forgetting_an_image_ends_its_transfers_into_every_pool_and_no_others() -> None:
    transfers: Transfers[Received] = Transfers("image", lambda _: None)

    async def work(_: Transfer[Received]) -> Any:
        await asyncio.Event().wait()

    begun = [transfers.begin(uid, pool, "k", work) for uid, pool in (("u1", "a"), ("u1", "b"), ("u2", "a"))]
    await asyncio.sleep(0)
    await transfers.forget("u1")
    assert [one.running for one in begun] == [False, False, True]
    await transfers.stop()
    assert not begun[2].running
