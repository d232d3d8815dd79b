"""Makes, grows and checks disk files with qemu-img. The format is always given: qemu-img never guesses.

Used by the volume and image parts. Whatever opens a file that came from outside, or a disk on top of one,
runs in a sandbox (hypervisor.md, section 12): paths inside say nothing of the host.
"""

from __future__ import annotations

import asyncio
import json
import signal
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from quantix_api.errors import InvariantError, PermanentError, TransientError
from quantix_api.message_table_phrases import NO_FILE, TABLES_DAMAGED
from quantix_api.messages import as_error
from quantix_hostd.clients.command import CommandFailed, CommandResult, run
from quantix_hostd.clients.passphrase import WRONG_PASSPHRASE, in_memory
from quantix_hostd.clients.sandbox import TOOLS, Confinement, Limits, View, limited_cpu
from quantix_hostd.copy_bounds import CopyBounds

# A run that copies nothing is bounded by CPU time: a passphrase takes 4 s of it, and a starved host gives a
# tenth of a core. The other time is for a disk that hangs.
CPU_S, WALL_S = 60, 600.0
_INSPECT = Limits(memory_bytes=1 << 30, cpu_s=CPU_S)
_GROW = Limits(memory_bytes=1 << 30, cpu_s=CPU_S, file_bytes=1 << 46)
_COPY_MEMORY_BYTES = 4 << 30

# what takes long gives way to everything else, and does not outlive this process
_BOUND = ("setpriv", "--pdeathsig=KILL")
IN_THE_BACKGROUND = (*_BOUND, "ionice", "-c3", "nice", "-n19")
_WITH_LEISURE = (*_BOUND, "nice", "-n19")

_NO_SPACE, _TOO_LONG = "No space left on device", "File too large"
# the few ms of its trial fell between two of the kernel's samples, as they do on a busy machine
_UNMEASURED, _MEASURED_AGAIN = "Unable to get accurate CPU usage", 4
# qemu-img(1), check: 0 sound, 2 errors, 3 only clusters that nothing refers to
_ERRORS_FOUND = 2
_SOUND = frozenset({0, 3})
# a shell's code of a program that a signal ended, as bubblewrap gives it
_OUT_OF_CPU = 128 + signal.SIGXCPU

_IMAGE = "/image"
_FROM, _TO = Path("/from"), Path("/to")
# the ids of secrets: of what is read, of what is made or written
_OLD, _NEW = "old", "new"


@dataclass(frozen=True)
class Disk:
    """A disk or image below the directory `root` of its pool. `backing` is the image beneath it, None for
    none; `passphrase` is "" for one that is not encrypted.
    """

    root: Path
    path: Path
    driver: str = "qcow2"
    backing: Path | None = None
    backing_driver: str = ""
    passphrase: str = field(default="", repr=False)

    @property
    def backing_name(self) -> str:
        """The image as the disk's file names it, relative to that file's directory."""
        assert self.backing is not None
        return f"../../{self.backing.relative_to(self.root)}"

    def seen_at(self, mount: Path) -> dict[str, Path]:
        """The image beneath it, where a sandbox sees it that has the pool at `mount`."""
        return {str(mount / self.backing.relative_to(self.root)): self.backing} if self.backing else {}

    def inside(self, mount: Path) -> str:
        return str(mount / self.path.relative_to(self.root))


class QemuImg:
    """Opens foreign files in `sandbox`. `unlock_ms` is how long one core works on a passphrase that is tried,
    so that guessing is slow: by whoever opens the disk, too.
    """

    def __init__(self, sandbox: Confinement, unlock_ms: int = 2000) -> None:
        self._sandbox = sandbox
        self._unlock_ms = unlock_ms

    async def create(self, disk: Disk, size_bytes: int) -> None:
        """A new thin qcow2 disk, on top of its image if it has one, which is not opened.

        Raises CommandFailed, or TransientError with reason PoolFull.
        """
        on_top = ["-u", "-b", disk.backing_name, "-F", disk.backing_driver] if disk.backing else []
        passphrases = {_NEW: disk.passphrase} if disk.passphrase else {}
        luks = f"encrypt.format=luks,encrypt.key-secret={_NEW},encrypt.iter-time={self._unlock_ms}"
        with in_memory(passphrases) as descriptors:
            secrets = [
                word for name, number in descriptors.items() for word in _secret(name, f"/dev/fd/{number}")
            ]
            encrypted = ["-o", luks] if disk.passphrase else []
            argv = (
                "create",
                *secrets,
                "-q",
                "-f",
                "qcow2",
                *encrypted,
                *on_top,
                str(disk.path),
                str(size_bytes),
            )
            await _run_measured(*argv, pass_fds=tuple(descriptors.values()))

    async def copy(self, source: Disk, target: Disk, bounds: CopyBounds) -> None:
        """Write the content of a disk into the blank one at `target`, holes kept: all of it, or where both
        stand on the same image what the source holds of its own. Takes as long as that is much, gives way to
        everything else, and ends with this process: the next one would begin it beside.

        Raises PermanentError (ImageRefused) for an image that takes more than `bounds`, PoolFull,
        TransientError (PassphraseWrong), and CommandTimedOut: a slow disk is no fault of the image's, so that
        is tried again.
        """
        onto = (
            ("-B", target.backing_name, "-F", target.backing_driver)
            if target.backing
            else ("--target-is-zero",)
        )
        words = (_opened(source, _FROM, _OLD), _opened(target, _TO, _NEW))
        inside = ("convert", "-q", "-n", *onto, "--image-opts", "--target-image-opts", *words)
        limits = Limits(_COPY_MEMORY_BYTES, bounds.cpu_s, bounds.written_bytes)
        readable = {source.inside(_FROM): source.path, **source.seen_at(_FROM), **target.seen_at(_TO)}
        view = View(readable, {target.inside(_TO): target.path}, await _writers(target.path))
        passphrases = {_OLD: source.passphrase, _NEW: target.passphrase}
        try:
            await self._locked_up(inside, view, limits, bounds.wall_s, IN_THE_BACKGROUND, passphrases)
        except CommandFailed as error:
            if error.result.code == _OUT_OF_CPU:
                cpu = f"{bounds.cpu_s} s"
                raise as_error(PermanentError, "ImageRefused", cpu=cpu) from error
            if _TOO_LONG in error.result.stderr:
                most = f"{bounds.written_bytes >> 20} MiB"
                raise as_error(PermanentError, "ImageRefused", most=most) from error
            raise

    async def grow(self, disk: Disk, size_bytes: int) -> None:
        """Give a qcow2 disk that nobody has open a larger size. Never shrinks: then CommandFailed.

        Raises TransientError (PassphraseWrong).
        """
        view = View(disk.seen_at(_TO), {disk.inside(_TO): disk.path}, await _writers(disk.path))
        words = ("resize", "-q", "--image-opts", _opened(disk, _TO, _NEW), str(size_bytes))
        await self._locked_up(words, view, _GROW, WALL_S, passphrases={_NEW: disk.passphrase})

    async def try_passphrase(self, disk: Disk) -> None:
        """Open an encrypted disk to read it, also while a guest has it.

        Raises TransientError (PassphraseWrong).
        """
        view = View({disk.inside(_TO): disk.path, **disk.seen_at(_TO)}, group=await _writers(disk.path))
        words = ("map", "-U", "--output=json", "--max-length=512", "--image-opts", _opened(disk, _TO, _NEW))
        await self._locked_up(words, view, _GROW, WALL_S, passphrases={_NEW: disk.passphrase})

    async def inspect_foreign(self, path: Path, image_format: str) -> int:
        """Open a file from outside as `image_format`, look at all its tables, and return its virtual size in
        bytes.

        Raises PermanentError (ImageRefused) when QEMU cannot make sense of it.
        """
        view = View({_IMAGE: path})
        result = await self._looked_at(("info", "-f", image_format, "--output=json", _IMAGE), view)
        if result.code != 0:
            said = _last_line(result).rstrip(".")
            raise as_error(PermanentError, "ImageRefused", format=image_format, said=said)
        if image_format == "qcow2":
            await self._check_tables(view)
        return int(json.loads(result.stdout)["virtual-size"])

    async def measure(self, image: Path, driver: str) -> int:
        """What a qcow2 file takes that holds all that a file from outside does, in bytes.

        Raises PermanentError (ImageRefused), CommandFailed and CommandTimedOut.
        """
        words = ("measure", "-f", driver, "-O", "qcow2", "--output=json", _IMAGE)
        result = await self._looked_at(words, View({_IMAGE: image}))
        if result.code != 0:
            raise as_error(PermanentError, "ImageRefused", format=driver, said=_last_line(result).rstrip("."))
        return int(json.loads(result.stdout)["required"])

    async def _check_tables(self, view: View) -> None:
        result = await self._looked_at(("check", "-f", "qcow2", _IMAGE), view)
        if result.code == _ERRORS_FOUND:
            found = result.stderr.strip().splitlines()
            first = found[0][:120].rstrip(".") if found else "none named"
            raise as_error(PermanentError, "ImageRefused", flaw=TABLES_DAMAGED.format(said=first))
        if result.code not in _SOUND:
            said = _last_line(result).rstrip(".")
            raise as_error(PermanentError, "ImageRefused", format="qcow2", said=said)

    async def _looked_at(self, arguments: Sequence[str], view: View) -> CommandResult:
        try:
            return await self._locked_up(arguments, view, _INSPECT, WALL_S, _WITH_LEISURE)
        except CommandFailed as error:
            if error.result.code == _OUT_OF_CPU:
                too_much = f"QEMU needs more than {_INSPECT.cpu_s} s of CPU time to read its tables"
                raise as_error(PermanentError, "ImageRefused", flaw=too_much) from error
            if _last_line(error.result).partition(":")[0] in TOOLS:
                raise
            return error.result

    async def _locked_up(
        self,
        arguments: Sequence[str],
        view: View,
        limits: Limits,
        timeout_s: float,
        before: Sequence[str] = _BOUND,
        passphrases: Mapping[str, str] | None = None,
    ) -> CommandResult:
        for path in view.files.values():
            await asyncio.to_thread(_refuse_other_than_files, path)
        verb, *words = arguments
        known = {name: value for name, value in (passphrases or {}).items() if value}
        with in_memory(known) as descriptors:
            numbers = tuple(descriptors.values())
            secrets = [w for name in descriptors for w in _secret(name, f"/{name}")]
            seen = replace(view, memory={f"/{name}": number for name, number in descriptors.items()})
            argv = self._sandbox.argv(("qemu-img", verb, *secrets, *words), seen, limits)
            what = f"qemu-img {verb}"
            return await _run_whole(*before, *argv, what=what, timeout_s=timeout_s, pass_fds=numbers)


def _secret(name: str, file: str) -> tuple[str, str]:
    return "--object", f"secret,id={name},file={file}"


def _opened(disk: Disk, mount: Path, secret: str) -> str:
    """How `--image-opts` names a disk; a comma in a value is doubled."""
    path = disk.inside(mount).replace(",", ",,")
    key = f",encrypt.key-secret={secret}" if disk.passphrase else ""
    return f"driver={disk.driver}{key},file.driver=file,file.filename={path}"


async def _run(*arguments: str, pass_fds: tuple[int, ...]) -> CommandResult:
    argv = (*_BOUND, *limited_cpu(CPU_S), "qemu-img", *arguments)
    return await _run_whole(*argv, what=f"qemu-img {arguments[0]}", timeout_s=WALL_S, pass_fds=pass_fds)


async def _run_measured(*arguments: str, pass_fds: tuple[int, ...]) -> CommandResult:
    """As `_run`, again where QEMU could not measure how fast it tries passphrases."""
    for _ in range(_MEASURED_AGAIN):
        try:
            return await _run(*arguments, pass_fds=pass_fds)
        except CommandFailed as error:
            if _UNMEASURED not in error.result.stderr:
                raise
    return await _run(*arguments, pass_fds=pass_fds)


async def _run_whole(*argv: str, what: str, timeout_s: float, pass_fds: tuple[int, ...]) -> CommandResult:
    try:
        return await run(*argv, what=what, timeout_s=timeout_s, pass_fds=pass_fds)
    except CommandFailed as error:
        if _NO_SPACE in error.result.stderr:
            raise as_error(TransientError, "PoolFull", what="this disk", said=_NO_SPACE) from error
        if WRONG_PASSPHRASE in error.result.stderr:
            raise as_error(TransientError, "PassphraseWrong", said=WRONG_PASSPHRASE) from error
        raise


async def _writers(path: Path) -> int:
    """The group by which a disk of ours is written."""
    return (await asyncio.to_thread(path.stat)).st_gid


def _refuse_other_than_files(path: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise as_error(InvariantError, "DataDamaged", path=path, said=NO_FILE)


def _last_line(result: CommandResult) -> str:
    lines = [line for line in result.stderr.strip().splitlines() if line]
    return lines[-1][-200:] if lines else f"code {result.code}"
