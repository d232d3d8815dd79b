"""The types of single values that the API uses everywhere: names, sizes, addresses, times.

Used by the models. Each carries the bounds and the rule that the schema gets; where a user could get it
wrong the check is a rule with a sentence, because a pattern would show a regular expression.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from quantix_api.markers import Range, Rule, Text
from quantix_api.quantities import CPU_PATTERN, SIZE_PATTERN

_NAME = "[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
_LONGEST_NAME = 253


def is_name(text: str) -> bool:
    """Whether an object can be called so (RFC 1123, as `Name`)."""
    return len(text) <= _LONGEST_NAME and re.fullmatch(_NAME, text) is not None


Name = Annotated[
    str,
    Text(_LONGEST_NAME, 1),
    Rule(
        f"self.matches('^{_NAME}$')",
        "must be the name of an object: small letters, digits, '-' and '.', such as web-1",
    ),
]
DeviceName = Annotated[
    str,
    Text(63, 1),
    Rule(
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "must be a short name: small letters, digits and '-', at most 63, such as root or eth0",
    ),
]
SharedName = Annotated[
    str,
    Text(260, 1),
    Rule(
        f"self.matches('^(shared/)?{_NAME}$')",
        "must be a name in this namespace, or shared/NAME for one that all namespaces share",
    ),
]
Size = Annotated[
    str,
    Text(16),
    Rule(f"self.matches('{SIZE_PATTERN}')", "must be a whole number with a unit, such as 512Mi or 10Gi"),
]
Capacity = Annotated[
    str,
    Text(16),
    Rule(f"self == '0' || self.matches('{SIZE_PATTERN}')", "must be 0 or a whole number with a unit"),
]
"""A size in status, where nothing left is `0`."""
CPUAmount = Annotated[
    str,
    Text(8),
    Rule(f"self.matches('{CPU_PATTERN}')", "must be a number of CPUs, such as 2, or 500m for half of one"),
]
MAC = Annotated[
    str,
    Text(17),
    Rule(
        "self.matches('^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$')",
        "must be a unicast MAC address in small letters, such as 52:54:00:12:34:56",
    ),
    Rule("self != '00:00:00:00:00:00'", "must not be 00:00:00:00:00:00, which is no card's address"),
]
IP = Annotated[str, Text(45), Rule("isIP(self)", "must be an IP address, such as 10.0.0.5 or fd00::5")]
CIDR = Annotated[str, Text(49), Rule("isCIDR(self)", "must be a network, such as 10.0.0.0/24 or fd00:1::/64")]
UID = Annotated[str, Text(36)]
Word = Annotated[str, Text(253)]
Short = Annotated[str, Text(64)]
MESSAGE_LENGTH = 1024
Message = Annotated[str, Text(MESSAGE_LENGTH)]
LabelValue = Annotated[str, Text(63)]
InterfaceName = Annotated[
    str,
    Text(15, 1),
    Rule("self.matches('^[A-Za-z0-9._-]+$')", "must be the name of a network interface, such as eth1"),
]
Port = Annotated[int, Range(1, 65535)]
Count = Annotated[int, Range(0)]
Percent = Annotated[int, Range(0, 100)]
Time = datetime
IN_OUR_TIME = Rule(
    "self >= timestamp('1970-01-01T00:00:00Z') && self < timestamp('2970-01-01T00:00:00Z')",
    "must be a time from 1970 on, such as 2026-01-01T00:00:00Z",
)
"""Of times that users write: what the API server's format lets in besides (year 0, an offset of 99 hours) is
read by nobody, and neither is its object.
"""
DataState = Literal["Present", "Absent"]
