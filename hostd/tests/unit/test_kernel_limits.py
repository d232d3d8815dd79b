"""What hostd asks of its kernel before guests do."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_api.asynchronous_io import OF_MANY_GUESTS
from quantix_hostd.clients.kernel_limits import aio_is_taken, allow_post_copy, raise_aio_limit


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("65536\n", OF_MANY_GUESTS),
        (str(OF_MANY_GUESTS), OF_MANY_GUESTS),
        (str(10 * OF_MANY_GUESTS), 10 * OF_MANY_GUESTS),
    ],
)
def test_a_low_limit_is_raised_and_a_high_one_is_left(before: str, after: int, tmp_path: Path) -> None:
    limit = tmp_path / "aio-max-nr"
    limit.write_text(before)
    raise_aio_limit(limit)
    assert int(limit.read_text()) == after


def test_a_limit_that_cannot_be_set_stops_nothing_and_is_named_by_who_meets_it(tmp_path: Path) -> None:
    there_is_none = tmp_path / "none" / "aio-max-nr"
    raise_aio_limit(there_is_none)
    assert "fs.aio-max-nr is too low" in aio_is_taken(there_is_none).message


def test_who_meets_the_limit_is_told_a_higher_one_also_where_it_was_raised(tmp_path: Path) -> None:
    limit = tmp_path / "aio-max-nr"
    limit.write_text(str(OF_MANY_GUESTS))
    told = aio_is_taken(limit)
    assert f"fs.aio-max-nr is {OF_MANY_GUESTS}," in told.message
    assert told.hint.endswith(f"fs.aio-max-nr={2 * OF_MANY_GUESTS}")


@pytest.mark.parametrize("before", ["0\n", "1\n"])
def test_guests_may_come_by_post_copy_once_the_kernel_is_told(before: str, tmp_path: Path) -> None:
    switch = tmp_path / "unprivileged_userfaultfd"
    switch.write_text(before)
    assert allow_post_copy(switch)
    assert int(switch.read_text()) == 1


def test_where_the_kernel_cannot_be_told_they_may_not(tmp_path: Path) -> None:
    assert not allow_post_copy(tmp_path / "none")
