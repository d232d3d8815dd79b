"""A target that remembers nothing of a guest which is its own, as after a restore of the API."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from quantix_api.errors import TransientError
from quantix_hostd.claims import Holder, new_claim
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.facts.process import QemuProcess
from quantix_hostd.migration.coming import ComingStore
from quantix_lab.arriving_guest import OURS, Arrival, arriving
from quantix_lab.vm_world import CLUSTER


@pytest.fixture
async def arrival() -> AsyncIterator[Arrival]:
    async with arriving() as made:
        yield made


async def came_and_is_named_again(arrival: Arrival) -> None:
    """It came, is this host's, and the API is restored to what it was before."""
    before = copy.deepcopy(arrival.world.api.objects["m1"])
    await arrival.look()
    await arrival.arrive()
    await arrival.hand_over()
    arrival.mine.add(arrival.uid)
    await arrival.look()
    assert not arrival.moves.has(arrival.uid)
    arrival.mine.clear()
    arrival.migrations["m1"] = arrival.world.api.put(before)
    arrival.hypervisor.calls.clear()
    arrival.restart()


async def gave_up_and_looked(arrival: Arrival) -> None:
    arrival.source_says(outcome="GaveUp", reason="TargetFailed")
    await arrival.look()
    await arrival.look()


async def test_a_guest_that_runs_here_is_left_alone(arrival: Arrival) -> None:
    await came_and_is_named_again(arrival)
    await arrival.look()
    assert arrival.told == {
        "outcome": "Refused",
        "reason": "TargetFailed",
        "message": "A guest of web-1 is here already.",
    }
    await gave_up_and_looked(arrival)
    assert arrival.state() is DomainState.RUNNING
    assert arrival.hypervisor.calls == []
    assert arrival.claim.holder == OURS
    assert arrival.place.data.exists()
    assert arrival.world.layout.vm_run(arrival.uid).exists()


async def test_a_qemu_that_libvirt_does_not_know_is_left_alone(arrival: Arrival) -> None:
    await came_and_is_named_again(arrival)
    domain = arrival.hypervisor.found.pop(f"qx-{arrival.uid}")
    process = QemuProcess(domain.pid, domain.uuid, domain.name, "S")
    arrival.hypervisor.orphans.append(process)
    await arrival.look()
    assert arrival.told["message"] == "A guest of web-1 is here already."
    await gave_up_and_looked(arrival)
    assert arrival.hypervisor.orphans == [process]


async def test_what_the_claims_say_is_this_hosts_is_left_alone(arrival: Arrival) -> None:
    await came_and_is_named_again(arrival)
    await arrival.hypervisor.destroy(f"qx-{arrival.uid}", graceful=False)
    await arrival.look()
    assert arrival.told["message"] == f"The claim of {arrival.place.shown} is this host's already."
    await gave_up_and_looked(arrival)
    assert arrival.claim.holder == OURS
    assert arrival.place.data.exists()
    assert arrival.world.layout.vm_run(arrival.uid).exists()


async def test_what_another_host_has_by_the_claims_may_come(arrival: Arrival) -> None:
    await arrival.look()
    claim = arrival.claim
    elsewhere = replace(claim, holder=Holder("h0", 1), partial=False)
    arrival.world.claims.compare_and_set(arrival.place, claim, elsewhere)
    ComingStore(arrival.world.layout).forget(arrival.uid)
    await arrival.look()
    assert arrival.told == {"prepared": True}


async def test_while_libvirt_is_away_nobody_knows_and_that_is_told(
    arrival: Arrival, monkeypatch: pytest.MonkeyPatch
) -> None:
    await came_and_is_named_again(arrival)

    async def away(*_: Any) -> None:
        raise TransientError("LibvirtDown", "libvirtd does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(arrival.hypervisor, "domain", away)
        with pytest.raises(TransientError):
            await arrival.look()
    assert arrival.world.api.objects["m1"]["status"]["target"] == {
        "reason": "LibvirtDown",
        "message": "libvirtd does not answer.",
    }
    await arrival.look()
    assert arrival.told["outcome"] == "Refused"


async def test_what_was_only_waited_for_is_not_why_it_did_not_come(
    arrival: Arrival, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise TransientError("LibvirtDown", "libvirtd does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(arrival.hypervisor, "domain", away)
        with pytest.raises(TransientError):
            await arrival.look()
    arrival.pull()
    await gave_up_and_looked(arrival)
    assert arrival.told == {"outcome": "Gone"}


async def test_a_claim_that_cannot_be_read_is_a_refusal(arrival: Arrival) -> None:
    await arrival.look()
    ComingStore(arrival.world.layout).forget(arrival.uid)
    for path in arrival.place.data.parent.iterdir():
        if path != arrival.place.data:
            path.write_text("no claim")
    before = arrival.place.data.read_bytes()
    await arrival.look()
    assert (arrival.told["outcome"], arrival.told["reason"]) == ("Refused", "DataDamaged")
    assert arrival.place.data.read_bytes() == before


async def refused(arrival: Arrival) -> None:
    """By a file that somebody has there."""
    arrival.place.data.parent.mkdir(parents=True)
    arrival.place.data.write_text("of somebody")
    arrival.world.claims.create(arrival.place, new_claim(CLUSTER))
    await arrival.look()
    assert arrival.told["outcome"] == "Refused"


async def test_a_refusal_is_final_also_where_its_reason_ends(arrival: Arrival) -> None:
    await refused(arrival)
    arrival.place.data.unlink()
    arrival.world.claims.compare_and_set(arrival.place, arrival.claim, replace(arrival.claim, partial=True))
    before = arrival.told
    for _ in range(2):
        await arrival.look()
        arrival.restart()
    assert arrival.told == before
    assert not arrival.moves.has(arrival.uid)
    await gave_up_and_looked(arrival)
    assert arrival.told == before | {"outcome": "Gone"}


async def test_what_a_killed_hostd_left_of_a_refusal_goes(arrival: Arrival) -> None:
    await arrival.look()
    store = ComingStore(arrival.world.layout)
    coming = store.load(arrival.uid)
    assert coming is not None
    store.save(arrival.uid, replace(coming, prepared=False))
    manifest = arrival.world.api.objects["m1"]
    manifest["status"]["target"] = {"outcome": "Refused", "reason": "TargetFailed", "message": "Full."}
    arrival.migrations["m1"] = arrival.world.api.put(manifest)
    await arrival.look()
    assert not arrival.moves.has(arrival.uid)
    assert not arrival.place.data.exists()
    assert arrival.told["outcome"] == "Refused"


async def test_what_was_made_goes_where_it_cannot_be_made_whole(
    arrival: Arrival, monkeypatch: pytest.MonkeyPatch
) -> None:
    await arrival.look()
    store = ComingStore(arrival.world.layout)
    coming = store.load(arrival.uid)
    assert coming is not None
    store.save(arrival.uid, replace(coming, prepared=False))
    get = arrival.world.api.get

    async def gone(resource: Any, name: str, namespace: str | None = None) -> Any:
        if name == "web-1-root":
            raise TransientError("TargetFailed", "It is not there.")
        return await get(resource, name, namespace)

    monkeypatch.setattr(arrival.world.api, "get", gone)
    await arrival.look()
    assert arrival.told["outcome"] == "Refused"
    assert not arrival.place.data.exists()
