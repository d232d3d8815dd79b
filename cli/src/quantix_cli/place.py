"""The place of this machine in its cluster: alone, open to others, or a member of another machine's cluster.

```
alone ── qx host add ──► open: it has an address at which other machines reach its API and its network
  (none of the control plane here yet) ── qx cluster join ──► member: no control plane of its own
```
Kept in `Layout.place`; without the file a machine is alone. Standard library only: `make up` reads it first.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from quantix_api.errors import PermanentError
from quantix_cli.whole_file import PUBLIC, write_whole

SOUTHBOUND_PORT = 6642


@dataclass(frozen=True)
class Place:
    """`address` is this machine's own, for the others. Of a member, `host` is its name in the cluster and
    `southbound` the network's database there, as ovn-controller(8) takes it; of an open machine both are "".
    """

    address: str
    host: str = ""
    southbound: str = ""

    @property
    def is_member(self) -> bool:
        return bool(self.southbound)

    @property
    def is_ipv6(self) -> bool:
        return ip_address(self.address).version == 6

    @property
    def any_address(self) -> str:
        """What listens on all addresses of the same family."""
        return "::" if self.is_ipv6 else "0.0.0.0"


def southbound_at(address: str) -> str:
    """The network's database of a machine at this address."""
    return f"ssl:{in_url(address)}:{SOUTHBOUND_PORT}"


def in_url(address: str) -> str:
    """An address as it stands before a port."""
    return f"[{address}]" if ":" in address else address


def read_place(path: Path) -> Place | None:
    """The place that is kept there; None for a machine that is alone.

    Raises PermanentError (PlaceUnreadable): a member taken for alone would get a second control plane.
    """
    try:
        kept = json.loads(path.read_text())
        place = Place(**{key: str(kept[key]) for key in ("address", "host", "southbound") if key in kept})
        usable_address(place.address)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise PermanentError(
            "PlaceUnreadable",
            f"{path}, which says which cluster this machine is part of, cannot be read ({error}).",
            "restore it from a backup, or make clean and join anew",
        ) from error
    return place


def keep_place(path: Path, place: Place) -> None:
    """Write it down. Raises OSError."""
    write_whole(path, json.dumps(asdict(place)) + "\n", PUBLIC)


def usable_address(text: str) -> IPv4Address | IPv6Address:
    """An address at which other machines can reach one. Raises ValueError with a sentence."""
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is no IP address") from None
    if address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local:
        raise ValueError(f"{text} is no address at which other machines reach this one")
    return address
