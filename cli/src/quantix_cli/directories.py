"""The directories of an installation, with the modes that keep other users of the machine out.

Called by `qx up`, the supervisors and the libvirt launcher. Standard library only: the launcher must start
fast.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from quantix_api.layout import Layout


@dataclass(frozen=True)
class Directory:
    """One directory, and the mode that it has whatever the umask."""

    path: Path
    mode: int


def with_parents(layout: Layout, *paths: Path) -> tuple[Directory, ...]:
    """`paths` and those of ours above them, the outermost first, each once."""
    tops = (layout.etc, layout.data, layout.run, layout.log, layout.cache)
    found: dict[Path, Directory] = {}
    for path in paths:
        for directory in (*reversed(path.parents), path):
            if any(directory.is_relative_to(top) for top in tops):
                found.setdefault(directory, Directory(directory, layout.mode_of(directory)))
    return tuple(found.values())


def ensure(directories: Iterable[Directory]) -> None:
    """Make what is missing and correct the modes: an older version made them by the umask. Raises OSError."""
    for directory in directories:
        for above in reversed(directory.path.parents):
            # a fresh root's own etc, var and var/lib
            if not above.is_dir():
                above.mkdir(exist_ok=True)
                above.chmod(0o755)
        directory.path.mkdir(exist_ok=True)
        if directory.path.stat().st_mode & 0o7777 != directory.mode:
            directory.path.chmod(directory.mode)
