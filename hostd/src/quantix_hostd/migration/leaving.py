"""A guest that is to leave this host: what is known of that, and what the host remembers of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from quantix_hostd.facts.migration import SendingProgress


@dataclass(frozen=True)
class LeavingRecord:
    """Kept on disk before anybody is told. "sending": libvirt was, or is about to be, asked to send it.
    "handed": the claims name `target` under `epoch`, and nothing starts here any more. "stays": it was given
    up, for `reason`, and that holds. `since_s`: when it began (seconds since the boot).
    """

    migration: str
    target: str
    step: Literal["sending", "handed", "stays"]
    since_s: float = 0.0
    epoch: int = 0
    reason: str = ""
    message: str = ""
    downtime_ms: int = 0


@dataclass(frozen=True)
class Leaving:
    """The migration that the API names this host as the source of, and how far it is. `refusal` is the
    target's (reason, message). `runs_there`: the epoch under which the target says that the guest runs, 0
    before. `sent`: in this process the sending ended well, `failure`: it failed, `sending`: it goes on, and
    `progress` is how far; also of what an earlier process began.
    """

    migration: str
    target: str
    cancelled: bool = False
    prepared: bool = False
    refusal: tuple[str, str] | None = None
    runs_there: int = 0
    sending: bool = False
    sent: bool = False
    failure: str = ""
    progress: SendingProgress | None = None
    stood_still_ms: int | None = None
