"""What hostd says about an Image: pure, from what the controller found.

Called by the image controller. One apply carries all fields of manager `quantix-hostd`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from quantix_api import Image
from quantix_api.conditions import ready_reason, reasons_otherwise
from quantix_api.disk_image import ImageFacts, ImageFormat
from quantix_api.errors import QuantixError, WaitingError
from quantix_api.facts import Fact, render_conditions, subject_of, with_kstatus
from quantix_api.messages import as_wait, message_of, render
from quantix_api.quantities import format_size, human_size, size_bytes
from quantix_api.references import shared_reference
from quantix_api.resources import NAMESPACE_SHARED
from quantix_hostd.transfer.received import Received
from quantix_hostd.transfer.seen import TransferSeen

_PHASES = {
    "Verified": "Ready",
    "ImageDownloading": "Downloading",
    "Verifying": "Verifying",
    "WaitingForUpload": "Pending",
    "PoolNotFound": "Pending",
    "PoolUnreachable": "Pending",
    "Deleting": "Pending",
    "InUse": "Pending",
}


_REPEATED = reasons_otherwise("VirtualMachine", "VolumesReady") & reasons_otherwise("Volume", "Ready")
"""Reasons of an Image that who waits for it may give too."""


@dataclass(frozen=True)
class ImageVerdict:
    """How an image is on this host. `facts` and `checksum` are known once it was checked."""

    reason: str
    message: str
    present: bool
    facts: ImageFacts | None = None
    checksum: str = ""
    done_bytes: int = 0
    total_bytes: int | None = None


def verdict_of_error(error: QuantixError, again_s: float | None = None) -> ImageVerdict:
    """For an image that could not be received or kept; `again_s`: when it is tried again by itself."""
    message = message_of(error)
    if error.reason == "ImageUnreachable" and again_s is not None:
        # The waiting time of this try, not what is left of it: a message holds no running figure
        said = {"what": error.message.rstrip("."), "hint": error.hint, "again": _span(again_s)}
        message = render("ImageUnreachable", **said).text
    return ImageVerdict(ready_reason("Image", error.reason), message, present=False)


def under_way(image: Image, transfer: TransferSeen[Received], host: str) -> ImageVerdict:
    """For an image that is being received on `host`, or waits for its turn."""
    sent = image.spec.upload is not None and not (transfer.sender or transfer.busy)
    about = {"sent": image.metadata.name} if sent else downloading(image, transfer, host)
    text = render("ImageDownloading", **about).text
    done, total = transfer.shown
    return ImageVerdict("ImageDownloading", text, True, done_bytes=done, total_bytes=total)


def downloading(image: Image, transfer: TransferSeen[Received], host: str) -> dict[str, str]:
    """The fields of ImageDownloading, for one that comes to `host`, or waits for its turn there."""
    about = {"image": image.metadata.name}
    if transfer.queued:
        return {**about, "host": host, "namespace": image.metadata.namespace or ""}
    if transfer.busy:
        return {**about, "busy": transfer.busy}
    return {**about, "sender": transfer.sender} if transfer.sender else about


def wait_for_image(image: Image, retry_after_s: float) -> WaitingError:
    """The wait of a volume or VM that needs the image, in the words in which the image says what keeps it."""
    ready = image.status.condition("Ready")
    if ready is not None and ready.status != "True" and ready.reason in _REPEATED and ready.message:
        return WaitingError(ready.reason, ready.message, retry_after_s=retry_after_s)
    return as_wait("ImageDownloading", retry_after_s, image=image.metadata.name)


def verdict_kept(image: Image, error: QuantixError) -> ImageVerdict:
    """For an image that cannot be looked at: what was reported of its file before stays true."""
    verdict = as_known(image, verdict_of_error(error))
    return replace(verdict, present=image.status.data == "Present")


def as_known(image: Image, verdict: ImageVerdict) -> ImageVerdict:
    """What an earlier check found stays known, also while there is no file: only the same may take its
    place.
    """
    if verdict.facts is not None:
        return verdict
    facts, checksum = known_facts(image) or (None, "")
    return replace(verdict, facts=facts, checksum=checksum)


def known_facts(image: Image) -> tuple[ImageFacts, str] | None:
    """What an earlier check found, with the checksum; None before one."""
    status = image.status
    if not status.checksum or not status.format or not status.virtual_size:
        return None
    return ImageFacts(ImageFormat(status.format), size_bytes(status.virtual_size)), status.checksum


def _span(seconds: float) -> str:
    return f"{round(seconds)} s" if seconds < 60 else f"{round(seconds / 60)} min"


def waiting_for_upload(image: Image) -> ImageVerdict:
    """For an image that somebody has to send."""
    text = render("WaitingForUpload", name=typed_name(image)).text
    return ImageVerdict("WaitingForUpload", text, present=False)


def broken_upload(image: Image, done_bytes: int, total_bytes: int) -> ImageVerdict:
    """For an image whose sender went away in the middle: what came is kept."""
    done, total = human_size(done_bytes), human_size(total_bytes)
    text = render("WaitingForUpload", name=typed_name(image), done=done, total=total).text
    return ImageVerdict("WaitingForUpload", text, present=True)


def lost_upload(image: Image) -> ImageVerdict:
    """For an image that was sent and checked, and whose file no host has any more."""
    text = render("WaitingForUpload", **lost_file(image)).text
    return ImageVerdict("WaitingForUpload", text, present=False)


def lost_file(image: Image) -> dict[str, str]:
    """The fields of WaitingForUpload, for an image whose file no host has any more."""
    return {"name": typed_name(image), "host": image.status.host or ""}


def typed_name(image: Image) -> str:
    """The image as commands name it from anywhere."""
    shared = image.metadata.namespace == NAMESPACE_SHARED
    return shared_reference(image.metadata.name) if shared else image.metadata.name


def derive_status(image: Image, verdict: ImageVerdict, now: datetime) -> dict[str, Any]:
    """The status of the Image, as the API takes it."""
    status: dict[str, Any] = {
        "observedGeneration": image.metadata.generation,
        "phase": _PHASES.get(verdict.reason, "Failed"),
        "data": "Present" if verdict.present else "Absent",
    }
    if verdict.facts is not None:
        status["format"] = str(verdict.facts.format)
        status["virtualSize"] = format_size(verdict.facts.virtual_size_bytes)
        status["checksum"] = verdict.checksum
    if verdict.done_bytes:
        status["progress"] = _progress(verdict)
    status["conditions"] = render_conditions(with_kstatus(_ready(verdict)), subject_of(image), now)
    return status


def _ready(verdict: ImageVerdict) -> Fact:
    return Fact("Ready", "True" if verdict.reason == "Verified" else "False", verdict.reason, verdict.message)


def _progress(verdict: ImageVerdict) -> dict[str, Any]:
    progress: dict[str, Any] = {"doneBytes": verdict.done_bytes}
    if verdict.total_bytes:
        progress["totalBytes"] = verdict.total_bytes
        progress["percent"] = min(100, verdict.done_bytes * 100 // verdict.total_bytes)
    return progress
