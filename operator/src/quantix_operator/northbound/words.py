"""The words of the network's conditions, from the one table of messages.

Used by network, router, securitygroup and nics.
"""

from __future__ import annotations

from quantix_api.messages import render


def message(reason: str, **fields: object) -> str:
    """The whole text of a condition with this reason."""
    return render(reason, **fields).text
