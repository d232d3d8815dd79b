"""Rights on parts of an object that are no objects themselves (virtual subresources), for the reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from quantix_api.rbac import monitoring_roles, user_roles
from quantix_api.resources import Resource

MEANINGS = {
    "virtualmachines/console": "open the serial port",
    "virtualmachines/vnc": "open the screen",
    "virtualmachines/log": "read what the guest printed on its serial port",
    "virtualmachines/screenshot": "take a picture of the screen",
    "virtualmachines/metrics": "read the figures of the VM",
    "virtualmachines/explain": "nothing yet: `qx vm explain` reads the VM alone",
    "virtualmachines/portforward": "nothing yet",
    "virtualmachines/exec": "nothing yet",
    "virtualmachines/files": "nothing yet",
    "images/upload": "send the file of an image",
    "images/content": "read the file of an image",
    "volumes/upload": "send the file of a volume",
    "volumes/export": "nothing yet",
    "hosts/metrics": "read the figures of the host and its VMs",
}
"""What each right lets its holder do; those that nothing asks for yet say so."""


@dataclass(frozen=True)
class Right:
    """One right, and the ClusterRoles that hold it."""

    resource: str
    verb: str
    means: str
    roles: tuple[str, ...]


def rights_of(resource: Resource) -> Iterator[Right]:
    """The rights on parts of this kind, in the order of the roles."""
    holders: dict[tuple[str, str], list[str]] = {}
    for role in (*user_roles(), *monitoring_roles()):
        for rule in role.get("rules", ()):
            for part in rule.get("resources", ()):
                if part.startswith(f"{resource.plural}/"):
                    for verb in rule["verbs"]:
                        holders.setdefault((part, verb), []).append(f"`{role['metadata']['name']}`")
    for (part, verb), roles in holders.items():
        yield Right(part, verb, MEANINGS[part], tuple(roles))
