"""Does this machine know a time zone? QEMU, given one that it does not, takes UTC and says nothing.

Asked by the VM's reconciler before it describes a guest.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from quantix_api.errors import PermanentError
from quantix_api.messages import as_error


def require_time_zone(zone: str, host: str) -> None:
    """Raises PermanentError (ConfigRefused) unless `zone` is one of /usr/share/zoneinfo. Blocks briefly."""
    if zone == "UTC":
        # needs no file
        return
    try:
        ZoneInfo(zone)
    except (OSError, ValueError, LookupError) as problem:
        raise as_error(PermanentError, "ConfigRefused", zone=zone, host=host) from problem
