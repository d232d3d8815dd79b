"""What hostd does with what it found: one write, and the time of the next look."""

from __future__ import annotations

import pytest

from quantix_api.errors import InvariantError, PermanentError, TransientError, WaitingError
from quantix_hostd.report import in_words, next_look_s


def test_without_an_error_the_caller_decides() -> None:
    assert next_look_s(None, 300.0) == 300.0


def test_a_wait_says_itself_when_to_look_again() -> None:
    assert next_look_s(WaitingError("Creating", "It is made.", retry_after_s=7.0), 300.0) == 7.0


def test_what_a_user_has_to_change_is_not_tried_soon() -> None:
    assert next_look_s(PermanentError("ImageRefused", "No."), 300.0) == 300.0


@pytest.mark.parametrize("error", [TransientError("PoolFull", "Full."), InvariantError("InternalError", "?")])
def test_what_may_go_by_itself_and_bugs_get_the_backoff(error: TransientError | InvariantError) -> None:
    with pytest.raises(type(error)):
        next_look_s(error, 300.0)


def test_an_error_of_the_operating_system_is_put_in_words_and_others_have_theirs() -> None:
    said = in_words(OSError(5, "Input/output error"), "the data of volume root")
    assert said.reason == "PoolUnreachable"
    assert "the data of volume root" in said.message
    assert "Input/output error" in said.message
    known = PermanentError("ImageRefused", "No.")
    assert in_words(known, "x") is known
