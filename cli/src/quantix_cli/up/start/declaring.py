"""Puts an object into an API that has just started: not all of its parts know all kinds yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quantix_api.errors import QuantixError, TransientError
from quantix_api.message_text import cause_of
from quantix_api.resources import MANAGER_SETUP, Resource
from quantix_cli.up.start.waiting import INTERVAL_S, until
from quantix_client.api import ApiClient

DECLARE_TIMEOUT_S = 30.0


async def declare(
    client: ApiClient,
    resource: Resource,
    manifest: dict[str, Any],
    say: Callable[[str], None],
    *,
    timeout_s: float = DECLARE_TIMEOUT_S,
    interval_s: float = INTERVAL_S,
) -> None:
    """Apply `manifest`; again each `interval_s` while the API does not take it yet.

    Raises TransientError with what the API said last after `timeout_s`, PermanentError for what it
    never takes.
    """
    what = f"{resource.kind} {manifest['metadata']['name']}"
    said = "nothing"

    async def look() -> bool | None:
        nonlocal said
        try:
            await client.apply(resource, manifest, manager=MANAGER_SETUP)
        except TransientError as error:
            # the policy that adds finalizers learns of new kinds every 5 s, and until then refuses them
            said = cause_of(error.message)
            say(f"waiting until the API takes {what}")
            return None
        return True

    async def give_up() -> QuantixError:
        return TransientError(
            "DefaultRefused",
            f"The API did not take {what} within {timeout_s:.0f} s: {said}.",
            "make up again",
        )

    say(f"declaring {what}")
    await until(look, timeout_s, give_up, interval_s)
