"""Whether, and when, a guest that is sent goes on at its target before all its memory is there. Pure.

Post-copy (docs/adr/0052): memory that is changed faster than it is sent never arrives whole. Used by
`leaving_plan`.
"""

from __future__ import annotations

from quantix_hostd.facts.migration import SendingProgress
from quantix_hostd.migration.leaving import Leaving, LeavingRecord, PostCopy
from quantix_hostd.virtualmachine.observed import Observed

PASSES = 3
"""So often memory is gone through first: auto-converge has slowed the guest down meanwhile."""
_SHARE_OF_TIME = 0.5


def post_copy_of(observed: Observed, leaving: Leaving, local: tuple[str, ...]) -> PostCopy:
    """Whether it may be switched, or why not; "" where nobody wishes it. `local`: the disks that are sent,
    too, whose last writes would have to be there before the guest is.
    """
    assert observed.vm is not None
    wished = leaving.post_copy
    if not (observed.vm.spec.migration.post_copy if wished is None else wished):
        return ""
    if local:
        return "LocalDisks"
    if not observed.places:
        # the claims tell who may let it go on
        return "NoDisk"
    return "Possible" if leaving.may_switch else "NotAllowed"


def is_to_switch(observed: Observed, kept: LeavingRecord, progress: SendingProgress | None) -> bool:
    """Whether copying had its chance: so many passes over its memory, or half of its time."""
    if kept.post_copy != "Possible" or observed.vm is None or progress is None or not progress.total_bytes:
        return False
    limit_s = observed.vm.spec.migration.timeout_seconds * _SHARE_OF_TIME
    return progress.passes >= PASSES or observed.now_s - kept.since_s > limit_s
