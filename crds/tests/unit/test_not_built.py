"""`kubectl explain` says which fields nothing acts on: those, and only those, that no component reads."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from quantix_api import KINDS, ApiModel
from quantix_api.markers import Live, NotBuilt, Refused, Text, keyed
from quantix_api.not_built import refused_parts
from quantix_api.schema_property import SPEC, structure_schema
from quantix_api.schema_type import field_type
from quantix_lab.checkout import CHECKOUT
from quantix_lab.source_trees import modules, nodes, sources

COMPONENTS = ("operator", "hostd", "cli")
MODELS = CHECKOUT / "crds/src/quantix_api"

_OPERATOR = "operator/src/quantix_operator"
CALLED = {
    "AddressRange": (f"{_OPERATOR}/topology/view.py", "item"),
    "AffinityTerm": (f"{_OPERATOR}/scheduling/observe.py", "term"),
    "DeviceOffer": ("hostd/src/quantix_hostd/virtualmachine/device_offers.py", "offer"),
    "DiskCopies": ("crds/src/quantix_api/host_spec.py", "self"),
    "EgressRule": (f"{_OPERATOR}/securitygroup/rows.py", "rule"),
    "HostDevice": (f"{_OPERATOR}/scheduling/sizing.py", "device"),
    "HostOvercommit": ("crds/src/quantix_api/host_spec.py", "self"),
    "IngressRule": (f"{_OPERATOR}/securitygroup/rows.py", "rule"),
    "Nic.security_groups": ("crds/src/quantix_api/vm_devices.py", "self"),
    "Overcommit.cpu_percent": (f"{_OPERATOR}/scheduling/host_reading.py", "limits"),
    "Overcommit.memory_percent": (f"{_OPERATOR}/scheduling/host_reading.py", "limits"),
    "Peer": (f"{_OPERATOR}/securitygroup/rows.py", "peer"),
    "PhysicalNetwork.interface": ("hostd/src/quantix_hostd/host/network/physical.py", "item"),
    "PhysicalNetwork.name": (f"{_OPERATOR}/topology/reach.py", "item"),
    "PortRange": (f"{_OPERATOR}/securitygroup/rows.py", "item"),
    "RBD": ("hostd/src/quantix_hostd/ceph_pools.py", "place"),
    "RBD.secret_ref": ("crds/src/quantix_api/storage_pool.py", "self"),
    "RBD.user": ("crds/src/quantix_api/storage_pool.py", "self"),
    "Reserved.memory": ("crds/src/quantix_api/host_spec.py", "self"),
    "RouterNetwork": (f"{_OPERATOR}/router/observe.py", "item"),
    "Subnet": (f"{_OPERATOR}/network/rows.py", "item"),
    "Toleration": (f"{_OPERATOR}/scheduling/observe.py", "item"),
    "UserDataSecret": (f"{_OPERATOR}/virtualmachine/observe.py", "reference"),
}
"""Structures, or fields of theirs, that go by another word where they are read: the module and the word."""


@dataclass(frozen=True)
class SpecField:
    """A field of a spec. `holder`: what the structure is called where it is held, such as `cpu`."""

    place: str
    holder: str
    attribute: str
    name: str
    marker: NotBuilt | None
    covered: bool
    """It is part of something that is not built."""


@cache
def spec_fields() -> tuple[SpecField, ...]:
    fields: dict[tuple[str, str, bool], SpecField] = {}
    for kind in KINDS:
        facts = field_type(kind.__name__, get_type_hints(kind, include_extras=True)["spec"])
        for field in fields_below(facts.core, "spec", covered=facts.one(NotBuilt) is not None):
            fields[field.place, field.holder, field.covered] = field
    return tuple(fields.values())


def fields_below(model: type[ApiModel], holder: str, *, covered: bool) -> Iterator[SpecField]:
    hints = get_type_hints(model, include_extras=True)
    for attribute, info in model.model_fields.items():
        place = f"{model.__name__}.{attribute}"
        facts = field_type(place, hints[attribute])
        marker = facts.one(NotBuilt)
        yield SpecField(place, holder, attribute, info.alias or attribute, marker, covered)
        core, name = facts.core, attribute
        if get_origin(core) is tuple:
            core, name = field_type(place, get_args(core)[0]).core, attribute.removesuffix("s")
        if isinstance(core, type) and issubclass(core, ApiModel):
            yield from fields_below(core, name, covered=covered or (marker is not None and marker.whole))


@cache
def reads() -> frozenset[tuple[str, str]]:
    """Holder and attribute of every `cpu.cores` and `vm.spec.cpu.cores` in the components."""
    return reads_in(*sources(*COMPONENTS))


@cache
def reads_in(*paths: Path) -> frozenset[tuple[str, str]]:
    """Those of some modules alone."""
    accesses = [node for node in nodes_of(*paths) if isinstance(node, ast.Attribute)]
    return frozenset((holder_of(access.value), access.attr) for access in accesses)


def holder_of(value: ast.expr) -> str:
    """What stands before the dot: `cpu` of `vm.spec.cpu`, `nic` of `nics[0]`."""
    if isinstance(value, ast.Subscript):
        return holder_of(value.value).removesuffix("s")
    return str(getattr(value, "attr", getattr(value, "id", "")))


@cache
def reads_of_others() -> frozenset[tuple[str, str]]:
    """Holder and attribute in the models themselves; holder and name in paths, also those of the policies."""
    models = modules(MODELS)
    policies = MODELS.glob("admission*.py")
    texts = {
        node.value
        for node in nodes_of(*policies, *sources(*COMPONENTS))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    # looked ahead for, so that a name in the middle of a path is both
    paths = {pair for text in texts for pair in re.findall(r"(\w+)(?=\.\??(\w+))", text)}
    return reads_in(*models) | paths


def is_read_as_it_is_held(field: SpecField) -> bool:
    written = ((field.holder, field.attribute), (field.holder, field.name))
    return any(pair in found for pair in written for found in (reads(), reads_of_others()))


def is_read(field: SpecField) -> bool:
    """Whether something reads it as a part of what holds it, not only a namesake of it elsewhere."""
    if is_read_as_it_is_held(field):
        return True
    path, word = CALLED.get(field.place, CALLED.get(field.place.partition(".")[0], ("", "")))
    return bool(path) and (word, field.attribute) in reads_in(CHECKOUT / path)


def nodes_of(*paths: Path) -> Iterator[ast.AST]:
    return itertools.chain.from_iterable(map(nodes, paths))


def test_a_field_that_nobody_reads_is_marked() -> None:
    unmarked = [field for field in spec_fields() if field.marker is None and not field.covered]
    read = {field.place for field in unmarked if is_read(field)}
    assert {field.place for field in unmarked} - read == set(), (
        "mark them NotBuilt or Refused, or honour them"
    )


def test_another_word_is_told_only_for_what_is_not_found_without() -> None:
    plain = {f.place for f in spec_fields() if is_read_as_it_is_held(f)}
    held = {place.partition(".")[0] for place in {f.place for f in spec_fields() if is_read(f)} - plain}
    assert {place.partition(".")[0] for place in CALLED} == held


def test_a_field_that_is_honoured_is_not_marked() -> None:
    honoured = {
        field.place
        for field in spec_fields()
        if field.marker is not None and field.marker.whole and (field.holder, field.attribute) in reads()
    }
    assert honoured == set(), "take the marker away from what is built"


Named = Annotated[str, Text(8)]


class Timer(ApiModel):
    action: Annotated[Named, Live("Action.")] = "Reset"


class Place(ApiModel):
    name: Annotated[Named, Live("Name.")]
    snapshot: Annotated[Named | None, Live("Snapshot."), Refused()] = None
    pool: Annotated[Named | None, Live("Pool."), NotBuilt("a change moves nothing")] = None


class Machine(ApiModel):
    places: Annotated[tuple[Place, ...], keyed("name"), Live("Places.")] = ()
    timer: Annotated[Timer | None, Live("Timer."), Refused()] = None
    agent: Annotated[Timer, Live("Agent."), NotBuilt()] = Timer()


def test_what_is_set_and_refused_is_named_by_its_path() -> None:
    places: list[dict[str, Any]] = [{"name": "root", "pool": "fast"}, {"name": "data", "snapshot": "old"}]
    machine = Machine.model_validate({"places": places, "timer": {}, "agent": {"action": "None"}})
    assert list(refused_parts(machine)) == ["spec.places[data].snapshot", "spec.timer"]
    assert list(refused_parts(Machine())) == []


def test_the_description_says_so_also_of_what_is_below() -> None:
    properties = structure_schema(Machine, SPEC)["properties"]
    nothing = "Not built yet: nothing acts on it."
    assert properties["agent"]["description"] == f"Agent. {nothing}"
    assert properties["agent"]["properties"]["action"]["description"].endswith(nothing)
    place = properties["places"]["items"]["properties"]
    assert (
        place["pool"]["description"]
        == "Pool. A change counts at once. Not built yet: a change moves nothing."
    )
    assert place["snapshot"]["description"].endswith(Refused().sentence)
    assert "Not built" not in place["name"]["description"]


def test_a_field_of_which_only_a_part_is_missing_names_that_part() -> None:
    said = NotBuilt("a disk comes or goes at the next start", "Hot-plug").sentence
    assert said == "Hot-plug is not built yet: a disk comes or goes at the next start."
