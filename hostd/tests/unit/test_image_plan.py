"""What is done next about an image, and what is said meanwhile: by tables."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Image
from quantix_api.disk_image import ImageFacts, ImageFormat
from quantix_api.errors import PermanentError, TransientError
from quantix_hostd.image.observed import Copy, ImageObserved
from quantix_hostd.image.plan import Action, Download, RemoveFile, StopTransfers, Verify, plan_image
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.seen import TransferSeen

_CHECKED = {"host": "h1", "checksum": f"sha256:{'a' * 64}", "format": "Raw", "virtualSize": "1Gi"}
_URL: dict[str, Any] = {"url": "http://a.example/x"}
_UPLOAD: dict[str, Any] = {"upload": {}}
_RECEIVED = TransferSeen(received=Received(ImageFacts(ImageFormat.RAW, 1 << 30), "sha256:b"))
_BROKEN = TransientError("ImageUnreachable", "a.example answered 503 for x.", "check spec.url")
_REFUSED = PermanentError("ImageRefused", "It is a zip archive.", "unzip FILE")


def seen(spec: dict[str, Any], status: dict[str, Any] | None = None, **found: Any) -> ImageObserved:
    manifest = {"metadata": {"name": "x", "namespace": "default", "uid": "u"}, "spec": spec}
    image = Image.model_validate({**manifest, "status": status or {}})
    return ImageObserved(image, "h1", "local", **found)


def deleted(**found: Any) -> ImageObserved:
    about = {"name": "x", "namespace": "default", "uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    return ImageObserved(Image.model_validate({"metadata": about, "spec": _URL}), "h1", **found)


def failed(error: Exception, retry_in_s: float | None) -> TransferSeen[Received]:
    assert isinstance(error, TransientError | PermanentError)
    return TransferSeen(error=error, delay_s=20.0, retry_in_s=retry_in_s)


@pytest.mark.parametrize(
    ("observed", "actions", "reason", "present"),
    [
        (seen(_URL), (Download(),), "ImageDownloading", True),
        (seen(_URL, transfer=TransferSeen(running=True)), (), "ImageDownloading", True),
        (seen(_URL, transfer=failed(_BROKEN, 12.0)), (), "ImageUnreachable", False),
        (seen(_URL, transfer=failed(_BROKEN, 0.0)), (Download(),), "ImageDownloading", True),
        (seen(_URL, transfer=failed(_REFUSED, None)), (), "ImageRefused", False),
        (seen(_URL, there=True, transfer=_RECEIVED), (), "Verified", True),
        (seen(_URL, _CHECKED, there=True), (), "Verified", True),
        # nobody knows any more what the file is
        (seen(_URL, there=True), (Verify(),), "Verifying", True),
        (seen(_URL, there=True, transfer=TransferSeen(running=True)), (), "Verifying", True),
        (seen(_URL, there=True, transfer=failed(_BROKEN, 12.0)), (), "ImageUnreachable", True),
        (seen(_URL, there=True, transfer=failed(_BROKEN, 0.0)), (Verify(),), "Verifying", True),
        (seen(_URL, there=True, transfer=failed(_REFUSED, None)), (), "ImageRefused", True),
        (seen(_UPLOAD), (), "WaitingForUpload", False),
        (seen(_UPLOAD, _CHECKED), (), "WaitingForUpload", False),
        (seen({"volume": "v"}), (), "ImageRefused", False),
        (deleted(), (), "Deleting", False),
        (deleted(arriving=True, copies=(Copy("a"),)), (StopTransfers(),), "Deleting", False),
        (deleted(copies=(Copy("a"), Copy("b"))), (RemoveFile("a"), RemoveFile("b")), "Deleting", False),
        (deleted(copies=(Copy("a", 2), Copy("b"))), (RemoveFile("b"),), "InUse", True),
        (deleted(copies=(Copy("a", 2),)), (), "InUse", True),
    ],
)
def test_the_next_step_and_what_is_said_of_it(
    observed: ImageObserved, actions: tuple[Action, ...], reason: str, present: bool
) -> None:
    plan = plan_image(observed)
    assert (plan.actions, plan.verdict.reason, plan.verdict.present) == (actions, reason, present)
    assert plan.again_s > 0


@pytest.mark.parametrize("transfer", [None, TransferSeen(running=True), failed(_REFUSED, None)])
def test_only_the_same_file_may_take_the_place_of_one_that_vanished(
    transfer: TransferSeen[Received] | None,
) -> None:
    verdict = plan_image(seen(_URL, _CHECKED, transfer=transfer)).verdict
    assert verdict.checksum == _CHECKED["checksum"]


@pytest.mark.parametrize("retry_in_s", [9.0, 0.0, None])
def test_an_upload_that_broke_off_waits_for_the_next_and_says_how_far_it_came(
    retry_in_s: float | None,
) -> None:
    broke_off = TransientError("ImageUnreachable", "The upload broke off.", "the same command again goes on")
    # None: the process that saw it end is gone
    transfer = None if retry_in_s is None else failed(broke_off, retry_in_s)
    verdict = plan_image(seen(_UPLOAD, transfer=transfer, kept=(3 << 20, 1 << 30))).verdict
    assert (verdict.reason, verdict.message, verdict.present) == (
        "WaitingForUpload",
        "3 MiB of 1 GiB arrived before the last upload broke off. Try: qx image upload FILE --name x, which "
        "goes on from there.",
        True,
    )


def test_an_upload_of_which_nothing_arrived_waits_as_before() -> None:
    broke_off = TransientError("ImageUnreachable", "The upload broke off.", "the same command again goes on")
    verdict = plan_image(seen(_UPLOAD, transfer=failed(broke_off, 9.0))).verdict
    assert (verdict.reason, verdict.present) == ("WaitingForUpload", False)
    assert verdict.message.startswith("The file was not sent yet.")


def test_a_download_goes_on_from_what_is_kept_and_that_counts_as_stored() -> None:
    plan = plan_image(seen(_URL, kept=(3, 10)))
    assert (plan.actions, plan.verdict.done_bytes, plan.verdict.total_bytes) == ((Download(),), 3, 10)
    waiting = plan_image(seen(_URL, transfer=failed(_BROKEN, 9.0), kept=(3, 10))).verdict
    assert (waiting.reason, waiting.present) == ("ImageUnreachable", True)
    assert "asked again" in waiting.message


def test_an_image_that_somebody_sends_is_not_called_a_download() -> None:
    arriving: TransferSeen[Received] = TransferSeen(running=True, shown=(1, 2))
    assert plan_image(seen(_UPLOAD, transfer=arriving)).verdict.message.startswith("x is being sent.")
    assert plan_image(seen(_URL, transfer=arriving)).verdict.message.startswith("x is being downloaded.")


def test_a_failed_try_is_looked_at_again_when_the_next_is_due() -> None:
    assert plan_image(seen(_URL, transfer=failed(_BROKEN, 12.0))).again_s == 12.0
    assert plan_image(seen(_URL, there=True, transfer=failed(_BROKEN, 12.0))).again_s == 12.0


def test_only_the_same_file_may_take_the_place_of_an_upload_that_vanished() -> None:
    verdict = plan_image(seen(_UPLOAD, _CHECKED)).verdict
    assert verdict.checksum == _CHECKED["checksum"]
    assert verdict.facts == ImageFacts(ImageFormat.RAW, 1 << 30)
    assert verdict.message.startswith("Neither h1 nor any other host has its file any more")
    assert plan_image(seen(_UPLOAD)).verdict.message.startswith("The file was not sent yet.")


def test_a_file_that_vanished_comes_back_from_another_host_that_has_it() -> None:
    plan = plan_image(seen(_UPLOAD, _CHECKED, elsewhere=True))
    assert plan.actions == (Download(),)
    coming: TransferSeen[Received] = TransferSeen(running=True, sender="host h2")
    said = plan_image(seen(_UPLOAD, _CHECKED, elsewhere=True, transfer=coming)).verdict
    assert (said.reason, said.message.partition(".")[0]) == (
        "ImageDownloading",
        "x is being copied from host h2",
    )
    waiting: TransferSeen[Received] = TransferSeen(running=True, busy="hosts h2, h3")
    said = plan_image(seen(_UPLOAD, _CHECKED, elsewhere=True, transfer=waiting)).verdict
    assert said.message.startswith("x waits for its turn: hosts h2, h3 cannot send more images at once.")


def test_an_image_that_was_never_checked_is_asked_of_no_host() -> None:
    plan = plan_image(seen(_UPLOAD, elsewhere=True))
    assert (plan.actions, plan.verdict.reason) == ((), "WaitingForUpload")


def test_the_words_of_a_broken_copy_are_not_those_of_an_upload() -> None:
    away = TransientError("ImageUnreachable", "x is on host h2 and nowhere else.", "get it back")
    seen_so = {"transfer": failed(away, 9.0), "kept": (3 << 20, 1 << 30)}
    plan = plan_image(seen(_UPLOAD, _CHECKED, elsewhere=True, **seen_so))
    assert (plan.verdict.reason, plan.verdict.present, plan.again_s) == ("ImageUnreachable", True, 9.0)
    assert plan_image(seen(_UPLOAD, _CHECKED, transfer=failed(away, 9.0))).verdict.message.startswith(
        "Neither h1 nor any other host"
    )
