"""How the claims of a volume that moves to another pool change: pure, each one write (docs/adr/0030).

The volume has one name (handle) and lies in two pools for a while. Which of the two is the volume is told by
the claim in the old pool alone, in one write, made while no guest writes:

```
old pool   plain ──leave──► moving_to ──hand_on──► moved ──removed, once the API names the new pool
              ▲                 │
              └── stay, once ───┘
                  no copy is left
new pool  (none) ──copy_of──► partial ──complete, once the old one is moved──► whole ──settle──► plain
```
A claim that is partial or moved admits nobody (`claims.take`). Called by the planners of VMs and volumes.
"""

from __future__ import annotations

from dataclasses import replace

from quantix_hostd.claims import Claim, Holder


def leave(claim: Claim, pool: str) -> Claim:
    """A copy is about to be made in `pool`: from now on it can be found, whatever happens."""
    return replace(claim, moving_to=pool)


def copy_of(claim: Claim, pool: str, holder: Holder | None, vm_uid: str) -> Claim:
    """The claim of the copy of a volume that lies in `pool`, while it is made for `holder`."""
    return Claim(
        claim.floor,
        holder,
        vm_uid,
        claim.cluster_uid,
        moved_from=pool,
        partial=True,
        written=claim.written,
    )


def stay(claim: Claim) -> Claim:
    """There is no copy any more."""
    return replace(claim, moving_to="")


def hand_on(claim: Claim, pool: str) -> Claim:
    """The copy in `pool` holds all that this one did, and is the volume from now on; nobody has this one."""
    return replace(claim, moving_to=pool, moved=True, holder=None)


def complete(claim: Claim, old: Claim) -> Claim:
    """The copy of a volume that was handed on. What was released of the old one counts here too."""
    floor, has_state = max(claim.floor, old.floor), claim.has_state or old.has_state
    return replace(
        claim,
        partial=False,
        floor=floor,
        has_state=has_state,
        restored=old.restored,
        written=old.written,
    )


def settle(claim: Claim) -> Claim:
    """Nothing is left in the old pool."""
    return replace(claim, moved_from="")
