"""What hostd asks of its kernel before guests do."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_hostd.clients.kernel_limits import AIO_WANTED, aio_is_taken, raise_aio_limit


@pytest.mark.parametrize(
    ("before", "after"),
    [("65536\n", AIO_WANTED), (str(AIO_WANTED), AIO_WANTED), (str(10 * AIO_WANTED), 10 * AIO_WANTED)],
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
