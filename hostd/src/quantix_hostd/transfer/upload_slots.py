"""How many files are sent to this host at once, and of them for one namespace.

Used by the desks of images and of volumes, which share one `UploadSlots`. Who sends a file has a connection
already: unlike a download (`turns`) it cannot wait for its turn, so one too many is refused with what to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from quantix_api.errors import TransientError
from quantix_api.messages import as_error
from quantix_hostd.transfer.turns import Limits

_UPLOADS = Limits(at_once=16, of_namespace=4)


class UploadSlots:
    """One for a process, which runs on `host`."""

    def __init__(self, host: str, limits: Limits = _UPLOADS) -> None:
        self._host, self._limits = host, limits
        self._has: Counter[str] = Counter()

    def check(self, namespace: str) -> None:
        """Raises TransientError (TooManyUploads) while there is none for one more file of the namespace."""
        if not self._limits.admit(self._has.total(), self._has[namespace]):
            raise as_error(TransientError, "TooManyUploads", host=self._host, namespace=namespace)

    @contextmanager
    def slot(self, namespace: str) -> Iterator[None]:
        """One until the end of the block. Raises as `check`."""
        self.check(namespace)
        self._has[namespace] += 1
        try:
            yield
        finally:
            self._has[namespace] -= 1
            self._has += Counter()  # drops those that have none
