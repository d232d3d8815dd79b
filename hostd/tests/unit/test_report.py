"""What hostd does with what it found: one write, and the time of the next look."""

from __future__ import annotations

from typing import Any, cast

import pytest

from quantix_api.errors import InvariantError, PermanentError, TransientError, WaitingError
from quantix_api.resources import VIRTUAL_MACHINES, Resource
from quantix_client.api import ApiClient
from quantix_client.errors import Unprocessable
from quantix_hostd.report import in_words, next_look_s, report
from quantix_lab.fake_status_api import FakeStatusApi, Manifest


class StrictApi(FakeStatusApi):
    """Refuses more than 128 addresses and a count that is none, as the schema does."""

    async def apply(self, resource: Resource, obj: Manifest, **how: Any) -> Manifest:
        status = obj["status"]
        if len(status.get("addresses", ())) > 128:
            raise Unprocessable("status.addresses: Too many: 129: must have at most 128 items")
        if not isinstance(status.get("runtime", {}).get("restarts", 0), int):
            raise Unprocessable("status.runtime.restarts: Invalid value: must be of type integer")
        return await super().apply(resource, obj, **how)


@pytest.mark.parametrize(
    ("wrong", "runtime", "said"),
    [
        ({"addresses": ["10.0.0.5"] * 129}, {}, "Too many: 129"),
        ({}, {"restarts": "often"}, "must be of type integer"),
    ],
    ids=["a list too long", "one value of a wrong type"],
)
async def test_a_status_that_is_refused_is_told_as_a_bug_and_the_vm_can_still_end(
    wrong: dict[str, Any], runtime: dict[str, Any], said: str
) -> None:
    api = StrictApi()
    metadata = {"name": "web-1", "namespace": "default", "uid": "u-1", "generation": 4}
    vm = api.put({"kind": "VirtualMachine", "metadata": metadata})
    vital: dict[str, Any] = {"observedEpoch": 3, "domain": "Absent"}
    disks = {"disks": [{"name": "root", "volumeUID": "v-1"}]}
    status = {
        "phase": "Running",
        "runtime": {**vital, **disks, **runtime},
        "conditions": [{"type": "Ready", "status": "True", "reason": "Running"}],
        **wrong,
    }
    assert await report(cast(ApiClient, api), VIRTUAL_MACHINES, vm, status) is not None
    written = api.objects["u-1"]["status"]
    assert written["runtime"] == (vital if runtime else vital | disks)
    told = {item["type"]: (item["status"], item["reason"]) for item in written["conditions"]}
    assert told["Ready"] == ("False", "InternalError")
    assert said in written["conditions"][0]["message"]


def test_without_an_error_the_caller_decides() -> None:
    assert next_look_s(None, 300.0) == 300.0


def test_a_wait_says_itself_when_to_look_again() -> None:
    assert next_look_s(WaitingError("Creating", "It is made.", retry_after_s=7.0), 300.0) == 7.0


def test_what_a_user_has_to_change_is_not_tried_soon() -> None:
    assert next_look_s(PermanentError("ImageRefused", "No."), 300.0) == 300.0


@pytest.mark.parametrize("error", [TransientError("PoolFull", "Full."), InvariantError("InternalError", "?")])
def test_what_may_go_by_itself_and_bugs_get_the_backoff(error: TransientError | InvariantError) -> None:
    with pytest.raises(type(error)):
        next_look_s(error, 300.0)


def test_an_error_of_the_operating_system_is_put_in_words_and_others_have_theirs() -> None:
    said = in_words(OSError(5, "Input/output error"), "the data of volume root")
    assert said.reason == "PoolUnreachable"
    assert "the data of volume root" in said.message
    assert "Input/output error" in said.message
    known = PermanentError("ImageRefused", "No.")
    assert in_words(known, "x") is known
