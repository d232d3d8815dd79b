"""The first half of `qx up`, as steps: everything that needs no running Quantix. Standard library only."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from quantix_api import kvm
from quantix_api.message_text import cause_of
from quantix_api.messages import render
from quantix_cli.up.prepare import accounts, machine, packages, python
from quantix_cli.up.prepare.builds import ensure_control_plane, ensure_guest_image
from quantix_cli.up.run.progress import Activity
from quantix_cli.up.run.steps import Outcome, Step
from quantix_cli.up.run.uplog import UpLog
from quantix_cli.up.settings import UpSettings

CHECK = "check the machine"
CHECK_KVM = "check KVM"
PACKAGES = "install packages"
GUEST_IMAGE = "build the guest image"
CONTROL_PLANE = "build the control plane"
# a build that is in the cache answers faster than this
BUILT_S = 4.0


class Preparation:
    """Makes the steps; afterwards holds what they made. `for_tests` adds what only the tests need; a machine
    that is to be a member of another one's cluster (`for_member`) needs neither control plane nor example.
    """

    def __init__(
        self, settings: UpSettings, log: UpLog, *, for_tests: bool = False, for_member: bool = False
    ) -> None:
        self._settings = settings
        self._log = log
        self._for_tests = for_tests
        self._for_member = for_member
        self.guest_image: Path | None = None
        self.controlplane: Path | None = None

    def steps(self) -> Sequence[Step]:
        """The steps in the order in which people read them."""
        steps = [Step(CHECK, self._check)]
        if not self._for_tests:
            steps.append(Step(CHECK_KVM, self._check_kvm, (CHECK,)))
        steps.append(Step(PACKAGES, self._packages, (CHECK,), usual_s=120))
        if self._for_member:
            return steps
        steps.append(Step(GUEST_IMAGE, self._guest_image, (PACKAGES,), usual_s=15))
        if self._settings.kubeconfig is None:
            steps.append(Step(CONTROL_PLANE, self._control_plane, (CHECK,), usual_s=360))
        return steps

    async def _check(self, activity: Activity) -> Outcome:
        installed = is_installed(self._settings) or self._for_tests
        ports = machine.ports_needed(self._settings, for_tests=self._for_tests, for_member=self._for_member)
        facts = machine.observe_machine(self._settings, ports, is_installed=installed)
        return Outcome(machine.judge_machine(facts, self._settings), changed=not installed)

    async def _check_kvm(self, activity: Activity) -> Outcome:
        obstacle = kvm.obstacle()
        known = is_installed(self._settings)
        if obstacle is not None:
            message = render("KVMUnusable", host=self._settings.host_name, **obstacle)
            return Outcome(cause_of(message.sentence), changed=False, warns=not known)
        return Outcome("offered by the CPU; proven when this machine joins", changed=not known)

    async def _packages(self, activity: Activity) -> Outcome:
        wanted = [*packages.PACKAGES, *python.needed_packages()]
        if self._for_tests:
            wanted += packages.TEST_PACKAGES
        debian = await packages.ensure_packages(wanted, self._log, activity.say)
        made = await accounts.ensure_image_account(self._log)
        modules = await python.ensure_environment(self._settings.checkout, self._log, activity.say)
        detail = f"{debian} of Debian, {modules} of Python; none removed"
        return Outcome(detail, changed=made or debian + modules > 0)

    async def _guest_image(self, activity: Activity) -> Outcome:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.guest_image = await ensure_guest_image(self._settings)
        return Outcome("beside the other steps", changed=loop.time() - began > BUILT_S)

    async def _control_plane(self, activity: Activity) -> Outcome:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.controlplane = await ensure_control_plane(self._settings, self._log, activity.say)
        return Outcome("kept: later starts skip this", changed=loop.time() - began > BUILT_S)


def is_installed(settings: UpSettings) -> bool:
    """Whether a run came to its end here before."""
    return (settings.layout.hostd_kubeconfig if settings.is_member else settings.admin_kubeconfig).exists()
