"""What is said of a volume that could not be made."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from quantix_api import Volume
from quantix_api.errors import PermanentError, QuantixError, TransientError
from quantix_hostd.volume.status import derive_status, verdict_of_error

_NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
_VOLUME = Volume.parse(
    {
        "metadata": {"name": "data", "generation": 1},
        "spec": {"size": "1Gi"},
        "status": {"data": "Present", "capacity": "1Gi", "handle": "h", "pool": "local"},
    }
)


@pytest.mark.parametrize(
    ("error", "reason", "second"),
    [
        (PermanentError("PoolFull", "Pool local is full."), "PoolFull", "Reconciling"),
        (TransientError("CommandFailed", "qemu-img ended with 1."), "Resizing", "Reconciling"),
        (TransientError("ImageUnreachable", "a.example answered 404."), "ImageUnreachable", "Reconciling"),
        (PermanentError("ChecksumMismatch", "The copy has another sum."), "ChecksumMismatch", "Stalled"),
        (TransientError("LibvirtDown", "libvirt does not answer."), "LibvirtDown", "Reconciling"),
    ],
)
def test_every_error_becomes_a_reason_that_the_api_knows_in_its_own_words(
    error: QuantixError, reason: str, second: str
) -> None:
    status = derive_status(_VOLUME, verdict_of_error(_VOLUME, error), "box", _NOW)
    assert [item["type"] for item in status["conditions"]] == ["Ready", second]
    assert {item["reason"] for item in status["conditions"]} == {reason}
    assert {item["message"] for item in status["conditions"]} == {error.message}


@pytest.mark.parametrize("reason", ["SecretNotFound", "SecretNotGranted", "PassphraseWrong", "InUse"])
def test_a_volume_that_waits_to_be_moved_or_grown_serves_meanwhile(reason: str) -> None:
    verdict = verdict_of_error(_VOLUME, TransientError(reason, "Its Secret, or who has it, is waited for."))
    assert derive_status(_VOLUME, verdict, "box", _NOW)["phase"] == "Available"


@pytest.mark.parametrize("reason", ["CommandFailed", "CommandTimedOut", "LibvirtDown"])
def test_what_is_there_serves_whatever_tool_failed_or_was_away(reason: str) -> None:
    verdict = verdict_of_error(_VOLUME, TransientError(reason, "A program ended with SIGKILL."))
    assert derive_status(_VOLUME, verdict, "box", _NOW)["phase"] == "Available"


def test_what_is_not_there_yet_is_made_again_when_a_tool_failed() -> None:
    metadata = {"name": "data", "generation": 1}
    blank = Volume.parse({"metadata": metadata, "spec": {"size": "1Gi"}})
    verdict = verdict_of_error(blank, TransientError("CommandFailed", "A program ended with SIGKILL."))
    assert (verdict.reason, derive_status(blank, verdict, "box", _NOW)["phase"]) == ("Creating", "Creating")


def test_an_error_takes_nothing_back_of_what_was_reported_of_the_data() -> None:
    error = TransientError("PoolUnreachable", "Pool local does not answer.")
    status = derive_status(_VOLUME, verdict_of_error(_VOLUME, error), "box", _NOW)
    assert (status["data"], status["capacity"], status["handle"]) == ("Present", "1Gi", "h")
