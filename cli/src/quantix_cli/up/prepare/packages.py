"""Installs the Debian packages that are missing, and sees to it that they bring nothing to life.

libvirtd, Open vSwitch and OVN of the packages are not started (policy-rc.d says no while apt runs) and do not
start at the next boot: Quantix runs its own. What ran before goes on running. Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from quantix_api.errors import PermanentError, QuantixError, TransientError
from quantix_cli.up.run.programs import Done, run
from quantix_cli.up.run.uplog import UpLog

PACKAGES = (
    *("ovn-central", "ovn-host", "openvswitch-switch", "nftables", "iproute2", "ethtool"),
    *("libvirt-daemon-system", "qemu-system-x86", "qemu-utils", "ovmf", "swtpm", "swtpm-tools"),
    # disks in Ceph: QEMU's driver, and the bindings of librados and librbd; 16 MB with all that they need
    *("qemu-block-extra", "python3-rados", "python3-rbd"),
    # libvirt's Python binding is built here; the guest image is made by mtools and dosfstools
    *("libvirt-dev", "pkg-config", "gcc", "libc6-dev", "mtools", "dosfstools"),
    # images from outside are looked at in its sandbox
    "bubblewrap",
    # a guest's hardware clock may be in a zone of its own
    *("procps", "iputils-ping", "ca-certificates", "util-linux", "tzdata"),
)
TEST_PACKAGES = (
    *("cpio", "curl", "nasm", "openssh-client", "xfsprogs"),
    # what Tab does in them
    *("zsh", "fish"),
    # a Ceph of the tests' own
    *("ceph-mon", "ceph-osd", "ceph-mgr", "ceph-common"),
    # of it only promtool is used
    "prometheus",
    # the Debian image
    *("mmdebstrap", "grub-common", "grub-pc-bin", "e2fsprogs", "debian-archive-keyring"),
)
POLICY = Path("/usr/sbin/policy-rc.d")
SAVED_POLICY = Path("/usr/sbin/policy-rc.d.before-quantix")
POLICY_TEXT = "#!/bin/sh\n# qx up: packages are installed without starting their services\nexit 101\n"
LOCK = Path("/var/lib/dpkg/lock-frontend")
LISTS = Path("/var/lib/apt/lists")
LISTS_FRESH_S = 24 * 3600
MIRROR_TIMEOUT_S = 30
UNIT_DIRECTORIES = (Path("/lib/systemd/system"), Path("/usr/lib/systemd/system"))
_ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    # a mirror that cannot be found is told after seconds, not minutes (resolv.conf(5))
    "RES_OPTIONS": "timeout:3 attempts:1",
}
_MIRROR_SILENT = (
    "could not resolve",
    "could not connect",
    "timed out",
    "connection failed",
    "temporary failure",
    "unreachable",
    "unable to connect",
    "no route to host",
    "connection refused",
)


async def ensure_packages(wanted: Sequence[str], log: UpLog, say: Callable[[str], None]) -> int:
    """Install what is missing of `wanted`; how many packages came, dependencies included.

    Raises PermanentError or TransientError with one sentence: another apt runs, the mirror is silent, a
    package would have to be removed.
    """
    before = installed_names()
    missing = [name for name in wanted if name not in before]
    if not missing:
        return 0
    refuse_when_locked()
    units_before = _units()
    with services_held_back():
        if (await run(["dpkg", "--audit"], log)).output:
            say("finishing an interrupted installation")
            await run(["dpkg", "--configure", "-a"], log, say=say, environment=_ENVIRONMENT)
        if not _lists_are_fresh():
            await _apt(["update"], log, say)
        done = await _apt(_install(missing), log, say)
        if done.code != 0 and not is_mirror_silent(done.said):
            # the list may name versions that the mirror no longer has
            await _apt(["update"], log, say)
            done = await _apt(_install(missing), log, say)
    if done.code != 0:
        raise explain_failure(done.said)
    await _disable(sorted(_units() - units_before), log)
    return len(installed_names() - before)


def installed_names() -> set[str]:
    """Names of all packages that are installed and configured (dpkg-query(1))."""
    argv = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n"]
    listing = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    return {line.split()[0] for line in listing.splitlines() if line.endswith(" installed")}


def refuse_when_locked(path: Path = LOCK) -> None:
    """Raise TransientError naming the process that holds dpkg's lock (fcntl(2), F_GETLK)."""
    if not path.exists():
        return
    # struct flock of Linux on 64 bits: type, whence, start, length, pid
    layout = "hhqqi4x"
    with path.open("rb+") as lock:
        question = struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack(layout, fcntl.fcntl(lock, fcntl.F_GETLK, question))
    if kind != fcntl.F_UNLCK:
        try:
            name = Path("/proc", str(pid), "comm").read_text().strip()
        except OSError:
            # it has let go while we looked
            return
        raise TransientError(
            "PackagesLocked",
            f"Packages cannot be installed now: another apt is running (pid {pid}, {name}).",
            "wait for it, then run make up again; finished steps are kept",
        )


def is_mirror_silent(said: Sequence[str]) -> bool:
    """Whether apt or pip failed because nobody answered."""
    text = "\n".join(said).lower()
    return any(sign in text for sign in _MIRROR_SILENT)


def explain_failure(said: Sequence[str]) -> QuantixError:
    """One sentence for apt's many."""
    if is_mirror_silent(said):
        return TransientError(
            "MirrorSilent",
            f"The package mirror did not answer within {MIRROR_TIMEOUT_S} s.",
            "check the network, then make up again",
        )
    errors = [line.removeprefix("E: ").rstrip(".") for line in said if line.startswith("E: ")]
    reason = errors[0] if errors else (said[-1] if said else "apt said nothing")
    return PermanentError(
        "PackagesFailed", f"Packages could not be installed: {reason}.", "apt-get -f install"
    )


@contextmanager
def services_held_back() -> Iterator[None]:
    """While inside, maintainer scripts start and stop no service; a policy-rc.d of the machine comes back."""
    restore_policy()
    if POLICY.exists() or POLICY.is_symlink():
        POLICY.rename(SAVED_POLICY)
    POLICY.write_text(POLICY_TEXT)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        restore_policy()


def restore_policy() -> None:
    """Undo what an earlier run, perhaps killed, left of its policy-rc.d."""
    if POLICY.exists() and POLICY.read_text(errors="replace") == POLICY_TEXT:
        POLICY.unlink()
    if SAVED_POLICY.exists() and not POLICY.exists():
        SAVED_POLICY.rename(POLICY)


def _install(names: Sequence[str]) -> list[str]:
    return ["install", "--yes", "--no-install-recommends", "--no-remove", *names]


async def _apt(arguments: Sequence[str], log: UpLog, say: Callable[[str], None]) -> Done:
    options = ["-q", "-o", f"Acquire::http::Timeout={MIRROR_TIMEOUT_S}", "-o", "Acquire::Retries=0"]
    options += ["-o", f"Acquire::https::Timeout={MIRROR_TIMEOUT_S}", "-o", "Dpkg::Use-Pty=0"]
    return await run(["apt-get", *options, *arguments], log, say=say, environment=_ENVIRONMENT)


def _lists_are_fresh() -> bool:
    packages = [path.stat().st_mtime for path in LISTS.glob("*_Packages*")]
    # apt keeps the mirror's time on the lists, so the directory tells when it last looked
    return bool(packages) and is_fresh(LISTS.stat().st_mtime, time.time())


def is_fresh(looked_s: float, now_s: float) -> bool:
    """Whether apt looked within the last day, both in seconds since 1970; a time to come tells nothing, since
    somebody set the clock back.
    """
    return 0 <= now_s - looked_s < LISTS_FRESH_S


def _units() -> set[str]:
    kinds = ("*.service", "*.socket", "*.timer")
    return {path.name for folder in UNIT_DIRECTORIES for kind in kinds for path in folder.glob(kind)}


async def _disable(units: Sequence[str], log: UpLog) -> None:
    """Keep the units that came with the packages from starting at boot, where systemd is installed."""
    plain = [unit for unit in units if not unit.endswith(("@.service", "@.socket"))]
    if plain and Path("/run/systemd/system").is_dir():
        await run(["systemctl", "disable", "--quiet", *plain], log)
