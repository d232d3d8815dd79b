"""What is said of an object that takes too long: what it waits for, and what helps."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import VIRTUAL_MACHINE_RESTORES, Resource
from quantix_cli.exits import CommandError, Exit
from quantix_cli.vm.under_way import UnderWay, until_over
from quantix_lab.qx_session import qx_session

LOOK = "kubectl describe vmrestore -n default back"
WAY = UnderWay(
    VIRTUAL_MACHINE_RESTORES,
    lambda _: False,
    "back",
    lambda _: "back",
    "The restore of web-1 is not done yet",
    "It goes on.",
    LOOK,
    3.0,
)


class Api:
    """Has one object, which stays as it is."""

    def __init__(self, message: str) -> None:
        ready = {"type": "Ready", "status": "False", "reason": "DiskMissing", "message": message}
        self.live = {"metadata": {"name": "back", "namespace": "default"}, "status": {"conditions": [ready]}}

    async def get(self, _resource: Resource, _name: str, _namespace: str) -> dict[str, Any]:
        return self.live


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("Disk root is on h3 now. Try: move the VM back to h1.", f"move the VM back to h1. {LOOK}"),
        ("It is being set back. Try: nothing; it goes on by itself.", LOOK),
        ("", LOOK),
    ],
)
async def test_what_helps_is_told_before_where_to_look(message: str, hint: str) -> None:
    api = Api(message)
    with pytest.raises(CommandError) as ended:
        await until_over(qx_session(api), api.live, WAY)
    assert (ended.value.exit_code, ended.value.hint) == (Exit.TIMED_OUT, hint)
    assert str(ended.value).startswith("The restore of web-1 is not done yet")
