"""What is known of the agent in one guest, and when it is asked again. Pure.

        not known ──answer──► speaks ──no answer for 30 s──► silent
            │                   ▲                              │
            └──refusal──► refuses └───────────answer───────────┘

Used by `guest_watch`, which asks, and by `guest_status`, which tells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from quantix_hostd.facts.guest import GuestReport

SILENT_AFTER_S = 30.0
"""A guest that boots anew or is very busy answers again before: that is not worth two writes."""
_SOON_S, _LATER_S = 5.0, 60.0
_DOUBLINGS = 8


@dataclass(frozen=True)
class AgentState:
    """`heard_s`: when the agent was last heard of, by a clock that never jumps; `heard_wall_s`: the same in
    seconds since 1970, for people. `answers` counts those in a row.
    `known`: it has answered, refused, or kept silent long enough.
    """

    heard_s: float
    heard_wall_s: float = 0.0
    report: GuestReport | None = None
    answers: int = 0
    known: bool = False
    refuses: bool = False
    silent: bool = False

    @property
    def speaks(self) -> bool:
        """Whether the agent has answered, and goes on to as far as is known."""
        return self.report is not None and not self.silent


NOT_SEEN = AgentState(0.0)
"""Of a guest whose agent was never there."""


def answered(state: AgentState, report: GuestReport, now_s: float, wall_s: float) -> AgentState:
    """The agent answered."""
    return AgentState(now_s, wall_s, report, state.answers + 1, known=True)


def refused(now_s: float, wall_s: float) -> AgentState:
    """The agent is there, and will not say what it was asked."""
    return AgentState(now_s, wall_s, known=True, refuses=True)


def missed(state: AgentState, now_s: float) -> AgentState:
    """The agent is not there, or did not answer."""
    silent = now_s - state.heard_s >= SILENT_AFTER_S
    return replace(state, answers=0, known=state.known or silent, silent=silent)


def next_ask_s(state: AgentState) -> float:
    """Seconds until the agent is asked again: soon while it is new and addresses still come, then rarely."""
    if state.silent or state.refuses:
        return _LATER_S
    return min(_LATER_S, _SOON_S * 2.0 ** min(max(state.answers - 1, 0), _DOUBLINGS))
