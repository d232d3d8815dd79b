"""Decides what becomes of a claim that this host noted before it took it for work on a volume in Ceph. Pure.

```
  noted ──the volume is this host's──► kept: its look goes on with the work, and frees the claim
    │ └──nobody holds it, or another ──► forgotten
    └──the volume left this host ──► freed, forgotten
```
A volume leaves by the API alone: another host acts on it from then on, which finds the claim in the way, or
nobody does. What is half done then is done by whoever takes the claim next: all work that is noted can be
begun anew (docs/adr/0058). Called by `noted_claims`.
"""

from __future__ import annotations

from dataclasses import dataclass

from quantix_hostd.claims import Claim, release


@dataclass(frozen=True)
class SeenNote:
    """What is known of a note. `busy`: work of this process has the claim, or is about to. `pool_gone`: the
    API has no such pool. `away`: the claim cannot be read now; without that, None is no claim. `mine`: this
    host acts on the volume.
    """

    uid: str
    host: str
    busy: bool = False
    pool_gone: bool = False
    away: bool = False
    claim: Claim | None = None
    mine: bool = False


@dataclass(frozen=True)
class Keep:
    """Look again later."""


@dataclass(frozen=True)
class Forget:
    """There is nothing to free, and nothing will come of it."""


@dataclass(frozen=True)
class Free:
    """And forget it then."""

    found: Claim
    freed: Claim


def plan_note(seen: SeenNote) -> Keep | Forget | Free:
    """What is to be done about it."""
    if seen.busy:
        return Keep()
    if seen.pool_gone:
        return Forget()
    if seen.away:
        return Keep()
    claim, holder = seen.claim, seen.claim.holder if seen.claim is not None else None
    # a restore has it under a UID of its own, and its own host that ends it
    if claim is None or holder is None or holder.host != seen.host or claim.vm_uid != seen.uid:
        return Forget()
    return Keep() if seen.mine else Free(claim, release(claim, seen.host, holder.epoch))
