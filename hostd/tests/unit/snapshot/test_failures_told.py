"""What kept a snapshot from being taken, as its user is told it."""

from __future__ import annotations

import pytest

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.snapshot.beginning import Beginning
from quantix_lab.snapshots_part import SnapshotsPart
from quantix_lab.vm_world import VmHandle

from .test_taking import reason


async def test_a_bug_is_told_as_one_and_what_libvirt_could_not_do_is_not(
    running: VmHandle, part: SnapshotsPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, error, told in (
        ("bug", KeyError("x"), "InternalError"),
        ("libvirt", TransientError("InternalError", "libvirt could not do it."), "SnapshotFailed"),
    ):

        def fails(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(Beginning, "state", fails)
        assert reason(await part.until(part.add(name, running), "Failed")) == told


@pytest.mark.parametrize("cause", ["LibvirtDown", "QEMUHangs"])
async def test_a_snapshot_that_has_failed_does_not_promise_to_go_on(
    running: VmHandle, part: SnapshotsPart, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    def fails(*_: object) -> None:
        raise as_error(TransientError, cause, said="no answer")

    monkeypatch.setattr(Beginning, "state", fails)
    status = await part.until(part.add("first", running), "Failed")
    (message,) = (item["message"] for item in status["conditions"] if item["type"] == "Ready")
    assert "no answer" in message
    assert "by itself" not in message
    assert message.endswith("take another one.")
    assert "by itself" not in part.world.events.texts[-1]
