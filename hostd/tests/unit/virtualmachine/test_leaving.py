"""How a guest leaves this host: sent, handed over, cleared up, or kept; and what it is never."""

from __future__ import annotations

import asyncio
import base64
import copy
from collections.abc import Callable, Iterator

import pytest

from quantix_api.errors import TransientError
from quantix_api.resources import VIRTUAL_MACHINES, VOLUMES
from quantix_client.errors import Unreachable
from quantix_hostd.claims import Holder, VolumePlace
from quantix_hostd.clients.qemu_img import Disk
from quantix_hostd.facts.domain import PAUSED_MIGRATING, DomainState
from quantix_hostd.volume.disk_file import DiskFileMaker
from quantix_hostd.volume.storage import StorageByKind
from quantix_lab.encrypted_disks import KEY, EncryptedDisks, encrypt
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.fake_target import FakeTarget, MigrationHandle
from quantix_lab.leaving_guest import OTHER_HOST, kept, look, sender, short_world
from quantix_lab.vm_world import CLUSTER, VmHandle, VmWorld

THERE = Holder("h2", 2)


@pytest.fixture
def world(hypervisor: FakeHypervisor) -> Iterator[VmWorld]:
    with short_world(hypervisor) as world:
        yield world


@pytest.fixture
def migration(running: VmHandle) -> MigrationHandle:
    running.world.api.put(OTHER_HOST)
    return MigrationHandle(running)


async def begin(vm: VmHandle, migration: MigrationHandle) -> None:
    """The target is ready, and the guest is on its way."""
    migration.change("target", prepared=True)
    await look(vm, migration)
    await asyncio.wait_for(sender(vm).sends.wait(), 5.0)


async def test_it_waits_for_a_target_that_is_not_ready(running: VmHandle, migration: MigrationHandle) -> None:
    await look(running, migration)
    assert sender(running).calls == []
    assert migration.source == {}


async def test_it_is_sent_to_the_address_of_the_target(running: VmHandle, migration: MigrationHandle) -> None:
    await begin(running, migration)
    sending = sender(running).sendings[running.domain]
    assert (sending.host, sending.address, sending.disks) == ("h2", "192.0.2.2", ("vda",))
    assert sending.sender == "192.0.2.1"
    assert 'epoch="2"' in sending.xml
    await running.look_after(2.1)
    migration.pull()
    assert migration.source == {"mode": "PreCopy", "dirtyBytesPerSecond": 4096}
    assert migration.status["progress"]["percent"] == 50


async def test_it_stays_where_no_route_leads_to_the_target(
    running: VmHandle, migration: MigrationHandle, world: VmWorld
) -> None:
    world.target.way = ""
    migration.change("target", prepared=True)
    await look(running, migration)
    await look(running, migration)
    assert (migration.source["outcome"], migration.source["reason"]) == ("GaveUp", "SourceFailed")
    assert migration.source["message"] == "No route leads to 192.0.2.2."
    assert sender(running).sendings == {}


async def test_what_arrived_is_handed_over_and_told_and_goes_once_it_runs_there(
    running: VmHandle, migration: MigrationHandle, world: VmWorld
) -> None:
    await begin(running, migration)
    await sender(running).arrive(running.domain)
    await look(running, migration)
    assert running.root_claim.holder == THERE
    assert set(world.target.told) == {(migration.uid, 2)}
    assert migration.source["outcome"] == "HandedOver"
    assert migration.source["epoch"] == 2
    assert running.root_place.data.exists()

    migration.change("target", outcome="Running", epoch=2)
    place = running.root_place
    await look(running, migration)
    assert place.data.exists()
    world.move_away(running)
    await look(running, migration)
    assert not place.data.exists()
    assert "create" not in sender(running).calls
    assert world.records.load(running.uid).leaving is None


async def test_while_it_stands_still_nobody_asks_the_api_where_it_went(
    running: VmHandle, migration: MigrationHandle, world: VmWorld
) -> None:
    await begin(running, migration)
    await sender(running).arrive(running.domain)
    del world.api.objects["h2"]
    await look(running, migration)
    assert set(world.target.told) == {(migration.uid, 2)}


async def test_a_target_that_was_not_reached_is_looked_for_anew(
    running: VmHandle, migration: MigrationHandle, world: VmWorld
) -> None:
    await begin(running, migration)
    await sender(running).arrive(running.domain)
    world.target.deaf = TransientError("TargetFailed", "Nobody answers there.")
    await look(running, migration)
    assert migration.source["outcome"] == "HandedOver"
    world.target.deaf = None
    moved, world.target = world.target, FakeTarget()
    await running.look_after(5.1)
    assert (moved.told, world.target.told) == ([], [(migration.uid, 2)])


async def test_of_one_that_sends_its_last_memory_nothing_is_said(
    running: VmHandle, migration: MigrationHandle
) -> None:
    await begin(running, migration)
    before = running.status
    domain = sender(running).found[running.domain]
    domain.state, domain.reason = DomainState.PAUSED, PAUSED_MIGRATING
    for _ in range(2):
        await running.look_after(2.5)
    assert running.status == before
    domain.state, domain.reason = DomainState.RUNNING, 1
    await sender(running).arrive(running.domain)
    await look(running, migration)
    assert migration.source["outcome"] == "HandedOver"


class LastSeen(FakeTarget):
    """Once the guest runs there, libvirt here cannot be asked any more."""

    def __init__(self, here: FakeHypervisor) -> None:
        super().__init__()
        self._here = here

    async def handed_over(self, migration: str, epoch: int) -> None:
        self._here.connected = False


async def test_that_it_runs_there_is_told_before_anything_is_looked_at_again(
    running: VmHandle, migration: MigrationHandle, world: VmWorld
) -> None:
    world.target = LastSeen(sender(running))
    await begin(running, migration)
    await sender(running).arrive(running.domain)
    with pytest.raises(TransientError):
        await look(running, migration)
    assert migration.source["outcome"] == "HandedOver"


async def hand_over(vm: VmHandle, migration: MigrationHandle) -> None:
    """And then this hostd is away until the migration is forgotten, and the VM no longer this host's."""
    await begin(vm, migration)
    await sender(vm).arrive(vm.domain)
    await look(vm, migration)
    assert kept(vm).step == "handed"
    migration.remove()
    vm.world.reconciler = vm.world.new_reconciler()
    vm.world.target.told.clear()


def deleted(vm: VmHandle) -> None:
    del vm.world.stores[VIRTUAL_MACHINES][vm.key], vm.world.api.objects[vm.uid]


def made_anew(vm: VmHandle) -> None:
    again = copy.deepcopy(vm.world.api.objects[vm.uid])
    deleted(vm)
    again["metadata"]["uid"] = "another"
    vm.world.api.put(again)


def on_a_third_host(vm: VmHandle) -> None:
    vm.change("status", "assignment", value={"host": "h3", "epoch": 3})
    del vm.world.stores[VIRTUAL_MACHINES][vm.key]


def on_no_host(vm: VmHandle) -> None:
    vm.change("status", "assignment", value={"lastHost": "h2", "epoch": 3})
    del vm.world.stores[VIRTUAL_MACHINES][vm.key]


@pytest.mark.parametrize("goes_on", [deleted, made_anew, on_a_third_host, on_no_host])
@pytest.mark.parametrize("told", ["there", "here"])
async def test_what_was_handed_over_is_cleared_up_also_when_the_vm_went_on_meanwhile(
    running: VmHandle, migration: MigrationHandle, goes_on: Callable[[VmHandle], None], told: str
) -> None:
    place, world = running.root_place, running.world
    await hand_over(running, migration)
    goes_on(running)
    if told == "there":
        world.stores[VOLUMES].clear()
    for _ in range(3):
        await world.reconciler.reconcile(running.uid)
    assert world.target.told == []
    assert world.records.load(running.uid).leaving is None
    assert not world.layout.vm_run(running.uid).exists()
    # what the API says is here stays, whoever's claim it is
    assert place.data.exists() == (told == "here")


async def test_nothing_goes_while_the_api_does_not_answer(
    running: VmHandle, migration: MigrationHandle
) -> None:
    place = running.root_place
    await hand_over(running, migration)
    deleted(running)
    running.world.stores[VOLUMES].clear()
    running.world.api.get_failure = Unreachable("The API does not answer.")
    await running.world.reconciler.reconcile(running.uid)
    assert place.data.exists()
    assert kept(running).step == "handed"


async def test_the_vm_is_never_said_to_be_off_because_it_moves(
    running: VmHandle, migration: MigrationHandle, world: VmWorld
) -> None:
    await begin(running, migration)
    del sender(running).found[running.domain]
    await look(running, migration)
    written = [status for manager, status in world.api.writes if "runtime" in status]
    assert [status for status in written if status["runtime"].get("domain") != "Running"] == []


async def test_a_target_that_ended_is_what_failed(running: VmHandle, migration: MigrationHandle) -> None:
    await begin(running, migration)
    sender(running).cut(running.domain, "h2")
    await look(running, migration)
    assert (migration.source["outcome"], migration.source["reason"]) == ("GaveUp", "TargetFailed")
    assert migration.source["message"].startswith("libvirt of h2 ended meanwhile")


@pytest.mark.parametrize("restarts", [1, 2])
async def test_a_hostd_that_was_killed_while_it_sent_never_hands_over(
    running: VmHandle, migration: MigrationHandle, world: VmWorld, restarts: int
) -> None:
    await begin(running, migration)
    await sender(running).arrive(running.domain)
    for _ in range(restarts):
        world.reconciler = world.new_reconciler()
    await look(running, migration)
    assert running.root_claim.holder == Holder("h1", 1)
    assert migration.source["outcome"] == "GaveUp"
    assert migration.source["reason"] == "SourceFailed"
    assert world.target.told == []
    assert sender(running).found[running.domain].live_xml is not None


async def test_one_that_was_killed_once_all_was_there_hands_over_and_starts_nothing(
    running: VmHandle, migration: MigrationHandle, world: VmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(running, migration)
    world.target.deaf = TransientError("TargetFailed", "")
    await sender(running).arrive(running.domain)

    def away(place: VolumePlace) -> None:
        raise TransientError("PoolUnreachable", "")

    with monkeypatch.context() as patched:
        patched.setattr(world.claims, "read", away)
        with pytest.raises(TransientError):
            await look(running, migration)
    assert kept(running).step == "handing"
    world.reconciler = world.new_reconciler()
    world.target.deaf = None
    await look(running, migration)
    assert running.root_claim.holder == THERE
    assert "create" not in sender(running).calls
    assert migration.source["outcome"] == "HandedOver"


async def test_a_failure_is_the_sources_word_and_holds(
    running: VmHandle, migration: MigrationHandle, world: VmWorld
) -> None:
    await begin(running, migration)
    sender(running).fail(running.domain, "no route")
    await running.look_after(0)
    await look(running, migration)
    assert migration.source["outcome"] == "GaveUp"
    assert migration.source["message"] == "libvirt says: no route."
    migration.change("target", prepared=True)
    world.reconciler = world.new_reconciler()
    await look(running, migration)
    assert sender(running).sendings == {}
    assert migration.source["outcome"] == "GaveUp"


async def test_one_that_was_cancelled_stays(running: VmHandle, migration: MigrationHandle) -> None:
    await begin(running, migration)
    migration.change("spec", cancel=True)
    await look(running, migration)
    await look(running, migration)
    assert migration.source["reason"] == "Cancelled"
    assert sender(running).found[running.domain].live_xml is not None
    assert running.root_claim.holder == Holder("h1", 1)


async def test_one_that_was_cancelled_before_it_began_says_no_mode(
    running: VmHandle, migration: MigrationHandle
) -> None:
    migration.change("spec", cancel=True)
    await look(running, migration)
    assert "mode" not in migration.source
    assert (migration.source["outcome"], migration.source["reason"]) == ("GaveUp", "Cancelled")


@pytest.mark.parametrize("phase", ["Cancelled", "Failed"])
async def test_one_that_was_told_to_be_over_without_its_word_is_given_up(
    running: VmHandle, migration: MigrationHandle, phase: str
) -> None:
    migration.change("target", prepared=True)
    migration.change("status", phase=phase)
    await look(running, migration)
    assert (migration.source["outcome"], migration.source["reason"]) == ("GaveUp", "Cancelled")
    assert "mode" not in migration.source
    assert not sender(running).sends.is_set()


async def test_a_target_that_refuses_is_what_it_is_given_up_for(
    running: VmHandle, migration: MigrationHandle
) -> None:
    migration.change("target", outcome="Refused", reason="CPUFeatureMissing", message="no avx")
    await look(running, migration)
    assert (migration.source["reason"], migration.source["message"]) == ("TargetFailed", "no avx")


async def test_a_vm_that_is_to_be_off_is_not_moved(running: VmHandle, migration: MigrationHandle) -> None:
    await begin(running, migration)
    running.change("spec", "powerState", value="Stopped")
    await look(running, migration)
    assert "stop sending" in sender(running).calls
    await look(running, migration)
    await look(running, migration)
    assert (migration.source["reason"], migration.source["message"]) == ("NotRunning", "web-1 is to be off.")
    assert "shutdown" in sender(running).calls


async def test_a_sending_that_takes_its_time_to_end_is_stopped_now_and_then(
    running: VmHandle, migration: MigrationHandle
) -> None:
    await begin(running, migration)
    sender(running).lingers = True
    running.change("spec", "powerState", value="Stopped")
    again_s = await running.reconcile()
    # once as the reason is written down, and once more since it goes on
    assert sender(running).calls == ["send", "stop sending", "stop sending"]
    assert again_s == 1.0
    assert running.condition("Ready")["reason"] != "InternalError"


async def test_a_host_that_goes_down_breaks_it_off_and_shuts_the_guest_down(
    running: VmHandle, migration: MigrationHandle
) -> None:
    await begin(running, migration)
    await running.world.reconciler.shut_down_guests()
    for _ in range(3):
        await look(running, migration)
    assert sender(running).calls[:3] == ["send", "stop sending", "shutdown"]
    assert migration.source["reason"] == "NotRunning"


async def test_what_takes_too_long_is_given_up(running: VmHandle, migration: MigrationHandle) -> None:
    running.change("spec", "migration", value={"timeoutSeconds": 30})
    await begin(running, migration)
    await running.look_after(31)
    await running.look_after(1)
    migration.pull()
    assert migration.source["reason"] == "TimedOut"
    assert "30 s" in migration.source["message"]


async def test_a_migration_that_is_gone_is_broken_off(running: VmHandle, migration: MigrationHandle) -> None:
    await begin(running, migration)
    migration.remove()
    await look(running, migration)
    assert sender(running).calls == ["send", "stop sending"]
    await look(running, migration)
    assert running.world.records.load(running.uid).leaving is None


async def test_one_that_cannot_begin_is_given_up(running: VmHandle, migration: MigrationHandle) -> None:
    del running.world.api.objects["h2"]
    migration.change("target", prepared=True)
    await look(running, migration)
    await look(running, migration)
    assert migration.source["reason"] == "SourceFailed"


async def test_data_whose_claim_does_not_name_the_target_is_kept(
    running: VmHandle, migration: MigrationHandle, world: VmWorld
) -> None:
    await begin(running, migration)
    await sender(running).arrive(running.domain)
    await look(running, migration)
    claim, place = running.root_claim, running.root_place
    world.claims.compare_and_set(place, claim, type(claim)(2, None, running.uid, claim.cluster_uid))
    migration.change("target", outcome="Running", epoch=2)
    world.move_away(running)
    await look(running, migration)
    assert place.data.exists()


async def test_it_is_cleared_up_once_the_api_assigns_it_there_though_the_migration_is_forgotten(
    running: VmHandle, migration: MigrationHandle, world: VmWorld
) -> None:
    await begin(running, migration)
    await sender(running).arrive(running.domain)
    await look(running, migration)
    place = running.root_place
    migration.remove()
    world.move_away(running)
    await look(running, migration)
    assert not place.data.exists()


@pytest.fixture
async def encrypted(vm: VmHandle, world: VmWorld) -> VmHandle:
    """A guest that runs on an encrypted disk; Secret `disk-key` holds its passphrase."""
    world.live_moves.maker = StorageByKind(DiskFileMaker(EncryptedDisks(), world.claims, CLUSTER))
    world.stores[VOLUMES]["default/web-1-root"]["spec"]["encryption"] = {"secretRef": {"name": "disk-key"}}
    encrypt(Disk(world.pool, vm.root_place.data))
    put_passphrase(world, KEY)
    await vm.reconcile()
    world.api.put(OTHER_HOST)
    return vm


def put_passphrase(world: VmWorld, passphrase: str) -> None:
    value = base64.b64encode(passphrase.encode()).decode()
    named = {"name": "disk-key", "namespace": "default", "uid": "uid-of-the-secret"}
    world.api.put({"metadata": named, "data": {"passphrase": value}})


async def test_an_encrypted_disk_goes_by_the_passphrase_that_opens_it(encrypted: VmHandle) -> None:
    migration = MigrationHandle(encrypted)
    await begin(encrypted, migration)
    sending = sender(encrypted).sendings[encrypted.domain]
    assert sending.disks == ("vda",)
    assert f'<secret type="passphrase" uuid="{encrypted.root_place.handle}"' in sending.xml
    assert KEY not in sending.xml


async def test_an_encrypted_disk_whose_secret_was_changed_stays(encrypted: VmHandle, world: VmWorld) -> None:
    put_passphrase(world, "another")
    migration = MigrationHandle(encrypted)
    migration.change("target", prepared=True)
    await look(encrypted, migration)
    await look(encrypted, migration)
    assert sender(encrypted).sendings == {}
    assert (migration.source["outcome"], migration.source["reason"]) == ("GaveUp", "SourceFailed")
    assert "another passphrase" in migration.source["message"]
    assert encrypted.root_claim.holder == Holder("h1", 1)
