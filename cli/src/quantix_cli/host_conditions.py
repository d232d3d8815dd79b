"""Which conditions of a Host somebody is to hear of, for `qx status` and `qx doctor` alike, and which say
that it is there. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from quantix_api.conditions import condition_of
from quantix_cli.exits import CommandError, Exit
from quantix_cli.nouns import Manifest

GRAVE = ("GuestTraffic", "GuestsKnown", "VolumesKnown", "HugePagesSetAside")
"""Those that somebody has to see to while they are False."""
TO_KNOW = ("KVMAvailable", "Confined")
"""Those that are good to know."""
OF_ITS_STATE = ("Schedulable", "Drained")
"""Those that a host's state tells in one word already, for who shows no states."""


def complaints(host: Manifest, *kinds: str) -> list[Manifest]:
    """Its conditions of these kinds that are not as they should be, in this order."""
    found = (condition_of(host, kind) for kind in kinds)
    return [condition for condition in found if condition.get("status") == "False"]


def refuse_heard(hosts: Iterable[Manifest]) -> None:
    """Raise CommandError (6) for a host that is heard: its hostd would register it again at once."""
    for host in hosts:
        if condition_of(host).get("status") == "True":
            name = host["metadata"]["name"]
            said = f"Host {name} runs, and would be there again at once."
            raise CommandError(Exit.REFUSED, said, f"make clean on {name}, then the same again")
