"""What hostd starts is not protected from the kernel as hostd is."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_hostd.clients.command import rank_for_memory


@pytest.mark.parametrize(("before", "after"), [("-900", "0"), ("0", "0"), ("300", "300")])
def test_a_program_is_ended_as_early_as_any_other(tmp_path: Path, before: str, after: str) -> None:
    score = tmp_path / "7/oom_score_adj"
    score.parent.mkdir()
    score.write_text(f"{before}\n")
    rank_for_memory(7, tmp_path)
    assert score.read_text().strip() == after


def test_a_program_that_has_ended_already_is_no_error(tmp_path: Path) -> None:
    rank_for_memory(7, tmp_path)
