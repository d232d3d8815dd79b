"""What hosts would refuse for certain, refused before it is sent: a pool that they do not reach, memory that
no guest on them has addresses for.

Used by commands that would else wait for it. What the account may not look at is left to the operator.
"""

from __future__ import annotations

import contextlib
from typing import Any

from quantix_api import resources
from quantix_api.address_space import addressable_bytes
from quantix_api.conditions import condition_of
from quantix_api.message_text import cause_of, first_of, hint_of
from quantix_api.messages import render
from quantix_api.quantities import human_size, size_bytes
from quantix_cli import fetch
from quantix_cli.exits import CommandError, Exit
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


def _refusal(pool: str, said: str) -> CommandError:
    return CommandError(Exit.REFUSED, f"Nothing can go to pool {pool}: {cause_of(said)}.", hint_of(said))


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
    said = render("NotEnoughMemory", most=human_size(most_bytes), hosts=first_of(told), name=name)
    raise CommandError(Exit.REFUSED, session.terminal.plain(said.sentence_with_reason), said.hint)


def _sizes(spec: Manifest) -> list[str]:
    memory: dict[str, Any] = spec.get("memory") or {}
    return [str(memory[key]) for key in ("size", "maxSize") if memory.get(key)]


def _ceiling_bytes(host: Manifest, model: str) -> int:
    works = condition_of(host, "KVMAvailable").get("status") == "True"
    return addressable_bytes(look(host, "status.cpuAddressBits") if works else None, model)
