"""For the tests of this folder."""

from __future__ import annotations

import pytest

from quantix_operator.cache import Cache

from .moved_volume import known_cluster


@pytest.fixture
def cache() -> Cache:
    """Of a cluster in which a Volume is to move."""
    return known_cluster()
