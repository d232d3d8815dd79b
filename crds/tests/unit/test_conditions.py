"""The closed table of conditions."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from quantix_api import KINDS, Condition
from quantix_api.conditions import (
    READY_OF_EVERY_KIND,
    STALLED_REASONS,
    TABLE,
    checked,
    condition_in,
    condition_of,
    is_current,
    ready_reason,
    reasons_otherwise,
    reasons_true,
)
from quantix_api.errors import InvariantError
from quantix_api.host import HostPool


def condition(condition_type: str, status: str, reason: str) -> Condition:
    return Condition.model_validate({"type": condition_type, "status": status, "reason": reason})


def test_every_kind_has_ready() -> None:
    for kind in KINDS:
        assert reasons_true(kind.__name__, "Ready")


def test_each_condition_stands_once_and_its_reasons_are_one_word_each() -> None:
    places = [(row.kind, row.type) for row in TABLE]
    assert len(places) == len(set(places))
    for row in TABLE:
        for reason in (*row.true, *row.otherwise):
            assert re.fullmatch(r"[A-Z][A-Za-z0-9]*", reason), row


def test_ready_of_a_vm_repeats_what_keeps_it_waiting() -> None:
    assert {"NotEnoughMemory", "ImageDownloading", "NetworkNotFound"} <= reasons_otherwise(
        "VirtualMachine", "Ready"
    )


def test_a_vm_may_repeat_whatever_keeps_its_volumes_from_being_made() -> None:
    # a volume that grows is there
    elsewhere = {"Resizing"}
    volume = reasons_otherwise("Volume", "Ready") - {*READY_OF_EVERY_KIND} - elsewhere
    assert {"Creating", "Copying", "ImageDownloading", "PoolFull"} <= volume
    assert volume <= reasons_otherwise("VirtualMachine", "VolumesReady")


def test_the_reasons_under_which_nothing_changes_without_a_user_are_reasons_of_ready() -> None:
    kinds = ("VirtualMachine", "Image", "StoragePool")
    known = frozenset[str]().union(*(reasons_otherwise(kind, "Ready") for kind in kinds))
    assert known >= STALLED_REASONS


def test_what_a_host_says_of_the_place_of_a_pool_is_a_reason_of_the_pool_for_a_user_to_mend() -> None:
    said = {
        reason for part in get_args(HostPool.model_fields["reason"].annotation) for reason in get_args(part)
    }
    # what is mended where Ceph is, which nobody here has to be told
    in_ceph = {"CredentialsRefused", "Degraded"}
    assert {"DirectoryMissing", "PathRefused", "PathShared", "PathBarred"} | in_ceph == said
    assert said <= reasons_otherwise("StoragePool", "Ready")
    assert said - in_ceph <= STALLED_REASONS


def test_conditions_come_back_in_a_stable_order() -> None:
    given = (
        condition("Scheduled", "True", "Assigned"),
        condition("Ready", "False", "Starting"),
        condition("Reconciling", "True", "Starting"),
    )
    assert [found.type for found in checked("VirtualMachine", given)] == ["Ready", "Reconciling", "Scheduled"]


@pytest.mark.parametrize(
    ("kind", "condition_type", "status", "reason"),
    [
        ("VirtualMachine", "Ready", "True", "Starting"),
        ("VirtualMachine", "Ready", "False", "Running"),
        ("VirtualMachine", "Happy", "True", "Running"),
        ("Volume", "Scheduled", "True", "Assigned"),
        ("Image", "Ready", "False", "Bored"),
        ("VirtualMachine", "Stalled", "True", "Running"),
    ],
)
def test_a_condition_outside_of_the_table_is_a_bug(
    kind: str, condition_type: str, status: str, reason: str
) -> None:
    with pytest.raises(InvariantError, match="has no"):
        checked(kind, (condition(condition_type, status, reason),))


def test_the_reason_of_an_error_that_ready_of_the_kind_does_not_know_is_an_internal_error() -> None:
    assert ready_reason("Volume", "PoolFull") == "PoolFull"
    assert ready_reason("Volume", "InUse") == "InUse"
    assert {ready_reason(kind, "LibvirtDown") for kind in ("VirtualMachine", "Volume")} == {"LibvirtDown"}
    assert ready_reason("Image", "LibvirtDown") == "InternalError"
    assert ready_reason("Volume", "Available") == "InternalError"


def test_a_condition_is_found_by_its_type_and_is_empty_where_nobody_said_it() -> None:
    ready, healthy = {"type": "Ready", "status": "True"}, {"type": "GuestHealthy", "status": "False"}
    obj = {"status": {"conditions": [healthy, ready]}}
    assert (condition_of(obj), condition_of(obj, "GuestHealthy")) == (ready, healthy)
    assert condition_of(obj, "Migratable") == condition_of({}) == condition_of({"status": None}) == {}
    assert condition_in({"conditions": None}) == {}


def test_a_condition_of_an_earlier_generation_is_not_current() -> None:
    said = [is_current({"observedGeneration": seen}, 2) for seen in (1, 2, 3)]
    assert said == [False, True, True]
    assert not is_current({}, 1), "nobody has said anything"
