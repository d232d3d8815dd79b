"""What every store of claims does, on a directory and in a real Ceph; then what is Ceph's own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from quantix_api.errors import InvariantError, TransientError
from quantix_hostd.claims import (
    CephPool,
    Claim,
    ClaimChangedError,
    ClaimDamagedError,
    ClaimStore,
    Holder,
    VolumeMissingError,
    VolumePlace,
    new_claim,
)
from quantix_hostd.clients.ceph import CephClients
from quantix_hostd.clients.ceph_claims import CephClaimStore, claim_object
from quantix_hostd.clients.ceph_library import rados
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.claim_text import render_claim
from quantix_lab.ceph_cluster import CephCluster
from quantix_lab.ceph_pools import FAST, clients_of

FREE = new_claim("cluster-1")


def held(host: str, epoch: int, floor: int = 0) -> Claim:
    return Claim(floor, Holder(host, epoch), "vm-1", "cluster-1")


@dataclass(frozen=True)
class Subject:
    """A store with a volume that has no claim yet. `damage` makes that of any volume one that is none."""

    store: ClaimStore
    place: VolumePlace
    damage: Callable[[VolumePlace], None]


def _on_directory(path: Path) -> Subject:
    (path / "volumes/v1").mkdir(parents=True)

    def damage(place: VolumePlace) -> None:
        (place.directory / "volumes" / place.handle / "claim").write_bytes(b"\x00\x00")

    return Subject(LocalClaimStore(), VolumePlace(path, "v1"), damage)


def _in_ceph(cluster: CephCluster, ceph: CephClients) -> Subject:
    handle = str(uuid4())
    cluster.rbd("create", "--size", "16M", f"{FAST}/{handle}")

    def damage(place: VolumePlace) -> None:
        cluster.run("rados", "-p", FAST, "setomapval", claim_object(place.handle), "claim", "none")

    return Subject(CephClaimStore(ceph), VolumePlace(CephPool("fast"), handle), damage)


@pytest.fixture(scope="module")
def ceph_clients(ceph_cluster: CephCluster) -> Iterator[CephClients]:
    ceph = clients_of(ceph_cluster, "h1")
    yield ceph
    ceph.close()


@pytest.fixture(params=["dir", "ceph"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    if request.param == "dir":
        return _on_directory(tmp_path)
    return _in_ceph(request.getfixturevalue("ceph_cluster"), request.getfixturevalue("ceph_clients"))


@pytest.fixture
def in_ceph(ceph_cluster: CephCluster, ceph_clients: CephClients) -> Subject:
    return _in_ceph(ceph_cluster, ceph_clients)


def test_a_claim_is_made_once(subject: Subject) -> None:
    store, place = subject.store, subject.place
    assert store.read(place) is None
    store.create(place, FREE)
    assert store.read(place) == FREE
    with pytest.raises(ClaimChangedError):
        store.create(place, FREE)


def test_of_a_volume_that_is_not_there_no_claim_is_known(subject: Subject) -> None:
    with pytest.raises(VolumeMissingError) as unknown:
        subject.store.read(VolumePlace(subject.place.pool, "v2"))
    assert unknown.value.reason == "DataMissing"


def test_a_claim_changes_only_from_what_was_read(subject: Subject) -> None:
    store, place = subject.store, subject.place
    store.create(place, FREE)
    store.compare_and_set(place, FREE, held("h1", 1))
    with pytest.raises(ClaimChangedError):
        store.compare_and_set(place, FREE, held("h2", 1))
    assert store.read(place) == held("h1", 1)


def test_all_that_a_claim_says_is_kept(subject: Subject) -> None:
    store, place = subject.store, subject.place
    moving = Claim(3, Holder("h1", 4), "vm-1", "cluster-1", True, "slow", True, "old", True)
    claim = replace(moving, restoring="r2", untouched=True, restored="r1", written=2, memory="vm-1/slow/s")
    store.create(place, claim)
    assert store.read(place) == claim


def test_the_floor_never_falls(subject: Subject) -> None:
    high = Claim(5, None, "", "cluster-1")
    subject.store.create(subject.place, high)
    with pytest.raises(InvariantError):
        subject.store.compare_and_set(subject.place, high, FREE)


def test_of_many_that_try_one_gets_it(subject: Subject) -> None:
    store, place = subject.store, subject.place
    store.create(place, FREE)
    won: list[int] = []

    def compete(number: int) -> None:
        try:
            store.compare_and_set(place, FREE, held(f"h{number}", 1))
        except ClaimChangedError:
            return
        won.append(number)

    threads = [threading.Thread(target=compete, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.read(place) == held(f"h{won[0]}", 1)


def test_a_damaged_claim_is_reported_and_not_taken_for_free(subject: Subject) -> None:
    subject.store.create(subject.place, FREE)
    subject.damage(subject.place)
    with pytest.raises(ClaimDamagedError):
        subject.store.read(subject.place)


def test_a_change_that_comes_late_finds_another_claim_once_that_was_written_anew(
    in_ceph: Subject, ceph_clients: CephClients
) -> None:
    """As one that an OSD has received, and does after its sender has given it up: h1 gave the claim back, was
    not answered, and started its guest again under the same epoch.
    """
    store, place = in_ceph.store, in_ceph.place
    name = claim_object(place.handle)
    store.create(place, held("h1", 1))
    with ceph_clients.opened(CephPool("fast")) as ioctx:
        with rados().ReadOpCtx() as read:
            found, _ = ioctx.get_omap_vals_by_keys(read, ("claim",))
            ioctx.operate_read_op(read, name)
            content = bytes(dict(found)["claim"]).decode()

        store.compare_and_set(place, held("h1", 1), held("h1", 1), rewrite=True)

        with rados().WriteOpCtx() as late:
            late.omap_cmp("claim", content, rados().LIBRADOS_CMPXATTR_OP_EQ)
            ioctx.set_omap(late, ("claim",), (render_claim(FREE, serial=1).encode(),))
            with pytest.raises(rados().OSError):
                ioctx.operate_write_op(late, name)
    assert store.read(place) == held("h1", 1)


def test_a_pool_that_does_not_answer_is_given_up_and_asked_again(
    in_ceph: Subject, ceph_cluster: CephCluster
) -> None:
    store, place = in_ceph.store, in_ceph.place
    store.create(place, FREE)
    ceph_cluster.osds[0].freeze()
    began = time.monotonic()
    try:
        with pytest.raises(TransientError) as silent:
            store.read(place)
        took_s = time.monotonic() - began
    finally:
        ceph_cluster.thaw_osd()

    assert str(silent.value) == (
        "h1 does not reach pool fast. Said: no answer within 5 s. "
        "Try: bring the pool back; it goes on by itself."
    )
    assert silent.value.reason == "PoolUnreachable"
    assert took_s < 9
    assert store.read(place) == FREE
