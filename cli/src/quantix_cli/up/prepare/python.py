"""Makes the virtual environment of the checkout, from the lock file with hashes. Standard library only."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

from quantix_api.errors import PermanentError, TransientError
from quantix_cli.up.prepare.packages import is_mirror_silent
from quantix_cli.up.run.programs import run
from quantix_cli.up.run.uplog import UpLog

LOCK_NAME = "requirements-dev.lock"
MARK_NAME = "quantix-environment"
_MAKES_ROOM = (
    "Attempting uninstall",
    "Found existing installation",
    "Uninstalling",
    "Successfully uninstalled",
)


def needed_packages() -> list[str]:
    """Debian packages that this interpreter lacks to make a virtual environment and to build a module."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    needed = []
    if not Path(sysconfig.get_paths()["stdlib"], "ensurepip").is_dir():
        needed.append(f"python{version}-venv")
    if not Path(sysconfig.get_paths()["include"], "Python.h").exists():
        needed.append(f"python{version}-dev")
    return needed


def environment_key(checkout: Path) -> str:
    """Names the environment that the checkout wants: interpreter, lock file and entry points."""
    digest = hashlib.sha256(sys.version.encode())
    for name in (LOCK_NAME, "pyproject.toml"):
        digest.update((checkout / name).read_bytes())
    return digest.hexdigest()


def is_ready(checkout: Path) -> bool:
    """Whether `.venv` is what the checkout wants."""
    mark = checkout / ".venv" / MARK_NAME
    return mark.exists() and mark.read_text().strip() == environment_key(checkout)


async def ensure_environment(checkout: Path, log: UpLog, say: Callable[[str], None]) -> int:
    """Make `.venv` as the lock file says; how many packages it holds, 0 when it was right already.

    Raises TransientError when the index does not answer, PermanentError when a package cannot be built.
    """
    if is_ready(checkout):
        return 0
    venv = checkout / ".venv"
    python = venv / "bin/python"
    if not python.exists():
        await _must([sys.executable, "-m", "venv", str(venv)], log, say)
    pip = [
        str(python),
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar=off",
    ]
    lock = checkout / LOCK_NAME
    await _must([*pip, "--require-hashes", "--timeout", "30", "-r", str(lock)], log, say)
    await _must([*pip, "--no-deps", "--no-build-isolation", "-e", str(checkout)], log, say)
    (venv / MARK_NAME).write_text(environment_key(checkout) + "\n")
    return sum(1 for line in lock.read_text().splitlines() if "==" in line and not line.startswith(" "))


def is_worth_telling(line: str) -> bool:
    """Whether a line of pip is no alarm: what it takes away only makes room for another version."""
    return not line.strip().startswith(_MAKES_ROOM)


async def _must(argv: Sequence[str], log: UpLog, say: Callable[[str], None]) -> None:
    done = await run(argv, log, say=lambda line: say(line) if is_worth_telling(line) else None)
    if done.code == 0:
        return
    if is_mirror_silent(done.said):
        raise TransientError(
            "MirrorSilent",
            "The Python package index did not answer within 30 s.",
            "check the network, then make up again",
        )
    errors = [line for line in done.said if line.lstrip().upper().startswith("ERROR")]
    raise PermanentError(
        "PackagesFailed",
        f"Python packages could not be installed: {(errors or [done.last])[-1].strip()}.",
        "rm -r .venv, then make up again",
    )
