"""Whether the next start goes on with memory that a snapshot kept, once (docs/adr/0050). Pure.

The claims of all its disks say so after a restore (`claims.Claim.memory`). That goes while the guest stands
still yet: a guest that has written anything since must never be met by that memory again.
"""

from __future__ import annotations

from quantix_hostd.claims import VolumePlace
from quantix_hostd.virtualmachine.observed import Observed


def kept_memory(observed: Observed) -> tuple[str, str] | None:
    """Pool and UID of the snapshot whose memory the start goes on with; None: the guest boots."""
    said = {found.claim.memory if found.claim is not None else "" for found in observed.claims}
    if len(said) != 1:
        return None
    vm_uid, _, rest = said.pop().partition("/")
    pool, _, snapshot = rest.partition("/")
    return (pool, snapshot) if vm_uid == observed.uid and pool and snapshot else None


def marked(observed: Observed) -> tuple[VolumePlace, ...]:
    """Where claims speak of memory: before a start takes them."""
    return tuple(found.place for found in observed.claims if found.claim is not None and found.claim.memory)


def marked_here(observed: Observed) -> tuple[VolumePlace, ...]:
    """The same, of those that this host holds: what others say is not for it to forget."""
    host = observed.facts.name
    held = {
        found.place
        for found in observed.claims
        if found.claim is not None and found.claim.holder is not None and found.claim.holder.host == host
    }
    return tuple(place for place in marked(observed) if place in held)
