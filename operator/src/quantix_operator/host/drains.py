"""What stays on hosts that are to be emptied: `maintenance` finds it, the controller of hosts tells it."""

from __future__ import annotations

from collections.abc import Mapping

from quantix_api.facts import Fact, fact
from quantix_client.api import Manifest
from quantix_operator.told import Told, said_before

BlockedHosts = Mapping[str, tuple[str, str]]
"""By host, the first VM that does not leave it by itself, and why."""
Drains = Told[BlockedHosts]


def blocked(drains: Drains, host: Manifest) -> Fact | None:
    """Drained of a host in maintenance that a VM does not leave, None where each of them does."""
    if drains.found is None:
        before = said_before(host.get("status") or {}, "Drained")
        return before if before is not None and before.reason == "Blocked" else None
    stays = drains.found.get(host["metadata"]["name"])
    return None if stays is None else fact("Drained", "False", "Blocked", name=stays[0], why=stays[1])
