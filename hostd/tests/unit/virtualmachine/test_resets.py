"""A guest that is reset again and again: its QEMU runs on, so only an event can tell it."""

from __future__ import annotations

import pytest

from quantix_hostd.facts.domain import DomainEvent, EventKind
from quantix_lab.vm_world import VmHandle


@pytest.fixture
def looping(running: VmHandle) -> VmHandle:
    """That it started was told."""
    running.world.events.reasons.clear()
    running.world.events.texts.clear()
    return running


def resets(vm: VmHandle, times: int, every_s: float) -> None:
    for _ in range(times):
        vm.world.skipped_s += every_s
        vm.world.reconciler.on_libvirt_event(DomainEvent(vm.domain, EventKind.REBOOT))


async def test_a_guest_that_loops_in_its_boot_loader_is_told_of_once(looping: VmHandle) -> None:
    resets(looping, 4, 10)
    assert looping.world.events.reasons == []
    resets(looping, 31, 10)
    assert looping.world.events.reasons == ["GuestResets"]
    assert looping.world.events.texts[0].startswith("The guest was reset 5 times within 5 min. Try: ")
    assert "qx vm console web-1" in looping.world.events.texts[0]
    await looping.reconcile()
    assert looping.condition("Ready")["status"] == "True"
    resets(looping, 1, 1800)
    resets(looping, 4, 10)
    assert looping.world.events.reasons == ["GuestResets"] * 2


async def test_a_guest_that_is_reset_now_and_then_is_not_told_of(looping: VmHandle) -> None:
    resets(looping, 12, 90)
    assert looping.world.events.reasons == []


async def test_resets_of_an_earlier_qemu_do_not_count(looping: VmHandle) -> None:
    resets(looping, 4, 10)
    looping.world.reconciler.on_libvirt_event(DomainEvent(looping.domain, EventKind.STOPPED, "SHUTDOWN"))
    resets(looping, 4, 10)
    assert looping.world.events.reasons == []


async def test_what_is_no_vm_of_the_api_is_not_told_of(looping: VmHandle) -> None:
    looping.world.remove_by_force(looping)
    resets(looping, 9, 10)
    assert looping.world.events.reasons == []
