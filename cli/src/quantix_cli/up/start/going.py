"""Waits for an object of the example that somebody is deleting: only then can it be made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quantix_api.conditions import condition_of
from quantix_api.errors import QuantixError, TransientError
from quantix_api.message_text import cause_of
from quantix_api.resources import Resource
from quantix_cli.nouns import NOUNS
from quantix_cli.up.start.verdict import Trouble
from quantix_cli.up.start.waiting import INTERVAL_S, until
from quantix_client.api import ApiClient
from quantix_client.errors import NotFound

# what a guest has by itself, and what ending it by force and giving back what it held take after that
_GRACE_S = 60.0
_AFTER_GRACE_S = 90.0


def is_going(obj: dict[str, Any]) -> bool:
    """Whether somebody is deleting it."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def trouble_of_going(namespace: str, name: str) -> Trouble:
    """Of a VM that somebody deletes while it is waited for."""
    return Trouble(namespace, name, "Deleting", "make up makes it again once it is gone")


async def until_gone(
    client: ApiClient,
    resource: Resource,
    obj: dict[str, Any],
    say: Callable[[str], None],
    *,
    after_grace_s: float = _AFTER_GRACE_S,
    interval_s: float = INTERVAL_S,
) -> None:
    """Wait until `obj`, which is being deleted, is gone, its grace period and `after_grace_s` at most.

    Raises TransientError with what it says last.
    """
    metadata = obj["metadata"]
    name, latest = metadata["name"], obj
    timeout_s = float((obj.get("spec") or {}).get("gracePeriodSeconds", _GRACE_S)) + after_grace_s

    async def look() -> bool | None:
        nonlocal latest
        try:
            latest = await client.get(resource, name, metadata.get("namespace"))
        except NotFound:
            return True
        if latest["metadata"]["uid"] != metadata["uid"]:
            # somebody was faster
            return True
        say(_going(resource, latest))
        return None

    async def give_up() -> QuantixError:
        told = f"{resource.kind} {name} was not gone within {timeout_s:.0f} s: {_going(resource, latest)}."
        word = next(noun.word for noun in NOUNS.values() if noun.resource is resource)
        return TransientError("ExampleGoing", told, f"qx {word} explain {name}; then make up again")

    await until(look, timeout_s, give_up, interval_s)


def _going(resource: Resource, obj: dict[str, Any]) -> str:
    said = cause_of(str(condition_of(obj).get("message", "")))
    return f"{resource.kind} {obj['metadata']['name']} is being deleted{f' ({said})' if said else ''}"
