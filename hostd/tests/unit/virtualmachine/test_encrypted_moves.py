"""The encrypted disk of a running guest goes to another pool: with its passphrase, or not at all."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from quantix_api.errors import TransientError
from quantix_api.resources import VOLUMES
from quantix_hostd.claims import Claim, Holder, VolumePlace
from quantix_hostd.clients.qemu_img import Disk
from quantix_hostd.facts.domain import DomainState
from quantix_hostd.volume.disk_file import DiskFileMaker
from quantix_hostd.volume.storage import StorageByKind
from quantix_lab.encrypted_disks import KEY, EncryptedDisks, encrypt
from quantix_lab.fake_hypervisor import FakeHypervisor
from quantix_lab.vm_world import CLUSTER, HOST, VmHandle, VmWorld

ROOT = "default/web-1-root"


class Watched(FakeHypervisor):
    """`copied` lists what each copy was begun with: the secrets that were known, and the target's XML."""

    def __init__(self) -> None:
        super().__init__()
        self.copied: list[tuple[dict[str, str], str]] = []

    async def copy_disk(self, name: str, target: str, xml: str, bytes_per_second: int) -> None:
        self.copied.append((dict(self.secrets), xml))
        await super().copy_disk(name, target, xml, bytes_per_second)


@pytest.fixture
def hypervisor() -> FakeHypervisor:
    return Watched()


@pytest.fixture
def disks(world: VmWorld) -> EncryptedDisks:
    disks = EncryptedDisks()
    world.live_moves.maker = StorageByKind(DiskFileMaker(disks, world.claims, CLUSTER))
    return disks


@pytest.fixture
def put_secret(world: VmWorld) -> Callable[[str], None]:
    def put(passphrase: str) -> None:
        metadata = {"name": "disk-key", "namespace": "default", "uid": "uid-of-the-secret"}
        data = {"passphrase": base64.b64encode(passphrase.encode()).decode()}
        world.api.put({"metadata": metadata, "data": data})

    return put


@pytest.fixture
async def leaving(vm: VmHandle, disks: EncryptedDisks, put_secret: Callable[[str], None]) -> VmHandle:
    """A guest on an encrypted disk that is to go to the pool fast."""
    volume: Any = vm.world.stores[VOLUMES][ROOT]
    volume["spec"]["encryption"] = {"secretRef": {"name": "disk-key"}}
    encrypt(Disk(vm.world.pool, vm.root_place.data))
    put_secret(KEY)
    await vm.reconcile()
    vm.world.add_pool("fast")
    vm.world.reconciler = vm.world.new_reconciler(quiet_s=0.0)
    wanted = copy.deepcopy(volume)
    wanted["spec"]["pool"] = wanted["status"]["movingTo"] = "fast"
    vm.world.stores[VOLUMES][ROOT] = wanted
    return vm


def target(vm: VmHandle) -> VolumePlace:
    return VolumePlace(vm.world.layout.data / "pools/fast", vm.root_place.handle)


async def test_the_copy_opens_with_the_same_passphrase_which_is_known_while_it_is_begun(
    leaving: VmHandle, hypervisor: Watched, disks: EncryptedDisks
) -> None:
    await leaving.reconcile()
    assert disks.made == [KEY]
    ((known, xml),) = hypervisor.copied
    uid = leaving.root_place.handle
    assert (known, hypervisor.secrets) == ({uid: KEY}, {})
    assert f'<secret type="passphrase" uuid="{uid}"' in xml
    assert KEY not in xml
    assert leaving.world.claims.read(target(leaving)) == Claim(
        0, Holder(HOST, 1), leaving.uid, CLUSTER, moved_from="local"
    )
    assert leaving.condition("Ready")["reason"] == "Running"
    await leaving.reconcile()
    assert "RestartRequired" not in {item["type"] for item in leaving.status["conditions"]}


async def test_a_secret_that_is_gone_is_told_while_the_guest_runs_on(
    leaving: VmHandle, hypervisor: Watched, disks: EncryptedDisks, put_secret: Callable[[str], None]
) -> None:
    before = leaving.root_claim
    del leaving.world.api.objects["uid-of-the-secret"]
    await leaving.reconcile()
    ready = leaving.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "SecretNotFound")
    assert leaving.status["phase"] == "Running"
    assert (hypervisor.copied, disks.made, leaving.root_claim) == ([], [], before)
    put_secret(KEY)
    await leaving.look_after(6)
    assert leaving.condition("Ready")["reason"] == "Running"


async def test_what_was_switched_is_handed_on_whatever_became_of_the_secret(
    leaving: VmHandle, hypervisor: Watched
) -> None:
    hypervisor.copies_at_once = False
    await leaving.reconcile()
    await hypervisor.suspend(leaving.domain)
    hypervisor.copy_is_whole(leaving.domain, "vda")
    await hypervisor.switch_to_copy(leaving.domain, "vda")
    del leaving.world.api.objects["uid-of-the-secret"]
    await leaving.look_after(2)
    moved = leaving.world.claims.read(target(leaving))
    assert moved is not None
    assert (moved.partial, leaving.condition("Ready")["reason"]) == (False, "Running")


async def test_a_secret_that_holds_another_one_since_the_start_makes_no_copy(
    leaving: VmHandle, hypervisor: Watched, disks: EncryptedDisks, put_secret: Callable[[str], None]
) -> None:
    """The copy would open with that one alone: whoever puts the first one back has lost the data."""
    before = leaving.root_claim
    put_secret("another")
    with pytest.raises(TransientError, match="another passphrase"):
        await leaving.reconcile()
    assert leaving.condition("Ready")["reason"] == "PassphraseWrong"
    assert leaving.status["phase"] == "Running"
    assert (hypervisor.copied, disks.made, leaving.root_claim) == ([], [], before)
    put_secret(KEY)
    await leaving.look_after(6)
    assert leaving.condition("Ready")["reason"] == "Running"
    assert disks.made == [KEY]


async def test_a_guest_is_paused_and_goes_on_as_asked_while_a_copy_cannot_be_begun(
    leaving: VmHandle, hypervisor: Watched, put_secret: Callable[[str], None]
) -> None:
    put_secret("another than the disk has")
    hypervisor.calls.clear()
    for wanted, state in (("Paused", DomainState.PAUSED), ("Running", DomainState.RUNNING)):
        leaving.change("spec", "powerState", value=wanted)
        for _ in range(2):
            with suppress(TransientError):
                await leaving.look_after(6)
        assert hypervisor.found[leaving.domain].state is state
    assert hypervisor.copied == []
