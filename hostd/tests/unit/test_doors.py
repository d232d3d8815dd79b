"""Whom hostd names once it has shut the guests of its host down."""

from __future__ import annotations

from typing import Any

from quantix_hostd.doors import coming_back, deleted


def vm(uid: str, **metadata: str) -> dict[str, Any]:
    return {"metadata": {"uid": uid, **metadata}}


def test_a_vm_that_is_being_deleted_is_not_said_to_come_back() -> None:
    vms = {"default/web-1": vm("u1"), "default/slow": vm("u2", deletionTimestamp="2026-11-24T10:00:00Z")}
    names = {vm["metadata"]["uid"]: key for key, vm in vms.items()}
    assert deleted(vms) == {"u2"}
    assert coming_back(("u1", "u2"), names, deleted(vms)) == ["default/web-1"]


def test_a_guest_that_the_api_does_not_have_is_named_by_its_uid() -> None:
    assert coming_back(("u1", "u2"), {"u1": "default/web-1"}, set()) == ["default/web-1", "u2"]
