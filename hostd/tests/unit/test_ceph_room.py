"""What Ceph's answers say of the room in a pool. They are those of Ceph 16.2, shortened."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_hostd.clients.ceph_room import room_of
from quantix_hostd.clients.pool_dir import Space

MIB = 1 << 20
QUOTA_USED, OSD_FULL = "all of its quota is used", "an OSD is full"


def df(stored: int = 90 * MIB, free: int = 3600 * MIB, quota: int = 0) -> dict[str, Any]:
    stats = {"stored": stored, "max_avail": free, "quota_bytes": quota, "quota_objects": 0}
    other = {"stored": 0, "max_avail": free, "quota_bytes": 0}
    return {"pools": [{"name": "device_health_metrics", "stats": other}, {"name": "quantix", "stats": stats}]}


def marked(flags: str) -> list[dict[str, Any]]:
    """The pool with these flags, beside one that is full."""
    return [
        {"pool_name": "theirs", "flags_names": "hashpspool,full"},
        {"pool_name": "quantix", "flags_names": flags},
    ]


@pytest.mark.parametrize(
    ("told", "flags", "room"),
    [
        (df(), "hashpspool", Space(3690 * MIB, 3600 * MIB)),
        (df(quota=100 * MIB), "hashpspool", Space(100 * MIB, 10 * MIB)),
        (df(quota=9000 * MIB), "hashpspool", Space(3690 * MIB, 3600 * MIB)),
        (df(quota=16 * MIB), "hashpspool", Space(16 * MIB, 0)),
        (df(quota=16 * MIB), "hashpspool,full,full_quota", Space(16 * MIB, 0, QUOTA_USED)),
        # a quota of objects has no figure in bytes
        (df(), "full_quota,full", Space(3690 * MIB, 0, QUOTA_USED)),
        (df(free=0), "hashpspool,full,selfmanaged_snaps", Space(90 * MIB, 0, OSD_FULL)),
        # nobody has counted again since the mark
        (df(), "hashpspool,full", Space(3690 * MIB, 0, OSD_FULL)),
        (df(), "hashpspool,nearfull", Space(3690 * MIB, 3600 * MIB)),
        (df(), "hashpspool,backfillfull", Space(3690 * MIB, 3600 * MIB)),
        # no manager has told anything
        ({"pools": []}, "hashpspool", Space(0, 0)),
        ({"pools": []}, "hashpspool,full", Space(0, 0, OSD_FULL)),
    ],
)
def test_the_room_is_what_the_quota_leaves_and_none_once_the_pool_is_marked_full(
    told: dict[str, Any], flags: str, room: Space
) -> None:
    assert room_of("quantix", told, marked(flags)) == room
