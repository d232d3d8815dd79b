"""Everything the room of snapshots acts with, in one frozen bundle that `bundles` builds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from quantix_client.api import ApiClient
from quantix_client.clock import Clock, SystemClock
from quantix_hostd.clients.state_store import StateStore
from quantix_hostd.events import Events
from quantix_hostd.pools import HostPools
from quantix_hostd.snapshot.kept import KeptStore
from quantix_hostd.snapshot.storage import SnapshotStorage
from quantix_hostd.transfer.room import Room
from quantix_hostd.virtualmachine.tools import VmTools
from quantix_hostd.volume.lending import Lending
from quantix_hostd.volume.passphrases import Passphrases

Manifest = Mapping[str, Any]


class Guests(Protocol):
    """The reconciler of VMs."""

    def alone(self, uid: str) -> AbstractAsyncContextManager[None]:
        """Nobody else does anything with the guest of this VM meanwhile."""


@dataclass(frozen=True)
class SnapshotTools:
    """The mappings are caches. `look_again` hears the UID of a VM that is to be looked at. `lending` is that
    of the volumes, whose copies take turns with what is done here.
    """

    api: ApiClient
    snapshots: Mapping[str, Manifest]
    restores: Mapping[str, Manifest]
    namespaces: Mapping[str, Manifest]
    pools: HostPools
    storage: SnapshotStorage
    kept: KeptStore
    vms: VmTools
    guests: Guests
    states: StateStore
    lending: Lending
    room: Room
    passphrases: Passphrases
    events: Events
    look_again: Callable[[str], None]
    cluster_uid: str
    host: str
    clock: Clock = field(default_factory=SystemClock)
