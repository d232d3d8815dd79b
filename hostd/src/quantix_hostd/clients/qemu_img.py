"""Makes, grows and checks disk files with qemu-img. The format is always given: qemu-img never guesses.

Used by the volume and image parts. Files that came from outside are only looked at by an unprivileged process
without network and with limits (hypervisor.md, section 12).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from quantix_api.errors import PermanentError, TransientError
from quantix_api.messages import as_error
from quantix_hostd.clients.command import CommandFailed, CommandResult, run
from quantix_hostd.clients.qemu_account import QemuAccount

_MAKE_S = 30.0
_CONVERT_S = 6 * 3600.0
_INSPECT_S = 120.0
_INSPECT_MEMORY_BYTES = 1 << 30
_INSPECT_CPU_S = 60

# what takes long gives way to everything else, and does not outlive this process
IN_THE_BACKGROUND = ("setpriv", "--pdeathsig=KILL", "ionice", "-c3", "nice", "-n19")

_NO_SPACE = "No space left on device"


class QemuImg:
    """`account` is the unprivileged one for files from outside (None: as ourselves)."""

    def __init__(self, account: QemuAccount | None) -> None:
        self._account = account

    async def create_blank(self, path: Path, size_bytes: int) -> None:
        """A new thin qcow2 disk. Raises CommandFailed, or TransientError with reason PoolFull."""
        await _make("create", "-q", "-f", "qcow2", str(path), str(size_bytes))

    async def create_overlay(self, path: Path, backing: str, backing_format: str, size_bytes: int) -> None:
        """A new qcow2 disk on top of `backing` (a path relative to the directory of `path`)."""
        on_top = ["-b", backing, "-F", backing_format]
        await _make("create", "-q", "-f", "qcow2", *on_top, str(path), str(size_bytes))

    async def copy(self, source: Path, source_format: str, path: Path) -> None:
        """A full copy as qcow2, holes kept. Takes as long as the disk is large, gives way to everything else,
        and ends with this process: the next one would begin it beside.
        """
        await _make("convert", "-q", "-f", source_format, "-O", "qcow2", str(source), str(path))

    async def grow(self, path: Path, size_bytes: int) -> None:
        """Give a qcow2 disk that nobody has open a larger size. Never shrinks: then CommandFailed."""
        await _make("resize", "-q", "-f", "qcow2", str(path), str(size_bytes))

    async def virtual_size(self, path: Path, image_format: str) -> int:
        """The size in bytes that a guest sees of one of our own disks, also while it is in use."""
        result = await run(
            "qemu-img", "info", "-U", "-f", image_format, "--output=json", str(path), timeout_s=_MAKE_S
        )
        return int(json.loads(result.stdout)["virtual-size"])

    async def inspect_foreign(self, path: Path, image_format: str) -> int:
        """Open a file from outside as `image_format` and return its virtual size in bytes.

        Raises PermanentError (ImageRefused) when QEMU cannot make sense of it.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            name = f"/dev/fd/{descriptor}"
            argv = ["qemu-img", "info", "-f", image_format, "--output=json", name]
            result = await run(
                *self._sandboxed(*argv), timeout_s=_INSPECT_S, pass_fds=(descriptor,), check=False
            )
        finally:
            os.close(descriptor)
        if result.code != 0:
            said = _last_line(result).rstrip(".")
            raise as_error(PermanentError, "ImageRefused", format=image_format, said=said)
        return int(json.loads(result.stdout)["virtual-size"])

    def _sandboxed(self, *argv: str) -> list[str]:
        limits = ["prlimit", f"--as={_INSPECT_MEMORY_BYTES}", f"--cpu={_INSPECT_CPU_S}", "--core=0"]
        if self._account is None or os.getuid() != 0:
            return [*limits, *argv]
        user = ["setpriv", f"--reuid={self._account.uid}", f"--regid={self._account.gid}", "--clear-groups"]
        return [*limits, "unshare", "--net", *user, "--no-new-privs", *argv]


async def _make(verb: str, *arguments: str) -> None:
    timeout_s, before = (_CONVERT_S, IN_THE_BACKGROUND) if verb == "convert" else (_MAKE_S, ())
    try:
        await run(*before, "qemu-img", verb, *arguments, timeout_s=timeout_s)
    except CommandFailed as error:
        if _NO_SPACE in error.result.stderr:
            raise as_error(TransientError, "PoolFull", what="this disk", said=_NO_SPACE) from error
        raise


def _last_line(result: CommandResult) -> str:
    lines = [line for line in result.stderr.strip().splitlines() if line]
    return lines[-1][-200:] if lines else f"code {result.code}"
