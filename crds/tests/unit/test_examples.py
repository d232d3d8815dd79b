"""The examples: nothing in them is refused, and kustomize knows every field that names an object."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import yaml

from quantix_api import KINDS, VirtualMachine
from quantix_api.markers import Rule
from quantix_api.model import ApiModel, ApiObject
from quantix_api.not_built import refused_parts
from quantix_api.quantities import human_size, size_bytes
from quantix_api.resources import QUANTIX_RESOURCES
from quantix_api.scalars import Name, SharedName
from quantix_api.schema import root_schema

EXAMPLES = Path(__file__).parents[3] / "examples"
CONFIGURATION = EXAMPLES / "gitops/quantix-references.yaml"
BY_NAME = {kind.__name__: kind for kind in KINDS}
NAMES = {
    fact.message for scalar in (Name, SharedName) for fact in get_args(scalar)[1:] if isinstance(fact, Rule)
}
BY_MACHINES = ("Host", "HostRecovery")
"""Kinds that nobody makes from files, nor are they renamed there."""
NOT_RENAMED = {
    ("VirtualMachine", "spec/hostDevices/class"): "no object: a word that hosts report",
    ("VirtualMachineMigration", "spec/targetHost"): "a Host is called as its machine is",
}


def names_below(schema: dict[str, Any], path: str) -> Iterator[str]:
    """Paths, as kustomize writes them, of the texts in `schema` that are names of objects."""
    if {rule["message"] for rule in schema.get("x-kubernetes-validations", [])} & NAMES:
        yield path
    for name, inner in schema.get("properties", {}).items():
        yield from names_below(inner, f"{path}/{name}")
    if "items" in schema:
        yield from names_below(schema["items"], path)


def test_kustomize_knows_every_field_that_names_an_object_and_no_other() -> None:
    entries = yaml.safe_load(CONFIGURATION.read_text())["nameReference"]
    configured = [(field["kind"], field["path"]) for entry in entries for field in entry["fieldSpecs"]]
    named = {
        (kind.__name__, path)
        for kind in KINDS
        if kind.__name__ not in BY_MACHINES
        for path in names_below(root_schema(kind)["properties"]["spec"], "spec")
    }
    assert NOT_RENAMED.keys() < named
    assert sorted(configured) == sorted(named - NOT_RENAMED.keys())


def objects() -> Iterator[ApiObject]:
    """The objects of our kinds in all examples."""
    for path in sorted(EXAMPLES.rglob("*.yaml")):
        for manifest in yaml.safe_load_all(path.read_text()):
            if manifest and manifest.get("kind") in BY_NAME:
                yield BY_NAME[manifest["kind"]].parse(manifest)


def test_no_example_sets_a_field_that_is_refused() -> None:
    found = list(objects())
    assert len(found) > 15
    for obj in found:
        spec = getattr(obj, "spec", None)
        assert isinstance(spec, ApiModel)
        assert list(refused_parts(spec)) == [], obj.metadata.name


def test_every_example_says_how_it_is_removed_or_which_page_does() -> None:
    for path in EXAMPLES.glob("*.yaml"):
        text = path.read_text()
        assert "kubectl delete" in text or "docs/" in text.partition("apiVersion")[0], path.name


def test_only_disks_that_hold_nothing_but_their_image_go_with_their_vm() -> None:
    for vm in (found for found in objects() if isinstance(found, VirtualMachine)):
        going = [disk for disk in vm.spec.disks if disk.reclaim_policy == "Delete"]
        assert all(disk.image for disk in going), vm.metadata.name


def test_whoever_copies_a_disk_that_goes_is_told_so() -> None:
    for path in EXAMPLES.rglob("*.yaml"):
        lines = [line.strip() for line in path.read_text().splitlines()]
        bare = [
            n for n, line in enumerate(lines) if line == "reclaimPolicy: Delete" and lines[n - 1][0] != "#"
        ]
        assert bare == [], path.name


def test_what_all_examples_want_together_is_told() -> None:
    # the instance type that each installation begins with
    sizes = {"small": (2, 2 << 30)}
    vms = [found for found in objects() if isinstance(found, VirtualMachine)]
    cores = [
        sizes[vm.spec.instance_type][0] if vm.spec.instance_type else vm.spec.cpu.cores or 0 for vm in vms
    ]
    memory = [
        sizes[vm.spec.instance_type][1] if vm.spec.instance_type else size_bytes(vm.spec.memory.size or "0")
        for vm in vms
    ]
    told = f"want {sum(cores)} CPUs and {human_size(sum(memory))} of memory"
    assert told in (EXAMPLES / "README.md").read_text()


def test_the_quota_of_a_team_counts_every_kind_that_it_may_make() -> None:
    documents = yaml.safe_load_all((EXAMPLES / "team.yaml").read_text())
    quota = next(item for item in documents if item["kind"] == "ResourceQuota")
    made = {f"count/{kind.plural}.{kind.group}" for kind in QUANTIX_RESOURCES if kind.namespaced}
    assert sorted(made - set(quota["spec"]["hard"])) == []
