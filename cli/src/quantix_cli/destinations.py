"""Pools that data is to go to: which one is meant, that too little is free in it, and that no host reaches it
or there is none at all, which is refused before anything is sent.

Used by commands that would else wait for it. What the account may not look at is left to the operator.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from quantix_api import resources
from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of, first_of, hint_of
from quantix_api.messages import render
from quantix_api.quantities import human_sizes, size_bytes
from quantix_api.volume_names import volume_name
from quantix_cli import fetch
from quantix_cli.exits import CommandError, Exit, refused
from quantix_cli.nouns import NOUNS, Manifest, look
from quantix_cli.session import Session
from quantix_client.errors import Forbidden, NotFound


@dataclass(frozen=True)
class NewData:
    """What is to be made in `pool`, "" for the default one, for the object called `owner`. `volume` is its
    Volume as NAMESPACE/NAME, where one of that name, which an earlier VM has left, is taken over; "" for what
    must not be there yet.
    """

    owner: str
    pool: str = ""
    volume: str = ""


def of_object(manifest: Manifest) -> NewData:
    """The data of a new Volume or Image."""
    return NewData(str(manifest["metadata"]["name"]), str(manifest["spec"].get("pool") or ""))


def of_disks(vm: Manifest, disks: Iterable[Manifest]) -> list[NewData]:
    """The data of the disks of `vm` that are made for it, as spec has them."""
    name, namespace = vm["metadata"]["name"], vm["metadata"]["namespace"]
    return [
        NewData(name, disk.get("pool") or "", f"{namespace}/{volume_name(name, disk['name'])}")
        for disk in disks
        if not disk.get("volume")
    ]


async def refuse_placeless(session: Session, data: Sequence[NewData], option: str = "") -> None:
    """Raise CommandError (6) where new data has no pool: it names none and none is the default, or the pool
    is one that no host takes before somebody mends it. A pool that hosts only do not reach now is told, since
    they may. `option` is what names a pool, "" where nothing does.
    """
    with contextlib.suppress(Forbidden):
        pools = await fetch.objects_of(session, NOUNS["pool"]) if data else []
        by_name = {"": default_pool(pools)} | {pool["metadata"]["name"]: pool for pool in pools}
        # that there is no pool of some name is told where names are looked up
        in_doubt = [new for new in data if new.pool in by_name and not _is_reached(by_name[new.pool])]
        for name, new in {new.pool: new for new in await _not_taken_over(session, in_doubt)}.items():
            if not by_name[name]:
                raise _no_default(new.owner, pools, option)
            _refuse_lasting(session, by_name[name])


async def refuse_unreached(session: Session, pool: str, host: str) -> None:
    """Raise CommandError (6) where no host reaches the pool, or `host` does not, whose data is to go there.
    "": no host has data.
    """
    with contextlib.suppress(Forbidden, NotFound):
        found = await session.api.get(resources.STORAGE_POOLS, pool)
        if not _is_reached(found):
            raise _refusal(pool, str(condition_of(found).get("message", "")))
        if not host:
            return
        seen = look(await session.api.get(resources.HOSTS, host), "status.pools", [])
        entry: Manifest = next((item for item in seen if item["name"] == pool), {})
        if entry.get("state") == "Unreachable":
            raise _refusal(pool, str(entry.get("message", "")))


async def refuse_move(session: Session, volume: Manifest, vm_host: str, pool: str) -> None:
    """Raise CommandError (6) where the data of a volume cannot go to the pool: as `refuse_unreached`, or for
    being encrypted, where the pool is in Ceph. `vm_host`: that of its VM, "" for none, which brings data out
    of Ceph; without one some host does.
    """
    keeps = str(look(volume, "status.host", ""))
    host = vm_host or ("" if await _is_in_ceph(session, look(volume, "status.pool", "")) else keeps)
    await refuse_unreached(session, pool, host)
    if look(volume, "spec.encryption") and await _is_in_ceph(session, pool):
        raise refused(render("ConfigRefused", pool=pool, path="spec.encryption"))


async def _is_in_ceph(session: Session, pool: str) -> bool:
    with contextlib.suppress(Forbidden, NotFound):
        return bool(pool and look(await session.api.get(resources.STORAGE_POOLS, pool), "spec.rbd"))
    return False


async def tell_short(session: Session, disks: Sequence[Manifest]) -> None:
    """Say so where new disks are together larger than what is free in their pool: it may be promised, and VMs
    that write more than there is stand still, paused or with their next write in Ceph.
    """
    with contextlib.suppress(Forbidden):
        pools = (await session.api.list(resources.STORAGE_POOLS)).items
        by_name = {"": default_pool(pools)} | {pool["metadata"]["name"]: pool for pool in pools}
        sizes: dict[str, list[int]] = {}
        for disk in disks:
            pool = by_name.get(disk.get("pool") or "", {})
            if disk.get("size") and look(pool, "status.available"):
                sizes.setdefault(pool["metadata"]["name"], []).append(size_bytes(disk["size"]))
        for name, wanted_bytes in sizes.items():
            free_bytes = size_bytes(look(by_name[name], "status.available"))
            if sum(wanted_bytes) > free_bytes:
                wanted, free = human_sizes(sum(wanted_bytes), free_bytes)
                what = "the disk" if len(wanted_bytes) == 1 else f"the {len(wanted_bytes)} disks"
                said = f"Pool {name} has {free} free, of {wanted} that {what} may take"
                in_ceph = look(by_name[name], "spec.rbd") is not None
                then = "stand still with their next write" if in_ceph else "are paused"
                session.terminal.note(f"{said}: when it is full, VMs that write to it {then}.")


async def _not_taken_over(session: Session, data: Sequence[NewData]) -> list[NewData]:
    """Without what is there already: that stays where it is."""
    there = set()
    for namespace in {new.volume.partition("/")[0] for new in data if new.volume}:
        found = (await session.api.list(resources.VOLUMES, namespace)).items
        there |= {f"{namespace}/{volume['metadata']['name']}" for volume in found}
    return [new for new in data if new.volume not in there]


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


def _is_reached(pool: Manifest) -> bool:
    """Whether a host reaches it, or none has looked yet; not for {}, which is no pool."""
    return bool(pool) and not (
        condition_of(pool).get("status") == "False" and not look(pool, "status.hosts", 0)
    )


def _refuse_lasting(session: Session, pool: Manifest) -> None:
    name, said = pool["metadata"]["name"], str(condition_of(pool).get("message", ""))
    if condition_of(pool, "Stalled").get("status") == "True":
        raise _refusal(name, said)
    session.terminal.note(session.terminal.plain(f"Pool {name}: {said}"))


def _refusal(pool: str, said: str) -> CommandError:
    return CommandError(Exit.REFUSED, f"Nothing can go to pool {pool}: {cause_of(said)}.", hint_of(said))


def _no_default(owner: str, pools: Sequence[Manifest], option: str) -> CommandError:
    names = first_of([pool["metadata"]["name"] for pool in pools])
    how = {"option": option} if option else {}
    return refused(render("PoolNotFound", **({"pools": names, **how} if names else {"name": owner})))
