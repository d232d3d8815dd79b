"""How many files are sent to this host at once, and of them for one namespace.

Used by the desks of images and of volumes, which share one `UploadSlots`.
"""

from __future__ import annotations

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.transfer.slots import Slots
from quantix_hostd.transfer.turns import Limits

_UPLOADS = Limits(at_once=16, of_namespace=4)


class UploadSlots(Slots):
    """One for a process, which runs on `host`. The parties are namespaces; refuses with TooManyUploads."""

    def __init__(self, host: str, limits: Limits = _UPLOADS) -> None:
        def refused(namespace: str) -> TransientError:
            return as_error(TransientError, "TooManyUploads", host=host, namespace=namespace)

        super().__init__(limits, refused)
