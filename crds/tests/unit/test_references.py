"""What `NAME` and `shared/NAME` mean."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from quantix_api.references import bare_name, resolve_key, shared_reference

CHECKOUT = Path(__file__).parents[3]
SOURCES = ("crds", "operator", "hostd", "cli")


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


def test_only_one_module_takes_shared_references_apart() -> None:
    others = {
        path.name
        for component in SOURCES
        for path in (CHECKOUT / component / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in ("shared/", "shared")
    }
    assert others == {"references.py"}
