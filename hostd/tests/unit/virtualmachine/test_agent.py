"""The stock agent in a guest: what is told of it, how seldom, and what it is used for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from quantix_api.errors import PermanentError, TransientError
from quantix_hostd.facts.guest import GuestAddress, GuestReport
from quantix_hostd.virtualmachine.agent_state import SILENT_AFTER_S
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import VmHandle
from quantix_lab.waiting import eventually_async

MAC = "02:00:00:00:00:01"
REPORT = GuestReport("web-1", "Debian GNU/Linux 13", "6.12", (GuestAddress(MAC, "10.0.0.77"),))
SILENCE = TransientError("InternalError", "agent does not answer")


class Guest:
    """A VM with a NIC whose guest has an agent, and a hostd that asks it."""

    def __init__(self, vm: VmHandle, hypervisor: FakeHypervisor) -> None:
        self.vm, self.hypervisor = vm, hypervisor

    @property
    def asked(self) -> int:
        return self.hypervisor.calls.count("ask agent")

    async def agent_comes(self) -> None:
        """The agent opens its channel and is heard."""
        self.hypervisor.open_agent_channel(self.vm.domain)
        await self.ask_after(0)

    async def ask_after(self, seconds: float) -> None:
        """So much later it is asked, and the VM is looked at again."""
        before = self.asked
        await self.vm.look_after(seconds)
        await eventually_async("the agent to be asked", lambda: self.asked > before)
        await asyncio.sleep(0)
        await self.vm.reconcile()

    @property
    def agent(self) -> tuple[str, str]:
        condition = self.vm.condition("AgentConnected")
        return condition["status"], condition["reason"]


@pytest.fixture
async def guest(vm: VmHandle, hypervisor: FakeHypervisor) -> AsyncIterator[Guest]:
    hypervisor.agent_says = REPORT
    vm.change("status", "nics", value=[{"name": "eth0", "mac": MAC, "addresses": ["10.0.0.5"]}])
    await vm.reconcile()
    asking = asyncio.create_task(vm.world.guests.run())
    yield Guest(vm, hypervisor)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking


async def test_without_an_agent_nothing_of_the_guest_is_told(guest: Guest) -> None:
    assert guest.agent == ("False", "NotInstalled")
    assert guest.vm.status["addresses"] == ["10.0.0.5"]
    assert "guest" not in guest.vm.status


async def test_what_the_agent_says_is_told_in_one_write(guest: Guest) -> None:
    before = len(guest.vm.world.api.writes)
    await guest.agent_comes()
    assert guest.agent == ("True", "Connected")
    assert guest.vm.status["guest"] == {"hostname": "web-1", "os": "Debian GNU/Linux 13", "kernel": "6.12"}
    assert guest.vm.status["addresses"] == ["10.0.0.5", "10.0.0.77"]
    assert len(guest.vm.world.api.writes) == before + 1


async def test_the_same_answer_again_is_no_write(guest: Guest) -> None:
    await guest.agent_comes()
    before = len(guest.vm.world.api.writes)
    await guest.ask_after(100)
    assert len(guest.vm.world.api.writes) == before


async def test_an_agent_that_another_takes_the_place_of_is_asked_at_once(guest: Guest) -> None:
    await guest.agent_comes()
    asked = guest.asked
    guest.hypervisor.open_agent_channel(guest.vm.domain, open=False)
    guest.hypervisor.open_agent_channel(guest.vm.domain)
    guest.hypervisor.agent_says = GuestReport("other")
    await guest.vm.reconcile()
    await eventually_async("the other agent to be asked", lambda: guest.asked > asked)
    await guest.vm.reconcile()
    assert guest.vm.status["guest"] == {"hostname": "other"}


async def test_an_agent_that_comes_and_goes_all_the_time_by_another_name_is_seldom_asked_and_told(
    guest: Guest,
) -> None:
    await guest.agent_comes()
    asked, written = guest.asked, len(guest.vm.world.api.writes)
    for number in range(200):
        guest.hypervisor.agent_says = GuestReport(f"host-{number}")
        guest.hypervisor.open_agent_channel(guest.vm.domain, open=False)
        await guest.vm.look_after(0.05)
        guest.hypervisor.open_agent_channel(guest.vm.domain)
        await guest.vm.look_after(0.05)
        await asyncio.sleep(0)
    # in 20 s: twice before its time, and as often as any new one
    assert guest.asked - asked <= 6
    assert len(guest.vm.world.api.writes) - written <= 6


async def test_an_address_of_a_foreign_interface_is_not_the_guests(guest: Guest) -> None:
    bridge = GuestAddress("02:42:00:00:00:01", "172.17.0.1")
    guest.hypervisor.agent_says = GuestReport(addresses=(*REPORT.addresses, bridge))
    await guest.agent_comes()
    assert guest.vm.status["addresses"] == ["10.0.0.5", "10.0.0.77"]


async def test_a_guest_with_very_many_addresses_shows_sixteen_of_them(guest: Guest) -> None:
    many = tuple(GuestAddress(MAC, f"10.0.1.{number}") for number in range(64))
    guest.hypervisor.agent_says = GuestReport(addresses=many)
    await guest.agent_comes()
    assert guest.vm.status["addresses"][0] == "10.0.0.5"
    assert len(guest.vm.status["addresses"]) == 17


async def test_silence_is_told_after_a_while_and_what_was_said_stays(guest: Guest) -> None:
    await guest.agent_comes()
    guest.hypervisor.agent_says = SILENCE
    await guest.ask_after(SILENT_AFTER_S - 10)
    assert guest.agent == ("True", "Connected")
    await guest.ask_after(SILENT_AFTER_S)
    assert guest.agent == ("False", "Silent")
    assert guest.vm.status["guest"]["hostname"] == "web-1"
    guest.hypervisor.agent_says = REPORT
    await guest.ask_after(100)
    assert guest.agent == ("True", "Connected")


async def test_an_agent_that_refuses_is_told_from_one_that_is_not_there(guest: Guest) -> None:
    guest.hypervisor.agent_says = PermanentError("Refused", "it refuses")
    await guest.agent_comes()
    assert guest.agent == ("False", "Refused")


async def test_a_hostd_that_starts_anew_keeps_what_was_said_until_it_has_asked(guest: Guest) -> None:
    await guest.agent_comes()
    before, known = len(guest.vm.world.api.writes), dict(guest.vm.status)
    guest.vm.world.reconciler = guest.vm.world.new_reconciler()
    await guest.vm.reconcile()
    assert guest.vm.status == known
    assert len(guest.vm.world.api.writes) == before


async def test_readiness_waits_for_an_answer(guest: Guest) -> None:
    guest.vm.change("spec", "readiness", value={"agent": {}, "timeoutSeconds": 1})
    await guest.vm.look_after(5)
    assert guest.vm.condition("Ready")["reason"] == "GuestNotReady"
    await guest.agent_comes()
    assert guest.vm.condition("Ready")["status"] == "True"


async def test_time_that_a_guest_still_has_is_not_told_as_over(guest: Guest) -> None:
    guest.vm.world.reconciler = guest.vm.world.new_reconciler(quiet_s=0.0)
    guest.vm.change("spec", "readiness", value={"agent": {}, "timeoutSeconds": 60})
    await guest.vm.look_after(5)
    assert "does not answer yet; it has 60 s" in guest.vm.condition("Ready")["message"]
    await guest.vm.look_after(60)
    assert "did not answer within 60 s" in guest.vm.condition("Ready")["message"]


async def test_an_agent_that_answers_shuts_the_guest_down(guest: Guest) -> None:
    await guest.agent_comes()
    guest.vm.change("spec", "powerState", value="Stopped")
    await guest.vm.reconcile()
    orders = [call for call in guest.hypervisor.calls if call.startswith("shutdown")]
    assert orders == ["shutdown by agent"]
    assert guest.vm.status["phase"] == "Stopped"
    assert "guest" not in guest.vm.status


async def test_where_the_agent_takes_no_order_acpi_asks_at_once(guest: Guest) -> None:
    await guest.agent_comes()
    guest.hypervisor.agent_says = SILENCE
    guest.vm.change("spec", "powerState", value="Stopped")
    await guest.vm.reconcile()
    orders = [call for call in guest.hypervisor.calls if call.startswith("shutdown")]
    assert orders == ["shutdown by agent", "shutdown"]
    assert guest.vm.status["phase"] == "Stopped"


async def test_the_clock_is_set_after_a_pause_and_a_paused_agent_is_not_silent(guest: Guest) -> None:
    await guest.agent_comes()
    guest.vm.change("spec", "powerState", value="Paused")
    await guest.vm.reconcile()
    asked = guest.asked
    await guest.vm.look_after(10 * SILENT_AFTER_S)
    await guest.vm.reconcile()
    assert (guest.asked, guest.agent) == (asked, ("True", "Connected"))
    assert "set time" not in guest.hypervisor.calls
    guest.vm.change("spec", "powerState", value="Running")
    await guest.ask_after(0)
    assert guest.hypervisor.calls.count("set time") == 1


async def test_a_first_start_sets_no_clock(guest: Guest) -> None:
    await guest.agent_comes()
    assert "set time" not in guest.hypervisor.calls


async def test_coming_and_falling_silent_are_events(guest: Guest) -> None:
    await guest.agent_comes()
    guest.hypervisor.agent_says = SILENCE
    await guest.ask_after(2 * SILENT_AFTER_S)
    told = [reason for reason in guest.vm.world.events.reasons if reason.startswith("Agent")]
    assert told == ["AgentConnected", "AgentLost"]
