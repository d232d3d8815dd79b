"""What a scrape of the operator shows of the objects that it knows."""

from __future__ import annotations

from typing import Any

from prometheus_client import generate_latest

from quantix_api.resources import HOSTS, NAMESPACES, VIRTUAL_MACHINES, VOLUMES
from quantix_operator.cache import Cache
from quantix_operator.metrics import Metrics

_LONG_AGO, _LATER = "2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z"


class World:
    def __init__(self) -> None:
        self.cache = Cache((HOSTS, NAMESPACES, VIRTUAL_MACHINES, VOLUMES))
        self.silences: dict[str, float] = {}
        self.metrics = Metrics()
        self.metrics.watch_cache(self.cache, self.silences.get)

    def put(self, kind: Any, name: str, status: dict[str, Any], **metadata: Any) -> None:
        known = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", **metadata}
        self.cache.put(kind, {"kind": kind.kind, "metadata": known, "status": status})

    def vm(self, name: str, phase: str, reason: str, since: str, ready: str = "False", **more: Any) -> None:
        condition = {"type": "Ready", "status": ready, "reason": reason, "lastTransitionTime": since}
        self.put(VIRTUAL_MACHINES, name, {"phase": phase, "conditions": [condition]}, **more)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"quantix_operator_{name}", labels)


def test_objects_are_counted_by_phase_and_a_kind_without_any_is_zero() -> None:
    world = World()
    world.vm("a", "Running", "Running", _LATER, "True")
    world.vm("b", "Running", "Running", _LATER, "True")
    world.vm("c", "Stopped", "Stopped", _LATER, "True")
    world.put(NAMESPACES, "blue", {"phase": "Active"})
    assert world.value("objects", resource="virtualmachines", phase="Running") == 2
    assert world.value("objects", resource="virtualmachines", phase="Stopped") == 1
    assert world.value("objects", resource="namespaces", phase="Active") == 1
    assert world.value("objects", resource="volumes", phase="") == 0


def test_what_is_not_as_asked_is_counted_by_reason_since_the_first() -> None:
    world = World()
    world.vm("a", "Pending", "NotEnoughMemory", _LATER)
    world.vm("b", "Pending", "NotEnoughMemory", _LONG_AGO)
    world.vm("stopped", "Stopped", "Stopped", _LONG_AGO, "True")
    world.vm("left-off", "Stopped", "GuestShutdown", _LONG_AGO)
    world.vm("leaving", "Running", "Running", _LONG_AGO, "True", deletionTimestamp=_LATER)
    waiting = {"resource": "virtualmachines", "reason": "NotEnoughMemory"}
    assert world.value("objects_not_ready", **waiting) == 2
    assert world.value("objects_not_ready_since_timestamp_seconds", **waiting) == 1769860800
    deleting = {"resource": "virtualmachines", "reason": "Deleting"}
    assert world.value("objects_not_ready_since_timestamp_seconds", **deleting) == 1769864400
    assert world.value("objects_not_ready", resource="virtualmachines", reason="Stopped") is None
    assert world.value("objects_not_ready", resource="virtualmachines", reason="GuestShutdown") is None


def test_a_time_that_is_none_spoils_no_scrape() -> None:
    world = World()
    world.vm("a", "Pending", "NotEnoughMemory", "yesterday")
    waiting = {"resource": "virtualmachines", "reason": "NotEnoughMemory"}
    assert world.value("objects_not_ready", **waiting) == 1


def test_a_host_is_as_silent_as_its_lease_and_one_without_a_lease_says_nothing() -> None:
    world = World()
    world.put(HOSTS, "h1", {"phase": "Ready"})
    world.put(HOSTS, "h2", {"phase": "Joining"})
    world.silences["h1"] = 2.5
    assert world.value("host_silence_seconds", host="h1") == 2.5
    assert world.value("host_silence_seconds", host="h2") is None


def test_no_name_of_a_tenants_object_is_shown() -> None:
    world = World()
    world.vm("secret-project", "Pending", "NotEnoughMemory", _LATER, namespace="team-blue")
    text = generate_latest(world.metrics.registry)
    assert b"secret-project" not in text
    assert b"team-blue" not in text
