"""What firmware and TPM remember: saved beside the volume, restored where it is the later one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantix_api.errors import TransientError
from quantix_api.layout import Layout
from quantix_hostd.claims import Claim, ClaimRefusedError, Holder, VolumeMissingError, VolumePlace
from quantix_hostd.clients.claim_store import LocalClaimStore
from quantix_hostd.clients.files import FileOwner
from quantix_hostd.clients.state_store import Owned, StateStore
from quantix_hostd.firmware_state import (
    MAX_PART_BYTES,
    FirmwareState,
    StateDamagedError,
    parse_state,
    render_state,
)

HELD = Claim(0, Holder("h1", 3), "vm-1", "cluster")


@pytest.fixture
def owned(tmp_path: Path) -> Owned:
    (tmp_path / "pool/volumes/v1").mkdir(parents=True)
    place = VolumePlace(tmp_path / "pool", "v1")
    LocalClaimStore().create(place, HELD)
    return Owned("vm-1", "uuid-1", place, 3)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    (layout.data / "libvirt").mkdir(parents=True)
    return layout


@pytest.fixture
def store(layout: Layout) -> StateStore:
    return StateStore(layout, LocalClaimStore(), FileOwner.current(), "h1")


def nvram(layout: Layout, vm_uid: str = "vm-1") -> Path:
    return layout.vm_data(vm_uid) / "nvram.fd"


def tpm(layout: Layout, uuid: str = "uuid-1") -> Path:
    return layout.data / "libvirt/swtpm" / uuid / "tpm2/tpm2-00.permall"


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_what_was_saved_comes_back_on_a_host_that_has_nothing(
    store: StateStore, layout: Layout, owned: Owned
) -> None:
    write(nvram(layout), b"variables")
    write(tpm(layout), b"seeds")
    store.save(owned)
    store.remove_local("vm-1", "uuid-1")
    assert not nvram(layout).exists()
    assert not tpm(layout).parents[1].exists()
    store.restore(owned)
    assert (nvram(layout).read_bytes(), tpm(layout).read_bytes()) == (b"variables", b"seeds")
    assert nvram(layout).stat().st_mode & 0o777 == 0o600
    assert tpm(layout).parent.stat().st_mode & 0o777 == 0o700
    assert LocalClaimStore().read(owned.place) == replace(HELD, has_state=True)


def test_it_follows_the_volume_to_another_vm(store: StateStore, layout: Layout, owned: Owned) -> None:
    write(tpm(layout), b"seeds")
    store.save(owned)
    claims = LocalClaimStore()
    found = claims.read(owned.place)
    assert found is not None
    claims.compare_and_set(owned.place, found, replace(found, holder=Holder("h1", 9), vm_uid="vm-2"))
    store.restore(Owned("vm-2", "uuid-2", owned.place, 9))
    assert tpm(layout, "uuid-2").read_bytes() == b"seeds"


def test_of_two_copies_the_later_counts(
    store: StateStore, layout: Layout, owned: Owned, tmp_path: Path
) -> None:
    write(nvram(layout), b"one")
    store.save(owned)
    write(nvram(layout), b"two, not saved yet")
    store.restore(owned)
    assert nvram(layout).read_bytes() == b"two, not saved yet", "this host wrote last"

    elsewhere = Layout(tmp_path / "elsewhere")
    other = StateStore(elsewhere, LocalClaimStore(), FileOwner.current(), "h1")
    (elsewhere.data / "libvirt").mkdir(parents=True)
    other.restore(owned)
    write(nvram(elsewhere), b"three")
    other.save(owned)
    store.restore(owned)
    assert nvram(layout).read_bytes() == b"three", "what lies here is older"


def test_nothing_is_written_that_is_there_already(store: StateStore, layout: Layout, owned: Owned) -> None:
    write(nvram(layout), b"one")
    store.save(owned)
    before = (owned.place.data.parent / "state").stat().st_ino
    store.save(owned)
    assert (owned.place.data.parent / "state").stat().st_ino == before


def test_a_part_without_use_is_kept(store: StateStore, layout: Layout, owned: Owned) -> None:
    write(nvram(layout), b"variables")
    write(tpm(layout), b"seeds")
    store.save(owned)
    tpm(layout).unlink()
    write(nvram(layout), b"others")
    store.save(owned)
    assert parse_state((owned.place.data.parent / "state").read_bytes()).tpm == b"seeds"


def test_state_that_is_lost_is_missed_and_a_first_start_misses_none(
    store: StateStore, layout: Layout, owned: Owned
) -> None:
    store.restore(owned)
    write(nvram(layout), b"variables")
    store.save(owned)
    (owned.place.data.parent / "state").unlink()
    store.restore(owned)
    assert nvram(layout).read_bytes() == b"variables", "this host has it"
    store.remove_local("vm-1", "uuid-1")
    with pytest.raises(TransientError) as missing:
        store.restore(owned)
    assert missing.value.reason == "StateMissing"


@pytest.mark.parametrize(
    "claim",
    [replace(HELD, holder=None), replace(HELD, holder=Holder("h2", 3)), replace(HELD, vm_uid="vm-2")],
    ids=["free", "another host's", "another VM's"],
)
def test_without_the_claim_nothing_is_written(
    store: StateStore, layout: Layout, owned: Owned, claim: Claim
) -> None:
    LocalClaimStore().compare_and_set(owned.place, HELD, claim)
    write(nvram(layout), b"variables")
    with pytest.raises(ClaimRefusedError):
        store.save(owned)
    assert not (owned.place.data.parent / "state").exists()


def test_a_volume_that_is_away_is_no_state_that_is_missing(store: StateStore, owned: Owned) -> None:
    with pytest.raises(VolumeMissingError):
        store.restore(replace(owned, place=VolumePlace(owned.place.pool, "v2")))


def test_no_link_that_a_guest_made_is_followed(
    store: StateStore, layout: Layout, owned: Owned, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"of another")
    tpm(layout).parent.mkdir(parents=True)
    tpm(layout).symlink_to(secret)
    with pytest.raises(TransientError):
        store.save(owned)
    tpm(layout).unlink()
    os.mkfifo(tpm(layout))
    with pytest.raises(TransientError):
        store.save(owned)
    assert not (owned.place.data.parent / "state").exists()


PART = st.none() | st.binary(max_size=64)


@given(st.integers(0, 2**53), st.integers(0, 2**53), PART, PART)
def test_an_object_survives_the_way_through_the_file(
    epoch: int, sequence: int, first: bytes | None, second: bytes | None
) -> None:
    state = FirmwareState(epoch, sequence, first, second)
    assert parse_state(render_state(state)) == state


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        render_state(FirmwareState(1, 1, b"x", None)).replace(b'"format": 1', b'"format": 2'),
        render_state(FirmwareState(1, 1, b"x", None)).replace(b'"sequence": 1', b'"sequence": -1'),
        render_state(FirmwareState(1, 1, b"x" * 100, None)).replace(b"=", b"")[:-40],
        render_state(FirmwareState(1, 1, bytes(MAX_PART_BYTES + 1), None)),
    ],
    ids=["empty", "a list", "no fields", "deep", "newer", "negative", "cut off", "a bomb"],
)
def test_what_is_no_object_is_said_to_be_damaged(content: bytes) -> None:
    with pytest.raises(StateDamagedError):
        parse_state(content)
