"""Makes the user that looks at images from outside, and lets QEMU's user read them. Standard library only.

As the users of packages do, it stays when Quantix is removed: files could still belong to it.
"""

from __future__ import annotations

import grp
import pwd

from quantix_api.accounts import IMAGE_USER, QEMU_USER
from quantix_api.errors import PermanentError
from quantix_cli.up.run.programs import run
from quantix_cli.up.run.uplog import UpLog

_NOBODYS = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")


async def ensure_image_account(log: UpLog) -> bool:
    """Make what is missing; True when something was. Raises PermanentError (AccountFailed)."""
    if _is_complete():
        return False
    if not _exists():
        await _do(["useradd", *_NOBODYS, "--shell", "/usr/sbin/nologin", IMAGE_USER], log)
    await _do(["usermod", "--append", "--groups", IMAGE_USER, QEMU_USER], log)
    return True


def _exists() -> bool:
    try:
        pwd.getpwnam(IMAGE_USER)
    except KeyError:
        return False
    return True


def _is_complete() -> bool:
    try:
        return _exists() and QEMU_USER in grp.getgrnam(IMAGE_USER).gr_mem
    except KeyError:
        return False


async def _do(argv: list[str], log: UpLog) -> None:
    done = await run(argv, log)
    if done.code != 0 and not _is_complete():
        said = done.said[-1] if done.said else "nothing"
        raise PermanentError(
            "AccountFailed", f"The user {IMAGE_USER} could not be made. Said: {said}.", " ".join(argv)
        )
