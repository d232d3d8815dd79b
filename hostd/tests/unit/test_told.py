"""Events of images and volumes: told when something came to be, and not again."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_hostd.told import image_event, volume_event


def status(reason: str) -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "reason": reason, "message": f"It is {reason}."}]}


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (status("ImageDownloading"), "Verified", ("ImageReady", "Normal")),
        ({}, "Verified", ("ImageReady", "Normal")),
        (status("Verified"), "Verified", None),
        (status("Verifying"), "ChecksumMismatch", ("ImageRefused", "Warning")),
        (status("ImageRefused"), "ImageRefused", None),
        (status("Pending"), "ImageDownloading", None),
    ],
)
def test_an_image_is_told_of_once(before: dict[str, Any], now: str, told: tuple[str, str] | None) -> None:
    found = image_event({"status": before}, status(now))
    assert (found and (found.reason, found.type)) == told


def test_a_volume_that_has_another_size_is_told_of_once() -> None:
    before, now = {"status": {"capacity": "1Gi"}}, {"capacity": "2Gi"}
    told = volume_event(before, now)
    assert told is not None
    assert (told.reason, "1Gi" in told.text, "2Gi" in told.text) == ("VolumeResized", True, True)
    assert volume_event({"status": now}, now) is None
    assert volume_event({}, now) is None
