"""What a what-if knows: frozen values, no I/O and no clock. Made by `observe`, read by `play`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from quantix_api.facts import Fact
from quantix_operator.scheduling.model import Guest, HostView, Placed, Refusal


@dataclass(frozen=True)
class Leaver:
    """A VM of the host that goes. `kept_by`: why it cannot leave (maintenance), or would not be started
    elsewhere (loss); `bound_for`: the host that it is on its way to, where it has its room already; `stops`:
    it is shut down instead of moved, which takes at most `grace_s`; `after`: the keys of VMs that it starts
    after, for which it waits at most `after_timeout_s`; `data`: bytes by pool that move with it;
    `refused_by`: by host, what speaks against that one and no filter of the scheduler knows.
    """

    guest: Guest
    kept_by: Fact | None = None
    bound_for: str = ""
    stops: bool = False
    grace_s: int = 0
    after: tuple[str, ...] = ()
    after_timeout_s: int = 0
    data: Mapping[str, int] = field(default_factory=dict)
    refused_by: Mapping[str, tuple[Refusal, ...]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.guest.namespace}/{self.guest.name}"


@dataclass(frozen=True)
class Played:
    """What is played: that `host` goes. `placed`: the guests that keep their place on any host, without the
    places that `leavers` give up; `pending`: those that wait for a place; `pool_free`: bytes by host and pool
    that are free and that nothing on its way there will fill, where they are known; `at_once`: how many
    migrations may leave the host at the same time.
    """

    host: str
    hosts: tuple[HostView, ...]
    placed: tuple[Placed, ...] = ()
    leavers: tuple[Leaver, ...] = ()
    pending: tuple[Guest, ...] = ()
    pool_free: Mapping[tuple[str, str], int] = field(default_factory=dict)
    at_once: int = 2
