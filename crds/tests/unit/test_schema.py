"""The generator: everything that a model says reaches the schema, and what it cannot say is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest

from quantix_api import KINDS, ApiModel, VirtualMachine
from quantix_api.generate import DIRECTORY, differences, render_files, write
from quantix_api.markers import (
    Doc,
    Entries,
    Fixed,
    Items,
    Live,
    Range,
    Rule,
    SchemaDefault,
    Text,
    keyed,
    ordered,
)
from quantix_api.schema import MAX_SELECTABLE_FIELDS, render_crd, root_schema
from quantix_api.schema_property import SPEC, STATUS, structure_schema
from quantix_api.schema_type import SchemaError

Named = Annotated[str, Text(8)]


class Leaf(ApiModel):
    """A structure inside another."""

    size: Annotated[Named, Live("Size.")] = "big"
    count: Annotated[int, Range(1, 9), Live("Count.")] = 3


class Entry(ApiModel):
    name: Annotated[Named, Live("Name.")]
    mode: Annotated[Literal["A", "B"], Live("Mode.")] = "A"


class Sample(ApiModel):
    RULES: ClassVar[tuple[Rule, ...]] = (Rule("self.on", "must be on", ".on"),)

    on: Annotated[bool, Live("Whether.")] = False
    host_uid: Annotated[Named | None, Fixed("Identity.")] = None
    leaf: Annotated[Leaf, Live("Left out stays out.")] = Leaf()
    whole: Annotated[Leaf, SchemaDefault({"size": "big", "count": 3}), Live("Filled in.")] = Leaf()
    entries: Annotated[tuple[Entry, ...], keyed("name", at_most=4), Live("Entries.")] = ()
    labels: Annotated[dict[str, Named], Entries(2), Live("Labels.")] = {}  # noqa: RUF012 - pydantic copies it


def test_a_structure_says_types_bounds_defaults_rules_and_when_a_change_counts() -> None:
    schema = structure_schema(Sample, SPEC)
    properties = schema["properties"]
    assert properties["on"] == {
        "description": "Whether. Default: false. A change counts at once.",
        "type": "boolean",
        "default": False,
    }
    assert properties["hostUID"] == {
        "description": "Identity. Cannot be changed.",
        "type": "string",
        "maxLength": 8,
    }
    assert properties["labels"]["maxProperties"] == 2
    assert schema["x-kubernetes-validations"] == [
        {"rule": "self.on", "message": "must be on", "fieldPath": ".on"}
    ]
    assert "required" not in schema


def test_a_parent_that_is_left_out_is_not_filled_in_but_for_a_spelled_out_default() -> None:
    properties = structure_schema(Sample, SPEC)["properties"]
    assert "default" not in properties["leaf"]
    assert properties["leaf"]["properties"]["count"]["default"] == 3
    assert properties["whole"]["default"] == {"size": "big", "count": 3}


def test_lists_have_keys_and_no_defaults_inside() -> None:
    entries = structure_schema(Sample, SPEC)["properties"]["entries"]
    assert entries["x-kubernetes-list-type"] == "map"
    assert entries["x-kubernetes-list-map-keys"] == ["name"]
    assert entries["maxItems"] == 4
    assert entries["items"]["required"] == ["name"]
    assert entries["items"]["properties"]["mode"]["enum"] == ["A", "B"]
    assert "default" not in entries["items"]["properties"]["mode"]


def test_status_has_no_defaults() -> None:
    assert "default" not in structure_schema(Sample, STATUS)["properties"]["on"]


def model_with(annotation: Any, default: Any = None) -> type[ApiModel]:
    return type(
        "Odd", (ApiModel,), {"__annotations__": {"odd": annotation}, "odd": default, "__module__": __name__}
    )


@pytest.mark.parametrize(
    ("annotation", "default", "complaint"),
    [
        (Annotated[float, Doc("Odd.")], 0.5, "float"),
        (Annotated[int | str, Doc("Odd.")], 1, "union of 2 types"),
        (Annotated[str, Doc("Odd.")], "", "needs a marker Text"),
        (Annotated[int, Doc("Odd.")], 1, "needs a marker Range"),
        (Annotated[int, Text(3), Doc("Odd.")], 1, "Text says nothing"),
        (Annotated[str, Text(3)], "", "needs a marker Doc"),
        (Annotated[str, Text(3), Doc("One."), Doc("Two.")], "", "2 markers Doc"),
        (Annotated[str, Text(3), "a stray note", Doc("Odd.")], "", "is not known"),
        (Annotated[tuple[Named, ...], Doc("Odd.")], (), "needs a marker Items"),
        (Annotated[tuple[Named, Named], ordered(), Doc("Odd.")], ("a", "b"), r"tuple\[TYPE, ...\]"),
        (Annotated[tuple[Entry, ...], keyed("mode"), Doc("Odd.")], (), "not required members"),
        (Annotated[tuple[Entry, ...], Items("set", 3), Doc("Odd.")], (), "single values only"),
        (Annotated[tuple[Named, ...], Items("bag", 3), Doc("Odd.")], (), "'bag' is not known"),
        (Annotated[dict[str, Named], Doc("Odd.")], {}, "needs a marker Entries"),
        (Annotated[dict[int, Named], Entries(), Doc("Odd.")], {}, "keys of a map are strings"),
        (Annotated[Literal[1, 2], Doc("Odd.")], 1, "choices other than strings"),
        (Annotated[Leaf, Doc("Odd.")], Leaf(count=4), "the one without settings"),
        (Annotated[Leaf, SchemaDefault({"count": 3}), Doc("Odd.")], Leaf(), "must spell out"),
    ],
)
def test_what_a_schema_cannot_say_is_an_error_that_names_the_field(
    annotation: Any, default: Any, complaint: str
) -> None:
    with pytest.raises(SchemaError, match=complaint) as caught:
        structure_schema(model_with(annotation, default), SPEC)
    assert "Odd.odd" in str(caught.value)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_of_every_kind_is_described_in_one_or_two_sentences(kind: type[ApiModel]) -> None:
    for path, node in walk(root_schema(kind), kind.__name__):  # type: ignore[arg-type]
        text = node["description"]
        assert text.endswith("."), path
        assert 8 <= len(text) <= 320, (path, text)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_string_list_and_map_is_bounded(kind: type[ApiModel]) -> None:
    for path, node in every_node(root_schema(kind), kind.__name__):  # type: ignore[arg-type]
        if node["type"] == "string":
            assert {"enum", "maxLength", "format"} & set(node), path
        if node["type"] == "array":
            assert node["maxItems"], path
        if "additionalProperties" in node:
            assert node["maxProperties"], path


def test_kinds_have_columns_with_age_and_at_most_eight_selectable_fields() -> None:
    names: set[str] = set()
    for kind in KINDS:
        version = render_crd(kind)["spec"]["versions"][0]
        assert version["additionalPrinterColumns"][-1]["name"] == "Age"
        assert len(version.get("selectableFields", ())) <= MAX_SELECTABLE_FIELDS
        names.update(kind.DEFINITION.short_names)
    assert len(names) == len(KINDS)


def test_the_committed_manifests_are_what_the_models_say() -> None:
    assert differences(DIRECTORY) == [], "run python -m quantix_api.generate"


def test_drift_is_found_and_writing_again_ends_it(tmp_path: Path) -> None:
    write(tmp_path)
    assert differences(tmp_path) == []
    (tmp_path / "crds/volumes.yaml").write_text("changed", encoding="utf-8")
    (tmp_path / "crds/images.yaml").unlink()
    (tmp_path / "crds/ghosts.yaml").write_text("left over", encoding="utf-8")
    assert differences(tmp_path) == [
        "crds/ghosts.yaml: nothing generates it",
        "crds/images.yaml: is missing",
        "crds/volumes.yaml: differs",
    ]
    write(tmp_path)
    assert differences(tmp_path) == []
    assert render_files() == render_files()


def walk(node: dict[str, Any], path: str) -> list[tuple[str, dict[str, Any]]]:
    """Every named field below a schema."""
    found = []
    for name, child in node.get("properties", {}).items():
        found += [(f"{path}.{name}", child), *walk(child, f"{path}.{name}")]
    if "items" in node:
        found += walk(node["items"], f"{path}[]")
    return found


def every_node(node: dict[str, Any], path: str) -> list[tuple[str, dict[str, Any]]]:
    """Every schema below a schema, also of list items and map values."""
    found = [(path, node)]
    for name, child in node.get("properties", {}).items():
        found += every_node(child, f"{path}.{name}")
    for part in ("items", "additionalProperties"):
        if part in node:
            found += every_node(node[part], f"{path}[]")
    return found


def test_the_addresses_of_a_vm_have_room_for_those_of_all_its_nics() -> None:
    """hostd could else not report a VM with many NICs at all, nor that it is gone."""
    status = root_schema(VirtualMachine)["properties"]["status"]["properties"]
    nics = status["nics"]
    of_a_nic = nics["items"]["properties"]["addresses"]
    assert status["addresses"]["maxItems"] >= nics["maxItems"] * of_a_nic["maxItems"]
