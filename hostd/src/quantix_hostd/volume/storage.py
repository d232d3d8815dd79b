"""How the volumes of a pool are made, read, grown and removed: what every kind of pool can do.

`disk_file` does it in directories, `rbd_disk` in Ceph; `StorageByKind` is all of a host. The claims of
volumes are beside (`claims.ClaimStore`): whoever changes data holds its claim.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from quantix_hostd.claims import CephPool, Claim, VolumePlace
from quantix_hostd.clients.pool import Pool
from quantix_hostd.clients.pool_dir import PoolDir
from quantix_hostd.clients.pool_rbd import PoolRbd
from quantix_hostd.facts.disk_file import DiskFile
from quantix_hostd.volume.recipe import Recipe

P = TypeVar("P", contravariant=True)


class VolumeStorage(Protocol[P]):
    """Of pools `P`."""

    def read(self, place: VolumePlace) -> DiskFile | None:
        """What lies there; None for nothing. Blocks. Raises QuantixError while that is not known."""

    def full(self, place: VolumePlace) -> str:
        """Why what a guest writes next has no room in its pool, in words; "" where it has. Blocks. Raises
        QuantixError while that is not known.
        """

    def leave(self, place: VolumePlace) -> None:
        """Let no write of a QEMU of this host that has ended get there late. Blocks. The caller holds the
        claim, and gives it back then.
        """

    def remove(self, pool: P, handle: str) -> bool:
        """Remove a volume, whose claim the caller holds, with all its data; False for none. Blocks."""

    async def make(self, pool: P, recipe: Recipe, is_wanted: Callable[[], bool] = lambda: True) -> bool:
        """Make a volume with a free claim; False when it was not wanted any more in the end, and became none.
        What is already there stays as it is. Raises TransientError (PoolFull, VolumeInUse).
        """

    async def make_blank_copy(
        self, pool: P, handle: str, size_bytes: int, claim: Claim, passphrase: str = ""
    ) -> None:
        """Make an empty disk that a running guest's disk is copied into. Raises as `make`."""

    async def copy(
        self,
        source: VolumePlace,
        pool: P,
        claim: Claim,
        is_wanted: Callable[[], bool],
        passphrase: str = "",
    ) -> bool:
        """Make a copy of a disk of any pool that nobody has open. Raises as `make`."""

    async def made_bytes(self, pool: P, recipe: Recipe) -> int | None:
        """What a volume that is made as a copy will take at most, None where that is not known."""

    async def moved_bytes(self, place: VolumePlace) -> int | None:
        """What the copy of a volume that moves will take at most, None where that is not known."""

    def stored_bytes(self, place: VolumePlace) -> int:
        """About what a copy of a disk takes that stands alone. A guest may have it. Blocks. Raises OSError
        and QuantixError.
        """

    async def grow(self, place: VolumePlace, size_bytes: int, passphrase: str = "") -> None:
        """Make a disk that nobody has open at least so large."""

    async def try_passphrase(self, place: VolumePlace, passphrase: str) -> None:
        """Open an encrypted disk. Raises TransientError (PassphraseWrong)."""


class StorageByKind:
    """That of all pools of a host; without `ceph` none of them is in Ceph."""

    def __init__(
        self, directories: VolumeStorage[PoolDir], ceph: VolumeStorage[PoolRbd] | None = None
    ) -> None:
        self._directories = directories
        self._in_ceph = ceph

    @property
    def _ceph(self) -> VolumeStorage[PoolRbd]:
        assert self._in_ceph is not None, "a pool in Ceph on a host that has none"
        return self._in_ceph

    def read(self, place: VolumePlace) -> DiskFile | None:
        return self._of(place).read(place)

    def full(self, place: VolumePlace) -> str:
        return self._of(place).full(place)

    def leave(self, place: VolumePlace) -> None:
        self._of(place).leave(place)

    def remove(self, pool: Pool, handle: str) -> bool:
        if isinstance(pool, PoolRbd):
            return self._ceph.remove(pool, handle)
        return self._directories.remove(pool, handle)

    async def make(self, pool: Pool, recipe: Recipe, is_wanted: Callable[[], bool] = lambda: True) -> bool:
        if isinstance(pool, PoolRbd):
            return await self._ceph.make(pool, recipe, is_wanted)
        return await self._directories.make(pool, recipe, is_wanted)

    async def make_blank_copy(
        self, pool: Pool, handle: str, size_bytes: int, claim: Claim, passphrase: str = ""
    ) -> None:
        if isinstance(pool, PoolRbd):
            await self._ceph.make_blank_copy(pool, handle, size_bytes, claim, passphrase)
        else:
            await self._directories.make_blank_copy(pool, handle, size_bytes, claim, passphrase)

    async def copy(
        self,
        source: VolumePlace,
        pool: Pool,
        claim: Claim,
        is_wanted: Callable[[], bool],
        passphrase: str = "",
    ) -> bool:
        if isinstance(pool, PoolRbd):
            return await self._ceph.copy(source, pool, claim, is_wanted, passphrase)
        return await self._directories.copy(source, pool, claim, is_wanted, passphrase)

    async def made_bytes(self, pool: Pool, recipe: Recipe) -> int | None:
        if isinstance(pool, PoolRbd):
            return await self._ceph.made_bytes(pool, recipe)
        return await self._directories.made_bytes(pool, recipe)

    async def moved_bytes(self, place: VolumePlace) -> int | None:
        return await self._of(place).moved_bytes(place)

    def stored_bytes(self, place: VolumePlace) -> int:
        return self._of(place).stored_bytes(place)

    async def grow(self, place: VolumePlace, size_bytes: int, passphrase: str = "") -> None:
        await self._of(place).grow(place, size_bytes, passphrase)

    async def try_passphrase(self, place: VolumePlace, passphrase: str) -> None:
        await self._of(place).try_passphrase(place, passphrase)

    def _of(self, place: VolumePlace) -> VolumeStorage[PoolDir] | VolumeStorage[PoolRbd]:
        return self._ceph if isinstance(place.pool, CephPool) else self._directories
