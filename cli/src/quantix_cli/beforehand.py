"""What would be refused for certain, refused before it is sent: memory that no guest on any host has
addresses for, disks that no pool can hold.

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
from quantix_api.message_text import first_of
from quantix_api.messages import render
from quantix_api.quantities import human_size, human_sizes, size_bytes
from quantix_cli import fetch
from quantix_cli.destinations import default_pool
from quantix_cli.exits import refused
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.session import Session
from quantix_client.errors import Forbidden


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
    size = look(spec, "memory.size")
    if before is not None and size and size_bytes(str(size)) > max(ceilings.values()):
        options = "--memory SIZE --max-memory SIZE" if look(spec, "memory.maxSize") else "--memory SIZE"
        wanted, reach = human_size(size_bytes(str(size))), first_of(told)
        raise refused(render("NotEnoughMemory", wanted=wanted, hosts=reach, name=name, options=options))
    raise refused(render("NotEnoughMemory", most=human_size(most_bytes), hosts=first_of(told), name=name))


def _sizes(spec: Manifest) -> list[str]:
    memory: dict[str, Any] = spec.get("memory") or {}
    return [str(memory[key]) for key in ("size", "maxSize") if memory.get(key)]


def _ceiling_bytes(host: Manifest, model: str) -> int:
    works = condition_of(host, "KVMAvailable").get("status") == "True"
    return addressable_bytes(look(host, "status.cpuAddressBits") if works else None, model)
