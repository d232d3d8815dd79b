"""Locks up a program that opens files from outside: it reaches those files and the system's programs.

Used by `qemu_img` only. bubblewrap makes the view: namespaces of its own for mounts, processes, network, IPC;
no /proc, no /sys, no /etc, no device. Inside, an unprivileged user without capabilities runs under limits
(prlimit(1)); no bug in a parser of disk formats leads any further (hypervisor.md, section 12).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from quantix_hostd.clients.image_account import ImageAccount

# threads count, of everything that runs as this user
_MAX_PROCESSES = 512
_VIEW = (
    *("bwrap", "--die-with-parent", "--new-session", "--clearenv"),
    *("--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
    *("--setenv", "PATH", "/usr/sbin:/usr/bin", "--setenv", "LC_ALL", "C"),
    *("--ro-bind", "/usr", "/usr", "--dir", "/dev", "--dev-bind", "/dev/null", "/dev/null"),
    *("--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--symlink", "usr/bin", "/bin"),
)
TOOLS = frozenset({"bwrap", "setpriv", "prlimit"})
"""What speaks instead of the program when the sandbox could not be made."""


@dataclass(frozen=True)
class Limits:
    """What the program may take. `file_bytes`: no file that it writes becomes longer."""

    memory_bytes: int
    cpu_s: int
    file_bytes: int = 0


@dataclass(frozen=True)
class View:
    """The host's files that it sees, by their path inside. `group`: the one by which it writes; `memory`: the
    descriptors of files in memory whose content it reads.
    """

    readable: Mapping[str, Path]
    writable: Mapping[str, Path] = field(default_factory=dict)
    group: int | None = None
    memory: Mapping[str, int] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, Path]:
        """All of them."""
        return {**self.readable, **self.writable}


class Confinement(Protocol):
    """What `qemu_img` asks of a sandbox."""

    def argv(self, program: tuple[str, ...], view: View, limits: Limits) -> list[str]: ...


class Sandbox:
    """One for a process. The caller knows that the files of a view are regular ones, reached by no link."""

    def __init__(self, account: ImageAccount) -> None:
        self._account = account

    def argv(self, program: tuple[str, ...], view: View, limits: Limits) -> list[str]:
        """The command that runs `program` locked up; it ends with whoever started it."""
        binds: list[str] = []
        for flag, files in (("--ro-bind", view.readable), ("--bind", view.writable)):
            for inside, path in files.items():
                binds += [*_directories(Path(inside)), flag, str(path), inside]
        for inside, descriptor in view.memory.items():
            binds += ["--perms", "0444", "--ro-bind-data", str(descriptor), inside]
        return [*_VIEW, *binds, "--", *self._user(view.group), *_limited(limits), *program]

    def _user(self, group: int | None) -> list[str]:
        groups = ["--clear-groups"] if group is None else [f"--groups={self._account.gid}"]
        main = self._account.gid if group is None else group
        drop = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        return ["setpriv", f"--reuid={self._account.uid}", f"--regid={main}", *groups, *drop]


def _directories(inside: Path) -> list[str]:
    """Those above a file, which bubblewrap would make for root alone."""
    above = (directory for directory in reversed(inside.parents) if directory.name)
    return [word for directory in above for word in ("--dir", str(directory))]


def limited_cpu(cpu_s: int) -> tuple[str, str]:
    """The words that start a program which may take so much CPU time (prlimit(1))."""
    # first a signal that tells why, then the end
    return "prlimit", f"--cpu={cpu_s}:{cpu_s + 5}"


def _limited(limits: Limits) -> list[str]:
    return [
        *limited_cpu(limits.cpu_s),
        f"--as={limits.memory_bytes}",
        f"--fsize={limits.file_bytes}",
        f"--nproc={_MAX_PROCESSES}",
        "--core=0",
    ]
