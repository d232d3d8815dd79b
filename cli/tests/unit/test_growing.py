"""When `qx volume resize` is done, and when it waits no longer."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_cli.exits import CommandError
from quantix_cli.growing import is_grown

FULL = "Pool local can promise 453 GiB more; 800 GiB are needed. Try: free space in pool local."


def volume(capacity: str, *, wanted: str = "900Gi", refused_at: int = 0) -> dict[str, Any]:
    refused = {"type": "SizeGranted", "status": "False", "reason": "PoolFull", "message": FULL}
    conditions = [{**refused, "observedGeneration": refused_at}] if refused_at else []
    return {
        "metadata": {"name": "data", "generation": 4},
        "spec": {"size": wanted},
        "status": {"capacity": capacity, "conditions": conditions},
    }


@pytest.mark.parametrize(
    ("seen", "grown"),
    [
        (volume("900Gi"), True),
        (volume("900Gi", refused_at=4), True),
        (volume("1Gi"), False),
        # of an earlier size, or before the VM's wish has reached the volume
        (volume("1Gi", refused_at=3), False),
        (volume("1Gi", wanted="1Gi", refused_at=4), False),
    ],
)
def test_it_is_done_once_the_guest_sees_the_size(seen: dict[str, Any], grown: bool) -> None:
    assert is_grown(seen, "900Gi") is grown


def test_a_pool_without_room_ends_the_wait_and_says_so() -> None:
    with pytest.raises(CommandError, match="data keeps its size: Pool local can promise 453 GiB") as told:
        is_grown(volume("1Gi", refused_at=4), "900Gi")
    assert told.value.hint == "free space in pool local"
