"""The second half of `qx up` on a member of another machine's cluster, and of `qx cluster join`."""

from __future__ import annotations

import sys
from pathlib import Path

from quantix_cli.supervision.choose import supervisor_of
from quantix_cli.up.installation import describe
from quantix_cli.up.run.progress import Activity, Progress
from quantix_cli.up.run.steps import Outcome, Step, run_steps
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.run.words import duration
from quantix_cli.up.settings import UpSettings
from quantix_cli.up.start.joining import join_member
from quantix_cli.up.start.site import Site


async def bring_member_up(settings: UpSettings, log: UpLog, progress: Progress) -> bool:
    """Start what makes this machine a host and wait until it is Ready; whether anything was to do.

    Raises StepFailed.
    """
    site = Site(settings, log, supervisor_of(settings.layout, Path(sys.executable)), describe(settings, None))

    async def join(activity: Activity) -> Outcome:
        return await join_member(site, activity)

    try:
        name = f"join the cluster as host {settings.host_name}"
        outcomes = await run_steps([Step(name, join, usual_s=6)], progress, log)
    finally:
        await site.close()
    return outcomes[name].changed


def member_ending(settings: UpSettings, took_s: float, *, changed: bool) -> str:
    """The last line. Pure."""
    assert settings.place is not None
    done = f"Ready in {duration(took_s)}" + ("" if changed else ", nothing to change")
    return f"{done}. This machine is host {settings.host_name}, at {settings.place.address}."
