"""What a FloatingIP depends on, as `observe` found it: facts only.

Used by `plan`, which decides what becomes of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from quantix_api import FloatingIP, Host, Network, VirtualMachine
from quantix_operator.router.observed import Observed as ObservedRouter

Absence = Literal["NotFound", "Going", "NotAllowed"]
"""Why a network cannot be used."""


@dataclass(frozen=True)
class Observed:
    """A FloatingIP and what is around it.

    `outside` is the network of its address, or why there is none. `vm` is its target; `networks` are those of
    the target's NICs, by UID. `routers` have their way out through `outside`. `rivals` are the other floating
    IPs of the same target.
    """

    cluster_uid: str
    floating_ip: FloatingIP
    outside: Network | Absence
    vm: VirtualMachine | None
    networks: Mapping[str, Network]
    routers: tuple[ObservedRouter, ...]
    rivals: tuple[FloatingIP, ...]
    hosts: tuple[Host, ...]
