"""Fixtures that any component's tests may use; the root conftest.py loads this module.

A fixture starts something real and costs seconds, so it is shared by the whole run: tests keep apart by
namespaces and names of their own.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from quantix_lab.control_plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A ready control plane without any CRD. Do not stop or kill this one: it is everybody's."""
    with ControlPlane(tmp_path_factory.mktemp("controlplane")) as running:
        yield running


@pytest.fixture
def heeded_interrupt() -> Iterator[None]:
    """Tests that a script runs in its background ignore SIGINT, and all that they start would, too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
