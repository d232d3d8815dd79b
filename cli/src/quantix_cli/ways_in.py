"""What stands between this machine and a port of a guest, as far as the API tells: rules, a guest that is not
up yet, keys that it was never given. Where that is not known, nothing is said.

Used by `qx vm ssh`, and by `qx up`, which waits for a port.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from quantix_api import resources
from quantix_api.conditions import condition_of
from quantix_api.inbound import groups_that_count, is_among, peers_let_in
from quantix_api.message_text import cause_of, first_of, within
from quantix_api.state import PAUSED, PAUSED_UNASKED, STARTING, STOPPING, state_word
from quantix_cli.nouns import Manifest, look
from quantix_client.errors import Forbidden, NotFound

if TYPE_CHECKING:
    # loads what takes long, which help texts must not pay
    from quantix_client.api import ApiClient

_NOT_UP = (STARTING, STOPPING, PAUSED, PAUSED_UNASKED)


@dataclass(frozen=True)
class Obstacle:
    """What stands in the way, and the way out. `is_sure`: nobody gets in, from wherever."""

    said: str
    hint: str
    is_sure: bool = False


@dataclass(frozen=True)
class Gate:
    """A VM, the NIC of it that has the address in question, and the groups of that NIC. `nic` is {} where it
    is not known which it is, or its groups could not be read, or it has no port security.
    """

    vm: Manifest = field(default_factory=dict)
    nic: Manifest = field(default_factory=dict)
    groups: Sequence[Manifest] = ()


async def read_gate(api: ApiClient, vm: Manifest, address: str) -> Gate:
    """What the API says of the way to this address of the VM."""
    nic = nic_of(vm, address)
    names = groups_that_count(nic.get("portSecurity", "Enabled"), nic.get("securityGroups"))
    if not nic or nic.get("portSecurity") == "Disabled":
        return Gate(vm)
    try:
        namespace = vm["metadata"]["namespace"]
        groups = [await api.get(resources.SECURITY_GROUPS, name, namespace) for name in names]
    except (Forbidden, NotFound):
        return Gate(vm)
    return Gate(vm, nic, groups)


def nic_of(vm: Manifest, address: str) -> Manifest:
    """The NIC in spec that was given this address; {} for none, as for one that only the guest tells of."""
    given = {nic.get("name") for nic in look(vm, "status.nics", []) if address in nic.get("addresses", [])}
    return next((nic for nic in look(vm, "spec.nics", []) if nic["name"] in given), {})


def shut(gate: Gate, port: int, source: str = "") -> Obstacle | None:
    """The rules that keep `source`, an address of this machine ("": not known), from a TCP port; None where
    they let it in, or that cannot be known. Pure.
    """
    if not gate.nic:
        return None
    peers = peers_let_in(gate.groups, port)
    if peers is None or (peers and (not source or is_among(peers, source))):
        return None
    name, names = gate.vm["metadata"]["name"], [group["metadata"]["name"] for group in gate.groups]
    if not names:
        said = f"NIC {gate.nic['name']} of {name} is in no security group, so nothing reaches it."
        make = f"qx securitygroup create ssh --allow tcp:{port}"
        return Obstacle(said, f"{make}, then qx vm set {name} --nic {gate.nic['name']} --group ssh", True)
    whose = f"security group{'s' if len(names) > 1 else ''} {' and '.join(names)}"
    opens = f"qx securitygroup set {names[0]} --allow tcp:{port}"
    if not peers:
        return Obstacle(f"No rule of {whose} lets TCP {port} in to {name}.", opens, True)
    told = first_of([peer.get("cidr") or f"group {peer.get('group')}" for peer in peers])
    said = f"The rules of {whose} let TCP {port} in to {name} from {told} only, and this machine comes from"
    return Obstacle(f"{said} {source}.", f"{opens} --from {source}")


def not_up(vm: Manifest) -> str:
    """`web-1 is not ready: it runs and …` where its guest is not up yet, or held; else "". Pure."""
    ready = condition_of(vm)
    if state_word(vm) not in _NOT_UP and ready.get("reason") != "GuestNotReady":
        return ""
    said = cause_of(str(ready.get("message", ""))) or ready.get("reason", "")
    return f"{vm['metadata']['name']} is not ready: {within(said)} ({ready.get('reason')})."


def no_key(vm: Manifest, own: Iterable[str]) -> Obstacle | None:
    """That the VM was given no key, or none of `own`: the lines of this user's public keys. None where its
    user data may bring one. Pure.
    """
    given = look(vm, "spec.cloudInit.sshAuthorizedKeys", [])
    if look(vm, "spec.cloudInit.userData") or look(vm, "spec.cloudInit.userDataSecretRef"):
        return None
    mine, name, namespace = {_blob(line) for line in own}, vm["metadata"]["name"], vm["metadata"]["namespace"]
    if given and (not mine or mine & {_blob(line) for line in given}):
        return None
    said = f"{name} was given no SSH key" if not given else f"None of your keys in ~/.ssh was given to {name}"
    how = "add the key to spec.cloudInit.sshAuthorizedKeys, with a new instanceID"
    return Obstacle(f"{said}.", f"kubectl edit vm {name} -n {namespace}: {how}; then qx vm restart {name}")


def own_keys(home: Path) -> list[str]:
    """The lines of this user's public keys."""
    found = []
    for path in sorted((home / ".ssh").glob("*.pub")):
        try:
            found.append(path.read_text().strip())
        except (OSError, UnicodeDecodeError):
            continue
    return found


def source_towards(address: str) -> str:
    """The address that this machine goes to another one from; "" without a route. Sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def _blob(line: str) -> str:
    """The part of a key's line that is the key, whatever its options and its comment."""
    return next((word for word in line.split() if word.startswith("AAAA")), line)
