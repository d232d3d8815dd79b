"""What the operator does to OVN's southbound database: it takes out what a host left that is gone.

A chassis whose host died stays there, and no other may register with its address (network.md, section 5).
Source: ovn-sbctl(8).
"""

from __future__ import annotations

import asyncio

from quantix_api.errors import TransientError
from quantix_api.message_text import cause_of
from quantix_api.messages import as_error

_TIMEOUT_S = 5


class Southbound:
    """At `connection` ("unix:/…/ovnsb_db.sock")."""

    def __init__(self, connection: str) -> None:
        self._connection = connection

    async def remove_chassis(self, name: str) -> None:
        """Nothing where there is none. Raises TransientError (SouthboundUnreachable)."""
        call = ("ovn-sbctl", f"--timeout={_TIMEOUT_S}", f"--db={self._connection}")
        both = ("--if-exists", "chassis-del", name, "--", "--if-exists", "destroy", "Chassis_Private", name)
        try:
            process = await asyncio.create_subprocess_exec(
                *call,
                *both,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise _unreachable(error.strerror or str(error)) from error
        # it ends itself by SIGALRM at its timeout
        _, said = await process.communicate()
        if process.returncode != 0:
            raise _unreachable(
                said.decode(errors="replace").strip() or f"signal {-(process.returncode or 0)}"
            )


def _unreachable(said: str) -> TransientError:
    return as_error(TransientError, "SouthboundUnreachable", left=cause_of(said))
