"""What the running OVN can and cannot do: the only place that knows versions.

Asked by the row builders. The version comes from `NB_Global.options:northd_internal_version`, which northd
writes as `23.03.1-20.27.0-70.6` (OVN, southbound schema, internal).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Capabilities:
    """By version of OVN; an unknown one is taken for the oldest that we support, 23.03."""

    version: tuple[int, int, int] = (23, 3, 0)

    @property
    def dns_hole(self) -> bool:
        """CVE-2025-0650: packets with source port 53 pass every inbound ACL of a switch with DNS records.

        Fixed in 24.03.5, 24.09.2 and 25.03.
        """
        if self.version >= (25, 3, 0):
            return False
        fixed = {(24, 3): 5, (24, 9): 2}.get(self.version[:2])
        return fixed is None or self.version[2] < fixed

    @property
    def dns_owned(self) -> bool:
        """`options:ovn-owned` of a DNS row: a missing A or AAAA is refused at once (24.03)."""
        return self.version >= (24, 3, 0)

    @property
    def mac_binding_ages(self) -> bool:
        """`options:mac_binding_age_threshold` spares entries in use (23.09)."""
        return self.version >= (23, 9, 0)


def parse_capabilities(northd_internal_version: str) -> Capabilities:
    """The capabilities of the northd that wrote this; of 23.03 when it wrote nothing yet."""
    found = _VERSION.match(northd_internal_version)
    if found is None:
        return Capabilities()
    year, month, patch = (int(part) for part in found.groups())
    return Capabilities((year, month, patch))
