"""Who QEMU runs as on this host, and which group its files belong to.

Looked up once by `assembly`. On Debian the user's main group is `kvm`, which people are put into so that they
may start guests of their own: files of ours belong to a group that has QEMU's user alone in it.
"""

from __future__ import annotations

import grp
import pwd
from dataclasses import dataclass

import structlog

from quantix_api.errors import PermanentError
from quantix_hostd.clients.files import FileOwner

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class QemuAccount:
    """The user and the group of `qemu.conf`. `others` are further members of the group, who read disks."""

    user: str
    uid: int
    group: str
    gid: int
    others: tuple[str, ...] = ()

    @classmethod
    def look_up(cls, user: str, group: str) -> QemuAccount:
        """Raises PermanentError (QemuAccountMissing) when the machine lacks one, or the user is no member."""
        try:
            account = pwd.getpwnam(user)
        except KeyError as error:
            raise _missing(f"This machine has no user {user}, which QEMU runs as.") from error
        try:
            entry = grp.getgrnam(group)
        except KeyError as error:
            raise _missing(
                f"This machine has no group {group}, which the files of guests belong to."
            ) from error
        if user not in entry.gr_mem and account.pw_gid != entry.gr_gid:
            raise PermanentError(
                "QemuAccountMissing",
                f"The user {user}, which QEMU runs as, is not in the group {group}.",
                f"usermod --append --groups {group} {user}, then restart libvirtd and hostd",
            )
        others = tuple(sorted(set(entry.gr_mem) - {user}))
        if others:
            log.warning("group of guests' files has other members", group=group, members=others)
        return cls(user, account.pw_uid, group, entry.gr_gid, others)

    @property
    def files(self) -> FileOwner:
        """Of files that QEMU may use but neither replace nor remove."""
        return FileOwner(0, self.gid)

    @property
    def sockets(self) -> FileOwner:
        """Of directories in which QEMU makes sockets itself."""
        return FileOwner(self.uid, self.gid)


def _missing(message: str) -> PermanentError:
    return PermanentError("QemuAccountMissing", message, "make up again, which installs the package with it")
