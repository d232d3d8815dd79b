"""A restart is done once the VM runs, also where its host has not the room that spec asks for."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.resources import VIRTUAL_MACHINES, Resource
from quantix_cli.exits import Exit
from quantix_cli.vm.changes import not_given
from quantix_client.api import ListResult
from quantix_lab.qx_session import qx_session, typed

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


class Api:
    """A host that restarts the VM at once, and does not give it what it wants."""

    def __init__(self) -> None:
        metadata = {"name": "web-1", "namespace": "default", "generation": 3, "resourceVersion": "1"}
        self.stored = {"metadata": metadata, "spec": {"powerState": "Running"}, **vm(REFUSED, REFUSED)}

    async def get(self, *_: Any, **__: Any) -> dict[str, Any]:
        return self.stored

    async def list(self, resource: Resource, *_: Any, **__: Any) -> ListResult:
        return ListResult([self.stored] if resource is VIRTUAL_MACHINES else [], "1")

    async def patch(self, _: Resource, __: str, patch: dict[str, Any], *___: Any, **____: Any) -> Any:
        self.stored["spec"] |= patch["spec"]
        self.stored["status"]["runtime"]["handledRestartAt"] = patch["spec"]["restart"]["at"]
        return self.stored


async def test_a_restart_ends_with_what_the_vm_is_not_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert await typed(qx_session(Api()), "vm restart web-1 --yes") == Exit.DONE
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("web-1 runs again after ")
    assert said[1] == f"web-1: {NO_ROOM}"
