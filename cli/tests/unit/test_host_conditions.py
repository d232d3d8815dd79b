"""`qx status` and `qx doctor` tell the same of a host."""

from __future__ import annotations

from quantix_api.conditions import TABLE
from quantix_cli.host_conditions import GRAVE, OF_ITS_STATE, TO_KNOW, complaints

# its state, and what comes with shared storage
ELSEWHERE = {"Ready", "StorageBeat", "StorageFence"}


def test_each_condition_of_a_host_is_told_or_known_not_to_be() -> None:
    told = {*GRAVE, *TO_KNOW, *OF_ITS_STATE}
    assert {row.type for row in TABLE if row.kind == "Host"} == told | ELSEWHERE


def test_only_what_is_false_is_complained_of_in_the_order_that_was_asked_for() -> None:
    said = {"Confined": "False", "GuestsKnown": "Unknown", "GuestTraffic": "False", "KVMAvailable": "True"}
    conditions = [{"type": kind, "status": status} for kind, status in said.items()]
    found = complaints({"status": {"conditions": conditions}}, *GRAVE, *TO_KNOW)
    assert [condition["type"] for condition in found] == ["GuestTraffic", "Confined"]
