"""Which volumes a source is still to give its data to."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api.unmade_copies import unmade_copies, unmade_from_snapshot

KEY = {"encryption": {"secretRef": {"name": "k"}}}


def volume(name: str = "copy", source: str = "source", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": more.pop("namespace", "a"), **more.pop("metadata", {})}
    return {"metadata": metadata, "spec": {"source": {"volume": source}, **more.pop("spec", {})}, **more}


SOURCE = {"metadata": {"name": "source", "namespace": "a"}, "spec": {"size": "1Gi"}}
SAFE = {**SOURCE, "spec": {"size": "1Gi", **KEY}}


@pytest.mark.parametrize(
    ("source", "other", "needs"),
    [
        (SOURCE, volume(), True),
        (SOURCE, volume(status={"data": "Absent"}), True),
        (SOURCE, volume(status={"data": "Present"}), False),
        (SOURCE, volume(source="another"), False),
        (SOURCE, volume(namespace="b"), False),
        (SOURCE, volume(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), False),
        (SOURCE, volume("source"), False),
        (
            SOURCE,
            {"metadata": {"name": "image", "namespace": "a"}, "spec": {"source": {"image": "i"}}},
            False,
        ),
        (SOURCE, volume() | {"spec": {"size": "1Gi"}}, False),
        (SAFE, volume(spec=KEY), True),
        # it is refused for good, since it would be readable
        (SAFE, volume(), False),
    ],
)
def test_a_copy_needs_its_source_until_it_has_data(
    source: dict[str, Any], other: dict[str, Any], needs: bool
) -> None:
    assert unmade_copies(source, [other]) == (("copy",) if needs else ())


def from_snapshot(disk: str = "root", name: str = "source", **more: Any) -> dict[str, Any]:
    return volume(**more) | {
        "spec": {"source": {"snapshot": {"name": name, "disk": disk}}, **more.get("spec", {})}
    }


DISKS = {"disks": [{"name": "root"}, {"name": "safe", "encrypted": True}]}
SNAPSHOT = {"metadata": {"name": "source", "namespace": "a"}, "status": DISKS}


@pytest.mark.parametrize(
    ("other", "needs"),
    [
        (from_snapshot(), True),
        (from_snapshot(status={"data": "Absent"}), True),
        (from_snapshot(status={"data": "Present"}), False),
        (from_snapshot(name="another"), False),
        (from_snapshot(namespace="b"), False),
        (from_snapshot(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), False),
        (volume(), False),
        (from_snapshot("safe", spec=KEY), True),
        # it is refused for good, since it would be readable
        (from_snapshot("safe"), False),
        # the snapshot never has that disk
        (from_snapshot("other"), False),
    ],
)
def test_a_volume_needs_the_snapshot_it_is_made_from_until_it_has_data(
    other: dict[str, Any], needs: bool
) -> None:
    assert unmade_from_snapshot(SNAPSHOT, [other]) == (("copy",) if needs else ())


def test_a_snapshot_that_was_never_scheduled_is_needed_by_none() -> None:
    assert unmade_from_snapshot({"metadata": SNAPSHOT["metadata"]}, [from_snapshot()]) == ()
