"""Other installations of Quantix on this machine, told by their processes. Standard library only.

Two in one network namespace would take each other's bridges (`qx-…`), tables of nftables (`quantix`) and
ports, whatever their roots: `make up` refuses beside one that runs, and `make clean` leaves what is its.
Command line and environment are chosen by whoever began a process: only those of root, and of guests, count.
"""

from __future__ import annotations

import itertools
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from quantix_api.accounts import QEMU_USER
from quantix_api.errors import PermanentError
from quantix_api.layout import Layout
from quantix_cli.supervision.leftovers import ROOT_VARIABLE, environment_of
from quantix_cli.supervision.table import CONTROL_PLANE_PROGRAM, HOSTD_PROGRAM, OPERATOR_PROGRAM

PROC = Path("/proc")
_OURS = (OPERATOR_PROGRAM, HOSTD_PROGRAM)


def root_of(process: Path) -> Path | None:
    """The root of the installation that a process (a directory of /proc) is a service or a guest of: as its
    supervisor marked it, or as its command line says. None for any other process, and for what anybody may
    have begun.
    """
    if not is_trusted(process):
        return None
    if marked := environment_of(process).get(ROOT_VARIABLE):
        return Path(marked)
    words = _words(process)
    # a script comes after its interpreter
    programs = {Path(word).name for word in words[:2]}
    if programs.intersection(_OURS) and (told := _value(words, "--root")):
        return Path(told)
    if CONTROL_PLANE_PROGRAM in programs and (told := _value(words, "--data-dir")):
        return _root_of_data(Path(told))
    return None


def is_of(process: Path, root: Path) -> bool:
    """Whether a process belongs to the installation at `root`, however that is spelled."""
    found = root_of(process)
    return found is not None and _is_same(found, root)


def neighbour(root: Path, proc: Path = PROC) -> Path | None:
    """The root of another installation that runs in our network namespace, None when there is none."""
    here = _network(proc / "self")
    for process in _processes(proc):
        found = root_of(process)
        if found is not None and not _is_same(found, root) and _network(process) == here:
            return found
    return None


def require_alone(root: Path, proc: Path = PROC) -> None:
    """Raise PermanentError when another installation runs in our network namespace. Changes nothing."""
    if (other := neighbour(root, proc)) is not None:
        raise PermanentError(
            "OtherInstallation",
            f"Quantix of {other} runs on this machine, and a second one, of {root}, would take over its "
            "bridges, packet filter and ports.",
            f"use that one, or {_making_down(other)} in its checkout, or give this one a network namespace "
            "of its own",
        )


def require_own_programs(venv: Path, root: Path, proc: Path = PROC) -> None:
    """Raise PermanentError when another installation, in whatever network namespace, runs the programs in
    `venv`, which are about to be removed.
    """
    for process in _processes(proc):
        other = root_of(process)
        uses = any(Path(word).is_relative_to(venv) for word in _words(process))
        if other is not None and not _is_same(other, root) and uses:
            raise PermanentError(
                "CheckoutInUse",
                f"Quantix of {other} runs with the programs of this checkout, which make clean removes.",
                f"{_making_down(other)} first; its data is kept, and make up installs them again",
            )


def _making_down(root: Path) -> str:
    return f"QUANTIX_ROOT={shlex.quote(str(root))} make down"


def _processes(proc: Path) -> Iterator[Path]:
    return (process for process in proc.iterdir() if process.name.isdigit())


def is_trusted(process: Path) -> bool:
    """Whether only root, or a guest's QEMU, can have begun it: all its user IDs are of one of the two, and it
    runs no program that takes on another's rights, such as su, which anybody begins with words of their own.
    """
    try:
        lines = (process / "status").read_text(errors="replace").splitlines()
        mode = (process / "exe").stat().st_mode
    except OSError:
        # it has ended meanwhile, or is a kernel thread
        return False
    users = {user for line in lines if line.startswith("Uid:") for user in line.split()[1:]}
    return users in _trusted_users() and not mode & (stat.S_ISUID | stat.S_ISGID)


def _trusted_users() -> list[set[str]]:
    try:
        return [{"0"}, {str(pwd.getpwnam(QEMU_USER).pw_uid)}]
    except KeyError:
        # libvirt was not installed yet
        return [{"0"}]


def _words(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        # it has ended meanwhile, or it is not ours to see
        return []


def _value(words: list[str], option: str) -> str:
    """The word after `option`, "" without one."""
    return next((value for word, value in itertools.pairwise(words) if word == option), "")


def _root_of_data(directory: Path) -> Path | None:
    """The root whose control plane keeps its data there; None for one that is no part of an installation."""
    roots = (above for above in directory.parents if Layout(above).control_plane_data == directory)
    return next(roots, None)


def _network(process: Path) -> str:
    try:
        return str((process / "ns/net").readlink())
    except OSError:
        return ""


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
