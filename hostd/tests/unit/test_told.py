"""Events of images: told when they come to be ready or refused, and not again."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_hostd.told import image_event


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
