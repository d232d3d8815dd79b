"""What is said of a StoragePool: who reaches it, how much room there is. Pure; called by its controller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from quantix_api import StoragePool
from quantix_api.conditions import STALLED_REASONS
from quantix_api.facts import Fact, fact
from quantix_api.message_table_phrases import NOT_BY
from quantix_api.message_text import cause_of, first_of
from quantix_api.not_built import refused_parts
from quantix_api.quantities import UNIT_BYTES, format_size, human_size
from quantix_client.apply import comparable
from quantix_operator.storagepool.promises import fills_up, is_full

_FIGURES = ("allocated", "available", "virtualMachines", "snapshots")
_IN_USE = ("virtualMachines", "snapshots")


@dataclass(frozen=True)
class Report:
    """What one host says of the pool. `reached` None: it has not said yet; `reason`: what is wrong with its
    place there; `full`: why Ceph takes no writes.
    """

    host: str
    reached: bool | None
    capacity_bytes: int = 0
    available_bytes: int = 0
    message: str = ""
    reason: str = ""
    full: str = ""


@dataclass(frozen=True)
class Observed:
    """`elder_default`: another pool that calls itself default and is older; `volumes`: how many are in it,
    with `promised_bytes` for those that do not wait for room; `machines`: how many VMs name it for a disk;
    `snapshots`: how many lie in it.
    """

    pool: StoragePool
    reports: Sequence[Report]
    elder_default: str = ""
    volumes: int = 0
    promised_bytes: int = 0
    machines: int = 0
    snapshots: int = 0


def pool_facts(observed: Observed) -> tuple[Fact, ...]:
    ready = _ready(observed)
    stalled = (ready.repeated_as("Stalled", "True"),) if ready.reason in STALLED_REASONS else ()
    return (ready, _fenceable(observed.pool), *_has_room(observed), *stalled)


def pool_figures(observed: Observed) -> dict[str, Any]:
    """Capacities of all hosts that reach it, rounded to one percent, so that they are seldom a write."""
    reaching = [report for report in observed.reports if report.reached]
    shared = observed.pool.spec.rbd is not None
    # Its deletion is refused by these: they count also while no host reaches the pool
    kept = {
        "allocated": _allocated(observed),
        "virtualMachines": observed.machines,
        "snapshots": observed.snapshots,
    }
    figures: dict[str, Any] = {"hosts": len(reaching), "fencing": "None", **kept}
    told = [report for report in reaching if report.capacity_bytes]
    # A shared pool is one for all: every host says the same of it
    counted = told[:1] if shared else told
    capacity = sum(report.capacity_bytes for report in counted)
    if not capacity:
        return figures
    return figures | {
        "capacity": rounded(capacity, capacity),
        "available": rounded(sum(report.available_bytes for report in counted), capacity),
    }


def only_figures_differ(told: dict[str, Any], status: dict[str, Any]) -> bool:
    """Whether nothing is new but how much is in it, or how many VMs and snapshots it has: not whether there
    is any, by which it may be deleted.
    """
    if "0" in (told.get("allocated"), status["allocated"]):
        return False
    if any(bool(told.get(name)) != bool(status[name]) for name in _IN_USE):
        return False
    figures = {name: status[name] for name in _FIGURES if name in status}
    return bool(comparable({"status": told | figures}) == comparable({"status": status}))


def _allocated(observed: Observed) -> str:
    """ "0" only for a pool without volumes; exact, since it changes only when they do."""
    if not observed.volumes:
        return "0"
    return format_size(max(observed.promised_bytes, UNIT_BYTES["Mi"]))


def rounded(number_bytes: int, whole_bytes: int) -> str:
    """A size to one percent of the whole, in a unit that is short to read; "0" for nothing."""
    step = max(whole_bytes // 100, 1)
    near = number_bytes // step * step if number_bytes < whole_bytes else number_bytes
    for unit in ("Ti", "Gi", "Mi"):
        if near >= 10 * UNIT_BYTES[unit]:
            return f"{near // UNIT_BYTES[unit]}{unit}"
    return format_size(near) if near > 0 else "0"


def _ready(observed: Observed) -> Fact:
    reaching = [report for report in observed.reports if report.reached]
    if observed.elder_default:
        return fact("Ready", "False", "DefaultConflict", other=observed.elder_default)
    for path in refused_parts(observed.pool.spec):
        return fact("Ready", "False", "Unreachable", path=path)
    if not observed.reports:
        return fact("Ready", "False", "NoHost")
    degraded = next((report for report in reaching if report.reason == "Degraded"), None)
    if degraded is not None:
        return fact("Ready", "False", "Degraded", said=degraded.message)
    if reaching:
        cut_off = [report.host for report in observed.reports if report.reached is False]
        but = NOT_BY.format(hosts=first_of(cut_off)) if cut_off else ""
        return fact("Ready", "True", "Reachable", hosts=len(reaching), all=len(observed.reports), but=but)
    if all(report.reached is None for report in observed.reports):
        return fact("Ready", "Unknown", "Pending", pool=observed.pool.metadata.name)
    misplaced = next((report for report in observed.reports if report.reason), None)
    if misplaced is not None:
        return Fact("Ready", "False", misplaced.reason, misplaced.message)
    said = next(
        (f"{item.host}: {_said(item.message)}" for item in observed.reports if item.message), "nothing"
    )
    return fact("Ready", "False", "Unreachable", said=said)


def _has_room(observed: Observed) -> tuple[Fact, ...]:
    """About the host on which least is left; nothing while no host reaches it."""
    full = next((report for report in observed.reports if report.reached and report.full), None)
    reaching = [report for report in observed.reports if report.reached and report.capacity_bytes > 0]
    if full is not None:
        return (_full(full),)
    if not reaching:
        return ()
    fullest = min(reaching, key=lambda report: report.available_bytes / report.capacity_bytes)
    free, capacity = fullest.available_bytes, fullest.capacity_bytes
    fields = {"host": fullest.host, "free": human_size(free), "capacity": human_size(capacity)}
    if is_full(free, capacity):
        return (fact("HasRoom", "False", "PoolFull", **fields),)
    if fills_up(free, capacity):
        return (fact("HasRoom", "False", "FillsUp", **fields),)
    return (fact("HasRoom", "True", "Enough"),)


def _full(report: Report) -> Fact:
    """Of a pool in Ceph that takes no writes."""
    left, capacity = report.available_bytes, report.capacity_bytes
    figures = {"free": human_size(left), "capacity": human_size(capacity)} if capacity else {}
    return fact("HasRoom", "False", "PoolFull", full=report.full, **figures)


def _said(message: str) -> str:
    """What went wrong, out of a host's whole sentence: this one has a hint and a full stop of its own."""
    return cause_of(message).rpartition("Said: ")[2]


def _fenceable(pool: StoragePool) -> Fact:
    if pool.spec.rbd is None:
        return fact("Fenceable", "False", "LocalStorage")
    return fact("Fenceable", "Unknown", "NoCapability")
