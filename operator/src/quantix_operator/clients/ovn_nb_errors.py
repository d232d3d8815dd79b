"""What can go wrong with the northbound database, in our own words.

Raised by `clients.ovn_nb`; caught by the controllers of the network.
"""

from __future__ import annotations

from quantix_api.conditions import INTERNAL_ERROR
from quantix_api.errors import QuantixError, TransientError
from quantix_api.messages import as_error, render

_QUOTED = 200


class NorthboundUnreachable(TransientError):
    """The database does not answer: what was asked for may still happen, so observe before the next try."""

    def __init__(self, cause: str) -> None:
        said = render("NorthboundUnreachable")
        super().__init__(said.reason, f"{said.sentence} Said: {cause[:_QUOTED]}.", said.hint)


class StaleObservation(TransientError):
    """The database is no longer what the plan was made for: observe again, and plan again."""

    def __init__(self, message: str) -> None:
        super().__init__("Programming", message)


def translated(refusal: str) -> QuantixError:
    """What the database said, as an error of ours (texts of ovsdb-server and of ovsdbapp)."""
    if "duplicate uuid" in refusal or "referential integrity" in refusal or "constraint" in refusal:
        return StaleObservation(f"The network database refused a change. Said: {refusal[:_QUOTED]}.")
    if "database lock" in refusal:
        return NorthboundUnreachable("another operator still holds its lock")
    said = f"the network's database refused a change ({refusal[:_QUOTED]})"
    return as_error(TransientError, INTERNAL_ERROR, said=said)
