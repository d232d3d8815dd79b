"""Every sample domain as text. A wanted change is accepted by running `write_golden.py` beside this file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from quantix_api.errors import PermanentError
from quantix_hostd.domainxml.element import element
from quantix_hostd.domainxml.render import render_domain
from quantix_lab.domain_samples import kvm_only, layered, networked, samples

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path("/q")
ALL = {**samples(ROOT), **networked(ROOT), **kvm_only(ROOT), **layered(ROOT)}


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_sample_renders_as_its_golden_file(name: str) -> None:
    assert render_domain(ALL[name]) == (GOLDEN / f"{name}.xml").read_text()


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.xml")} == set(ALL)


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "\x1b[31m", "\x7f", "\x9b", "\ufffe", "\ud800"])
def test_control_characters_never_reach_a_domain(text: str) -> None:
    with pytest.raises(PermanentError) as refused:
        element("title", text=text)
    assert refused.value.reason == "ConfigRefused"
    with pytest.raises(PermanentError):
        element("disk", {"type": text})


def test_markup_in_a_value_stays_text() -> None:
    node = element("serial", {"a": "'><x/>"}, text="</serial><evil/>")
    parsed = ElementTree.fromstring(ElementTree.tostring(node))
    assert list(parsed) == []
    assert parsed.text == "</serial><evil/>"


def test_features_are_hidden_and_required_beside_the_cpu_of_the_host_too() -> None:
    """spec.cpu.features beside HostPassthrough: the usual way to keep nested virtualization from a guest."""
    sample = ALL["kvm-passthrough"]
    cpu = replace(sample.cpu, required=("pdpe1gb",), disabled=("vmx",))
    parsed = ElementTree.fromstring(render_domain(replace(sample, cpu=cpu)))
    found = {feature.get("name"): feature.get("policy") for feature in parsed.iterfind("cpu/feature")}
    assert found == {"pdpe1gb": "require", "vmx": "disable"}
