"""Where a VM's spec is another than a snapshot's config, by paths. Pure, on plain dicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from quantix_api.virtual_machine_restore import MAX_DIFFERENCES, MAX_PATH

SPEC = "spec"
"""All of it, and where it begins."""
_WISHES = frozenset({"powerState", "restart", "gracePeriodSeconds", "deletionProtection"})
"""What nobody set back would want back: how it is to be now."""
_MACHINE = ("spec.cpu", "spec.memory", "spec.instanceType", "spec.os", "spec.firmware", "spec.identity")
_DEVICES = ("spec.disks[", "spec.cdroms[", "spec.nics[", "spec.hostDevices[", "spec.console", "spec.watchdog")
_LIVE = frozenset(
    {"size", "pool", "qos", "reclaimPolicy", "network", "addresses", "securityGroups", "linkState", "image"}
    | {"portSecurity", "weight", "limit", "reservation"}
)
"""Members of devices and of cpu that a guest does not see, or sees change while it runs."""


def differences(config: Mapping[str, Any], spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths below spec, at most as many and as long as a status holds; items of lists by their names."""
    before = {name: value for name, value in config.items() if name not in _WISHES}
    now = {name: value for name, value in spec.items() if name not in _WISHES}
    return tuple(dict.fromkeys(_of_maps(before, now, SPEC)))[:MAX_DIFFERENCES]


def unlike_memory(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the paths that make another machine of it than the one whose memory was kept."""
    return tuple(path for path in paths if _is_of_machine(path))


def _is_of_machine(path: str) -> bool:
    if path == SPEC:
        return True
    if path.rpartition(".")[2] in _LIVE and not path.startswith("spec.memory"):
        return False
    return path.startswith((*_MACHINE, *_DEVICES))


def _of_maps(before: Mapping[str, Any], now: Mapping[str, Any], path: str) -> Iterator[str]:
    for name in sorted({*before, *now}):
        yield from _of_values(before.get(name), now.get(name), _inner(path, f".{name}"))


def _of_values(before: Any, now: Any, path: str) -> Iterator[str]:
    if before == now:
        return
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        yield from _of_maps(before, now, path)
    elif _is_named_list(before) and _is_named_list(now):
        olds, news = _by_name(before), _by_name(now)
        for name in sorted({*olds, *news}):
            yield from _of_values(olds.get(name), news.get(name), _inner(path, f"[{name}]"))
        if [*olds] != [*news] and olds.keys() == news.keys():
            yield path
    else:
        yield path


def _inner(path: str, member: str) -> str:
    """What users call the keys of a map may be of any length: one that is too long is not told apart."""
    return path + member if len(path + member) <= MAX_PATH else path


def _is_named_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) and "name" in item for item in value)


def _by_name(items: list[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {str(item["name"]): item for item in items}
