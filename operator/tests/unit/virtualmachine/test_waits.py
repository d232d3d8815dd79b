"""Which waits are told as events."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_operator.virtualmachine.waits import begun_wait


def status(reason: str, truth: str = "False") -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": truth, "reason": reason, "message": "words"}]}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "a wait begins": ({}, status("ImageNotFound"), True),
    "it goes on": (status("ImageNotFound"), status("ImageNotFound"), False),
    "another begins": (status("ImageNotFound"), status("NetworkNotFound"), True),
    "a full pool": (status("Pending", "Unknown"), status("PoolFull"), True),
    "what passes by itself": ({}, status("Creating"), False),
    "a volume that is copied": (status("Creating"), status("Copying"), False),
    "a Secret that its host is about to read": ({}, status("SecretNotGranted"), False),
    "and one that is not there": (status("SecretNotGranted"), status("SecretNotFound"), True),
    "an image that cannot be had": (status("ImageDownloading"), status("ImageUnreachable"), True),
    "a libvirt that is away, as its Host says": ({}, status("LibvirtDown"), False),
    "an image that is checked": (status("ImageDownloading"), status("Verifying"), False),
    "what the scheduler tells": ({}, status("NotEnoughMemory"), False),
    "no wait": (status("ImageNotFound"), status("Running", "True"), False),
    "nothing said of Ready": ({}, {}, False),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_wait_is_told_once(case: str) -> None:
    before, after, told = CASES[case]
    found = begun_wait({"metadata": {}, "status": before}, after)
    assert (found is not None) is told
    if found is not None:
        assert found == (after["conditions"][0]["reason"], "words")
