"""How long it would take. Pure; conservative, since a plan that is done early disappoints nobody."""

from __future__ import annotations

from collections.abc import Sequence

COPY_BYTES_PER_S = 100 << 20
"""What all migrations that leave a host copy together in a second: a wire of 1 Gbit/s less what TLS and TCP
take. Hosts do not tell how fast their wires are, and finished migrations do not stay in the API."""
EACH_MOVE_S = 3
"""What a migration takes beside the copy: preparing the target, the switch, and memory that changes."""
RESTART_S = 15
"""From the loss of a host until its VMs are started elsewhere: the time budget of recovery, worst case."""


def migration_seconds(sizes: Sequence[int], at_once: int) -> list[int]:
    """After how many seconds each migration is over: they share the wire, and `at_once` go on together."""
    done, copied = [], 0
    for place, size in enumerate(sizes):
        copied += size
        done.append(-(-copied // COPY_BYTES_PER_S) + (place // max(at_once, 1) + 1) * EACH_MOVE_S)
    return done
