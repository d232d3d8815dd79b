"""What happens by itself: quotas, end of namespaces, garbage collection, aggregated roles, admission."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import pytest

from quantix_lab.control_plane import ControlPlane, ControlPlaneError
from quantix_lab.waiting import eventually

# the discovery of a new kind takes the controllers up to 10 s
WAIT_S = 60
LOOK_S = 0.2

WIDGETS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.test.quantix.io}
spec:
  group: test.quantix.io
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    selectableFields: [{jsonPath: .status.host}]
    schema:
      openAPIV3Schema:
        type: object
        description: A thing for tests.
        properties:
          spec:
            type: object
            x-kubernetes-validations:
            - {rule: "!has(self.size) || self.size < 10", message: A widget has a size below 10.}
            properties: {size: {type: integer, description: How large it is.}}
          status: {type: object, properties: {host: {type: string}}}
"""


def widget(name: str, namespace: str, **spec: object) -> str:
    return json.dumps(
        {
            "apiVersion": "test.quantix.io/v1",
            "kind": "Widget",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
    )


@pytest.fixture(scope="module")
def widgets(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=WIDGETS)
    control_plane.kubectl("wait", "crd/widgets.test.quantix.io", "--for=condition=Established")
    yield control_plane
    control_plane.kubectl("delete", "crd", "widgets.test.quantix.io")


@pytest.fixture
def namespace(widgets: ControlPlane) -> Iterator[str]:
    name = f"ns-{secrets.token_hex(4)}"
    widgets.kubectl("create", "namespace", name)
    yield name
    widgets.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")


def test_a_quota_counts_objects_of_a_custom_kind(widgets: ControlPlane, namespace: str) -> None:
    widgets.kubectl("create", "quota", "few", "--hard=count/widgets.test.quantix.io=1", "-n", namespace)

    def used() -> str:
        return widgets.kubectl("get", "quota", "few", "-n", namespace, "-o", "jsonpath={.status.used}")

    eventually("nothing to be used", lambda: '"0"' in used(), WAIT_S, LOOK_S)
    widgets.kubectl("create", "-f", "-", stdin=widget("one", namespace))
    with pytest.raises(ControlPlaneError, match="exceeded quota: few"):
        widgets.kubectl("create", "-f", "-", stdin=widget("two", namespace))
    widgets.kubectl("delete", "widget", "one", "-n", namespace)
    eventually("nothing to be used", lambda: '"0"' in used(), WAIT_S, LOOK_S)
    widgets.kubectl("create", "-f", "-", stdin=widget("two", namespace))


def test_a_namespace_ends_with_all_that_is_in_it(widgets: ControlPlane, namespace: str) -> None:
    widgets.kubectl("create", "-f", "-", stdin=widget("one", namespace))
    widgets.kubectl("create", "secret", "generic", "s", "--from-literal=a=b", "-n", namespace)
    widgets.kubectl("delete", "namespace", namespace, f"--timeout={WAIT_S}s", timeout_s=2 * WAIT_S)
    with pytest.raises(ControlPlaneError, match="not found"):
        widgets.kubectl("get", "namespace", namespace)
    assert namespace not in widgets.kubectl(
        "get", "widgets", "-A", "-o", "jsonpath={.items[*].metadata.namespace}"
    )


def test_what_an_object_owns_goes_with_it(widgets: ControlPlane, namespace: str) -> None:
    widgets.kubectl("create", "-f", "-", stdin=widget("owner", namespace))
    uid = widgets.kubectl("get", "widget", "owner", "-n", namespace, "-o", "jsonpath={.metadata.uid}")
    owned = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "owned",
            "namespace": namespace,
            "ownerReferences": [
                {"apiVersion": "test.quantix.io/v1", "kind": "Widget", "name": "owner", "uid": uid}
            ],
        },
    }
    widgets.kubectl("create", "-f", "-", stdin=json.dumps(owned))
    widgets.kubectl("delete", "widget", "owner", "-n", namespace)
    widgets.kubectl(
        "wait",
        "configmap/owned",
        "-n",
        namespace,
        "--for=delete",
        f"--timeout={WAIT_S}s",
        timeout_s=2 * WAIT_S,
    )


def test_every_namespace_gets_its_service_account(widgets: ControlPlane, namespace: str) -> None:
    widgets.kubectl("wait", "serviceaccount/default", "-n", namespace, "--for=create", f"--timeout={WAIT_S}s")


AGGREGATED = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: test-widgets-view, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}
rules: [{apiGroups: [test.quantix.io], resources: [widgets], verbs: [get]}]
"""


def test_roles_are_aggregated(widgets: ControlPlane) -> None:
    widgets.kubectl("apply", "-f", "-", stdin=AGGREGATED)

    def aggregated() -> bool:
        return "test.quantix.io" in widgets.kubectl("get", "clusterrole", "view", "-o", "json")

    eventually("the role view to have the rule", aggregated, WAIT_S, LOOK_S)


POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: test-widgets}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [test.quantix.io], apiVersions: [v1], operations: [CREATE], resources: [widgets]}
  failurePolicy: Fail
  reinvocationPolicy: IfNeeded
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: 'Object{metadata: Object.metadata{labels: Object.metadata.labels{marked: "yes"}}}'
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: test-widgets}
spec: {policyName: test-widgets}
"""


def test_mutating_admission_policies_are_served_and_act(widgets: ControlPlane, namespace: str) -> None:
    widgets.kubectl("apply", "-f", "-", stdin=POLICY)

    def marked() -> bool:
        name = f"w-{secrets.token_hex(4)}"
        widgets.kubectl("create", "-f", "-", stdin=widget(name, namespace))
        return "yes" in widgets.kubectl(
            "get", "widget", name, "-n", namespace, "-o", "jsonpath={.metadata.labels}"
        )

    try:
        eventually("a widget to be marked", marked, WAIT_S, LOOK_S)
    finally:
        widgets.kubectl("delete", "-f", "-", stdin=POLICY)


def test_kubectl_verbs_behave(widgets: ControlPlane, namespace: str) -> None:
    manifest = widget("one", namespace, size=3)
    assert "serverside-applied" in widgets.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
    assert widgets.kubectl("diff", "--server-side", "-f", "-", stdin=manifest) == ""
    assert "How large it is." in widgets.kubectl("explain", "widget.spec.size")
    patch = ["--subresource=status", "--type=merge", '--patch={"status":{"host":"box"}}']
    widgets.kubectl("patch", "widget", "one", "-n", namespace, *patch)
    selected = ["--field-selector=status.host=box", "-o", "name"]
    assert (
        widgets.kubectl("get", "widgets", "-n", namespace, *selected).strip() == "widget.test.quantix.io/one"
    )
    widgets.kubectl(
        "wait", "widget/one", "-n", namespace, "--for=jsonpath={.status.host}=box", "--timeout=10s"
    )
    assert "Widget" in widgets.kubectl("describe", "widget", "one", "-n", namespace)
    with pytest.raises(ControlPlaneError, match=r"A widget has a size below 10\."):
        widgets.kubectl("apply", "--server-side", "-f", "-", stdin=widget("one", namespace, size=11))
    with pytest.raises(ControlPlaneError, match='no matches for kind "Deployment"'):
        widgets.kubectl(
            "create", "-f", "-", stdin='{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"}}'
        )
    widgets.kubectl("delete", "widget", "one", "-n", namespace)


def test_controllers_act_with_their_own_rights(widgets: ControlPlane, namespace: str) -> None:
    """So the audit log tells what happened by itself from what a person did."""
    widgets.kubectl("create", "-f", "-", stdin=widget("one", namespace))
    widgets.kubectl("delete", "namespace", namespace, f"--timeout={WAIT_S}s", timeout_s=2 * WAIT_S)
    events = [json.loads(line) for line in (widgets.log_dir / "audit.log").read_text().splitlines()]
    ending = [event for event in events if event.get("objectRef", {}).get("namespace") == namespace]
    actors = {event.get("impersonatedUser", event["user"])["username"] for event in ending}
    assert "system:serviceaccount:kube-system:namespace-controller" in actors
