"""When a service that ended unasked begins again: one policy, in the words of both supervisors. Pure.

Sources: systemd.service(5) and systemd.unit(5) of systemd 252; supervisor 4.3, process.py.
"""

from __future__ import annotations

from dataclasses import dataclass

_PAUSE_S = 1


@dataclass(frozen=True)
class Rule:
    """A line of a unit of systemd, and the line of a program of supervisord that asks the same."""

    systemd: str
    supervisord: str


ALWAYS = Rule("Restart=always", "autorestart = true")
"""Whatever it ended with."""

PAUSED = Rule(f"RestartSec={_PAUSE_S}", f"startsecs = {_PAUSE_S}")
"""Not at once. supervisord begins what ran for so long at once, and what did not after 1 s, then 2 s …"""

WITHOUT_END = Rule("StartLimitIntervalSec=0", "startretries = 1000")
"""However often it fails. supervisord knows no such thing: a thousand tries, each a second later than the one
before, take six days."""
