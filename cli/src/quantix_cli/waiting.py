"""Waits until an object is as it was asked for, and says on the way what it waits for.

Used by every command whose work takes time. Interrupting it stops nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from quantix_cli.exits import CommandError, Exit
from quantix_cli.naming import reference
from quantix_cli.nouns import Manifest, Noun, condition, first_sentence, hint_of, look
from quantix_cli.session import Session

_POLL_S = 0.2
# what comes about by itself in this time is not worth a line
_QUIET_S = 3.0


async def until(
    session: Session,
    noun: Noun,
    obj: Manifest,
    is_done: Callable[[Manifest], bool],
    *,
    gives_up: Exit = Exit.FAILED,
) -> Manifest:
    """The object once `is_done`, looked at anew since the generation of `obj`.

    Raises CommandError: `gives_up` when nothing will change it without a user, 8 after the session's time.
    """
    import asyncio  # late: 0.04 s, which help texts and completion must not pay

    name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace")
    generation = obj["metadata"]["generation"]
    explain = f"qx {noun.word} explain {reference(obj, noun.word, session.namespace)}"
    begun, said = time.monotonic(), ""
    while True:
        ready = condition(obj)
        message = str(ready.get("message", ""))
        if is_done(obj):
            return obj
        stalled = condition(obj, "Stalled")
        # one of an earlier generation is what was said before somebody asked for this
        if stalled.get("status") == "True" and stalled.get("observedGeneration", 0) >= generation:
            raise CommandError(gives_up, f"{first_sentence(message)}.", hint_of(message) or explain)
        waiting = _waits_for(obj)
        if time.monotonic() - begun > session.timeout_s:
            last = f": {waiting}" if waiting else ""
            raise CommandError(Exit.TIMED_OUT, f"{name} is not there yet{last}.", explain)
        if (
            time.monotonic() - begun > _QUIET_S
            and waiting not in ("", said)
            and ready.get("status") != "True"
        ):
            session.terminal.note(f"{name}: {session.terminal.plain(waiting)}.")
            said = waiting
        await asyncio.sleep(_POLL_S)
        obj = await session.api.get(noun.resource, name, namespace)


def _waits_for(obj: Manifest) -> str:
    """What it says of itself, with how far it has come where it tells."""
    percent = look(obj, "status.progress.percent")
    said = first_sentence(str(condition(obj).get("message", "")))
    return f"{said}, {percent} %" if said and percent is not None else said


def is_ready(obj: Manifest, generation: int, reason: str = "") -> bool:
    """Whether it is Ready, for that `reason` where one is given, as of the generation that was written."""
    ready = condition(obj)
    current = ready.get("observedGeneration", 0) >= generation
    return current and ready.get("status") == "True" and reason in ("", ready.get("reason"))
