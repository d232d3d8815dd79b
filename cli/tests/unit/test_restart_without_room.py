"""A restart is done once the VM runs, also where its host has not the room that spec asks for."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_cli.vm.changes import not_given

NO_ROOM = "box has no room for 4 cores of it: it keeps what it was given."


def vm(ready: tuple[str, str], size: tuple[str, str], domain: str = "Present") -> dict[str, Any]:
    conditions = [
        {"type": kind, "status": status, "reason": reason, "message": NO_ROOM, "observedGeneration": 3}
        for kind, (status, reason) in (("Ready", ready), ("SizeGranted", size))
    ]
    return {"status": {"conditions": conditions, "runtime": {"domain": domain}}}


REFUSED = ("False", "NotEnoughCPU")


@pytest.mark.parametrize(
    ("seen", "generation", "told"),
    [
        (vm(REFUSED, REFUSED), 3, NO_ROOM),
        (vm(REFUSED, REFUSED), 4, ""),
        (vm(REFUSED, REFUSED, "Absent"), 3, ""),
        (vm(("False", "GuestNotReady"), REFUSED), 3, ""),
        (vm(("True", "Running"), ("True", "Granted")), 3, ""),
    ],
    ids=["not given", "not looked at yet", "off", "another reason", "given"],
)
def test_only_want_of_room_is_not_waited_for(seen: dict[str, Any], generation: int, told: str) -> None:
    assert not_given(seen, generation) == told
