"""The claims of all pools of a host: each kind of pool keeps its own. Used through `claims.ClaimStore`."""

from __future__ import annotations

from dataclasses import dataclass

from quantix_hostd.claims import CephPool, Claim, ClaimStore, VolumePlace


@dataclass
class ClaimsByKind:
    """One for a process."""

    directories: ClaimStore
    ceph: ClaimStore

    def create(self, place: VolumePlace, claim: Claim) -> None:
        self._of(place).create(place, claim)

    def read(self, place: VolumePlace) -> Claim | None:
        return self._of(place).read(place)

    def compare_and_set(
        self, place: VolumePlace, expected: Claim, wanted: Claim, *, rewrite: bool = False
    ) -> None:
        self._of(place).compare_and_set(place, expected, wanted, rewrite=rewrite)

    def _of(self, place: VolumePlace) -> ClaimStore:
        return self.ceph if isinstance(place.pool, CephPool) else self.directories
