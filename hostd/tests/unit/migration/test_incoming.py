"""A guest that comes to this host: made ready for, taken over once it is handed over, else cleared up."""

from __future__ import annotations

import base64
import copy
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from quantix_api.errors import TransientError
from quantix_api.resources import STORAGE_POOLS
from quantix_hostd.claims import VolumePlace, new_claim
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.facts.switch import PortProblem
from quantix_hostd.migration.coming import ComingStore, IncomingMove
from quantix_hostd.migration.sent_domain import why_not
from quantix_hostd.volume.disk_header import read_volume
from quantix_lab.arriving_guest import OURS, Arrival, arriving
from quantix_lab.fake_ports import FakeGuestPorts
from quantix_lab.vm_world import CLUSTER


@pytest.fixture
async def arrival() -> AsyncIterator[Arrival]:
    async with arriving() as made:
        yield made


async def test_room_is_made_for_its_data_and_told(arrival: Arrival) -> None:
    await arrival.look()
    assert arrival.told == {"prepared": True}
    assert arrival.claim.partial
    assert arrival.claim.holder is None
    assert arrival.moves.has(arrival.uid)


async def test_it_goes_on_once_it_is_handed_over_and_not_before(arrival: Arrival) -> None:
    await arrival.look()
    await arrival.arrive()
    await arrival.look()
    assert arrival.state() is DomainState.PAUSED
    await arrival.hand_over()
    assert arrival.state() is DomainState.RUNNING
    assert (arrival.claim.holder, arrival.claim.partial) == (OURS, False)
    assert arrival.told == {"prepared": True, "outcome": "Running", "epoch": 2}
    record = arrival.world.records.load(arrival.uid)
    assert (record.epoch, record.started, record.places) == (2, True, (arrival.place,))


async def half_with_a_nic(arrival: Arrival) -> FakeGuestPorts:
    vm = copy.deepcopy(arrival.machines["default/web-1"])
    vm["status"]["nics"] = [{"name": "eth0", "port": "p1", "mac": "52:54:00:00:00:01"}]
    arrival.machines["default/web-1"] = arrival.world.api.put(vm)
    await arrival.look()
    await arrival.arrive()
    return arrival.world.ports


async def test_nics_that_are_wired_are_not_looked_at_while_it_stands_still(arrival: Arrival) -> None:
    ports = await half_with_a_nic(arrival)
    await arrival.look()
    assert ports.owners == {"p1": arrival.uid}
    ports.owners.clear()
    await arrival.hand_over()
    assert arrival.state() is DomainState.RUNNING
    assert ports.owners == {}


async def test_a_guest_without_nics_needs_no_switch(
    arrival: Arrival, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object) -> None:
        raise TransientError("NetworkDown", "Open vSwitch does not answer.")

    monkeypatch.setattr(arrival.world.ports, "set_owner", down)
    await arrival.look()
    await arrival.arrive()
    await arrival.look()
    await arrival.hand_over()
    assert arrival.state() is DomainState.RUNNING


@pytest.mark.parametrize("looked_at", [True, False])
async def test_nics_that_are_not_known_to_be_wired_are_before_it_goes_on(
    arrival: Arrival, looked_at: bool
) -> None:
    ports = await half_with_a_nic(arrival)
    if looked_at:
        ports.found = (PortProblem("p1", "PortNotBound", "its interface is missing"),)
        await arrival.look()
        ports.owners.clear()
    await arrival.hand_over()
    assert arrival.state() is DomainState.RUNNING
    assert ports.owners == {"p1": arrival.uid}


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Cancelled"])
async def test_the_source_has_no_way_in_any_more_once_it_is_over(arrival: Arrival, phase: str) -> None:
    await arrival.look()
    assert arrival.moves.move("m1") is not None
    arrival.migrations["m1"]["status"]["phase"] = phase
    arrival.migrations["m1"] = arrival.world.api.put(arrival.migrations["m1"])
    assert arrival.moves.move("m1") is None


async def test_who_was_away_reads_the_hand_over_in_the_api(arrival: Arrival) -> None:
    await arrival.look()
    await arrival.arrive()
    arrival.restart()
    arrival.source_says(outcome="HandedOver", epoch=2)
    await arrival.look()
    assert arrival.state() is DomainState.RUNNING


async def test_a_hand_over_counts_also_once_the_migration_is_gone(arrival: Arrival) -> None:
    await arrival.look()
    await arrival.arrive()
    arrival.migrations.clear()
    await arrival.look()
    assert arrival.state() is DomainState.PAUSED
    await arrival.hand_over()
    assert arrival.state() is DomainState.RUNNING


async def test_what_was_taken_over_is_left_alone_by_another_hand_over(arrival: Arrival) -> None:
    await arrival.look()
    await arrival.arrive()
    await arrival.hand_over()
    arrival.hypervisor.calls.clear()
    await arrival.hand_over()
    assert arrival.hypervisor.calls == []


async def test_one_that_was_given_up_leaves_nothing(arrival: Arrival) -> None:
    await arrival.look()
    await arrival.arrive()
    arrival.source_says(outcome="GaveUp", reason="SourceFailed")
    await arrival.look()
    assert arrival.told == {"outcome": "Gone"}
    assert arrival.state() is None
    assert not arrival.place.data.parent.exists()
    assert not arrival.moves.has(arrival.uid)
    assert not arrival.world.layout.vm_run(arrival.uid).exists()


async def test_the_word_is_heard_also_once_the_migration_is_over(arrival: Arrival) -> None:
    await arrival.look()
    await arrival.arrive()
    arrival.migrations["m1"]["status"]["phase"] = "Failed"
    arrival.world.api.objects["m1"]["status"]["phase"] = "Failed"
    arrival.source_says(outcome="GaveUp", reason="SourceFailed")
    await arrival.look()
    assert arrival.state() is None


async def test_a_half_that_nobody_speaks_of_is_kept(arrival: Arrival) -> None:
    await arrival.look()
    await arrival.arrive()
    arrival.migrations.clear()
    arrival.machines.clear()
    for _ in range(2):
        await arrival.look()
        arrival.restart()
    assert arrival.state() is DomainState.PAUSED
    assert arrival.place.data.exists()


async def test_a_half_that_died_once_it_was_handed_over_is_this_hosts_to_start(arrival: Arrival) -> None:
    await arrival.look()
    await arrival.hand_over()
    assert arrival.claim.holder == OURS
    assert arrival.told["outcome"] == "Running"
    assert not arrival.world.records.load(arrival.uid).started


async def test_a_disk_that_was_added_since_keeps_no_dead_half_from_being_this_hosts(arrival: Arrival) -> None:
    await arrival.look()
    added = arrival.world.api.put(arrival.world.add_volume("added"))
    vm = copy.deepcopy(arrival.machines["default/web-1"])
    vm["status"]["resolved"]["disks"].append(
        {"name": "data", "volume": "added", "volumeUID": added["metadata"]["uid"]}
    )
    arrival.machines["default/web-1"] = arrival.world.api.put(vm)
    await arrival.hand_over()
    assert arrival.told["outcome"] == "Running"
    assert arrival.world.records.load(arrival.uid).places == (arrival.place,)


async def test_a_disk_that_was_not_sent_keeps_no_dead_half_from_being_this_hosts(arrival: Arrival) -> None:
    unplugged = add_disk(arrival)
    await arrival.look()
    await arrival.arrive()
    await arrival.look()
    del arrival.hypervisor.found[f"qx-{arrival.uid}"]
    arrival.restart()
    await arrival.hand_over()
    assert arrival.told["outcome"] == "Running"
    assert arrival.world.records.load(arrival.uid).places == (arrival.place,)
    claim = arrival.world.claims.read(unplugged)
    assert claim is not None
    assert (claim.partial, claim.holder) == (True, None), "nothing ever came into it"


def add_disk(arrival: Arrival) -> VolumePlace:
    """The VM has another one as this host makes ready for it; where its copy lies here."""
    vm = copy.deepcopy(arrival.machines["default/web-1"])
    volume = copy.deepcopy(arrival.world.api.objects[arrival.place.handle])
    volume["metadata"] |= {"name": "data", "uid": "uid-of-data"}
    volume["status"]["handle"] = "uid-of-data"
    arrival.world.api.put(volume)
    vm["status"]["resolved"]["disks"].append({"name": "data", "volume": "data", "volumeUID": "uid-of-data"})
    arrival.machines["default/web-1"] = arrival.world.api.put(vm)
    return VolumePlace(arrival.world.pool, "uid-of-data")


async def test_a_restart_that_was_done_there_is_not_done_again(arrival: Arrival) -> None:
    await arrival.look()
    arrival.half = arrival.half.replace('handledRestartAt=""', 'handledRestartAt="2026-01-01T00:00:00Z"')
    await arrival.arrive()
    await arrival.hand_over()
    assert arrival.world.records.load(arrival.uid).handled_restart_at == "2026-01-01T00:00:00Z"


async def test_what_is_half_made_is_made_again(arrival: Arrival) -> None:
    await arrival.look()
    store = ComingStore(arrival.world.layout)
    coming = store.load(arrival.uid)
    assert coming is not None
    store.save(arrival.uid, type(coming)(coming.uid, coming.source, coming.copies))
    arrival.restart()
    await arrival.look()
    assert (kept := store.load(arrival.uid)) is not None
    assert kept.prepared


def over(arrival: Arrival) -> None:
    arrival.migrations["m1"]["status"]["phase"] = "Succeeded"


def named_by_nobody(arrival: Arrival) -> None:
    arrival.machines.clear()


def named_another(arrival: Arrival) -> None:
    vm = copy.deepcopy(arrival.machines["default/web-1"])
    vm["status"]["migration"]["uid"] = "m2"
    arrival.machines["default/web-1"] = arrival.world.api.put(vm)


def given_up(arrival: Arrival) -> None:
    arrival.source_says(outcome="GaveUp", reason="SourceFailed")


def forgotten(arrival: Arrival) -> None:
    ComingStore(arrival.world.layout).forget(arrival.uid)


@pytest.mark.parametrize("end", [over, named_by_nobody, named_another, given_up, forgotten])
async def test_its_source_reaches_libvirt_no_longer_than_it_goes_on(
    arrival: Arrival, end: Callable[[Arrival], None]
) -> None:
    assert arrival.moves.move("m1") is None
    await arrival.look()
    assert arrival.moves.move("m1") == IncomingMove("m1", "h0", arrival.uid)
    end(arrival)
    assert arrival.moves.move("m1") is None
    assert arrival.moves.awaited("m1") is None


async def test_what_is_here_for_it_is_what_was_made_and_what_is_its_own(arrival: Arrival) -> None:
    await arrival.look()
    guest = arrival.moves.awaited("m1")
    assert guest is not None
    assert guest.rooms[-1] == arrival.place.data
    assert (guest.vm_uid, guest.cluster_uid, guest.bridge) == (arrival.uid, CLUSTER, "qx-int")
    assert why_not(guest, ElementTree.fromstring(arrival.half)) == ""


async def test_no_lock_is_left_of_what_went(arrival: Arrival) -> None:
    await arrival.look()
    given_up(arrival)
    await arrival.look()
    assert not arrival.moves._locks


async def test_data_that_is_no_copy_is_never_written_over(arrival: Arrival) -> None:
    arrival.place.data.parent.mkdir(parents=True)
    arrival.place.data.write_text("of somebody")
    arrival.world.claims.create(arrival.place, new_claim(CLUSTER))
    await arrival.look()
    assert (arrival.told["outcome"], arrival.told["reason"]) == ("Refused", "TargetFailed")
    assert arrival.place.data.read_text() == "of somebody"
    assert not arrival.moves.has(arrival.uid)


def encrypt(arrival: Arrival) -> None:
    """The volume, by the source; its Secret is `key`, which is not there yet."""
    volume = arrival.world.api.objects[arrival.place.handle]
    volume["spec"]["encryption"] = {"secretRef": {"name": "key", "key": "passphrase"}}


def add_key(arrival: Arrival) -> None:
    named = {"name": "key", "namespace": "default", "uid": "uid-of-key"}
    value = base64.b64encode(b"correct horse").decode()
    arrival.world.api.put({"metadata": named, "data": {"passphrase": value}})


def in_libvirt(arrival: Arrival) -> dict[str, str]:
    return arrival.hypervisor.secrets


async def test_an_encrypted_volume_comes_into_an_encrypted_copy(arrival: Arrival) -> None:
    encrypt(arrival)
    add_key(arrival)
    await arrival.look()
    assert arrival.told == {"prepared": True}
    assert (made := read_volume(arrival.place)) is not None
    assert made.encrypted
    assert in_libvirt(arrival) == {arrival.place.handle: "correct horse"}
    # as with its libvirtd
    in_libvirt(arrival).clear()
    await arrival.look()
    assert in_libvirt(arrival) == {arrival.place.handle: "correct horse"}
    await arrival.arrive()
    await arrival.hand_over()
    assert arrival.state() is DomainState.RUNNING
    assert in_libvirt(arrival) == {}


async def test_a_libvirt_that_restarted_is_told_the_keys_of_pools_again(arrival: Arrival) -> None:
    in_ceph = {"monitors": ["192.0.2.9"], "pool": "vms", "user": "quantix", "secretRef": {"name": "key"}}
    arrival.world.put(STORAGE_POOLS, "fast", spec={"rbd": in_ceph})
    arrival.world.tools = replace(arrival.world.tools, pool_key=lambda pool: f"key of {pool}")
    arrival.restart()
    await arrival.look()
    store = ComingStore(arrival.world.layout)
    coming = store.load(arrival.uid)
    assert coming is not None
    store.save(arrival.uid, replace(coming, staying=(("fast", "v9"),)))
    arrival.hypervisor.calls.clear()
    await arrival.look()
    assert arrival.hypervisor.calls == ["key of pool fast"]
    guest = arrival.moves.awaited("m1")
    assert guest is not None
    assert guest.images == {("fast", "vms/v9")}


async def test_no_passphrase_is_left_of_what_was_given_up(arrival: Arrival) -> None:
    encrypt(arrival)
    add_key(arrival)
    await arrival.look()
    arrival.machines.clear()
    arrival.source_says(outcome="GaveUp", reason="SourceFailed")
    await arrival.look()
    assert in_libvirt(arrival) == {}
    assert not arrival.place.data.exists()


async def test_a_secret_that_may_not_be_read_yet_is_waited_for(arrival: Arrival) -> None:
    encrypt(arrival)
    add_key(arrival)
    arrival.world.api.forbidden.add("key")
    await arrival.look()
    assert arrival.told == {}
    arrival.world.api.forbidden.clear()
    await arrival.look()
    assert arrival.told == {"prepared": True}


async def test_one_that_may_not_be_read_for_long_is_a_refusal(arrival: Arrival) -> None:
    encrypt(arrival)
    add_key(arrival)
    arrival.world.api.forbidden.add("key")
    await arrival.look()
    arrival.world.skipped_s += 60
    await arrival.look()
    assert (arrival.told["outcome"], arrival.told["reason"]) == ("Refused", "SecretNotGranted")
    assert not arrival.moves.has(arrival.uid)


async def test_a_secret_that_is_missing_is_a_refusal(arrival: Arrival) -> None:
    encrypt(arrival)
    await arrival.look()
    assert (arrival.told["outcome"], arrival.told["reason"]) == ("Refused", "SecretNotFound")
    assert not arrival.place.data.exists()


async def test_a_pool_that_is_not_known_here_is_a_refusal(arrival: Arrival) -> None:
    arrival.world.stores[STORAGE_POOLS].clear()
    await arrival.look()
    assert (arrival.told["outcome"], arrival.told["reason"]) == ("Refused", "TargetFailed")


async def test_a_host_that_goes_down_ends_a_half_and_keeps_its_data(arrival: Arrival) -> None:
    await arrival.look()
    await arrival.arrive()
    arrival.closing = True
    await arrival.look()
    assert arrival.state() is None
    assert arrival.place.data.exists()
    arrival.source_says(outcome="GaveUp", reason="SourceFailed")
    await arrival.look()
    assert not arrival.place.data.exists()


async def test_it_is_forgotten_once_it_is_assigned_here(arrival: Arrival) -> None:
    await arrival.look()
    await arrival.arrive()
    await arrival.hand_over()
    arrival.mine.add(arrival.uid)
    assert not arrival.moves.has(arrival.uid)
    await arrival.look()
    assert ComingStore(arrival.world.layout).load(arrival.uid) is None
    assert arrival.world.woken == [arrival.uid]
    assert arrival.state() is DomainState.RUNNING


async def test_a_hand_over_that_is_told_before_the_claims_say_so_changes_nothing(arrival: Arrival) -> None:
    await arrival.look()
    await arrival.arrive()
    store = ComingStore(arrival.world.layout)
    coming = store.load(arrival.uid)
    assert coming is not None
    # as if the disk were in a pool of both hosts
    store.save(arrival.uid, type(coming)(coming.uid, coming.source, (), 0, prepared=True))
    with pytest.raises(TransientError):
        await arrival.hand_over()
    assert arrival.state() is DomainState.PAUSED
