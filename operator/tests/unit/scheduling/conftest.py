"""Hosts and guests for the scheduler's tests: everything but what a test is about is as usual."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from quantix_api.host_labels import HOST_LABEL
from quantix_operator.scheduling.model import GIB, Guest, HostView


class MakeHost(Protocol):
    def __call__(self, name: str, **different: Any) -> HostView: ...


class MakeGuest(Protocol):
    def __call__(self, name: str, **different: Any) -> Guest: ...


@pytest.fixture(scope="session")
def host() -> MakeHost:
    def make(name: str, **different: Any) -> HostView:
        usual: dict[str, Any] = {
            "cpu_millis": 16_000,
            "memory_bytes": 64 * GIB,
            "pools": frozenset({"local"}),
        }
        labels = {HOST_LABEL: name} | different.pop("labels", {})
        return HostView(name, **(usual | different), labels=labels)

    return make


@pytest.fixture(scope="session")
def guest() -> MakeGuest:
    def make(name: str, **different: Any) -> Guest:
        usual: dict[str, Any] = {
            "uid": f"uid-{name}",
            "namespace": "default",
            "vcpus": 2,
            "memory_bytes": 2 * GIB,
        }
        return Guest(name=name, **(usual | different))

    return make
