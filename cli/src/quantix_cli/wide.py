"""What a list shows besides with `-o wide`, or when a column of these is named. Pure; used by `rendering`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from quantix_api.quantities import size_bytes
from quantix_cli.measures import size
from quantix_cli.nouns import Manifest, Noun, look
from quantix_cli.tables import Cell

_Cell = Callable[[Manifest], Cell]


def _shown(value: Any) -> Cell:
    if isinstance(value, list):
        value = ", ".join(str(item) for item in value)
    return Cell(str(value) if value not in (None, "") else "-")


def _at(path: str) -> _Cell:
    return lambda obj: _shown(look(obj, path))


def _flag(path: str) -> _Cell:
    return lambda obj: Cell("yes" if look(obj, path) else "-")


def _size(path: str) -> _Cell:
    def cell(obj: Manifest) -> Cell:
        value = look(obj, path)
        return Cell(size(size_bytes(value)) if value else "-", right=True)

    return cell


def _first(kind: str, field: str) -> _Cell:
    """`field` of the first of these devices that has it."""
    return lambda vm: _shown(next((d[field] for d in look(vm, f"spec.{kind}", []) if d.get(field)), None))


def _promisable(pool: Manifest) -> Cell:
    """All that it may promise, as `beforehand.refuse_oversized` counts it."""
    capacity, percent = look(pool, "status.capacity"), look(pool, "spec.overcommitPercent")
    known = capacity and percent
    return Cell(size(size_bytes(capacity) * int(percent) // 100) if known else "-", right=True)


# the STATUS of `kubectl get`
_PHASE = _at("status.phase")

_COLUMNS: Mapping[str, Mapping[str, _Cell]] = {
    "vm": {
        "PHASE": _PHASE,
        "TYPE": _at("spec.instanceType"),
        "IMAGE": _first("disks", "image"),
        "NETWORK": _first("nics", "network"),
        "UID": _at("metadata.uid"),
    },
    "host": {
        "PHASE": _PHASE,
        "ARCH": _at("status.arch"),
        "CPU-MODEL": _at("status.cpuModel"),
        "QEMU": _at("status.versions.qemu"),
        "OVN": _at("status.versions.ovn"),
    },
    "volume": {
        "PHASE": _PHASE,
        "HOST": _at("status.host"),
        "SOURCE": _at("spec.source.image"),
        "UID": _at("metadata.uid"),
    },
    "image": {
        "PHASE": _PHASE,
        "HOST": _at("status.host"),
        "LOGIN": _at("spec.loginUser"),
        "SOURCE": _at("spec.url"),
    },
    "network": {
        "MTU": _at("status.mtu"),
        "WIRE": _at("spec.physical.name"),
        "DEFAULT": _flag("spec.default"),
    },
    "migration": {"PHASE": _PHASE},
    "snapshot": {
        "PHASE": _PHASE,
        "HOST": _at("status.host"),
        "TAKEN": _at("status.takenAt"),
        "UID": _at("metadata.uid"),
    },
    "router": {"EXTERNAL": _at("spec.external.network"), "GATEWAYS": _at("status.gatewayHosts")},
    "floatingip": {
        "NETWORK": _at("spec.network"),
        "LEADS-TO": _at("status.nicAddress"),
        "MODE": _at("status.mode"),
        "ROUTER": _at("status.router"),
    },
    "pool": {
        "PROMISED": _size("status.allocated"),
        "PROMISABLE": _promisable,
        "DEFAULT": _flag("spec.default"),
    },
}


def wide_header(noun: Noun) -> tuple[str, ...]:
    """The titles of what `wide_cells` has."""
    return tuple(_COLUMNS.get(noun.word, ()))


def wide_cells(obj: Manifest, noun: Noun) -> tuple[Cell, ...]:
    """The further cells of one row; they stand before its age."""
    return tuple(cell(obj) for cell in _COLUMNS.get(noun.word, {}).values())
