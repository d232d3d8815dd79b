"""What a Host that is Ready complains of, for `qx status` and `qx doctor` alike. Pure."""

from __future__ import annotations

from quantix_api.conditions import condition_of
from quantix_cli.nouns import Manifest

GRAVE = ("GuestTraffic", "GuestsKnown", "VolumesKnown", "HugePagesSetAside")
"""Conditions of a Host that somebody has to see to while they are False."""
_TO_KNOW = ("KVMAvailable", "Confined")


def complaints(host: Manifest) -> list[Manifest]:
    """Its conditions that are not as they should be: what is good to know, then what is grave."""
    found = (condition_of(host, kind) for kind in (*_TO_KNOW, *GRAVE))
    return [condition for condition in found if condition.get("status") == "False"]
