"""How the claim of a disk changes that is set back to a snapshot: pure, each one write (docs/adr/0050).

```
free ──begin──► restoring, untouched ──touch──► restoring ──end, once all disks are whole──► free, restored
  ▲                    │                            │
  ├──── give up ───────┘                            │
  └──── give up, of a volume that is deleted ───────┘
```
A claim that is restoring admits nobody (`claims.take`). Called by what sets disks back, and by the plan of
volumes.
"""

from __future__ import annotations

from dataclasses import replace

from quantix_api.messages import as_error
from quantix_hostd.claims import Claim, ClaimRefusedError, Holder


def begin_restore(claim: Claim, host: str, restore_uid: str, cluster_uid: str, *, epoch: int | None) -> Claim:
    """free(f) → held(0, H) by a restore that knows of this `epoch` of the VM; also of one that was left half
    done, by the same or by one that is no more. Not while a VM, or whoever reads it, has the volume, nor once
    a guest may have written under a later epoch (ClaimStale): only what this restore has begun, or what is
    half set back, holds nothing of that.
    """
    if claim.cluster_uid != cluster_uid:
        raise as_error(ClaimRefusedError, "ClaimForeign", cluster=claim.cluster_uid)
    if claim.holder is not None and not (claim.restoring and claim.holder == Holder(host, 0)):
        raise as_error(ClaimRefusedError, "VolumeInUse", host=claim.holder.host)
    if claim.moving_to or claim.moved or claim.partial:
        raise as_error(ClaimRefusedError, "VolumeInUse", host=host)
    begun, written = claim.restoring == restore_uid or is_half(claim), written_under(claim)
    if epoch is not None and written > epoch and not begun:
        raise as_error(ClaimRefusedError, "ClaimStale", epoch=epoch, floor=written)
    return replace(
        claim,
        holder=Holder(host, 0),
        vm_uid=restore_uid,
        restoring=restore_uid,
        untouched=claim.untouched or not claim.restoring,
        memory="",
    )


def touch(claim: Claim, host: str, restore_uid: str) -> Claim:
    """From now on the disk may be neither what it was nor what it is to be; by H, whose restore still has
    it.
    """
    if claim.restoring != restore_uid or claim.holder != Holder(host, 0):
        raise as_error(ClaimRefusedError, "ClaimNotHeld", host=host)
    return replace(claim, untouched=False)


def is_half(claim: Claim) -> bool:
    """Whether the disk may be neither what it was nor what it is to be."""
    return bool(claim.restoring) and not claim.untouched


def written_under(claim: Claim) -> int:
    """The last epoch under which a guest may have written. Work on a volume that no guest has, as its move to
    another pool and back, has epochs, too, and writes nothing.
    """
    return claim.floor if claim.written is None else claim.written


def end_restore(claim: Claim, restore_uid: str) -> Claim:
    """held(0, H) by a restore → free(f), once all its disks are whole."""
    if claim.restoring != restore_uid:
        return claim
    return replace(claim, holder=None, vm_uid="", restoring="", untouched=False, restored=restore_uid)


def give_up_restore(claim: Claim, host: str) -> Claim:
    """held(0, H) by a restore → free(f), by H: of a disk that it has not changed; or of a volume that is
    deleted, once that restore is over or no more.
    """
    if not (claim.restoring and claim.holder == Holder(host, 0)):
        return claim
    return replace(claim, holder=None, vm_uid="", restoring="", untouched=False)
