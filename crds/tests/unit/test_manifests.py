"""What is shipped for an API server: complete, in order, and plain to read when it refuses something."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import quantix_api
from quantix_api import resources
from quantix_api.admission import message_expression
from quantix_api.errors import InvariantError
from quantix_api.installation import all_manifests, stage_manifests, version_of
from quantix_api.resources import QUANTIX_RESOURCES

BANNED = re.compile(
    r"\b(please|invalid|failed to|unexpected|pod|crd|controller|reconcile|finalizer|sorry)\b", re.IGNORECASE
)


def validations(node: Any) -> list[dict[str, str]]:
    """All CEL rules below a schema."""
    if isinstance(node, dict):
        own = node.get("x-kubernetes-validations", [])
        return [*own, *(found for child in node.values() for found in validations(child))]
    if isinstance(node, list):
        return [found for child in node for found in validations(child)]
    return []


def test_namespaces_come_first_and_policies_last() -> None:
    kinds = [manifest["kind"] for manifest in all_manifests()]
    order = sorted(set(kinds), key=kinds.index)
    assert order[:2] == ["Namespace", "CustomResourceDefinition"]
    assert kinds.index("ValidatingAdmissionPolicy") > max(
        index for index, kind in enumerate(kinds) if kind == "CustomResourceDefinition"
    )
    assert kinds[-1].endswith("PolicyBinding")


def test_no_file_that_is_shipped_is_left_out() -> None:
    folder = Path(quantix_api.__file__).parent / "manifests"
    written = [yaml.load_all(path.read_text(), yaml.CSafeLoader) for path in folder.rglob("*.yaml")]
    assert len(all_manifests()) == sum(len(list(documents)) for documents in written) > 0


def test_a_stage_without_manifests_is_a_broken_checkout() -> None:
    with pytest.raises(InvariantError, match="holds no manifests"):
        stage_manifests("policy")


def test_the_version_tells_what_the_manifests_say_and_not_how() -> None:
    one, other = {"kind": "A", "spec": {"a": 1, "b": 2}}, {"spec": {"b": 2, "a": 1}, "kind": "A"}
    assert version_of([one]) == version_of([other])
    assert version_of([one]) != version_of([one, other])
    assert version_of([one]) != version_of([{"kind": "A", "spec": {"a": 1, "b": 3}}])


def test_every_kind_is_defined_and_every_object_is_marked_as_ours() -> None:
    names = {manifest["metadata"]["name"] for manifest in stage_manifests("crds")}
    assert names == {f"{resource.plural}.quantix.io" for resource in QUANTIX_RESOURCES}
    for manifest in all_manifests():
        assert manifest["metadata"]["labels"]["app.kubernetes.io/part-of"] == "quantix"


def test_every_policy_is_bound_and_refuses_what_it_cannot_judge() -> None:
    policies = stage_manifests("policies")
    names = {found["metadata"]["name"] for found in policies if found["kind"].endswith("AdmissionPolicy")}
    bound = {found["spec"]["policyName"] for found in policies if found["kind"].endswith("Binding")}
    assert names == bound
    for found in policies:
        if found["kind"] == "ValidatingAdmissionPolicy":
            assert found["spec"]["failurePolicy"] == "Fail"


@pytest.mark.parametrize(
    ("kind", "mark"),
    [
        ("volumes", resources.LABEL_VIRTUAL_MACHINE_UID),
        ("volumes", resources.ANNOTATION_VIRTUAL_MACHINE),
        ("virtualmachinemigrations", resources.LABEL_BALANCER),
        ("virtualmachinemigrations", resources.LABEL_MAINTENANCE_OF),
    ],
)
def test_what_the_operator_knows_its_own_by_no_user_writes(kind: str, mark: str) -> None:
    kept = [
        (set(ruled["operations"]), check["expression"])
        for policy in stage_manifests("policies")
        if policy["kind"] == "ValidatingAdmissionPolicy"
        for ruled in policy["spec"]["matchConstraints"]["resourceRules"]
        if kind in ruled["resources"]
        for check in policy["spec"]["validations"]
    ]
    assert any(
        operations == {"CREATE", "UPDATE"}
        and re.search(rf"object\.[^&]*\[\?'{re.escape(mark)}'\] == oldObject\.[^&]*'{re.escape(mark)}'", rule)
        for operations, rule in kept
    )


def test_rules_of_schemas_speak_plainly() -> None:
    rules = validations(list(stage_manifests("crds")))
    assert len(rules) > 100
    for rule in rules:
        assert not BANNED.search(rule["message"]), rule
        assert len(rule["message"]) <= 120, rule
        assert not rule["message"].endswith("."), rule


def test_refusals_of_policies_are_sentences() -> None:
    checks = [
        check
        for policy in stage_manifests("policies")
        if policy["kind"] == "ValidatingAdmissionPolicy"
        for check in policy["spec"]["validations"]
    ]
    assert len(checks) > 20
    for check in checks:
        text = check.get("message") or check["messageExpression"]
        assert not BANNED.search(text), text
        assert text.rstrip("'\"").endswith("."), text


def test_no_role_of_ours_may_grant_itself_more() -> None:
    for role in stage_manifests("rbac"):
        for rule in role.get("rules", ()):
            assert not {"*", "escalate", "bind", "impersonate"} & set(rule["verbs"]), role["metadata"]
            for member in ("resources", "apiGroups", "nonResourceURLs"):
                assert "*" not in rule.get(member, ()), role["metadata"]


def test_a_message_becomes_the_expression_that_builds_it() -> None:
    assert message_expression("KVMUnusable", host="object.metadata.name") == (
        '"KVM does not work on " + object.metadata.name + '
        '" (its CPU offers no vmx or svm), so guests are emulated (TCG) and slow. '
        'Try: turn on VT-x or AMD-V in the firmware, then reboot."'
    )


def test_a_message_without_such_fields_is_an_error() -> None:
    with pytest.raises(InvariantError, match="no message KVMUnusable"):
        message_expression("KVMUnusable", machine="x")


def test_every_kind_that_is_named_is_in_a_list() -> None:
    named = {id(value) for value in vars(resources).values() if isinstance(value, resources.Resource)}
    assert named == {id(resource) for resource in resources.ALL_RESOURCES}
