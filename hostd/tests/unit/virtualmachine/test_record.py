"""What a host remembers of a VM, on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from quantix_api.layout import Layout
from quantix_hostd.facts.domain import EventKind
from quantix_hostd.virtualmachine.record import (
    LastExit,
    Record,
    RecordStore,
    SeenEvent,
    StopReason,
    StopRequest,
)


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(Layout(tmp_path))


def test_a_record_comes_back_as_it_was_saved(store: RecordStore) -> None:
    record = Record(
        epoch=4,
        started=True,
        stop=StopRequest(StopReason.RESTART, 12.5, 13.5),
        last_exit=LastExit("Crashed", "2026-01-01T00:00:00Z"),
        handled_restart_at="2026-01-02T00:00:00Z",
    )
    store.save("vm-1", record)
    assert store.load("vm-1") == record
    assert store.known_uids() == ("vm-1",)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"unknown": 1}', '{"stop": {"why": "?"}}', '{"stop": {"x": 1}}', '{"stop": 1}'],
)
def test_a_damaged_record_counts_as_none(store: RecordStore, tmp_path: Path, content: str) -> None:
    store.save("vm-1", Record(epoch=4))
    (Layout(tmp_path).vm_data("vm-1") / "record.json").write_text(content)
    assert store.load("vm-1") == Record()


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "{}",
        "7",
        "[1]",
        "[[]]",
        '[["Stopped"]]',
        '[["Stopped", 1]]',
        '[[["Stopped"], "a"]]',
        '[{"a": "b"}]',
    ],
)
def test_damaged_events_count_as_none_and_the_next_one_begins_anew(
    store: RecordStore, tmp_path: Path, content: str
) -> None:
    store.add_event("vm-1", SeenEvent(EventKind.STARTED, "0"))
    (Layout(tmp_path).vm_data("vm-1") / "events.json").write_text(content)
    with capture_logs() as logs:
        assert store.events("vm-1") == ()
    assert [line["log_level"] for line in logs] == ["warning"]
    store.add_event("vm-1", SeenEvent(EventKind.SHUTDOWN, "GUEST"))
    assert store.events("vm-1") == (SeenEvent(EventKind.SHUTDOWN, "GUEST"),)


def test_a_guest_that_runs_since_an_older_version_keeps_its_mark(store: RecordStore, tmp_path: Path) -> None:
    store.save("vm-1", Record(first_boot_mark="0a1b2c3d"))
    path = Layout(tmp_path).vm_data("vm-1") / "record.json"
    path.write_text(path.read_text().replace('"first_boot_mark"', '"seed_mark"'))
    assert store.load("vm-1").first_boot_mark == "0a1b2c3d"


def test_an_event_of_a_later_version_is_passed_over(store: RecordStore, tmp_path: Path) -> None:
    store.add_event("vm-1", SeenEvent(EventKind.STARTED, "0"))
    (Layout(tmp_path).vm_data("vm-1") / "events.json").write_text('[["New", "x"], ["Crashed", "y"]]')
    assert store.events("vm-1") == (SeenEvent(EventKind.CRASHED, "y"),)


def test_a_new_assignment_keeps_what_belongs_to_the_vm_only() -> None:
    last = LastExit("Requested", "t")
    before = Record(epoch=1, released=True, failures=3, last_exit=last, handled_restart_at="t")
    assert before.for_epoch(1) == before
    assert before.for_epoch(3) == Record(epoch=3, last_exit=last, handled_restart_at="t")


def test_a_start_begins_a_new_list_of_events(store: RecordStore) -> None:
    store.add_event("vm-1", SeenEvent(EventKind.STOPPED, "FAILED"))
    store.add_event("vm-1", SeenEvent(EventKind.STARTED, "0"))
    store.add_event("vm-1", SeenEvent(EventKind.SHUTDOWN, "GUEST"))
    assert [event.kind for event in store.events("vm-1")] == [EventKind.STARTED, EventKind.SHUTDOWN]


def test_events_do_not_grow_without_end(store: RecordStore) -> None:
    for _ in range(50):
        store.add_event("vm-1", SeenEvent(EventKind.IO_ERROR, "ua-root enospc"))
    assert len(store.events("vm-1")) == 8


def test_a_forgotten_vm_leaves_no_directory_unless_something_else_is_in_it(
    store: RecordStore, tmp_path: Path
) -> None:
    for uid in ("vm-1", "vm-2"):
        store.save(uid, Record(epoch=1))
        store.add_event(uid, SeenEvent(EventKind.STARTED, "0"))
    nvram = Layout(tmp_path).vm_data("vm-2") / "nvram.fd"
    nvram.write_bytes(b"x")
    store.forget("vm-1")
    store.forget("vm-2")
    assert not Layout(tmp_path).vm_data("vm-1").exists()
    assert nvram.exists()
    assert store.known_uids() == ()
