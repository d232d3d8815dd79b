"""A guest that is to leave this host: what is known of that, and what the host remembers of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from quantix_hostd.facts.migration import SendingProgress

PostCopy = Literal["", "Possible", "LocalDisks", "NoDisk", "NotAllowed"]


@dataclass(frozen=True)
class LeavingRecord:
    """Kept on disk before anybody is told. "sending": libvirt was, or is about to be, asked to send it; with
    a `reason` it is broken off for that. "switching": it was, or is about to be, asked to let it go on
    there before all memory is (docs/adr/0052). "handing": it was sent whole and ended here, or was
    `switched` and stands still here for good, and nothing starts here any more; the claims are about to
    name `target` under `epoch`. "handed": they do. "stays": it was given up, for `reason`, and that
    holds. `since_s`: when it began (seconds since the boot), 0 where it did not. `vm` is the VM's key in
    the API; `ports` and `uuid` are what is left of it here once the API names the target. `post_copy`:
    whether it may be switched, or why not, "" where nobody wishes that.
    """

    migration: str
    target: str
    step: Literal["sending", "switching", "handing", "handed", "stays"]
    since_s: float = 0.0
    epoch: int = 0
    reason: str = ""
    message: str = ""
    downtime_ms: int = 0
    vm: str = ""
    ports: tuple[str, ...] = ()
    uuid: str = ""
    post_copy: PostCopy = ""
    switched: bool = False

    @property
    def gone(self) -> bool:
        """Whether nothing starts here any more."""
        return self.step in ("handing", "handed")


def parse_leaving(raw: dict[str, Any]) -> LeavingRecord:
    """As it was written down, in JSON. Raises TypeError."""
    return LeavingRecord(**{**raw, "ports": tuple(raw.get("ports", ()))})


@dataclass(frozen=True)
class Leaving:
    """The migration that the API names this host as the source of, and how far it is. One that the API has
    no more is `cancelled`. `told`: the target was, a moment ago. `refusal` is what the target said.
    `target_epoch`: under which it is the target's altogether, 0 before; `went_on`: the API has the VM no
    more, or has gone on with it elsewhere or nowhere, so nobody will say that it runs there. `post_copy`:
    whether it is to be switched where it must be, None: as the VM says; `may_switch`: whether the target can.
    `sent`: in this process the sending ended well, `sent_for_s` ago; `failure`: it failed (`by_target`:
    there), `sending`: it goes on, and `progress` is how far; also of what an earlier process began.
    `prepared`: the target is ready, and until it is, `hindrance` is what it said that it waits for;
    `certified`: QEMU here can be known by the target. `waits_s`: for how long its hosts are chosen, by this
    host's clock.
    """

    migration: str
    target: str
    told: bool = False
    cancelled: bool = False
    prepared: bool = False
    hindrance: str = ""
    certified: bool = True
    waits_s: float = 0.0
    refusal: str | None = None
    target_epoch: int = 0
    went_on: bool = False
    sending: bool = False
    sent: bool = False
    sent_for_s: float = 0.0
    failure: str = ""
    by_target: bool = False
    progress: SendingProgress | None = None
    stood_still_ms: int | None = None
    post_copy: bool | None = None
    may_switch: bool = False
