"""The directory of a pool: what it may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.pool_dir import PoolDir


@pytest.mark.parametrize("create", [True, False])
def test_a_link_is_no_pool_and_says_what_to_do(tmp_path: Path, create: bool) -> None:
    (tmp_path / "large-disk").mkdir()
    (tmp_path / "pool").symlink_to("large-disk")
    with pytest.raises(TransientError, match="symbolic link") as refused:
        PoolDir("local", tmp_path / "pool", FileOwner.current(), "h1").prepare(create=create)
    assert refused.value.reason == "PoolUnreachable"
    assert list((tmp_path / "large-disk").iterdir()) == []
