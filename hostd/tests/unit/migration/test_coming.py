"""What is remembered of a guest that comes, also where its file is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantix_api.layout import Layout
from quantix_hostd.migration.coming import Coming, ComingStore

COMING = Coming(
    "m1",
    "h1",
    (("local", "v1"),),
    3,
    prepared=True,
    uuid="u1",
    ports=("p1",),
    staying=(("fast", "v2"),),
    encrypted=("v1",),
    order=("v2", "v1"),
)


@pytest.fixture
def store(tmp_path: Path) -> ComingStore:
    return ComingStore(Layout(tmp_path))


def test_it_is_remembered_until_it_is_forgotten(store: ComingStore, tmp_path: Path) -> None:
    assert store.load("vm") is None
    store.save("vm", COMING)
    assert store.load("vm") == COMING
    assert store.vm_uids() == {"vm"}
    store.forget("vm")
    store.forget("vm")
    assert store.load("vm") is None
    assert not Layout(tmp_path).vm_data("vm").exists()


def test_its_volumes_are_in_the_order_of_the_vm() -> None:
    assert COMING.volumes == (("fast", "v2"), ("local", "v1"))


def test_a_file_of_before_is_read(store: ComingStore, tmp_path: Path) -> None:
    store.save("vm", COMING)
    before = '{"uid": "m1", "source": "h1", "copies": [["local", "v1"]], "epoch": 3, "prepared": true}'
    (Layout(tmp_path).vm_data("vm") / "incoming.json").write_text(before)
    assert store.load("vm") == Coming("m1", "h1", (("local", "v1"),), 3, prepared=True)


def test_what_else_is_kept_of_the_vm_stays(store: ComingStore, tmp_path: Path) -> None:
    store.save("vm", COMING)
    other = Layout(tmp_path).vm_data("vm") / "nvram.fd"
    other.touch()
    store.forget("vm")
    assert other.exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"uid": "m1"}', '{"uid": "m", "copies": [1]}', "null", "\xff"]
)
def test_a_damaged_file_is_none(store: ComingStore, tmp_path: Path, content: str) -> None:
    store.save("vm", COMING)
    (Layout(tmp_path).vm_data("vm") / "incoming.json").write_bytes(content.encode("latin-1"))
    assert store.load("vm") is None
