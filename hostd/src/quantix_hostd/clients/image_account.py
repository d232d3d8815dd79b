"""As whom files from outside are looked at, and which group images belong to.

Looked up once by `assembly`. Who reads images must not thereby read volumes: QEMU's user is in both groups,
the one that opens strangers' files in that of images alone.
"""

from __future__ import annotations

import grp
import pwd
from dataclasses import dataclass

from quantix_api.errors import PermanentError
from quantix_hostd.clients.files import FileOwner


@dataclass(frozen=True)
class ImageAccount:
    """`uid` and its main group `gid`, which images belong to."""

    uid: int
    gid: int

    @classmethod
    def look_up(cls, user: str, qemu_user: str) -> ImageAccount:
        """Raises PermanentError (ImageAccountMissing) when the machine lacks it, or guests could not read."""
        try:
            account = pwd.getpwnam(user)
        except KeyError as error:
            raise _missing(f"This machine has no user {user}, who looks at images.") from error
        group = grp.getgrgid(account.pw_gid)
        reader = pwd.getpwnam(qemu_user)
        if qemu_user not in group.gr_mem and reader.pw_gid != group.gr_gid:
            raise _missing(f"The user {qemu_user}, which QEMU runs as, is not in the group {group.gr_name}.")
        return cls(account.pw_uid, account.pw_gid)

    @property
    def files(self) -> FileOwner:
        """Of images: those of the group may read them, and nobody may change them."""
        return FileOwner(0, self.gid)


def _missing(message: str) -> PermanentError:
    return PermanentError("ImageAccountMissing", message, "make up again, which makes the account")
