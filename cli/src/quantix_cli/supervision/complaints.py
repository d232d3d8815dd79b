"""What a service complained of last, as its log has it. Used by `qx up` and `qx doctor`."""

from __future__ import annotations

import json

from quantix_cli.supervision.service import Supervisor

# a complaint may have a traceback after it
_LINES = 40


def last_complaint(supervisor: Supervisor, name: str) -> str:
    """The last error that a service reported, or its last line for people; "" when there is neither."""
    said = (complaint(line) for line in reversed(supervisor.last_words(name, _LINES)))
    return next((text for text in said if text), "")


def complaint(line: str) -> str:
    """What a line of a log says to people: the member `error` of a structured one, a plain one as it is."""
    if not line.startswith("{"):
        return line.strip()
    try:
        fields = json.loads(line)
    except ValueError:
        return ""
    return str(fields.get("error") or "")
