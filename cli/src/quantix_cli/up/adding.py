"""The work of `qx host add`: open this machine to others, once, and let one of them in."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from quantix_api.errors import PermanentError
from quantix_cli.joining_word import JoiningWord
from quantix_cli.place import Place, keep_place
from quantix_cli.supervision.choose import supervisor_of
from quantix_cli.up.installation import describe
from quantix_cli.up.prepare.builds import ensure_control_plane
from quantix_cli.up.run.progress import Activity, Progress
from quantix_cli.up.run.steps import Outcome, Step, run_steps
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.settings import UpSettings
from quantix_cli.up.start.addresses import own_address
from quantix_cli.up.start.admitting import admit
from quantix_cli.up.start.control_plane import start_control_plane
from quantix_cli.up.start.joining import join_host
from quantix_cli.up.start.site import Site


class Adding:
    """One run; afterwards `word` is what `host` joins with."""

    def __init__(self, settings: UpSettings, host: str, address: str | None) -> None:
        self._host = host
        self._place = place_of(settings, address)
        self._settings = replace(settings, place=self._place)
        self.word: JoiningWord | None = None

    async def work(self, log: UpLog, progress: Progress) -> None:
        """Do the steps. Raises StepFailed."""
        settings = self._settings
        # first, so that make up goes on where this run was ended
        keep_place(settings.layout.place, self._place)
        supervisor = supervisor_of(settings.layout, Path(sys.executable))
        own = settings.kubeconfig is None
        controlplane = await ensure_control_plane(settings, log, lambda _: None) if own else None
        site = Site(settings, log, supervisor, describe(settings, controlplane))

        async def open_it(activity: Activity) -> Outcome:
            started = await start_control_plane(site, activity)
            joined = await join_host(site, activity)
            return Outcome(f"at {self._place.address}", changed=started.changed or joined.changed)

        async def let_in(activity: Activity) -> Outcome:
            self.word = await admit(site, self._host, self._place, activity)
            return Outcome(changed=False)

        opening = "open this machine to others"
        letting_in = f"let {self._host} in"
        steps = [Step(opening, open_it, usual_s=10), Step(letting_in, let_in, (opening,))]
        try:
            await run_steps(steps, progress, log)
        finally:
            await site.close()


def place_of(settings: UpSettings, address: str | None) -> Place:
    """The place that this machine has as the first of several. Raises PermanentError where it is not the
    first, or has not begun.
    """
    if settings.is_member:
        assert settings.place is not None
        raise PermanentError(
            "NotTheFirst",
            f"This machine is a member of the cluster whose network is at {settings.place.southbound}.",
            "the same command on the machine that has the control plane",
        )
    if not settings.admin_kubeconfig.exists():
        raise PermanentError("NotBegun", "Quantix does not run here yet.", "make up, then the same again")
    known = settings.place.address if settings.place else None
    return Place(own_address(address or known))
