"""What firmware and TPM remember: the files of this host, and the object in the pool that is the record.

`<pool>/volumes/<handle>/state` beside the claim; QEMU's variables in the VM's own directory, swtpm's state
where libvirt keeps it. QEMU's user may write into swtpm's directory, so nothing there is followed. Everything
blocks. Called by `virtualmachine.apply_state` under the VM's lock.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from quantix_api.errors import TransientError
from quantix_api.layout import PASSAGE, Layout
from quantix_api.messages import as_error
from quantix_hostd.claims import (
    CephPool,
    Claim,
    ClaimRefusedError,
    ClaimStore,
    VolumeMissingError,
    VolumePlace,
)
from quantix_hostd.clients.files import FileOwner, write_atomically
from quantix_hostd.clients.no_follow import (
    opened_directory,
    opened_file,
    opened_file_at,
    replace_file_at,
)
from quantix_hostd.firmware_state import (
    MAX_BYTES,
    MAX_PART_BYTES,
    FirmwareState,
    StateDamagedError,
    parse_state,
    render_state,
)

_STATE = "state"
_NVRAM, _SEQUENCE = "nvram.fd", "state-sequence"
_TPM_DIRECTORY, _TPM = "tpm2", "tpm2-00.permall"
_MODE = 0o600


@dataclass(frozen=True)
class Owned:
    """Whose state it is, beside which volume, and under which claim."""

    vm_uid: str
    domain_uuid: str
    place: VolumePlace
    epoch: int


class StateObjects(Protocol):
    """Keeps the objects beside volumes. Both raise VolumeMissingError and TransientError."""

    def read(self, place: VolumePlace) -> bytes | None:
        """None where there is none."""

    def write(self, place: VolumePlace, content: bytes) -> None:
        """There is the old content or the new one, whatever happens."""


class StateFiles:
    """Those of `dir` pools."""

    def read(self, place: VolumePlace) -> bytes | None:
        with _beside(place) as directory:
            try:
                with opened_file_at(directory, _STATE, place.data.with_name(_STATE)) as file:
                    return file.read(MAX_BYTES)
            except FileNotFoundError:
                return None

    def write(self, place: VolumePlace, content: bytes) -> None:
        with _beside(place) as directory:
            replace_file_at(directory, _STATE, content, _MODE)


@dataclass(frozen=True)
class StateByKind:
    """Those of all pools of a host."""

    directories: StateObjects
    ceph: StateObjects

    def read(self, place: VolumePlace) -> bytes | None:
        return self._of(place).read(place)

    def write(self, place: VolumePlace, content: bytes) -> None:
        self._of(place).write(place, content)

    def _of(self, place: VolumePlace) -> StateObjects:
        return self.ceph if isinstance(place.pool, CephPool) else self.directories


class StateStore:
    """State of all VMs of this host; `qemu` is the user that QEMU and swtpm run as."""

    def __init__(
        self,
        layout: Layout,
        claims: ClaimStore,
        qemu: FileOwner,
        host: str,
        objects: StateObjects | None = None,
    ) -> None:
        self._objects = objects or StateFiles()
        self._layout = layout
        self._claims = claims
        self._qemu = qemu
        self._host = host

    def signature(self, vm_uid: str, domain_uuid: str) -> tuple[tuple[int, int], ...]:
        """Changes whenever QEMU or swtpm wrote; empty while there is nothing."""
        files = (self._nvram(vm_uid), self._tpm_directory(domain_uuid) / _TPM)
        found = (path.lstat() for path in files if path.exists())
        return tuple((stat.st_mtime_ns, stat.st_size) for stat in found)

    def make_way(self, vm_uid: str) -> None:
        """For a guest that comes with its state: where QEMU is to write its variables."""
        self._open_own_directory(vm_uid)

    def restore(self, owned: Owned) -> None:
        """Before a start: the files of this host become those of the object where that is the later one.

        Raises TransientError: StateMissing where there was an object and neither is there.
        """
        claim, stored = self._held(owned), self._read(owned.place)
        here = self._sequence(owned.vm_uid)
        if stored is None and claim.has_state and not here:
            raise as_error(TransientError, "StateMissing", pool=owned.place.pool)
        self._open_own_directory(owned.vm_uid)
        if stored is None or stored.sequence <= here:
            return
        self.remove_local(owned.vm_uid, owned.domain_uuid)
        if stored.nvram is not None:
            self._write_own(self._nvram(owned.vm_uid), stored.nvram)
        if stored.tpm is not None:
            self._make_tpm_directory(owned.domain_uuid)
            self._write_own(self._tpm_directory(owned.domain_uuid) / _TPM, stored.tpm)
        self._note_sequence(owned.vm_uid, stored.sequence)

    def save(self, owned: Owned) -> None:
        """The object becomes what the files of this host hold. Raises ClaimRefusedError without the claim."""
        # before the pool is asked: once it answers, QEMU may be writing again
        nvram, tpm = self._read_nvram(owned.vm_uid), self._read_tpm(owned.domain_uuid)
        claim, stored = self._held(owned), self._read(owned.place)
        if nvram is None and tpm is None:
            return
        if stored is not None:
            # a part that the VM has no use for now is kept for when it has again
            nvram, tpm = nvram or stored.nvram, tpm or stored.tpm
            if (nvram, tpm) == (stored.nvram, stored.tpm):
                return
        sequence = max(stored.sequence if stored else 0, self._sequence(owned.vm_uid))
        state = FirmwareState(owned.epoch, sequence + 1, nvram, tpm)
        if not claim.has_state:
            # first, so that an object which is lost later is missed
            self._claims.compare_and_set(owned.place, claim, replace(claim, has_state=True))
        self._objects.write(owned.place, render_state(state))
        self._note_sequence(owned.vm_uid, state.sequence)

    def remove_local(self, vm_uid: str, domain_uuid: str) -> None:
        """The files of this host; the object stays as long as its volume."""
        for name in (_NVRAM, _SEQUENCE):
            (self._layout.vm_data(vm_uid) / name).unlink(missing_ok=True)
        shutil.rmtree(self._tpm_directory(domain_uuid).parent, ignore_errors=True)

    def _held(self, owned: Owned) -> Claim:
        claim = self._claims.read(owned.place)
        if claim is None or not claim.held_by(self._host, owned.epoch) or claim.vm_uid != owned.vm_uid:
            raise as_error(ClaimRefusedError, "ClaimNotHeld", host=self._host)
        return claim

    def _read(self, place: VolumePlace) -> FirmwareState | None:
        content = self._objects.read(place)
        try:
            return None if content is None else parse_state(content)
        except StateDamagedError as error:
            shown = f"{place.shown_whole}/{_STATE}"
            raise as_error(TransientError, "DataDamaged", path=shown, said=str(error)) from error

    def _read_nvram(self, vm_uid: str) -> bytes | None:
        return _content(self._layout.vm_data(vm_uid), _NVRAM)

    def _read_tpm(self, domain_uuid: str) -> bytes | None:
        return _content(self._tpm_directory(domain_uuid).parents[1], domain_uuid, _TPM_DIRECTORY, _TPM)

    def _write_own(self, path: Path, content: bytes) -> None:
        write_atomically(path, content, mode=_MODE, owner=self._qemu)

    def _open_own_directory(self, vm_uid: str) -> None:
        """QEMU's user passes to its variables, whatever our umask."""
        directory = self._layout.vm_data(vm_uid)
        directory.mkdir(parents=True, exist_ok=True)
        for passage in (directory.parent, directory):
            passage.chmod(PASSAGE)

    def _make_tpm_directory(self, domain_uuid: str) -> None:
        """As libvirt makes it (qemu_tpm.c, 9.0); in one that is there it makes no new TPM."""
        directory = self._tpm_directory(domain_uuid)
        for outer in (directory.parents[1], directory.parent):
            outer.mkdir(exist_ok=True)
            outer.chmod(PASSAGE)
        directory.mkdir(mode=0o700)
        self._qemu.give(directory)

    def _nvram(self, vm_uid: str) -> Path:
        return self._layout.vm_data(vm_uid) / _NVRAM

    def _tpm_directory(self, domain_uuid: str) -> Path:
        return self._layout.data / "libvirt/swtpm" / domain_uuid / _TPM_DIRECTORY

    def _sequence(self, vm_uid: str) -> int:
        """Of the object that the files of this host were read from or written to last; 0: of none."""
        try:
            return int((self._layout.vm_data(vm_uid) / _SEQUENCE).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _note_sequence(self, vm_uid: str, sequence: int) -> None:
        self._open_own_directory(vm_uid)
        write_atomically(self._layout.vm_data(vm_uid) / _SEQUENCE, f"{sequence}\n".encode())


@contextmanager
def _beside(place: VolumePlace) -> Iterator[int]:
    try:
        with opened_directory(place.directory, place.folder, place.handle) as directory:
            yield directory
    except FileNotFoundError as error:
        raise as_error(VolumeMissingError, "DataMissing", place=place.shown) from error


def copy_state(objects: StateObjects, source: VolumePlace, copy: VolumePlace) -> None:
    """Put what lies beside a volume that nobody has beside its copy, too; most volumes have nothing."""
    content = objects.read(source)
    if content is not None:
        objects.write(copy, content)


def _content(root: Path, *names: str) -> bytes | None:
    try:
        with opened_file(root, *names) as file:
            return file.read(MAX_PART_BYTES)
    except FileNotFoundError:
        return None
