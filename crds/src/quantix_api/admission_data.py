"""What hosts may write of volumes and images.

Parts of the policies of `admission_platform`. A host says what it has of the data; who uses it, where it
goes, and what an image holds once that was found is not a host's to change: others go by it.
"""

from __future__ import annotations

from quantix_api.admission import Check, where
from quantix_api.resources import LABEL_VIRTUAL_MACHINE_UID

# Only a Volume of a VM is taken by a host itself; all else was given to it by the scheduler
_ACTS_ON_IT = (
    "oldObject.?status.?host.orValue('') == variables.me "
    "|| (variables.kind == 'volumes/status' && oldObject.?status.?host.orValue('') == '' "
    f"&& (oldObject.metadata.?labels[?'{LABEL_VIRTUAL_MACHINE_UID}'].hasValue() "
    "|| oldObject.?status.?attachedTo.orValue([]).size() > 0))"
)

HOST_CHECKS = (
    Check(
        where(
            "volumes/status images/status",
            f"object.?status.?host.orValue('') == variables.me && ({_ACTS_ON_IT})",
        ),
        message_cel="(oldObject.?status.?host.orValue('') == '' ? 'Nothing gives this object to host ' "
        ": 'Host ' + oldObject.status.host + ' acts on this object, not host ') + variables.me + '.'",
    ),
    Check(
        where(
            "volumes/status",
            "object.?status.?handle == oldObject.?status.?handle "
            "|| object.?status.?handle.orValue(object.metadata.uid) == object.metadata.uid",
        ),
        "status.handle of a Volume is its UID.",
    ),
    Check(
        where(
            "volumes/status",
            "object.?status.?pool == oldObject.?status.?pool "
            # a wish that is taken back as its work ends comes too late
            "|| (oldObject.?status.?movingTo.hasValue() "
            "&& object.?status.?pool == oldObject.?status.?movingTo) "
            "|| (object.?spec.?pool.hasValue() "
            "? object.?status.?pool.orValue(object.spec.pool) == object.spec.pool "
            ": !oldObject.?status.?pool.hasValue())",
        ),
        "status.pool of a Volume is the pool of its spec, or the one that it was moved to.",
    ),
    Check(
        where(
            "images/status",
            "!oldObject.?status.?checksum.hasValue() "
            "|| (object.?status.?checksum == oldObject.?status.?checksum "
            "&& object.?status.?format == oldObject.?status.?format "
            "&& object.?status.?virtualSize == oldObject.?status.?virtualSize)",
        ),
        "What an Image holds was found already, and never changes: other hosts take no other file for it.",
    ),
    Check(
        where(
            "volumes/status images/status",
            "object.?status.?attachedTo == oldObject.?status.?attachedTo "
            "&& object.?status.?users == oldObject.?status.?users "
            "&& object.?status.?usedBy == oldObject.?status.?usedBy "
            "&& object.?status.?movingTo == oldObject.?status.?movingTo "
            "&& object.?status.?confirmedHost == oldObject.?status.?confirmedHost",
        ),
        "Who uses a volume or an image, and whose word on it counts, is written only by Quantix's operator.",
    ),
)
