"""What is taken for a time, on the real API server: what no model reads would make its object nobody's."""

from __future__ import annotations

import pytest

from quantix_api import VirtualMachine
from quantix_lab.api_as import Answer, ApiAs
from quantix_lab.api_objects import SIZED, manifest


def asked(api: ApiAs, namespace: str, at: str) -> Answer:
    vm = manifest("VirtualMachine", "web-1", spec={**SIZED, "restart": {"at": at}})
    return api.create(f"/apis/quantix.io/v1alpha1/namespaces/{namespace}/virtualmachines", vm)


@pytest.mark.parametrize(
    "at",
    ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00+14:00"],
)
def test_a_time_that_is_taken_is_read(api: ApiAs, namespace: str, at: str) -> None:
    answer = asked(api, namespace, at)
    assert answer.code == 201, answer.message
    assert VirtualMachine.model_validate(answer.body).spec.restart is not None


@pytest.mark.parametrize(
    "at",
    [
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-23:59",
        "2026-01-01T00:00:00+99:99",
        "2026-01-01T00:00:00-24:00",
        "2026-01-01T00:00:00x5Z",
        "2026-01-01T00:00:00ZTfoo",
    ],
)
def test_a_time_that_no_model_reads_is_refused(api: ApiAs, namespace: str, at: str) -> None:
    answer = asked(api, namespace, at)
    assert answer.code == 422, answer.body
