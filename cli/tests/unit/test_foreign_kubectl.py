"""What `make up` says of a kubectl that it did not bring."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from quantix_cli.settings import read_settings
from quantix_cli.up.links import foreign_kubectl
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.settings import judge_settings
from quantix_cli.up.start.foreign_kubectl import misfit

OURS = "v1.34.1"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[UpLog]:
    with closing(UpLog(tmp_path / "up.log")) as opened:
        yield opened


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], Path]:
    def make(name: str, said: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\ncat <<'.'\n{said}\n.\n")
        path.chmod(0o755)
        return path

    return make


def version(tag: str) -> str:
    return json.dumps({"clientVersion": {"gitVersion": tag}, "kustomizeVersion": "v5.0.4"}, indent=2)


async def test_a_kubectl_too_old_is_told_with_both_versions_and_what_fits(
    log: UpLog, program: Callable[[str, str], Path]
) -> None:
    theirs, ours = program("kubectl", version("v1.28.4-dispatcher")), program("plane", version(OURS))
    assert await misfit(theirs, ours, log) == (
        f"{theirs} is of Kubernetes 1.28, and the API server of 1.34: use quantix-controlplane kubectl"
    )


@pytest.mark.parametrize("said", [version("v1.33.9"), version("v1.35.0+k3s1"), "no JSON", "[]"])
async def test_one_beside_it_and_what_tells_no_version_is_let_be(
    log: UpLog, program: Callable[[str, str], Path], said: str
) -> None:
    assert await misfit(program("kubectl", said), program("plane", version(OURS)), log) == ""


async def test_one_that_cannot_be_run_is_let_be(log: UpLog, tmp_path: Path) -> None:
    assert await misfit(tmp_path / "gone", tmp_path / "gone", log) == ""


def test_the_first_that_is_not_ours_is_found(tmp_path: Path, program: Callable[[str, str], Path]) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
    (ours / "kubectl").symlink_to("/var/cache/quantix/controlplane")
    settings = judge_settings(read_settings({"PATH": f"{ours}:{theirs}"}))
    assert foreign_kubectl(settings) is None
    program("theirs/kubectl", version(OURS))
    assert foreign_kubectl(settings) == theirs / "kubectl"
