"""How fast a port may send and receive, as numbers of OVN's QoS rows. Pure; used by nics.

A QoS row with a bandwidth becomes an OpenFlow meter on the host that has the port, in the userspace datapath
and in the kernel's: what is above the rate is dropped, so a sender sees loss and slows down (ovn-nb(5), QoS).
"""

from __future__ import annotations

MAX_RATE_KBIT = 2**32 - 1
"""The most that the column takes, in kbit/s: 4.3 Tbit/s limit nobody."""
_LEAST_BURST_KBIT = 1000
"""A segment of 64 KiB (524 kbit), which a sender with offload hands over at once, fits in well."""
_BURSTS_IN_A_SECOND = 4
"""A quarter of a second at full rate: with a tenth, TCP reached half of 8 Mbit/s, with this most of it."""


def bandwidth(bits_per_second: int) -> dict[str, str]:
    """The column `bandwidth` for a limit: rate in kbit/s, at least 1, and burst in kbit."""
    rate = min(max(-(-bits_per_second // 1000), 1), MAX_RATE_KBIT)
    burst = max(rate // _BURSTS_IN_A_SECOND, _LEAST_BURST_KBIT)
    return {"rate": str(rate), "burst": str(burst)}
