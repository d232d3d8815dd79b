"""What would be refused for certain, refused before it is sent: a pool that no host reaches, or none at all,
memory that no guest on them has addresses for, disks that no pool can hold.

Used by commands that would else wait for it. What the account may not look at is left to the operator.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from quantix_api import resources
from quantix_api.address_space import addressable_bytes
from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of, first_of, hint_of
from quantix_api.messages import render
from quantix_api.quantities import human_size, human_sizes, size_bytes
from quantix_api.volume_names import volume_name
from quantix_cli import fetch
from quantix_cli.exits import CommandError, Exit, refused
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.session import Session
from quantix_client.errors import Forbidden, NotFound


async def refuse_unreached(session: Session, pool: str, host: str) -> None:
    """Raise CommandError (6) where no host reaches the pool, or `host` does not, whose data is to go there.
    "": no host has data.
    """
    with contextlib.suppress(Forbidden, NotFound):
        found = await session.api.get(resources.STORAGE_POOLS, pool)
        ready = condition_of(found)
        if ready.get("status") == "False" and not look(found, "status.hosts", 0):
            raise _refusal(pool, str(ready.get("message", "")))
        if not host:
            return
        seen = look(await session.api.get(resources.HOSTS, host), "status.pools", [])
        entry: Manifest = next((item for item in seen if item["name"] == pool), {})
        if entry.get("state") == "Unreachable":
            raise _refusal(pool, str(entry.get("message", "")))


async def refuse_poolless(session: Session, *new: Manifest, option: str = "") -> None:
    """Raise CommandError (6) where one of the `new` VMs, Volumes or Images of one kind names no pool for its
    data, and none is the default: it would wait for one. `option` is what names one, "" where nothing does.
    """
    first = new[0]["metadata"]
    wanted = {name for manifest in new for name in _poolless(manifest)}
    if not wanted:
        return
    with contextlib.suppress(Forbidden):
        pools = await fetch.objects_of(session, NOUNS["pool"])
        if default_pool(pools):
            return
        if new[0].get("kind") == resources.VIRTUAL_MACHINES.kind:
            # a volume that an earlier VM of this name has left is taken over where it is
            there = (await session.api.list(resources.VOLUMES, first["namespace"])).items
            wanted -= {volume["metadata"]["name"] for volume in there}
        if not wanted:
            return
        names = first_of([pool["metadata"]["name"] for pool in pools])
        how = {"option": option} if option else {}
        fields = {"pools": names, **how} if names else {"name": str(first["name"])}
        raise refused(render("PoolNotFound", **fields))


def _poolless(manifest: Manifest) -> set[str]:
    """The names of the volumes, or of the image, that would be made in the default pool."""
    spec, name = manifest["spec"], str(manifest["metadata"]["name"])
    if manifest.get("kind") != resources.VIRTUAL_MACHINES.kind:
        return set() if spec.get("pool") else {name}
    new = (disk for disk in spec.get("disks", []) if not disk.get("volume") and not disk.get("pool"))
    return {volume_name(name, disk["name"]) for disk in new}


def _refusal(pool: str, said: str) -> CommandError:
    return CommandError(Exit.REFUSED, f"Nothing can go to pool {pool}: {cause_of(said)}.", hint_of(said))


async def refuse_oversized(session: Session, disks: Iterable[Manifest]) -> None:
    """Raise CommandError (6) where new disks or volumes, by `size` and `pool`, are together larger than all
    that a pool may promise. What others have of it now may go.
    """
    wanted: Counter[str] = Counter()
    for disk in disks:
        wanted[disk.get("pool") or ""] += size_bytes(disk["size"]) if disk.get("size") else 0
    if not +wanted:
        return
    with contextlib.suppress(Forbidden):
        pools = (await session.api.list(resources.STORAGE_POOLS)).items
        by_name = {"": default_pool(pools)} | {pool["metadata"]["name"]: pool for pool in pools}
        for name, wanted_bytes in wanted.items():
            _refuse_more_than_all(by_name.get(name, {}), wanted_bytes)


def new_disks(changed: Sequence[Manifest], before: Sequence[Manifest]) -> list[Manifest]:
    """Those of a VM that come or change their size."""
    had = {disk["name"]: disk for disk in before}
    return [disk for disk in changed if had.get(disk["name"], {}).get("size") != disk.get("size")]


def default_pool(pools: Sequence[Manifest]) -> Manifest:
    """The pool that is meant where none is named, {} for none: the same one as `quantix_api.seniority` finds,
    whose models take longer to load than qx may.
    """
    marked = [pool for pool in pools if look(pool, "spec.default") and not _goes(pool)]
    return min(marked, key=_age_order, default={})


def _age_order(pool: Manifest) -> tuple[str, str]:
    return str(look(pool, "metadata.creationTimestamp", "")), str(look(pool, "metadata.uid", ""))


def _goes(pool: Manifest) -> bool:
    return bool(pool["metadata"].get("deletionTimestamp"))


def _refuse_more_than_all(pool: Manifest, wanted_bytes: int) -> None:
    capacity, percent = look(pool, "status.capacity"), look(pool, "spec.overcommitPercent")
    if not capacity or not percent:
        return
    most_bytes = size_bytes(capacity) * int(percent) // 100
    if wanted_bytes <= most_bytes:
        return
    wanted, most = human_sizes(wanted_bytes, most_bytes)
    raise refused(render("PoolFull", pool=pool["metadata"]["name"], most=most, wanted=wanted))


async def refuse_unaddressable(
    session: Session, name: str, spec: Manifest, before: Manifest | None = None
) -> None:
    """Raise CommandError (6) where `spec` (or a patch of `before`) wants memory for VM `name` that no host
    can give a guest addresses for.
    """
    most_bytes = max((size_bytes(size) for size in _sizes(spec)), default=0)
    hosts = await fetch.visible_of(session, NOUNS["host"]) if most_bytes else None
    if not hosts:
        return
    model = str(look(spec, "cpu.model") or look(before or {}, "cpu.model", ""))
    ceilings = {host["metadata"]["name"]: _ceiling_bytes(host, model) for host in hosts}
    if most_bytes <= max(ceilings.values()):
        return
    told = [f"{host} {human_size(ceiling)}" for host, ceiling in ceilings.items()]
    raise refused(render("NotEnoughMemory", most=human_size(most_bytes), hosts=first_of(told), name=name))


def _sizes(spec: Manifest) -> list[str]:
    memory: dict[str, Any] = spec.get("memory") or {}
    return [str(memory[key]) for key in ("size", "maxSize") if memory.get(key)]


def _ceiling_bytes(host: Manifest, model: str) -> int:
    works = condition_of(host, "KVMAvailable").get("status") == "True"
    return addressable_bytes(look(host, "status.cpuAddressBits") if works else None, model)
