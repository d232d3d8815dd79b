"""A volume goes when all VMs that own it go, and not before."""

from __future__ import annotations

from typing import Any

import pytest

from quantix_api import Volume
from quantix_api.resources import VIRTUAL_MACHINES, VOLUMES
from quantix_operator.cache import Cache
from quantix_operator.objects import Objects
from quantix_operator.volumedata.collected import is_going

WEB = {"apiVersion": "quantix.io/v1alpha1", "kind": "VirtualMachine", "name": "web-1", "uid": "u"}
CHART = {"apiVersion": "example.org/v1", "kind": "Chart", "name": "web", "uid": "c"}
GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
PROTECTED = {"deletionProtection": True}


@pytest.mark.parametrize(
    ("owners", "vm", "spec", "going"),
    [
        ([], None, {}, False),
        ([WEB], {"uid": "u"}, {}, False),
        ([WEB], {"uid": "u"} | GOING, {}, True),
        ([WEB], None, {}, True),
        ([WEB], {"uid": "another of that name"}, {}, True),
        ([WEB], None, PROTECTED, False),
        ([WEB, CHART], None, {}, False),
    ],
)
def test_it_goes_with_its_last_owner(
    owners: list[dict[str, str]], vm: dict[str, Any] | None, spec: dict[str, Any], going: bool
) -> None:
    about: dict[str, Any] = {"namespace": "a", "resourceVersion": "1"}
    cache = Cache((VIRTUAL_MACHINES, VOLUMES))
    if vm is not None:
        cache.put(VIRTUAL_MACHINES, {"metadata": {**about, "name": "web-1", **vm}, "spec": {}})
    metadata = {**about, "name": "web-1-root", "uid": "v", "ownerReferences": owners}
    volume = Volume.model_validate({"metadata": metadata, "spec": {"size": "1Gi", **spec}})
    assert is_going(Objects(cache), volume) is going
