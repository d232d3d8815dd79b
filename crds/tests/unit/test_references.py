"""What `NAME` and `shared/NAME` mean."""

from __future__ import annotations

import ast

import pytest

from quantix_api.references import admits, bare_name, resolve_key, shared_reference
from quantix_lab.source_trees import nodes, sources


@pytest.mark.parametrize(
    ("reference", "key", "name"),
    [
        ("lan", "shop/lan", "lan"),
        ("shared/lan", "quantix-shared/lan", "lan"),
        ("shared", "shop/shared", "shared"),
        ("sharedlan", "shop/sharedlan", "sharedlan"),
    ],
)
def test_a_reference_means_an_object_here_or_a_shared_one(reference: str, key: str, name: str) -> None:
    assert resolve_key("shop", reference) == key
    assert bare_name(reference) == name


def test_a_shared_object_is_found_from_everywhere_by_its_reference() -> None:
    assert resolve_key("shop", shared_reference("tiny")) == "quantix-shared/tiny"


def test_who_may_use_something_is_told_by_the_labels_of_a_namespace_that_is_known() -> None:
    shop = {"metadata": {"name": "shop", "labels": {"tier": "gold", "team": "shop"}}}
    assert admits(None, None)
    assert admits({}, shop)
    assert admits({"tier": "gold"}, shop)
    assert not admits({"tier": "gold", "team": "bank"}, shop)
    assert not admits({"tier": "gold"}, {"metadata": {"name": "bank"}})
    assert not admits({"tier": "gold"}, None)


def test_only_one_module_takes_shared_references_apart() -> None:
    others = {
        path.name
        for path in sources("crds", "operator", "hostd", "cli")
        for node in nodes(path)
        if isinstance(node, ast.Constant) and node.value in ("shared/", "shared")
    }
    assert others == {"references.py"}
