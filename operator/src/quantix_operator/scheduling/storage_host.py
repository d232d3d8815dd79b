"""Which host acts on a Volume or an Image that no VM's host acts on.

Pure; called by the volume and image controllers, which write the answer as the scheduler.
"""

from __future__ import annotations

from collections.abc import Sequence

from quantix_operator.scheduling.model import HostView


def storage_host(pool: str, hosts: Sequence[HostView], preferred: str = "") -> str | None:
    """A ready, open host that reaches the pool: `preferred` if it can be, else the first by name."""
    fitting = sorted(
        host.name for host in hosts if pool in host.pools and not host.not_ready and not host.closed
    )
    if preferred in fitting:
        return preferred
    return fitting[0] if fitting else None
