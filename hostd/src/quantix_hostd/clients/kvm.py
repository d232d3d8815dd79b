"""Whether KVM really works on this host, found out by running a guest.

`/dev/kvm` may exist and open and still run no stock guest: some paravirtual hosts hang at the switch to
protected mode, and `virsh domcapabilities` says that all is well. Only trying tells. Used by `assembly`,
once.
"""

from __future__ import annotations

import os
import pwd

from quantix_api.kvm import PLACES, Places, denied, obstacle
from quantix_hostd.clients.command import CommandTimedOut, run
from quantix_hostd.clients.kvmprobe import SUCCESS_CODE, render_rom
from quantix_hostd.facts.machine import Accelerator, KvmVerdict

# A working KVM needs 0.1 s, emulation 0.2 s
_PROBE_S = 2.0


class KvmClient:
    """Probes as `qemu_user`, the one that libvirt starts QEMU as (None: as ourselves)."""

    def __init__(self, qemu_user: str | None, places: Places = PLACES) -> None:
        self._user = qemu_user
        self._places = places

    async def probe(self) -> KvmVerdict:
        """Try KVM. Raises PermanentError (ProgramMissing) when QEMU is not installed."""
        known = obstacle(self._places)
        if not self._places.device.exists():
            return KvmVerdict(Accelerator.TCG, known or {})
        code = await self.boot("kvm", timeout_s=_PROBE_S)
        if code == SUCCESS_CODE:
            return KvmVerdict(Accelerator.KVM)
        hangs = "a guest started with it hangs" if code is None else "QEMU cannot start a guest with it"
        refused = denied(self._user, self._places.device) if self._user is not None else None
        cause = next((found for found in (known, refused) if found is not None), {"why": hangs})
        return KvmVerdict(Accelerator.TCG, cause)

    async def boot(self, accelerator: str, *, timeout_s: float, rom: bytes | None = None) -> int | None:
        """QEMU's exit code after running the payload (or another ROM); None when it did not end in time."""
        descriptor = os.memfd_create("kvm-probe", 0)
        try:
            os.write(descriptor, rom or render_rom())
            os.fchmod(descriptor, 0o444)
            argv = [*self._as_user(), *_qemu(accelerator, f"/dev/fd/{descriptor}")]
            result = await run(*argv, timeout_s=timeout_s, pass_fds=(descriptor,), check=False)
        except CommandTimedOut:
            return None
        finally:
            os.close(descriptor)
        return result.code

    def _as_user(self) -> list[str]:
        if self._user is None or os.getuid() != 0:
            return []
        entry = pwd.getpwnam(self._user)
        return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups"]


def _qemu(accelerator: str, rom: str) -> list[str]:
    machine = ["-accel", accelerator, "-M", "q35", "-m", "32", "-nodefaults", "-display", "none"]
    return [
        "qemu-system-x86_64",
        *machine,
        "-bios",
        rom,
        "-device",
        "isa-debug-exit,iobase=0xf4,iosize=1",
        "-no-reboot",
    ]
