"""The second half of `qx up`, as steps: control plane, this machine as a host, the example."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from quantix_cli.up import example
from quantix_cli.up.joining import join_host
from quantix_cli.up.progress import Activity
from quantix_cli.up.site import Site
from quantix_cli.up.starting import start_control_plane
from quantix_cli.up.steps import Outcome, Step


class BringUp:
    """Makes the steps; `state` says afterwards how the example is."""

    def __init__(self, site: Site, guest_image: Path) -> None:
        self._site = site
        self._guest_image = guest_image
        self.state: example.ExampleState | None = None

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
        return await start_control_plane(self._site, activity)

    async def _join(self, activity: Activity) -> Outcome:
        return await join_host(self._site, activity)

    async def _run_example(self, activity: Activity) -> Outcome:
        site = self._site
        sent = await example.ensure_image(site.api, site.door, self._guest_image, activity.say)
        declared = await example.ensure_declared(site.api, site.settings.checkout / "examples/first-vm.yaml")
        before = await example.is_answering(site.api)
        self.state = await example.wait_for_answer(site.api, site.door, activity.say)
        changed = sent or declared or not before
        if not self.state.address:
            return Outcome(f"it is to be {self.state.power_state}", changed=sent or declared)
        return Outcome(f"{self.state.address} answers", changed=changed)
