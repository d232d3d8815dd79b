"""The generated pages of docs/: nothing of the models is left out, and every reason has advice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quantix_api.conditions import TABLE as CONDITIONS
from quantix_api.documentation.advice import ADVICE, NEWS, reasons_to_advise
from quantix_api.documentation.kind_page import render_index, render_page
from quantix_api.documentation.rights import MEANINGS
from quantix_api.documentation.troubleshooting import render_troubleshooting
from quantix_api.generate import DOCUMENTS, document_differences, write_documents
from quantix_api.kinds import KINDS, Host, Image, VirtualMachine, Volume
from quantix_api.message_template import Template
from quantix_api.messages import TABLE as MESSAGES
from quantix_api.messages import templates_of
from quantix_api.model import ApiObject
from quantix_api.rbac import monitoring_roles, user_roles
from quantix_api.schema import root_schema

BANNED = re.compile(r"\b(please|invalid|failed to|unexpected|pod|crd|controller|reconcile|sorry)\b")


def names_below(schema: dict[str, object]) -> set[str]:
    """Every field of a schema, at any depth."""
    found: set[str] = set()
    properties = schema.get("properties", {})
    assert isinstance(properties, dict)
    for name, child in properties.items():
        found |= {name} | names_below(child)
    items = schema.get("items")
    return found | (names_below(items) if isinstance(items, dict) else set())


def fields_on(page: str) -> set[str]:
    return set(re.findall(r"^\| \[?`(\w+)`", page, re.MULTILINE))


def test_the_committed_pages_are_what_the_models_say() -> None:
    assert document_differences(DOCUMENTS) == [], "run python -m quantix_api.generate"


def test_drift_of_a_page_is_found_and_writing_again_ends_it(tmp_path: Path) -> None:
    write_documents(tmp_path)
    (tmp_path / "own.md").write_text("a person's page")
    (tmp_path / "metrics.md").write_text("changed")
    (tmp_path / "reference/volume.md").unlink()
    (tmp_path / "reference/ghost.md").write_text("left over")
    assert document_differences(tmp_path) == [
        "metrics.md: differs",
        "reference/ghost.md: nothing generates it",
        "reference/volume.md: is missing",
    ]
    write_documents(tmp_path)
    assert document_differences(tmp_path) == []
    assert (tmp_path / "own.md").exists()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_page_has_every_field_of_its_kind_with_what_is_not_built(kind: type[ApiObject]) -> None:
    page, schema = render_page(kind), root_schema(kind)
    fields = names_below(schema) - {"spec", "status"}
    assert fields <= fields_on(page)
    assert ("Not built yet" in page) == ("Not built yet" in str(schema))
    for row in CONDITIONS:
        if row.kind == kind.__name__:
            assert f"| `{row.type}` |" in page


def test_a_row_says_type_bounds_default_and_when_a_change_counts() -> None:
    page = render_page(VirtualMachine)
    for start in (
        "| `gracePeriodSeconds` | number, 0 to 86400 | `60` | at once |",
        "| `model` | text, 1 to 64 |  | next start |",
        "| `video` | `Virtio`, `VGA`, `None` | `Virtio` | next start |",
        "| `image` | [shared name](README.md#values) |  | never |",
        "| `size` | [size](README.md#values) |  | partly at once |",
        "| `network` | [shared name](README.md#values) | needed | at once |",
        # "Virtio" is what counts where it is absent: in a list nothing is filled in
        "| `bus` | `Virtio`, `SCSI`, `SATA` |  | next start |",
    ):
        assert start in page, start
    assert "- cpu.maxCores must not be below cpu.cores\n" in page


def test_every_right_on_a_part_of_an_object_has_a_meaning_and_a_row() -> None:
    parts = {
        part
        for role in (*user_roles(), *monitoring_roles())
        for rule in role.get("rules", ())
        for part in rule.get("resources", ())
        if "/" in part
    }
    assert parts == MEANINGS.keys()
    pages = "".join(render_page(kind) for kind in KINDS)
    assert [part for part in parts if f"on `{part}` |" not in pages] == []
    assert "`create` on `images/upload` | send the file of an image | `quantix-edit`" in render_page(Image)
    assert "`create` on `volumes/upload` | send the file of a volume | `quantix-edit`" in render_page(Volume)
    assert "Rights on parts" in render_page(Host)


def test_the_index_has_every_kind() -> None:
    assert [kind for kind in KINDS if f"({kind.__name__.lower()}.md)" not in render_index()] == []


def test_every_reason_that_somebody_may_want_to_end_has_advice_and_no_other() -> None:
    assert ADVICE.keys() == reasons_to_advise()
    assert all(templates_of(reason) for reason in (*ADVICE, *NEWS))


@pytest.mark.parametrize("reason", sorted(ADVICE))
def test_advice_is_whole_sentences_in_the_one_voice(reason: str) -> None:
    advice = ADVICE[reason]
    for text in (advice.look, advice.do):
        assert text.endswith((".", "?"))
        assert text[0] in "`[" or not text[0].islower() or text.startswith(("hostd", "libvirt"))
        assert not BANNED.search(text.lower())


@pytest.mark.parametrize("template", MESSAGES, ids=lambda template: f"{template.reason}-{template.where}")
def test_troubleshooting_has_every_message(template: Template) -> None:
    page = render_troubleshooting()
    plain = re.split(r"\{\w+\}", template.sentence)
    assert max(plain, key=len) in page
    assert f"### {template.reason}\n" in page or f"| {template.reason} |" in page


def test_troubleshooting_names_every_reason_of_every_condition() -> None:
    page = render_troubleshooting()
    assert [r for row in CONDITIONS for r in (*row.true, *row.otherwise) if r not in page] == []
