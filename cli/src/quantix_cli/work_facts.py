"""What `explain` says of pools, migrations and snapshots beside their conditions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of, within
from quantix_api.quantities import counted, size_bytes
from quantix_api.times import parse_time
from quantix_cli.measures import duration, size
from quantix_cli.nouns import Manifest, look

Facts = Iterator[tuple[str, str]]


def work_facts(obj: Manifest) -> list[tuple[str, str]]:
    """Labels and texts; none for what is none of them."""
    told = _OF.get(str(obj.get("kind")))
    return list(told(obj)) if told is not None else []


def _of_pool(pool: Manifest) -> Facts:
    directory, ceph = look(pool, "spec.dir.path"), look(pool, "spec.rbd")
    if directory:
        yield "keeps data", f"in {directory}, on each host its own"
    if ceph:
        yield "keeps data", f"in Ceph, pool {ceph.get('pool')}, which all hosts share"
    capacity, free = look(pool, "status.capacity"), look(pool, "status.available")
    if capacity and free:
        whole = size_bytes(capacity)
        yield "room", f"{size(whole - size_bytes(free))} of {size(whole)} used{_promised(pool, whole)}"
    if (hosts := look(pool, "status.hosts")) is not None:
        yield "reached by", counted(hosts, "host")
    counts = [("status.virtualMachines", "VM"), ("status.snapshots", "snapshot")]
    users = [counted(count, what) for path, what in counts if (count := look(pool, path))]
    yield "used by", " and ".join(users) or "no VM"
    if look(pool, "spec.default"):
        yield "default", "it is taken where no pool is named"


def _promised(pool: Manifest, whole: int) -> str:
    promised = look(pool, "status.allocated")
    if promised is None:
        return ""
    most = whole * int(look(pool, "spec.overcommitPercent", 200)) // 100
    return f"; {size(size_bytes(promised)) if promised != '0' else 'none'} of {size(most)} promised"


def _of_migration(migration: Manifest) -> Facts:
    source, target = look(migration, "status.sourceHost"), look(migration, "status.targetHost")
    wanted = look(migration, "spec.targetHost")
    to = target or (f"{wanted}, as asked for" if wanted else "a host that is still to be chosen")
    yield "moves", f"VM {look(migration, 'spec.virtualMachine')}{f' from {source}' if source else ''} to {to}"
    began, ended = look(migration, "status.startedAt"), look(migration, "status.finishedAt")
    percent = look(migration, "status.progress.percent")
    if percent is not None and not ended:
        yield "copied", f"{percent} %"
    still = look(migration, "status.source.downtimeMilliseconds")
    if began and ended:
        paused = f"; the guest stood still for {duration(still / 1000)}" if still is not None else ""
        yield "took", f"{duration(max((parse_time(ended) - parse_time(began)).total_seconds(), 0.0))}{paused}"


def _of_snapshot(snapshot: Manifest) -> Facts:
    taken = look(snapshot, "status.takenAt")
    yield "of", f"VM {look(snapshot, 'spec.virtualMachine')}{f', as it was at {taken}' if taken else ''}"
    for disk in look(snapshot, "status.disks", []):
        amount = f"{size(size_bytes(disk['size']))} of volume" if disk.get("size") else "volume"
        yield "disk", f"{disk['name']}: {amount} {disk.get('volume')}, in pool {disk.get('pool')}"
    if look(snapshot, "spec.memory"):
        kept = look(snapshot, "status.memoryHandle")
        yield "memory", "kept, too" if kept else "asked for; none is kept" if taken else "is kept, too"
    quiesced = condition_of(snapshot, "Quiesced")
    if quiesced:
        why = within(cause_of(str(quiesced.get("message", ""))))
        yield "quiesced", f"{'yes' if quiesced.get('status') == 'True' else 'no'}{f': {why}' if why else ''}"
    percent = look(snapshot, "status.progress.percent")
    if percent is not None and look(snapshot, "status.phase") not in ("Ready", "Failed"):
        yield "copied", f"{percent} %"


_OF: Mapping[str, Callable[[Manifest], Facts]] = {
    "StoragePool": _of_pool,
    "VirtualMachineMigration": _of_migration,
    "VirtualMachineSnapshot": _of_snapshot,
}
