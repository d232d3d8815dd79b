"""What a VM waits for because of a QEMU that lives: the words, for `plan` and `apply`. Pure."""

from __future__ import annotations

from quantix_api.errors import WaitingError
from quantix_api.messages import as_wait
from quantix_hostd.facts.process import QemuProcess, pids

PROCESS_LOOK_S = 5.0
_LINGER_S = 0.2


def orphaned(own: tuple[QemuProcess, ...], host: str, vm: str) -> WaitingError:
    """libvirt denies a QEMU of the VM that runs, and the VM shall not end."""
    return as_wait("OrphanProcess", PROCESS_LOOK_S, pid=pids(own), host=host, name=vm)


def still_ending(own: tuple[QemuProcess, ...], host: str) -> WaitingError:
    """libvirt says that it ended, and its process is not gone yet."""
    return as_wait("OrphanProcess", _LINGER_S, pid=pids(own), host=host)


def uuid_taken(others: tuple[QemuProcess, ...], host: str) -> WaitingError:
    """Somebody else's guest has the VM's UUID. Whose it is, a tenant is not told."""
    return as_wait(
        "IdentityConflict", PROCESS_LOOK_S, pid=pids(others), host=host, uuid=others[0].domain_uuid
    )
