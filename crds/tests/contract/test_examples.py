"""The examples against the real API server, as a person and as a GitOps tool apply them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from quantix_lab.control_plane import ControlPlane

EXAMPLES = Path(__file__).parents[3] / "examples"
GITOPS = EXAMPLES / "gitops"
# team.yaml brings its own namespace: test_teams
SINGLE = sorted(set(EXAMPLES.glob("*.yaml")) - {EXAMPLES / "team.yaml"})
BOTH_WAYS = pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client-side", "server-side"])
GROUP = "quantix.io/v1alpha1"


@pytest.fixture
def kustomization(tmp_path: Path, namespace: str) -> Path:
    """A copy of examples/gitops for a namespace of its own."""
    shutil.copytree(GITOPS, tmp_path / "gitops")
    file = tmp_path / "gitops/kustomization.yaml"
    file.write_text(file.read_text().replace("namespace: shop", f"namespace: {namespace}"))
    return file.parent


def outcomes(output: str) -> set[str]:
    """What kubectl says of each object: created, configured, unchanged."""
    return {line.split()[-1] for line in output.splitlines()}


@pytest.mark.parametrize("path", SINGLE, ids=lambda path: path.stem)
def test_an_example_is_taken_and_nothing_changes_when_it_is_applied_again(
    path: Path, quantix_server: ControlPlane, namespace: str
) -> None:
    own = any("namespace" in manifest["metadata"] for manifest in yaml.safe_load_all(path.read_text()))
    here = ("-f", str(path), *(() if own else ("-n", namespace)))
    try:
        assert outcomes(quantix_server.kubectl("apply", *here)) == {"created"}
        assert outcomes(quantix_server.kubectl("apply", *here)) == {"unchanged"}
        # raises where there is a difference
        assert quantix_server.kubectl("diff", *here) == ""
    finally:
        # of what belongs to no namespace some may be there once only
        quantix_server.kubectl("delete", *here, "--ignore-not-found", "--wait=false")


def test_kustomize_prefixes_names_and_all_that_refers_to_them(quantix_server: ControlPlane) -> None:
    built = list(yaml.safe_load_all(quantix_server.kubectl("kustomize", str(GITOPS))))
    names = {manifest["kind"]: manifest["metadata"]["name"] for manifest in built}
    specs: dict[str, Any] = {manifest["kind"]: manifest.get("spec") for manifest in built}
    # what is in a namespace can only be made once that is there
    assert built[0]["kind"] == "Namespace"
    assert names.pop("Namespace") == "shop"
    assert {m["metadata"]["namespace"] for m in built[1:]} == {"shop"}
    assert all(name.startswith("prod-") for name in names.values())
    vm = specs["VirtualMachine"]
    assert [disk.get("image", disk.get("volume")) for disk in vm["disks"]] == ["shared/tiny", names["Volume"]]
    assert vm["nics"][0]["network"] == names["Network"]
    assert vm["nics"][0]["securityGroups"] == [names["SecurityGroup"]]
    assert vm["cloudInit"]["userDataSecretRef"]["name"] == names["Secret"]
    assert specs["SecurityGroup"]["ingress"][1]["from"] == [{"group": names["SecurityGroup"]}]
    assert specs["Router"] == {
        "networks": [{"name": names["Network"]}],
        "external": {"network": "shared/outside"},
    }


@BOTH_WAYS
def test_a_kustomization_brings_its_namespace(
    kustomization: Path, quantix_server: ControlPlane, namespace: str, how: tuple[str, ...]
) -> None:
    fresh = f"{namespace}-git"
    file = kustomization / "kustomization.yaml"
    file.write_text(file.read_text().replace(f"namespace: {namespace}", f"namespace: {fresh}"))
    try:
        said = quantix_server.kubectl("apply", *how, "-k", str(kustomization)).splitlines()
        assert said[0].startswith(f"namespace/{fresh} ")
        assert len(said) == 7
        assert outcomes("\n".join(said)) == ({"serverside-applied"} if how else {"created"})
    finally:
        quantix_server.kubectl("delete", "namespace", fresh, "--ignore-not-found", "--wait=false")


@BOTH_WAYS
def test_a_kustomization_applied_again_changes_nothing(
    kustomization: Path, quantix_server: ControlPlane, namespace: str, how: tuple[str, ...]
) -> None:
    def stored() -> list[dict[str, Any]]:
        kinds = "secrets,vm,volumes,networks,routers,securitygroups"
        listed = quantix_server.kubectl("get", kinds, "-n", namespace, "-o", "json", "--show-managed-fields")
        items: list[dict[str, Any]] = yaml.safe_load(listed)["items"]
        for item in items:
            # the server stores the status that it showed by default with the first write after the creation
            del item["metadata"]["resourceVersion"]
        return items

    quantix_server.kubectl("apply", *how, "-k", str(kustomization))
    before = stored()
    again = quantix_server.kubectl("apply", *how, "-k", str(kustomization))
    # kustomize breaks a Secret's data into lines, which kubectl takes for a change; it sends none
    ours = "\n".join(line for line in again.splitlines() if not line.startswith("secret/"))
    assert outcomes(ours) == ({"serverside-applied"} if how else {"unchanged"})
    assert len(before) == 6
    assert stored() == before
    assert quantix_server.kubectl("diff", *how, "-k", str(kustomization)) == ""


@BOTH_WAYS
def test_what_git_leaves_out_is_nobodys_to_undo(
    kustomization: Path, quantix_server: ControlPlane, namespace: str, how: tuple[str, ...]
) -> None:
    vm = ("vm", "prod-web-1", "-n", namespace)
    quantix_server.kubectl("apply", *how, "-k", str(kustomization))
    stop = '{"spec":{"powerState":"Stopped"}}'
    quantix_server.kubectl("patch", *vm, "--type=merge", "-p", stop)
    assert quantix_server.kubectl("diff", *how, "-k", str(kustomization)) == ""
    quantix_server.kubectl("apply", *how, "-k", str(kustomization))
    assert quantix_server.kubectl("get", *vm, "-o", "jsonpath={.spec.powerState}") == "Stopped"


def test_pruning_takes_the_kinds_that_are_allowed_and_no_other(
    kustomization: Path, quantix_server: ControlPlane, namespace: str
) -> None:
    quantix_server.kubectl("apply", "-k", str(kustomization))
    web = kustomization / "web.yaml"
    kept = [m for m in yaml.safe_load_all(web.read_text()) if m["kind"] not in ("VirtualMachine", "Volume")]
    web.write_text(yaml.safe_dump_all(kept))
    pruned = ("VirtualMachine", "SecurityGroup", "Router", "Network")
    allowed = [f"--prune-allowlist={GROUP}/{kind}" for kind in pruned]
    chosen = ("-l", "app.kubernetes.io/part-of=shop", "-n", namespace)
    said = quantix_server.kubectl("apply", "-k", str(kustomization), "--prune", *chosen, *allowed)
    assert [line for line in said.splitlines() if line.endswith("pruned")] == [
        "virtualmachine.quantix.io/prod-web-1 pruned"
    ]
    # the VM waits for the host, of which there is none here
    columns = "jsonpath={range .items[*]}{.kind}={.metadata.deletionTimestamp} {end}"
    left = quantix_server.kubectl("get", "vm,volumes", "-n", namespace, "-o", columns)
    assert "Volume= " in left
    assert "VirtualMachine= " not in left
