"""Which tests xdist gives to one worker, and in which order: what shares something costly stays together.

For `pytest_xdist_make_scheduler` of a conftest.py. xdist 3.8 has groups of its own, which it writes into the
names of tests; pytest 9.2 takes them from nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

GroupOf = Callable[[PurePosixPath], str]
"""The group of a file of tests, whose path is relative to the checkout."""

TOGETHER: dict[str, tuple[str, ...]] = {
    "the sources as syntax trees": (
        "crds/tests/unit/test_client_reading.py",
        "crds/tests/unit/test_messages.py",
        "crds/tests/unit/test_not_built.py",
        "crds/tests/unit/test_reasons_provoked.py",
        "crds/tests/unit/test_references.py",
        "operator/tests/unit/door/test_literal_sentences.py",
        "hostd/tests/unit/test_clocks.py",
        "hostd/tests/unit/test_sentences.py",
        "cli/tests/unit/test_hints.py",
        "cli/tests/unit/test_settings.py",
        "cli/tests/unit/test_writing.py",
    ),
    "a Ceph": ("hostd/tests/contract/ceph/test_*.py",),
    "an API with VMs to list": ("cli/tests/contract/test_qx_*.py",),
    "an API that is lost under operators": ("operator/tests/contract/process/test_*.py",),
    "a control plane alone": (
        "controlplane/tests/contract/test_*.py",
        "crds/tests/contract/test_client_control_plane.py",
    ),
    "an operator with scripted hosts": ("operator/tests/contract/lifecycle/test_*.py",),
    "three scripted hosts between which VMs move": ("operator/tests/contract/moving/test_*.py",),
    "a cluster that a host has joined": ("hostd/tests/contract/joined/test_*.py",),
    "the API with all that is installed": (
        "crds/tests/contract/test_applying.py",
        "crds/tests/contract/test_examples.py",
        "crds/tests/contract/test_installed_copy.py",
        "crds/tests/contract/test_policies_*.py",
        "crds/tests/contract/test_samples.py",
        "crds/tests/contract/test_teams.py",
        "crds/tests/contract/test_times.py",
        "crds/tests/contract/test_transitions.py",
    ),
}
"""Files that share a world which takes seconds to start. Those that take longest come first."""


def group_of(file: PurePosixPath) -> str:
    """The name of the files that it is run with; its own path where it is alone."""
    return next((name for name, patterns in TOGETHER.items() if _matches(file, patterns)), str(file))


def place_of(file: PurePosixPath) -> int:
    """Where its group comes: in the order of the table, then all others."""
    names = list(TOGETHER)
    group = group_of(file)
    return names.index(group) if group in names else len(names)


def _matches(file: PurePosixPath, patterns: tuple[str, ...]) -> bool:
    return any(file.match(pattern) for pattern in patterns)


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """A worker gets one group after the other, in the order in which they are collected."""

    def __init__(self, config: pytest.Config, log: Producer, group_of: GroupOf) -> None:
        super().__init__(config, log)
        # not by how many tests they have, which says nothing of their time
        config.option.loadscopereorder = False
        self._group_of = group_of

    def _split_scope(self, nodeid: str) -> str:
        return self._group_of(PurePosixPath(nodeid.partition("::")[0]))
