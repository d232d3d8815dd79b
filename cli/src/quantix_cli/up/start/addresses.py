"""The address at which the other machines of a cluster reach this one."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Collection
from ipaddress import ip_address

from quantix_api.errors import PermanentError
from quantix_cli.place import usable_address

# nothing is sent there; it takes the default route (RFC 5737)
ELSEWHERE = "192.0.2.1"
_NAME_IT = "--address ADDRESS"


def own_address(given: str | None, towards: str = ELSEWHERE) -> str:
    """`given`, or the address that this machine has towards another one. Raises PermanentError
    (AddressRefused) for one that is not this machine's or that others cannot reach.
    """
    chosen = given or source_towards(towards)
    if chosen is None:
        raise PermanentError("AddressRefused", f"This machine has no way to {towards}.", _NAME_IT)
    return judge_address(chosen, addresses_of_machine())


def judge_address(address: str, own: Collection[str]) -> str:
    """The address in its one form. Raises as `own_address`. Pure."""
    try:
        usable = str(usable_address(address))
    except ValueError as error:
        raise PermanentError("AddressRefused", f"{error}.", _NAME_IT) from error
    if usable not in own:
        known = ", ".join(sorted(own)) or "no address at all"
        raise PermanentError(
            "AddressRefused", f"{usable} is no address of this machine, which has {known}.", _NAME_IT
        )
    return usable


def source_towards(address: str) -> str | None:
    """The address from which this machine would send to another; None without a route."""
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


def addresses_of_machine() -> list[str]:
    """Those of its own devices at which others can reach it, without those of guests' networks."""
    shown = subprocess.run(["ip", "-json", "address"], capture_output=True, text=True, check=False).stdout
    return read_addresses(shown)


def read_addresses(shown: str) -> list[str]:
    """The same of what `ip -json address` shows. Pure."""
    found = []
    for device in json.loads(shown or "[]"):
        if device.get("ifname", "").startswith("qx") and device["ifname"] != "qx-phy":
            continue
        for entry in device.get("addr_info", []):
            try:
                found.append(str(usable_address(str(entry.get("local")))))
            except ValueError:
                continue
    return found
