"""The everyday ways of kubectl with our kinds, on the real API server: apply, diff, wait, select."""

from __future__ import annotations

import time

import pytest

from quantix_api import VirtualMachine, to_manifest
from quantix_lab.api_as import ApiAs
from quantix_lab.api_objects import OPERATOR, RESOURCES, SIZED, decide, make, report
from quantix_lab.control_plane import ControlPlane, ControlPlaneError

VM = {**SIZED, "disks": [{"name": "root", "size": "1Gi"}], "nics": [{"name": "eth0", "network": "lan"}]}


MANIFEST = """
apiVersion: quantix.io/v1alpha1
kind: VirtualMachine
metadata: {name: web-1}
spec:
  instanceType: small
  cpu: {model: HostPassthrough}
  restart: {at: "2026-11-23T10:00:00Z"}
  disks: [{name: root, image: shared/debian-13, size: 10Gi}, {name: data, size: 1Gi, bus: SCSI}]
  nics: [{name: eth0, network: shared/default}]
  cloudInit: {hostname: web}
---
apiVersion: quantix.io/v1alpha1
kind: SecurityGroup
metadata: {name: web}
spec:
  ingress: [{protocol: TCP, ports: [{port: 80}], from: [{cidr: 0.0.0.0/0}]}]
"""


@pytest.mark.parametrize("flags", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_applying_the_same_again_changes_nothing(
    quantix_server: ControlPlane, api: ApiAs, namespace: str, flags: tuple[str, ...]
) -> None:
    kubectl = quantix_server.kubectl
    kubectl("apply", "-n", namespace, *flags, "-f", "-", stdin=MANIFEST)
    path = RESOURCES["VirtualMachine"].path(namespace, "web-1")
    assert (
        report(
            api,
            path,
            "VirtualMachine",
            OPERATOR,
            "quantix-operator",
            {"assignment": {"epoch": 1, "host": "h1"}},
        ).code
        == 200
    )
    before = api.call("GET", path).body["metadata"]["resourceVersion"]
    again = kubectl("apply", "-n", namespace, *flags, "-f", "-", stdin=MANIFEST)
    assert "configured" not in again
    assert again.count("unchanged" if not flags else "serverside-applied") == 2
    assert kubectl("diff", "-n", namespace, *flags, "-f", "-", stdin=MANIFEST) == ""
    assert api.call("GET", path).body["metadata"]["resourceVersion"] == before


def test_waiting_for_ready_does_not_take_what_was_said_of_an_older_generation(
    quantix_server: ControlPlane, api: ApiAs, namespace: str
) -> None:
    path = make(api, "VirtualMachine", namespace, "web-1", VM)

    def say_ready(generation: int) -> None:
        condition = {
            "type": "Ready",
            "status": "True",
            "reason": "Running",
            "message": "It runs on h1.",
            "observedGeneration": generation,
            "lastTransitionTime": "2026-11-23T10:00:00Z",
        }
        answer = decide(api, path, "VirtualMachine", {"conditions": [condition]})
        assert answer.code == 200, answer.message

    def ready(timeout: str) -> bool:
        try:
            said = quantix_server.kubectl(
                "wait", "-n", namespace, "vm/web-1", "--for=condition=Ready", f"--timeout={timeout}"
            )
        except ControlPlaneError as error:
            return "timed out" not in str(error)
        return "condition met" in said

    assert not ready("1s")
    say_ready(1)
    assert ready("5s")
    assert api.merge(path, {"spec": {"gracePeriodSeconds": 5}}).code == 200
    assert not ready("1s")
    say_ready(2)
    assert ready("5s")


def test_unassigned_vms_and_those_of_a_host_can_be_selected(api: ApiAs, namespace: str) -> None:
    for name in ("a", "b"):
        make(api, "VirtualMachine", namespace, name, SIZED)
    path = RESOURCES["VirtualMachine"].path(namespace, "a")
    assert (
        report(
            api,
            path,
            "VirtualMachine",
            OPERATOR,
            "quantix-operator",
            {"assignment": {"epoch": 1, "host": "h9"}},
        ).code
        == 200
    )
    deadline = time.monotonic() + 5
    for selected, expected in (("h9", ["a"]), ("", ["b"])):
        while True:
            listed = api.call(
                "GET",
                RESOURCES["VirtualMachine"].path(namespace)
                + f"?fieldSelector=status.assignment.host={selected}",
            )
            names = [item["metadata"]["name"] for item in listed.body["items"]]
            if names == expected or time.monotonic() > deadline:
                break
        assert names == expected


def test_models_read_what_the_server_filled_in(api: ApiAs, namespace: str) -> None:
    path = make(api, "VirtualMachine", namespace, "web-1", VM)
    stored = api.call("GET", path).body
    model = VirtualMachine.parse(stored)
    assert to_manifest(model)["spec"] == stored["spec"]


def test_the_list_of_volumes_names_the_vm_of_each(
    quantix_server: ControlPlane, api: ApiAs, namespace: str
) -> None:
    path = make(api, "Volume", namespace, "web-1-root", {"size": "1Gi"})
    mark = {"metadata": {"annotations": {"quantix.io/virtual-machine": "web-1"}}}
    assert api.merge(path, mark, user=OPERATOR).code == 200
    assert decide(api, path, "Volume", {"phase": "InUse", "pool": "local", "capacity": "1Gi"}).code == 200
    rows = quantix_server.kubectl("get", "vol", "-n", namespace).splitlines()
    assert rows[0].split() == ["NAME", "STATUS", "READY", "SIZE", "POOL", "VM", "AGE"]
    assert rows[1].split()[:6] == ["web-1-root", "InUse", "Unknown", "1Gi", "local", "web-1"]
