"""A look that still finds work after its last round tells so (law: every wait says why)."""

from __future__ import annotations

import pytest

from quantix_api.messages import as_wait
from quantix_hostd.virtualmachine.actions import Define, Destroy, Suspend
from quantix_hostd.virtualmachine.record import Record
from quantix_hostd.virtualmachine.steps import Plan, unsettled
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle

_STARTING = as_wait("Starting", 1.0, host="h1")
_STOPPING = as_wait("Stopping", 1.0, host="h1")


class DeafHypervisor(FakeHypervisor):
    """Says yes to a suspend and goes on."""

    async def suspend(self, name: str) -> None:
        self.did("suspend")


@pytest.mark.parametrize(
    ("plan", "named"),
    [
        (Plan(Record()), None),
        (Plan(Record(), (), _STARTING), None),
        (Plan(Record(), (Suspend(), Suspend())), "Suspend"),
        (Plan(Record(), (Define("<domain/>"), Suspend()), _STARTING), "Define, Suspend"),
        # what is tried until it helps says what it waits for
        (Plan(Record(), (Destroy(graceful=True),), _STOPPING), None),
    ],
)
def test_work_left_after_the_last_round_is_a_bug_unless_it_is_waited_for(
    plan: Plan, named: str | None
) -> None:
    bug = unsettled(plan)
    assert (bug is not None) == (named is not None)
    if bug is not None and named is not None:
        assert bug.message.endswith(f"Said: it is done again and again: {named}.")


@pytest.fixture
def hypervisor() -> FakeHypervisor:
    return DeafHypervisor()


async def test_a_vm_that_never_settles_says_in_ready_what_is_done_again_and_again(
    running: VmHandle, hypervisor: FakeHypervisor
) -> None:
    running.change("spec", "powerState", value="Paused")
    again_s = await running.reconcile()
    ready = running.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "InternalError")
    assert "it is done again and again: Suspend" in ready["message"]
    assert set(hypervisor.calls) == {"suspend"}
    assert again_s is not None
    assert again_s >= 60, "a bug is not hammered"
