"""Samples of every kind against the real API server: what is right is taken, what is wrong is explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from quantix_api import KINDS, to_manifest
from quantix_lab.api_as import Answer, ApiAs
from quantix_lab.control_plane import ControlPlane

SAMPLES = Path(__file__).parents[1] / "samples"
VALID = sorted((SAMPLES / "valid").glob("*.yaml"))
INVALID = sorted((SAMPLES / "invalid").glob("*.yaml"))
BY_KIND = {kind.__name__: kind for kind in KINDS}


def dry_create(api: ApiAs, manifest: dict[str, Any]) -> Answer:
    resource = BY_KIND[manifest["kind"]].DEFINITION.resource
    return api.create(resource.path("default"), manifest, parameters=("dryRun=All",))


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_valid_manifest_is_taken_and_read_back(path: Path, api: ApiAs) -> None:
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    answer = dry_create(api, manifest)
    assert answer.code == 201, answer.message
    model = BY_KIND[manifest["kind"]].parse(answer.body)
    assert to_manifest(model)["spec"] == answer.body["spec"]
    ready = model.status.condition("Ready")  # type: ignore[attr-defined]
    assert (ready.status, ready.reason) == ("Unknown", "Pending")


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_an_invalid_manifest_is_refused_with_a_sentence(path: Path, api: ApiAs) -> None:
    text = path.read_text(encoding="utf-8")
    expected = text.splitlines()[0].removeprefix("# expect: ")
    answer = dry_create(api, yaml.safe_load(text))
    assert answer.code in (400, 422), answer.body
    assert expected in answer.message


def test_there_are_valid_and_invalid_samples_of_every_kind() -> None:
    for folder in (VALID, INVALID):
        assert {path.stem.split("-")[0] for path in folder} == set(BY_KIND)


def test_a_vm_with_as_many_devices_as_can_be_is_taken(api: ApiAs) -> None:
    spec = {
        "instanceType": "small",
        "disks": [{"name": f"d{number}", "size": "1Gi"} for number in range(32)],
        "cdroms": [{"name": f"c{number}"} for number in range(4)],
        "nics": [{"name": f"n{number}", "network": "lan"} for number in range(16)],
        "boot": {"order": [f"n{number}" for number in range(16)]},
    }
    manifest = {"apiVersion": "quantix.io/v1alpha1", "kind": "VirtualMachine", "spec": spec}
    answer = dry_create(api, {**manifest, "metadata": {"name": "a" * 253}})
    assert answer.code == 201, answer.message


def test_every_kind_is_listed_with_its_short_name_and_category(quantix_server: ControlPlane) -> None:
    listed = quantix_server.kubectl("api-resources", "--api-group=quantix.io", "-o", "wide", "--no-headers")
    rows = {row.split()[0]: row for row in listed.splitlines()}
    for kind in KINDS:
        definition = kind.DEFINITION
        row = rows[definition.resource.plural]
        assert definition.short_names[0] in row.split()
        assert all(category in row for category in definition.categories)


@pytest.mark.parametrize(
    ("path", "sentences"),
    [
        ("vm.spec.powerState", ["What the VM should do.", "Default: Running.", "A change counts at once."]),
        ("vm.spec.disks.image", ["Image that the Volume is made from", "Cannot be changed."]),
        ("vm.spec.cpu.sockets", ["CPU sockets that the guest sees.", "A change counts at the next start."]),
        ("vm.status", ["What is so.", "its conditions say why"]),
        ("host.spec.maintenance", ["leave as their onMaintenance says"]),
        ("it.spec.cpu.cores", ["Cannot be changed."]),
    ],
)
def test_explain_reads_well(quantix_server: ControlPlane, path: str, sentences: list[str]) -> None:
    explained = " ".join(quantix_server.kubectl("explain", path).split())
    for sentence in sentences:
        assert sentence in explained
