"""Which guests may go on at their target before their memory is there, and when they do."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import VirtualMachine
from quantix_hostd.claims import CephPool, VolumePlace
from quantix_hostd.facts.migration import SendingProgress
from quantix_hostd.migration.leaving import Leaving, LeavingRecord
from quantix_hostd.virtualmachine.desired import HostFacts
from quantix_hostd.virtualmachine.observed import DiskClaim, Observed
from quantix_hostd.virtualmachine.record import Record
from quantix_hostd.virtualmachine.switch_plan import PASSES, is_to_switch, post_copy_of
from quantix_lab.assigned_vm import assigned_vm

UID = "0b0e6dc5-0000-4000-8000-000000000001"
FACTS = HostFacts("h1", "c", "this boot", False, True, "pc-q35-7.2")
IN_CEPH = (DiskClaim(VolumePlace(CephPool("fast"), "v1"), None),)


def seen(now_s: float = 0.0, *, claims: tuple[DiskClaim, ...] = IN_CEPH, **migration: Any) -> Observed:
    vm = VirtualMachine.parse(assigned_vm("web-1", UID, {}, "h1", {"migration": migration}))
    return Observed(UID, vm, FACTS, now_s, 0.0, Record(epoch=1), claims=claims)


@pytest.mark.parametrize(
    ("vm", "migration", "wished"),
    [(True, None, True), (False, None, False), (True, False, False), (False, True, True)],
)
def test_the_migrations_wish_goes_before_the_vms(vm: bool, migration: bool | None, wished: bool) -> None:
    leaving = Leaving("m1", "h2", post_copy=migration, may_switch=True)
    assert post_copy_of(seen(postCopy=vm), leaving, ()) == ("Possible" if wished else "")


def test_it_says_what_keeps_it_from_that() -> None:
    able, unable = Leaving("m1", "h2", may_switch=True), Leaving("m1", "h2")
    assert post_copy_of(seen(postCopy=True), able, ("vda",)) == "LocalDisks"
    assert post_copy_of(seen(postCopy=True, claims=()), able, ()) == "NoDisk"
    assert post_copy_of(seen(postCopy=True), unable, ()) == "NotAllowed"


@pytest.mark.parametrize(
    ("passes", "now_s", "switches"),
    [(0, 10, False), (PASSES - 1, 10, False), (PASSES, 10, True), (0, 16.1, True), (0, 15.9, False)],
)
def test_copying_has_its_chance_first(passes: int, now_s: float, switches: bool) -> None:
    kept = LeavingRecord("m1", "h2", "sending", since_s=1.0, post_copy="Possible")
    progress = SendingProgress(1, 2, 3, 4, passes)
    assert is_to_switch(seen(now_s, timeoutSeconds=30), kept, progress) is switches


def test_what_has_not_begun_or_may_not_be_is_not_switched() -> None:
    may = LeavingRecord("m1", "h2", "sending", since_s=1.0, post_copy="Possible")
    local = LeavingRecord("m1", "h2", "sending", since_s=1.0, post_copy="LocalDisks")
    far = SendingProgress(1, 2, 3, 4, PASSES)
    assert not is_to_switch(seen(2.0), local, far)
    assert not is_to_switch(seen(2.0), may, None)
    assert not is_to_switch(seen(2.0), may, SendingProgress(0, 0, 0, 0, PASSES))
