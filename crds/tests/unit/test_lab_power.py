"""A host of a lab loses its power, and gets it back as one that somebody switches on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from quantix_lab.lab import Lab
from quantix_lab.lab_command import pull_plug, switch_on


class Host:
    """Counts what was done to it; `pid` 0: it is off."""

    def __init__(self, name: str, pid: int) -> None:
        self.name, self.pid, self.done = name, pid, list[str]()

    @property
    def is_running(self) -> bool:
        return self.pid != 0

    def kill(self) -> None:
        self.pid = 0
        self.done.append("kill")

    def start_host(self) -> None:
        self.pid = 77
        self.done.append("start")

    def up(self) -> None:
        self.done.append("up")


class Hosts:
    """A lab whose hosts are as its state tells."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.hosts = [Host(name, pid) for name, pid in state["pids"].items()]

    @property
    def state(self) -> dict[str, Any]:
        return {"pids": {host.name: host.pid for host in self.hosts}}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "lab.json"
    path.write_text(json.dumps({"pids": {"h1": 11, "h2": 12}}))
    return path


def adopting(state: Mapping[str, Any], into: list[Hosts]) -> Lab:
    into.append(Hosts(state))
    return cast(Lab, into[-1])


def test_a_host_whose_plug_was_pulled_is_switched_on_again(state: Path) -> None:
    labs: list[Hosts] = []
    pull_plug("h2", state, lambda told: adopting(told, labs))
    assert json.loads(state.read_text()) == {"pids": {"h1": 11, "h2": 0}}
    switch_on("h2", state, lambda told: adopting(told, labs))
    assert json.loads(state.read_text()) == {"pids": {"h1": 11, "h2": 77}}
    assert [lab.hosts[1].done for lab in labs] == [["kill"], ["start", "up"]]


def test_a_host_that_is_on_or_not_there_is_left_alone(state: Path, tmp_path: Path) -> None:
    for name, path in (("h1", state), ("h9", state), ("", state), ("h1", tmp_path / "none.json")):
        with pytest.raises(SystemExit, match="Try: make lab"):
            switch_on(name, path, lambda told: adopting(told, []))
