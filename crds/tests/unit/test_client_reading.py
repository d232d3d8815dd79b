"""A manifest is read once, and what replaces it is read anew."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from pydantic import ValidationError

from quantix_api import Host, VirtualMachine
from quantix_client.reading import Models, model_of
from quantix_lab.source_trees import nodes, sources


def manifest(power_state: str = "Running") -> dict[str, Any]:
    return {"metadata": {"name": "a", "namespace": "b", "uid": "u"}, "spec": {"powerState": power_state}}


def test_the_same_manifest_is_the_same_model() -> None:
    found = manifest()
    assert model_of(VirtualMachine, found) is model_of(VirtualMachine, found)


def test_a_newer_manifest_of_the_object_is_read() -> None:
    first = model_of(VirtualMachine, manifest())
    second = model_of(VirtualMachine, manifest("Stopped"))
    assert (first.spec.power_state, second.spec.power_state) == ("Running", "Stopped")


def test_kinds_are_kept_apart_also_without_a_uid() -> None:
    one = {"metadata": {"name": "a"}, "spec": {}}
    assert isinstance(model_of(Host, one), Host)
    assert isinstance(model_of(VirtualMachine, one), VirtualMachine)


def test_only_so_many_are_kept_where_a_number_is_given_and_none_that_is_forgotten() -> None:
    few, all_of_them = Models(1), Models()
    first, second = manifest(), {"metadata": {"name": "b", "uid": "v"}, "spec": {}}
    for models in (few, all_of_them):
        before = models.of(VirtualMachine, first)
        models.of(VirtualMachine, second)
        assert (models.of(VirtualMachine, first) is before) is (models is all_of_them)
    all_of_them.forget("u")
    assert all_of_them.of(VirtualMachine, first) is not all_of_them.of(VirtualMachine, manifest())


def test_components_read_manifests_in_this_way_only() -> None:
    """By `model_of`, or by the operator's `Objects`, which has `Models` of its own."""
    found = [
        f"{path.name}:{node.lineno}"
        for path in sources("operator", "hostd", "cli")
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr == "model_validate"
    ]
    assert found == []


def test_what_cannot_be_read_is_told_every_time() -> None:
    wrong = {"metadata": {"name": "a", "uid": "w"}, "spec": {"disks": 7}}
    for _ in range(2):
        with pytest.raises(ValidationError):
            model_of(VirtualMachine, wrong)
