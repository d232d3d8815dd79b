"""A guest is paused and goes on as asked whatever becomes of the copy of its disk."""

from __future__ import annotations

from contextlib import suppress

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.claims import VolumePlace
from quantix_hostd.facts.domain import DomainState
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.moved_disks import want_pool
from quantix_lab.vm_world import VmHandle


class Stubborn(FakeHypervisor):
    """Gives up no copy while it `keeps` them."""

    keeps = True

    async def drop_copy(self, name: str, target: str) -> None:
        if self.keeps:
            raise TransientError("InternalError", "libvirt could not do it.")
        await super().drop_copy(name, target)


@pytest.fixture
def hypervisor() -> FakeHypervisor:
    return Stubborn()


@pytest.fixture
def fast(running: VmHandle, hypervisor: Stubborn) -> VolumePlace:
    hypervisor.copies_at_once = False
    running.world.add_pool("fast")
    running.world.reconciler = running.world.new_reconciler(quiet_s=0.0)
    return want_pool(running, "fast")


async def look(vm: VmHandle) -> None:
    for _ in range(2):
        with suppress(TransientError):
            await vm.look_after(1)


async def test_a_copy_that_is_not_given_up_holds_up_no_pause_and_no_going_on(
    running: VmHandle, fast: VolumePlace, hypervisor: Stubborn
) -> None:
    await running.reconcile()
    want_pool(running, "local", granted=False)
    for wanted, state in (("Paused", DomainState.PAUSED), ("Running", DomainState.RUNNING)):
        running.change("spec", "powerState", value=wanted)
        await look(running)
        assert hypervisor.found[running.domain].state is state
    hypervisor.keeps = False
    await running.reconcile()
    assert "drop vda" in hypervisor.calls


async def test_a_guest_that_stands_still_for_the_switch_goes_on_only_once_the_copy_is_given_up(
    running: VmHandle, fast: VolumePlace, hypervisor: Stubborn
) -> None:
    """The switch may still come about: what it wrote until then would be in the one file or the other."""
    hypervisor.copies_at_once = hypervisor.refuses_switch = True
    await look(running)
    for pool, granted in (("fast", True), ("local", False)):
        want_pool(running, pool, granted=granted)
        await look(running)
        assert hypervisor.found[running.domain].state is DomainState.PAUSED
    hypervisor.keeps = False
    await running.reconcile()
    assert hypervisor.found[running.domain].state is DomainState.RUNNING


async def test_a_guest_whose_copy_is_gone_goes_on_although_the_claim_of_it_cannot_be_put_down(
    running: VmHandle, fast: VolumePlace, hypervisor: Stubborn, monkeypatch: pytest.MonkeyPatch
) -> None:
    hypervisor.copies_at_once = hypervisor.refuses_switch = True
    await look(running)
    hypervisor.copy_fails(running.domain, "vda")
    want_pool(running, "local", granted=False)

    def full(*_: object) -> None:
        raise TransientError("InternalError", "no space left")

    monkeypatch.setattr(running.world.claims, "compare_and_set", full)
    await look(running)
    assert hypervisor.found[running.domain].state is DomainState.RUNNING
