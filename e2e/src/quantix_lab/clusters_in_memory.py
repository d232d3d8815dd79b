"""Connections to Ceph that a process opens, in the place of librados' own: for tests of when it does."""

from __future__ import annotations

import errno
import json
from types import SimpleNamespace
from typing import Any

import pytest

from quantix_hostd.clients import ceph_connection


class Clusters:
    """Those that were opened. `shut_out`: the clients that were; `silent`: the call that is not answered."""

    def __init__(self) -> None:
        self.opened: list[Cluster] = []
        self.shut_out: list[str] = []
        self.silent = ""

    def __call__(self, **_: object) -> Cluster:
        self.opened.append(Cluster(self, len(self.opened)))
        return self.opened[-1]


class Cluster:
    """A connection, which is its own pool."""

    def __init__(self, clusters: Clusters, number: int) -> None:
        self.clusters, self.address, self.open = clusters, f"192.0.2.9:0/{number}", True

    def connect(self) -> None:
        self.answer("connect")

    def answer(self, call: str) -> None:
        if self.clusters.silent == call:
            raise OSError(errno.ETIMEDOUT, "timed out")

    def open_ioctx(self, _: str) -> Any:
        calls = {"set_osdmap_full_try": lambda: None, "close": lambda: None}
        return SimpleNamespace(**calls, stat=lambda _: self.answer("stat"), cluster=self)

    def get_addrs(self) -> str:
        return f"[v2:{self.address},v1:{self.address}]"

    def mon_command(self, command: str, _: bytes) -> tuple[int, bytes, str]:
        self.answer("mon_command")
        asked = json.loads(command)
        assert (asked["prefix"], asked["blocklistop"]) == ("osd blocklist", "add")
        self.clusters.shut_out.append(asked["addr"])
        return 0, b"", ""

    def wait_for_latest_osdmap(self) -> None:
        assert self.clusters.shut_out

    def shutdown(self) -> None:
        assert self.open, "it is closed once"
        self.open = False


def clusters_in_memory(monkeypatch: pytest.MonkeyPatch) -> Clusters:
    """What a process opens from now on."""
    made = Clusters()
    monkeypatch.setattr(ceph_connection, "rados", lambda: SimpleNamespace(Rados=made))
    return made
