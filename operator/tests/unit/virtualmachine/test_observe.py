"""What the operator sees of a VM before it decides."""

from __future__ import annotations

from typing import Any, cast

import pytest

from quantix_api import VirtualMachine
from quantix_api.resources import QUANTIX_RESOURCES, VIRTUAL_MACHINES
from quantix_client.api import ApiClient
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.scheduling.sizing import Sizing
from quantix_operator.virtualmachine.observe import observe


@pytest.mark.parametrize(
    ("spec", "of_type"),
    [
        ({"cpu": {"dedicated": True}}, {"cpu": {}, "memory": {}}),
        ({}, {"cpu": {"dedicated": True}, "memory": {}}),
    ],
)
async def test_a_vm_whose_type_went_is_judged_by_what_it_was_given(
    spec: dict[str, Any], of_type: dict[str, Any]
) -> None:
    before = {"uuid": "u", "cores": 2, "memory": "2Gi", "ofType": of_type}
    metadata = {"name": "web", "namespace": "a", "uid": "uid-web", "resourceVersion": "1"}
    spec = {"instanceType": "gone", **spec}
    cache = Cache(QUANTIX_RESOURCES)
    cache.put(VIRTUAL_MACHINES, {"metadata": metadata, "spec": spec, "status": {"resolved": before}})
    objects = Objects(cache)
    found = await observe(cast(ApiClient, None), objects, objects.list(VirtualMachine)[0])
    assert found.obstacle is None
    assert found.sizing == Sizing(2, 2, "2Gi", "2Gi", dedicated=True)
