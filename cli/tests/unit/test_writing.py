"""What `--show-yaml` and `--dry-run` print: scripts for a shell, manifests for Git, and differences."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

import quantix_cli
from quantix_api.resources import INSTANCE_TYPES, VIRTUAL_MACHINES
from quantix_cli.owners import warning
from quantix_cli.writing import clean, create_script, delete_script, difference, patch_script, readable
from quantix_lab.source_trees import modules, nodes

SOURCES = Path(quantix_cli.__file__).parent
WRITES = {"create", "patch", "apply", "replace", "delete"}


def vm(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "quantix.io/v1alpha1",
        "kind": "VirtualMachine",
        "metadata": {"name": "web-1", "namespace": "default", **metadata},
        "spec": {"memory": {"size": "2Gi"}},
    }


def test_what_the_server_and_the_platform_add_is_not_for_git() -> None:
    annotation = "kubectl.kubernetes.io/last-applied-configuration"
    of_the_server = {"uid": "1", "resourceVersion": "7", "generation": 2, "managedFields": [{}]}
    of_the_platform = {"finalizers": ["quantix.io/cleanup"], "annotations": {annotation: "{}"}}
    live = vm(**of_the_server, **of_the_platform, creationTimestamp="2026-11-28", labels={"app": "web"})
    assert clean({**live, "status": {"phase": "Running"}}) == vm(labels={"app": "web"})


def test_somebody_elses_finalizer_and_annotation_stay() -> None:
    kept = vm(finalizers=["example.com/mine"], annotations={"note": "mine"})
    assert clean(kept) == kept


def test_a_change_is_shown_line_by_line() -> None:
    after = {**vm(), "spec": {"memory": {"size": "4Gi"}}}
    lines = difference(VIRTUAL_MACHINES, vm(), after)
    assert lines[:2] == ["--- virtualmachine web-1, now", "+++ virtualmachine web-1, then"]
    assert [line for line in lines[2:] if line[0] in "+-"] == ["-    size: 2Gi", "+    size: 4Gi"]


def test_no_change_has_no_lines_and_a_new_object_only_new_ones() -> None:
    assert difference(VIRTUAL_MACHINES, vm(), vm()) == []
    assert all(line[0] in "+-@" for line in difference(VIRTUAL_MACHINES, {}, vm()))


def test_a_manifest_is_given_to_kubectl_as_it_is() -> None:
    first, *body, last = create_script(vm()).split("\n")
    assert (first, last) == ("kubectl create -f - <<'EOF'", "EOF")
    assert yaml.safe_load("\n".join(body)) == vm()


def test_a_patch_names_its_object_and_what_is_cluster_wide_has_no_namespace() -> None:
    first = patch_script(VIRTUAL_MACHINES, vm(), {"spec": {"powerState": "Stopped"}}).split("\n")[0]
    words = "kubectl patch virtualmachines.quantix.io web-1 -n default --type=merge --patch-file=/dev/stdin"
    assert first == f"{words} <<'EOF'"
    assert delete_script(INSTANCE_TYPES, {"metadata": {"name": "big"}}) == (
        "kubectl delete instancetypes.quantix.io big"
    )


def test_text_that_ends_a_script_early_does_not() -> None:
    script = patch_script(VIRTUAL_MACHINES, vm(), {"EOF\nrm -rf x": "a\nEOF\nb"})
    mark = shlex.split(script.split("\n")[0])[-1].removeprefix("<<")
    assert script.split("\n").count(mark) == 1


def test_text_of_several_lines_is_a_block_and_a_control_character_is_written_out() -> None:
    assert readable({"userData": "#cloud-config\npackages: [vim]\n"}) == (
        "userData: |\n  #cloud-config\n  packages: [vim]"
    )
    assert "\x1b" not in readable({"userData": "\x1b[2J\nwiped"})


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({"annotations": {"argocd.argoproj.io/tracking-id": "web:apps/Deployment:x/y"}}, "Argo CD (app web)"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}, "Flux (shop)"),
        ({"annotations": {"meta.helm.sh/release-name": "db"}}, "Helm (release db)"),
    ],
)
def test_whoever_else_writes_the_object_is_named(metadata: dict[str, Any], owner: str) -> None:
    assert warning(vm(**metadata)).startswith(f"web-1 is managed by {owner}: it may undo this. Try: ")


def test_an_object_of_nobody_is_changed_without_a_word() -> None:
    assert warning(vm(labels={"app": "web"})) == ""


def writes_past_it(source: Path) -> list[str]:
    """The calls of a client of the API that change something."""
    calls = [node.func for node in nodes(source) if isinstance(node, ast.Call)]
    attributes = [call for call in calls if isinstance(call, ast.Attribute) and call.attr in WRITES]
    return [ast.unparse(call) for call in attributes if ast.unparse(call.value).endswith("api")]


def test_every_write_of_a_command_goes_through_the_one_place() -> None:
    own = [path for path in modules(SOURCES) if not path.is_relative_to(SOURCES / "up")]
    writers = {path.name for path in own if writes_past_it(path)}
    assert writers == {"writing.py"}
