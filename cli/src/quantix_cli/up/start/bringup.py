"""The second half of `qx up`, as steps: control plane, this machine as a host, the example."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from quantix_api import resources
from quantix_cli.up.run.progress import Activity
from quantix_cli.up.run.steps import Outcome, Step
from quantix_cli.up.start import example
from quantix_cli.up.start.control_plane import start_control_plane
from quantix_cli.up.start.joining import join_host
from quantix_cli.up.start.site import Site
from quantix_cli.up.start.verdict import Trouble, trouble_of

# how long one and the same trouble of the example is taken for work that goes on: where everything ran before
# this run, and where operator and hostd, which look at all VMs anew, have just started
PATIENCE_S = 3.0
STARTED_PATIENCE_S = 15.0


class BringUp:
    """Makes the steps; afterwards `state` is that of the example, `troubles` are VMs not as declared."""

    def __init__(self, site: Site, guest_image: Path) -> None:
        self._site = site
        self._guest_image = guest_image
        self.state: example.ExampleState | None = None
        self.troubles: list[Trouble] = []
        self._started = False

    def steps(self) -> Sequence[Step]:
        """The steps, one after the other."""
        own = self._site.installation.controlplane is not None
        start = "start the control plane" if own else "prepare your cluster"
        join = f"join this machine as host {self._site.settings.host_name}"
        return [
            Step(start, self._start, usual_s=4),
            Step(join, self._join, (start,), usual_s=6),
            Step(f"start the VM {example.NAME}", self._run_example, (join,), usual_s=10),
        ]

    async def _start(self, activity: Activity) -> Outcome:
        outcome = await start_control_plane(self._site, activity)
        self._started |= outcome.changed
        return outcome

    async def _join(self, activity: Activity) -> Outcome:
        outcome = await join_host(self._site, activity)
        self._started |= outcome.changed
        return outcome

    async def _run_example(self, activity: Activity) -> Outcome:
        site = self._site
        sent = await example.ensure_image(site.api, site.door, self._guest_image, activity.say)
        file = site.settings.checkout / "examples/first-vm.yaml"
        declared = await example.ensure_declared(site.api, file, activity.say)
        before = await example.is_answering(site.api)
        patience_s = None if sent or declared else STARTED_PATIENCE_S if self._started else PATIENCE_S
        self.state = await example.wait_for_answer(site.api, site.door, activity.say, patience_s)
        vms = (await site.api.list(resources.VIRTUAL_MACHINES)).items
        self.troubles = [trouble for vm in vms if (trouble := trouble_of(vm)) is not None]
        changed = sent or declared or not before
        if self.state.trouble is not None:
            # what it says may be in other words by now
            others = [one for one in self.troubles if one.shown != self.state.trouble.shown]
            self.troubles = [self.state.trouble, *others]
            detail = f"it is {self.state.trouble.word}: {self.state.trouble.why}"
            return Outcome(detail, changed=False, warns=True)
        if not self.state.has_nic:
            return Outcome("it runs, and has no NIC", changed=sent or declared)
        if not self.state.address:
            return Outcome(f"it is to be {self.state.power_state}", changed=sent or declared)
        return Outcome(f"{self.state.address} answers", changed=changed)
