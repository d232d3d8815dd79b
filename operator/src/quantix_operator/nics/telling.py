"""What a VM is told of its NICs that wait. Pure; called by `ports`."""

from __future__ import annotations

from collections.abc import Sequence

from quantix_api.conditions import PASSING_REASONS, STALLED_REASONS
from quantix_api.messages import all_told
from quantix_operator.ipam.assign import Problem
from quantix_operator.northbound.words import message


def told(problems: Sequence[Problem]) -> tuple[str, str]:
    """Reason and message of NetworkReady: of what only a change helps, if there is any, else of what somebody
    has to give, else of the first that comes by itself; with all the others of that sort.
    """
    stalled = [problem for problem in problems if problem.reason in STALLED_REASONS]
    lasting = [problem for problem in problems if problem.reason not in PASSING_REASONS]
    meant = stalled or lasting or problems[:1]
    return meant[0].reason, all_told([message(one.reason, **dict(one.fields)) for one in meant])
