"""What hosts, and users, may write of snapshots and restores of VMs (docs/adr/0050).

Parts of the policies of `admission_platform`. A host says how it goes and what it keeps; which host, and of
which VM and volumes, is the scheduler's word: hosts find the data of others by it.
"""

from __future__ import annotations

from quantix_api.admission import Check
from quantix_api.resources import HOST_GROUP

_SNAPSHOTS, _RESTORES = "virtualmachinesnapshots", "virtualmachinerestores"
_OF_SCHEDULER = ("host", "virtualMachineUID", "snapshotUID", "epoch")
_CHOSEN = ("name", "volume", "volumeUID", "pool")
"""What the scheduler says of a disk."""

_IS_ONE = f"request.resource.resource in ['{_SNAPSHOTS}', '{_RESTORES}']"
_IS_HOST = f"request.userInfo.groups.exists(group, group == '{HOST_GROUP}')"


def _same(*members: str) -> str:
    return " && ".join(f"object.?status.?{name} == oldObject.?status.?{name}" for name in members)


def _disks(source: str) -> str:
    """What the scheduler says of the disks, as a list of lists."""
    members = ", ".join(f"d.?{name}.orValue('')" for name in _CHOSEN)
    members += ", d.?encrypted.orValue(false)"
    return f"{source}.?status.?disks.orValue([]).map(d, [{members}])"


_SAME_DISKS = f"{_disks('object')} == {_disks('oldObject')}"
_OF_HOSTS = {
    _SNAPSHOTS: ("takenAt", "config", "memoryHandle", "data", "progress"),
    _RESTORES: ("finishedAt", "progress"),
}

OWNERSHIP_CHECKS = (
    Check(
        f"!({_IS_ONE}) || ({_same(*_OF_SCHEDULER)} && {_SAME_DISKS})",
        "Which host, VM and volumes a snapshot or restore is about is written only by Quantix's scheduler.",
    ),
    *(
        Check(
            f"request.resource.resource != '{plural}' || {_IS_HOST} || ({_same(*members)})",
            f"{', '.join(members)} of the status are the words of its host.",
        )
        for plural, members in _OF_HOSTS.items()
    ),
)

HOST_CHECKS = (
    Check(
        f"!(variables.kind in ['{_SNAPSHOTS}/status', '{_RESTORES}/status']) "
        "|| (oldObject.?status.?host.orValue('') == variables.me && object.?status.?host.orValue('') "
        "== variables.me)",
        message_cel="(oldObject.?status.?host.orValue('') == '' ? 'Nothing gives this object to host ' "
        ": 'Host ' + oldObject.status.host + ' acts on this object, not host ') + variables.me + '.'",
    ),
    Check(
        f"variables.kind != '{_SNAPSHOTS}/status' || object.?status.?disks.orValue([]).all(d, "
        "!has(d.handle) || d.handle == d.?volumeUID.orValue('') "
        "|| d.handle == object.metadata.uid + '/' + d.name)",
        "The handle of a disk of a snapshot is UID/DISK of the snapshot, or the UID of its volume.",
    ),
    Check(
        f"variables.kind != '{_SNAPSHOTS}/status' || !oldObject.?status.?takenAt.hasValue() "
        f"|| ({_same('takenAt', 'config', 'memoryHandle')})",
        "What a snapshot keeps does not change once it was taken.",
    ),
    Check(
        f"variables.kind != '{_RESTORES}/status' || ({_same('differences')})",
        "status.differences of a restore is written only by Quantix's operator.",
    ),
)
